/**
 * The layers that can be computed here, by the names of their classes; and a residual block, which has layers inside.
 *
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./weighted.js").Kind} Kind
 * @typedef {import("./weighted.js").Layer} Layer
 */

import { curves, elementwise, softmax } from "./activations.js";
import { batchNormalization, layerNormalization, prelu, rescaling } from "./normalization.js";
import { averagePool2d, maxPool2d } from "./pooling.js";
import { reshape, taken, unchanged } from "./rearranging.js";
import { last, mapped } from "./tensor.js";
import { conv2d, conv2dTranspose, dense, depthwiseConv2d, separableConv2d } from "./weighted.js";

/** @type {Kind} y = x + f(x) */
const residual = {
  forward(layer, x) {
    const f = last(valuesInside(layer, x));
    return mapped(x, (number, k) => number + f.data[k]);
  },
  backward(layer, x, dy) {
    const df = gradientsInside(layer, valuesInside(layer, x), dy)[0];
    return mapped(dy, (upstream, k) => upstream + df.data[k]);
  },
  gradients(layer, x, dy) {
    const values = valuesInside(layer, x), upstream = gradientsInside(layer, values, dy);
    const all = layer.inner.map((inner, i) => Object.entries(
      kinds[inner.kind].gradients?.(inner, values[i], upstream[i + 1]) ?? {}));
    return Object.fromEntries(layer.inner.flatMap((inner, i) => all[i].map(
      ([name, gradient]) => [inner.paramNames[name], gradient])));
  },
};

/** @type {Record<string, Kind>} */
export const kinds = {
  Dense: dense, Conv2D: conv2d, DepthwiseConv2D: depthwiseConv2d, SeparableConv2D: separableConv2d,
  Conv2DTranspose: conv2dTranspose, MaxPool2D: maxPool2d, AveragePool2D: averagePool2d, GlobalMaxPool2D: maxPool2d,
  GlobalAvgPool2D: averagePool2d, BatchNormalization: batchNormalization, LayerNormalization: layerNormalization,
  Rescaling: rescaling, PReLU: prelu, Softmax: softmax, ZeroPadding2D: taken, UpSampling2D: taken, RandomCrop: taken,
  Residual: residual,
  ...Object.fromEntries(Object.keys(curves).map((name) => [name, elementwise])),
  ...Object.fromEntries(unchanged.map((name) => [name, reshape])),
};

/**
 * Run the layers of a residual block: the block's input, then what each of its steps returns.
 * @param {Layer} layer
 * @param {Tensor} x
 * @returns {Tensor[]}
 */
export function valuesInside({ inner }, x) {
  const values = [x];
  for (const step of inner) values.push(kinds[step.kind].forward(step, last(values)));
  return values;
}

/**
 * Run them back: the gradient of each of `values`, for the block's upstream gradient.
 * @param {Layer} layer
 * @param {Tensor[]} values
 * @param {Tensor} dy
 * @returns {Tensor[]}
 */
export function gradientsInside({ inner }, values, dy) {
  const gradients = [dy];
  for (let i = inner.length - 1; i >= 0; i--) {
    gradients.unshift(kinds[inner[i].kind].backward(inner[i], values[i], gradients[0], values[i + 1]));
  }
  return gradients;
}
