/**
 * Dense and the convolutions: weighted sums of the input, and a bias.
 *
 * What every kind of layer offers: `forward`, `backward` and, if it has parameters, `gradients`. `layer` has its
 * settings and arrays; x, y, dy and what is returned are tensors of one sample.
 *
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {object} Layer
 * @property {string} name of the step
 * @property {string} kind the class's name
 * @property {Record<string, any>} config
 * @property {number[]} inputShape
 * @property {number[]} outputShape
 * @property {Record<string, Tensor>} params
 * @property {Record<string, Tensor>} state
 * @property {Record<string, string>} paramNames inside a Residual: its names of the layer's params
 * @property {Layer[]} inner of a Residual: the steps that are added to the input
 *
 * @typedef {object} Kind
 * @property {(layer: Layer, x: Tensor) => Tensor} forward
 * @property {(layer: Layer, x: Tensor, dy: Tensor, y: Tensor) => Tensor} backward
 * @property {(layer: Layer, x: Tensor, dy: Tensor) => Record<string, Tensor>} [gradients]
 */

import { convolve, inputGradient, kernelGradient } from "./convolution.js";
import { rounded, sizeOf, zeros } from "./tensor.js";
import { geometryOf, transposedGeometryOf } from "./windows.js";

/** @type {Kind} y[u] = bias[u] + sum_i x[i] kernel[i, u], along the last axis */
export const dense = {
  forward({ params, outputShape }, x) {
    const [inputs, units] = params.kernel.shape, weights = params.kernel.data;
    const sums = new Float64Array(sizeOf(outputShape));
    for (let row = 0; row * units < sums.length; row++) {
      for (let u = 0; u < units; u++) sums[row * units + u] = params.bias ? params.bias.data[u] : 0;
      for (let i = 0; i < inputs; i++) {
        const input = x.data[row * inputs + i];
        for (let u = 0; u < units; u++) sums[row * units + u] += input * weights[i * units + u];
      }
    }
    return rounded(sums, outputShape, x);
  },
  backward({ params }, x, dy) {
    const [inputs, units] = params.kernel.shape, weights = params.kernel.data;
    const dx = zeros(x.shape, x);
    for (let k = 0; k < dx.data.length; k++) {
      const i = k % inputs, row = (k - i) / inputs;
      let sum = 0;
      for (let u = 0; u < units; u++) sum += dy.data[row * units + u] * weights[i * units + u];
      dx.data[k] = sum;
    }
    return dx;
  },
  gradients({ params }, x, dy) {
    const [inputs, units] = params.kernel.shape;
    const kernel = new Float64Array(inputs * units), bias = new Float64Array(units);
    for (let k = 0; k < dy.data.length; k++) {
      const u = k % units, row = (k - u) / units;
      bias[u] += dy.data[k];
      for (let i = 0; i < inputs; i++) kernel[i * units + u] += x.data[row * inputs + i] * dy.data[k];
    }
    return withBias(params, { kernel: rounded(kernel, params.kernel.shape, x) }, rounded(bias, [units], x));
  },
};

/** @type {Kind} */
export const conv2d = {
  forward({ config, params, outputShape }, x) {
    return addBias(convolve(x, params.kernel, outputShape, geometryOf(config, x.shape)), params.bias);
  },
  backward({ config, params }, x, dy) {
    return inputGradient(dy, params.kernel, x.shape, geometryOf(config, x.shape));
  },
  gradients({ config, params }, x, dy) {
    const kernel = kernelGradient(x, dy, params.kernel.shape, geometryOf(config, x.shape));
    return withBias(params, { kernel }, channelSums(dy));
  },
};

/** @type {Kind} a convolution with as many groups as channels */
export const depthwiseConv2d = {
  forward({ config, params, outputShape }, x) {
    return addBias(convolve(x, grouped(params.kernel), outputShape, geometryOf(config, x.shape)), params.bias);
  },
  backward({ config, params }, x, dy) {
    return inputGradient(dy, grouped(params.kernel), x.shape, geometryOf(config, x.shape));
  },
  gradients({ config, params }, x, dy) {
    return withBias(params, { kernel: depthwiseKernelGradient(params.kernel, x, dy, config) }, channelSums(dy));
  },
};

/** @type {Kind} a depthwise convolution without a bias, then one of windows of 1x1 */
export const separableConv2d = {
  forward(layer, x) {
    const { params, outputShape } = layer;
    return addBias(convolve(depthwiseOutput(layer, x), params.pointwise_kernel, outputShape, ONE), params.bias);
  },
  backward({ config, params }, x, dy) {
    return inputGradient(depthwiseUpstream(params, dy), grouped(params.depthwise_kernel), x.shape,
      geometryOf(config, x.shape));
  },
  gradients(layer, x, dy) {
    const { config, params } = layer;
    const depthwise = depthwiseKernelGradient(params.depthwise_kernel, x, depthwiseUpstream(params, dy), config);
    const pointwise = kernelGradient(depthwiseOutput(layer, x), dy, params.pointwise_kernel.shape, ONE);
    return withBias(params, { depthwise_kernel: depthwise, pointwise_kernel: pointwise }, channelSums(dy));
  },
};

