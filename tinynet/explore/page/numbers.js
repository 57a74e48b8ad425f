// How a number is written on the page, and how a test finds it there.

import { h, write } from "./dom.js";

/**
 * Four digits that count, with the sign that type has for minus.
 * @param {number | null | undefined} value
 * @returns {string}
 */
export function format(value) {
  if (value === null || value === undefined) return "";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = Number.isInteger(value) && size < 1e5 ? String(size)
    : size >= 1e-4 && size < 1e5 ? size.toPrecision(4) : size.toExponential(2);
  return (value < 0 ? "−" : "") + text;
}

/**
 * An element that shows a number: rounded to the eye, whole in `data-value`, under a name in `data-number`.
 * @param {string} name
 * @param {number | null} value
 * @returns {HTMLElement}
 */
export function number(name, value) {
  const element = h("span", { class: "number", "data-number": name });
  show(element, value);
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {number | null} value
 */
export function show(element, value) {
  element.dataset.value = String(value);
  write(element, format(value));
}

/**
 * The largest size among some of the numbers; 0 where there are none, or none that is finite.
 * @param {ArrayLike<number>} numbers
 * @param {number} [from]
 * @param {number} [to]
 */
export function largest(numbers, from = 0, to = numbers.length) {
  let most = 0;
  for (let i = from; i < to; i++) {
    const size = Math.abs(numbers[i]);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

/**
 * The place of the largest number.
 * @param {ArrayLike<number>} numbers
 * @param {number} [from]
 * @param {number} [to]
 */
export function argmax(numbers, from = 0, to = numbers.length) {
  let best = from;
  for (let i = from; i < to; i++) if (numbers[i] > numbers[best]) best = i;
  return best;
}
