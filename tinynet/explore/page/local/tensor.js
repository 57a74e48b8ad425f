/**
 * Arrays as the engine has them: numbers in row-major order, and their shape. Here there is one sample at a time, so
 * that no shape has a batch axis.
 *
 * @typedef {Float32Array | Float64Array} Numbers
 * @typedef {{data: Numbers, shape: number[]}} Tensor
 */

/**
 * Count the numbers of an array of some shape.
 * @param {number[]} shape
 * @returns {number}
 */
export function sizeOf(shape) {
  return shape.reduce((size, side) => size * side, 1);
}

/**
 * Make an array of zeros, of the dtype of another: float64 stays float64.
 * @param {number[]} shape
 * @param {Tensor} like
 * @returns {Tensor}
 */
export function zeros(shape, like) {
  const size = sizeOf(shape);
  return { data: like.data instanceof Float64Array ? new Float64Array(size) : new Float32Array(size), shape };
}

/**
 * Give sums, which are made in float64, the dtype of an array that they come from.
 * @param {Float64Array} sums
 * @param {number[]} shape
 * @param {Tensor} like
 * @returns {Tensor}
 */
export function rounded(sums, shape, like) {
  const result = zeros(shape, like);
  result.data.set(sums);
  return result;
}

/**
 * Give the same numbers another shape.
 * @param {Tensor} x
 * @param {number[]} shape
 * @returns {Tensor}
 */
export function reshaped(x, shape) {
  return { data: x.data, shape };
}

/**
 * Compute each number of a new array from the number of `x` at the same place.
 * @param {Tensor} x
 * @param {(number: number, index: number) => number} f
 * @returns {Tensor}
 */
export function mapped(x, f) {
  const y = zeros(x.shape, x);
  for (let k = 0; k < y.data.length; k++) y.data[k] = f(x.data[k], k);
  return y;
}

/**
 * Return the place in row-major order of an index.
 * @param {ArrayLike<number>} index
 * @param {number[]} shape
 * @returns {number}
 */
export function flat(index, shape) {
  let place = 0;
  for (let axis = 0; axis < shape.length; axis++) place = place * shape[axis] + index[axis];
  return place;
}

/**
 * Return the index of a place in row-major order.
 * @param {number} place
 * @param {number[]} shape
 * @returns {number[]}
 */
export function indexOf(place, shape) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = place % shape[axis];
    place = Math.floor(place / shape[axis]);
  }
  return index;
}

/**
 * Say for each place of an array which place of a smaller one goes with it, as NumPy broadcasts: an axis of size 1
 * is repeated, and axes that are missing at the end count as such.
 * @param {number[]} shape of the array
 * @param {number[]} small shape of the smaller one
 * @returns {Int32Array}
 */
export function broadcast(shape, small) {
  const places = new Int32Array(sizeOf(shape));
  for (let k = 0; k < places.length; k++) {
    const index = indexOf(k, shape);
    places[k] = flat(small.map((side, axis) => (side === 1 ? 0 : index[axis])), small);
  }
  return places;
}

/**
 * Return the axes of a layer, which count the batch axis as 0, as those of one sample.
 * @param {number[]} shape of the sample
 * @param {number | number[]} axis
 * @returns {number[]}
 */
export function axesOfSample(shape, axis) {
  return [axis].flat().map((each) => (each < 0 ? each + shape.length : each - 1));
}

/**
 * Say for each place of a sample which group it is of: those that differ along a layer's axes alone are one.
 * @param {number[]} shape of the sample
 * @param {number | number[]} axis as the layer has it
 * @returns {Int32Array}
 */
export function groupsAlong(shape, axis) {
  const axes = axesOfSample(shape, axis);
  return broadcast(shape, shape.map((side, own) => (axes.includes(own) ? 1 : side)));
}

/**
 * Return the last of a list.
 * @template T
 * @param {T[]} list
 * @returns {T}
 */
export function last(list) {
  return list[list.length - 1];
}
