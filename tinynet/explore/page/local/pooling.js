/**
 * Pooling: the largest number of each window, or the mean. Windows are cut off at the edge of the image.
 *
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./tensor.js").Numbers} Numbers
 * @typedef {import("./weighted.js").Kind} Kind
 * @typedef {import("./weighted.js").Layer} Layer
 */

import { zeros } from "./tensor.js";
import { geometryOf } from "./windows.js";

/** @type {Kind} */
export const maxPool2d = {
  forward(layer, x) {
    const y = zeros(layer.outputShape, x);
    eachWindow(layer, (window, output) => { y.data[output] = x.data[winner(window, x.data)]; });
    return y;
  },
  backward(layer, x, dy) {
    const dx = zeros(x.shape, x);
    eachWindow(layer, (window, output) => { dx.data[winner(window, x.data)] += dy.data[output]; });
    return dx;
  },
};

/** @type {Kind} */
export const averagePool2d = {
  forward(layer, x) {
    const y = zeros(layer.outputShape, x);
    eachWindow(layer, (window, output) => { y.data[output] = sum(window, x.data) / count(window); });
    return y;
  },
  backward(layer, x, dy) {
    const dx = zeros(x.shape, x);
    eachWindow(layer, (window, output) => { addEverywhere(window, dx.data, dy.data[output] / count(window)); });
    return dx;
  },
};

/**
 * The part of a window that lies on the image: rows and columns from the first to before the end, of the channel that
 * begins at `start` and has rows of `width` pixels.
 * @typedef {{start: number, width: number, top: number, bottom: number, left: number, right: number}} Window
 */

/**
 * Visit the windows of all outputs, in order. It is one object, moved on.
 * @param {Layer} layer
 * @param {(window: Window, output: number) => void} visit
 */
export function eachWindow({ kind, config, inputShape, outputShape }, visit) {
  const [C, H, W] = inputShape;
  const window = { start: 0, width: W, top: 0, bottom: H, left: 0, right: W };
  const whole = kind.startsWith("Global");
  const { size, strides, margins } = geometryOf(whole ? { pool_size: [H, W], strides: [H, W] } : config, inputShape);
  const [P, Q] = whole ? [1, 1] : outputShape.slice(1);
  for (let output = 0; output < C * P * Q; output++) {
    const q = output % Q, p = ((output - q) / Q) % P;
    window.start = Math.floor(output / (P * Q)) * H * W;
    window.top = Math.max(0, p * strides[0] - margins[0]);
    window.bottom = Math.min(H, p * strides[0] - margins[0] + size[0]);
    window.left = Math.max(0, q * strides[1] - margins[1]);
    window.right = Math.min(W, q * strides[1] - margins[1] + size[1]);
    visit(window, output);
  }
}

/**
 * Count the pixels of a window.
 * @param {Window} window
 * @returns {number}
 */
export function count({ top, bottom, left, right }) {
  return (bottom - top) * (right - left);
}

/**
 * Return the place of the largest number, the first of equals; a NaN is not lost.
 * @param {Window} window
 * @param {Numbers} x
 * @returns {number}
 */
export function winner({ start, width, top, bottom, left, right }, x) {
  let best = start + top * width + left;
  for (let row = top; row < bottom; row++) {
    for (let place = start + row * width + left; place < start + row * width + right; place++) {
      if (x[place] > x[best] || (Number.isNaN(x[place]) && !Number.isNaN(x[best]))) best = place;
    }
  }
  return best;
}

/**
 * @param {Window} window
 * @param {Numbers} x
 */
function sum({ start, width, top, bottom, left, right }, x) {
  let total = 0;
  for (let row = top; row < bottom; row++) {
    for (let place = start + row * width + left; place < start + row * width + right; place++) total += x[place];
  }
  return total;
}

/**
 * @param {Window} window
 * @param {Numbers} dx
 * @param {number} share
 */
function addEverywhere({ start, width, top, bottom, left, right }, dx, share) {
  for (let row = top; row < bottom; row++) {
    for (let place = start + row * width + left; place < start + row * width + right; place++) dx[place] += share;
  }
}