/** @type {Kind} what a convolution does to gradients, done to images: each of its three sums in another one's place */
export const conv2dTranspose = {
  forward({ config, params, outputShape }, x) {
    const geometry = transposedGeometryOf(config, x.shape, outputShape);
    return addBias(inputGradient(x, params.kernel, outputShape, geometry), params.bias);
  },
  backward({ config, params }, x, dy) {
    return convolve(dy, params.kernel, x.shape, transposedGeometryOf(config, x.shape, dy.shape));
  },
  gradients({ config, params }, x, dy) {
    const kernel = kernelGradient(dy, x, params.kernel.shape, transposedGeometryOf(config, x.shape, dy.shape));
    return withBias(params, { kernel }, channelSums(dy));
  },
};

/** @type {import("./windows.js").Geometry} */
const ONE = { size: [1, 1], strides: [1, 1], dilation: [1, 1], margins: [0, 0] };

/**
 * Return the depthwise kernel (M, C, kh, kw) as one of groups: (C M, 1, kh, kw).
 * @param {Tensor} kernel
 */
export function grouped(kernel) {
  const [M, C, kh, kw] = kernel.shape;
  const result = zeros([C * M, 1, kh, kw], kernel);
  eachGroup(kernel.shape, (from, to) => {
    for (let k = 0; k < kh * kw; k++) result.data[to + k] = kernel.data[from + k];
  });
  return result;
}

/**
 * @param {Tensor} kernel (M, C, kh, kw)
 * @param {Tensor} x
 * @param {Tensor} dy
 * @param {Record<string, any>} config
 */
function depthwiseKernelGradient(kernel, x, dy, config) {
  const [M, C, kh, kw] = kernel.shape;
  const ofGroups = kernelGradient(x, dy, [C * M, 1, kh, kw], geometryOf(config, x.shape));
  const result = zeros(kernel.shape, x);
  eachGroup(kernel.shape, (to, from) => {
    for (let k = 0; k < kh * kw; k++) result.data[to + k] = ofGroups.data[from + k];
  });
  return result;
}

/**
 * Visit the windows (m, c) of a depthwise kernel: where each begins in it, and where in the kernel of groups.
 * @param {number[]} shape
 * @param {(depthwise: number, ofGroups: number) => void} visit
 */
function eachGroup([M, C, kh, kw], visit) {
  for (let m = 0; m < M; m++) {
    for (let c = 0; c < C; c++) visit((m * C + c) * kh * kw, (c * M + m) * kh * kw);
  }
}

/**
 * Return what is between the two convolutions of a separable one: (C M, P, Q).
 * @param {Layer} layer
 * @param {Tensor} x
 */
export function depthwiseOutput({ config, params, outputShape: [, P, Q] }, x) {
  const channels = params.pointwise_kernel.shape[1];
  return convolve(x, grouped(params.depthwise_kernel), [channels, P, Q], geometryOf(config, x.shape));
}

/**
 * Return the gradient of what is between the two.
 * @param {Record<string, Tensor>} params
 * @param {Tensor} dy
 */
export function depthwiseUpstream(params, dy) {
  const [, P, Q] = dy.shape;
  return inputGradient(dy, params.pointwise_kernel, [params.pointwise_kernel.shape[1], P, Q], ONE);
}

/**
 * Add the bias of each channel to images, in place: they were just made.
 * @param {Tensor} y (F, P, Q)
 * @param {Tensor | undefined} bias (F,)
 */
function addBias(y, bias) {
  const area = y.shape[1] * y.shape[2];
  for (let k = 0; bias && k < y.data.length; k++) y.data[k] += bias.data[Math.floor(k / area)];
  return y;
}

/**
 * Sum over each channel: the gradient of the bias.
 * @param {Tensor} dy (F, P, Q)
 */
function channelSums(dy) {
  const [F, P, Q] = dy.shape;
  const sums = new Float64Array(F);
  for (let k = 0; k < dy.data.length; k++) sums[Math.floor(k / (P * Q))] += dy.data[k];
  return rounded(sums, [F], dy);
}

/**
 * @param {Record<string, Tensor>} params
 * @param {Record<string, Tensor>} kernels
 * @param {Tensor} bias
 * @returns {Record<string, Tensor>}
 */
function withBias(params, kernels, bias) {
  return params.bias ? { ...kernels, bias } : kernels;
}
