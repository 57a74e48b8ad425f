/**
 * Explains layers without parameters in which each output is made of shares of inputs: pooling, upsampling, and those
 * that only put numbers elsewhere.
 *
 * @typedef {import("./weighted.js").Layer} Layer
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./explanation.js").Explainer} Explainer
 *
 * An output, an input that it is made of, and the share that this has in it: places in row-major order.
 * @typedef {{output: number, input: number, share: number}} Share
 */

import { computed, inputGradient, inputs, output, read, sumOfProducts, upstreams } from "./explanation.js";
import { count, eachWindow, winner } from "./pooling.js";
import { eachTaken, unchanged } from "./rearranging.js";
import { flat, indexOf } from "./tensor.js";

/**
 * @param {string} form
 * @param {string} sums what an output is made of
 * @param {string} spreads where an input went
 * @param {(layer: Layer, x: Tensor, visit: (output: number, input: number, share: number) => void) => void} each
 * @returns {Explainer}
 */
function sharing(form, sums, spreads, each) {
  return {
    forward(step, at) {
      const shares = found((visit) => each(step.layer, step.x, visit), (share) => share.output === flat(at, step.y.shape));
      return sumOfProducts({ of: output(step, at), how: sums, form, value: read(step.y, at),
        left: inputs(step, shares.map(({ input }) => indexOf(input, step.x.shape))),
        right: computed("share", shares.map(({ share }) => share)) });
    },
    backward(step, at) {
      const shares = found((visit) => each(step.layer, step.x, visit), (share) => share.input === flat(at, step.x.shape));
      return sumOfProducts({ of: inputGradient(step, at), how: spreads, form, value: read(step.dx, at),
        left: upstreams(step, shares.map((share) => indexOf(share.output, step.y.shape))),
        right: computed("share", shares.map(({ share }) => share)) });
    },
  };
}

/**
 * @param {(visit: (output: number, input: number, share: number) => void) => void} each
 * @param {(share: Share) => boolean} wanted
 * @returns {Share[]}
 */
function found(each, wanted) {
  /** @type {Share[]} */
  const all = [];
  const share = { output: 0, input: 0, share: 0 };
  each((output, input, part) => {
    Object.assign(share, { output, input, share: part });
    if (wanted(share)) all.push({ ...share });
  });
  return all;
}

/**
 * Visit the pixels of all windows, each with its share in the window's output.
 * @param {(window: import("./pooling.js").Window, x: Tensor) => (place: number) => number} shares
 * @returns {(layer: Layer, x: Tensor, visit: (output: number, input: number, share: number) => void) => void}
 */
function pooling(shares) {
  return (layer, x, visit) => eachWindow(layer, (window, output) => {
    const { start, width, top, bottom, left, right } = window, share = shares(window, x);
    for (let row = top; row < bottom; row++) {
      for (let k = start + row * width + left; k < start + row * width + right; k++) visit(output, k, share(k));
    }
  });
}

const spreads = "Every window over the pixel: its gradient, times the share that the pixel had in it.";
const maximum = sharing("maximum", "The largest number under the window; where several are equal, the first counts.", spreads,
  pooling((window, x) => {
    const first = winner(window, x.data);
    return (place) => (place === first ? 1 : 0);
  }));
const mean = sharing("mean", "The mean of the numbers under the window: each counts the same.", spreads,
  pooling((window) => () => 1 / count(window)));

const elsewhere = sharing("copy", "The numbers that it is taken from, each with its share; 0 where there are none.",
  "Every output that was taken from it: its gradient, times its share.", (layer, _x, visit) => eachTaken(layer, visit));
const same = sharing("copy", "The same number as in the input: nothing is computed.",
  "The gradient of the output that it became.", (_layer, x, visit) => x.data.forEach((_, k) => visit(k, k, 1)));

/** @type {Record<string, Explainer>} */
export const shared = {
  MaxPool2D: maximum, GlobalMaxPool2D: maximum, AveragePool2D: mean, GlobalAvgPool2D: mean,
  ZeroPadding2D: elsewhere, UpSampling2D: elsewhere, RandomCrop: elsewhere,
  ...Object.fromEntries(unchanged.map((name) => [name, same])),
};
