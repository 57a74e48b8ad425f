/**
 * Windows that slide over an image: where they lie, and the zeros around the image. A layer's settings are those of
 * its `get_config()`: Keras's names.
 *
 * @typedef {[number, number]} Pair rows, columns
 * @typedef {{size: Pair, strides: Pair, dilation: Pair, margins: Pair}} Geometry `margins`: rows above, columns left
 */

/**
 * Return how the windows of a convolution or a pooling lie on images (C, H, W).
 * @param {Record<string, any>} config
 * @param {number[]} image
 * @returns {Geometry}
 */
export function geometryOf(config, image) {
  const geometry = sizesOf(config);
  const sides = image.slice(1);
  if (config.padding === "same") {
    geometry.margins = pair((axis) => samePadding(sides[axis], reach(geometry, axis), geometry.strides[axis]));
  }
  return geometry;
}

/**
 * Return how the windows of a transposed convolution lie on its outputs (F, P, Q), for images (C, H, W).
 * @param {Record<string, any>} config
 * @param {number[]} image
 * @param {number[]} output
 * @returns {Geometry}
 */
export function transposedGeometryOf(config, image, output) {
  const geometry = sizesOf(config);
  geometry.margins = pair((axis) => {
    const whole = (image[axis + 1] - 1) * geometry.strides[axis] + reach(geometry, axis);
    return Math.floor(Math.max(0, whole - output[axis + 1]) / 2);
  });
  return geometry;
}

/**
 * @param {Record<string, any>} config
 * @returns {Geometry}
 */
function sizesOf(config) {
  return { size: config.kernel_size ?? config.pool_size, strides: config.strides, dilation: config.dilation_rate ?? [1, 1],
           margins: [0, 0] };
}

/**
 * @param {(axis: number) => number} f
 * @returns {Pair}
 */
function pair(f) {
  return [f(0), f(1)];
}

/**
 * Count the rows that a window spans, dilation included.
 * @param {Geometry} geometry
 * @param {number} axis
 */
function reach(geometry, axis) {
  return geometry.dilation[axis] * (geometry.size[axis] - 1) + 1;
}

/**
 * Count the rows to add before the image for ceil(size / stride) outputs; the odd one goes after.
 * @param {number} size
 * @param {number} span of the window
 * @param {number} stride
 */
function samePadding(size, span, stride) {
  return Math.floor(Math.max(0, (Math.ceil(size / stride) - 1) * stride + span - size) / 2);
}

/**
 * Return the first output whose window has its place `i` inside the image, along an axis.
 * @param {number} offset dilation * i - margin
 * @param {number} stride
 */
export function firstInside(offset, stride) {
  return Math.max(0, Math.ceil(-offset / stride));
}

/**
 * Return the output after the last one whose window has its place `i` inside the image.
 * @param {number} offset dilation * i - margin
 * @param {number} stride
 * @param {number} size of the image
 * @param {number} outputs along this axis
 */
export function endInside(offset, stride, size, outputs) {
  return Math.min(outputs, Math.floor((size - 1 - offset) / stride) + 1);
}
