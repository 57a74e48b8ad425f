// Marks on a map: the chosen number, and the part that terms come from, as shares of the map.

import { onMap } from "./shapes.js";

/** @typedef {{left: number, top: number, width: number, height: number}} Part     in numbers of the map */
/** @typedef {Part & {first: number, last: number}} Parts      the same part of several maps */

/**
 * Say where the mark of an element is: `--x`, `--y`, `--w`, `--h`, or with a prefix before the letter.
 * @param {HTMLElement} element
 * @param {Part} part
 * @param {{height: number, width: number}} map
 * @param {string} [prefix]
 */
export function place(element, { left, top, width, height }, map, prefix = "") {
  const { style } = element;
  style.setProperty(`--${prefix}x`, `${100 * left / map.width}%`);
  style.setProperty(`--${prefix}y`, `${100 * top / map.height}%`);
  style.setProperty(`--${prefix}w`, `${100 * width / map.width}%`);
  style.setProperty(`--${prefix}h`, `${100 * height / map.height}%`);
}

/**
 * The smallest part of the maps that has all places of some terms.
 * @param {import("./engine.js").Tensor} at      (T, k)
 * @param {number[]} shape                       of the array in which they stand
 * @param {import("./shapes.js").Layout} maps
 * @returns {Parts | null}
 */
export function around(at, shape, maps) {
  const [count, axes] = at.shape;
  if (!count || axes !== shape.length) return null;
  let [top, left, bottom, right, first, last] = [Infinity, Infinity, -1, -1, Infinity, -1];
  for (let t = 0; t < count; t++) {
    const { map, row, column } = onMap(Array.from(at.data.subarray(t * axes, (t + 1) * axes)), shape, maps);
    [top, left, first] = [Math.min(top, row), Math.min(left, column), Math.min(first, map)];
    [bottom, right, last] = [Math.max(bottom, row), Math.max(right, column), Math.max(last, map)];
  }
  return { top, left, height: bottom - top + 1, width: right - left + 1, first, last };
}
