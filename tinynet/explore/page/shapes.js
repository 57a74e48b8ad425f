// How an array is laid out as maps, and the way between a place on a map and a place in the array.

/**
 * @typedef {object} Layout
 * @property {number} count    maps
 * @property {number} height
 * @property {number} width
 * @property {boolean} bars    one vector, drawn as bars
 * @property {boolean} [strip] one vector too long for bars, in lines
 */

const UNCHANGED = ["Flatten", "Reshape", "Rescaling", "Dropout"];
const MOST_BARS = 600;
const LONG_LINES = 12;          // a line is so much longer than there are lines

/**
 * @param {number[]} shape
 * @param {boolean} picture    a vector that is a square picture, as a flattened digit is
 * @returns {Layout}
 */
export function layout(shape, picture = false) {
  const size = shape.reduce((a, b) => a * b, 1);
  if (shape.length >= 2) {
    const [height, width] = shape.slice(-2);
    return { count: size / (height * width || 1), height, width, bars: false };
  }
  const side = Math.sqrt(size);
  if (picture && Number.isInteger(side)) return { count: 1, height: side, width: side, bars: false };
  if (size <= MOST_BARS) return { count: 1, height: 1, width: size, bars: true };
  const width = Math.ceil(Math.sqrt(size * LONG_LINES));
  return { count: 1, height: Math.ceil(size / width), width, bars: false, strip: true };
}

/**
 * Whether what a step is given is the input, as a vector: each of its weights then belongs to a pixel.
 * @param {import("./engine.js").Description} model
 * @param {number} index   of the step
 */
export function seesPicture(model, index) {
  return model.digits && model.steps[index]?.inputShape.length === 1
    && model.steps.slice(0, index).every(({ kind }) => UNCHANGED.includes(kind));
}

/**
 * @param {number[]} at
 * @param {number[]} shape
 */
export const flat = (at, shape) => at.reduce((sum, i, axis) => sum * shape[axis] + i, 0);

/**
 * @param {number} index
 * @param {number[]} shape
 * @returns {number[]}
 */
export function unflat(index, shape) {
  const at = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at[axis] = index % shape[axis];
    index = Math.floor(index / shape[axis]);
  }
  return at;
}

/**
 * The map, row and column at which a place of the array is drawn.
 * @param {number[]} at
 * @param {number[]} shape
 * @param {Layout} maps
 */
export function onMap(at, shape, { height, width }) {
  const index = flat(at, shape);
  return { map: Math.floor(index / (height * width)), row: Math.floor(index / width) % height, column: index % width };
}

/**
 * The place of the array that is drawn there, or null beyond its end.
 * @param {{map: number, row: number, column: number}} point
 * @param {number[]} shape
 * @param {Layout} maps
 */
export function fromMap({ map, row, column }, shape, { height, width }) {
  const index = (map * height + row) * width + column;
  const size = shape.reduce((a, b) => a * b, 1);
  return index >= 0 && index < size ? unflat(index, shape) : null;
}

/**
 * The place under a pointer on an element that shows one map.
 * @param {Element} element
 * @param {PointerEvent | MouseEvent} event
 * @param {number} map
 * @param {number[]} shape
 * @param {Layout} maps
 */
export function pointed(element, event, map, shape, maps) {
  const box = element.getBoundingClientRect();
  const inside = (/** @type {number} */ share, /** @type {number} */ count) =>
    Math.max(0, Math.min(count - 1, Math.floor(share * count)));
  const row = inside((event.clientY - box.top) / box.height, maps.height);
  const column = inside((event.clientX - box.left) / box.width, maps.width);
  return fromMap({ map, row, column }, shape, maps);
}

/**
 * A weight to begin with: the middle one of the first filter.
 * @param {number[]} shape
 */
export function middle(shape) {
  return shape.map((size, axis) => (shape.length > 2 && axis >= shape.length - 2 ? Math.floor(size / 2) : 0));
}

/**
 * @param {number[]} shape
 */
export const shapeText = shape => shape.join(" × ");
