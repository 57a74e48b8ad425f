/**
 * Convolution of one image, and its two gradients: three sums over the same products.
 *
 * Output (f, p, q) meets pixel (c, h, w) at place (i, j) of its window, where h = s p + d i - top, and the same for the
 * columns; `kernel` is (F, C / groups, kh, kw). The sums are kept in float64, and rounded once.
 *
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./windows.js").Geometry} Geometry
 */

import { rounded, sizeOf } from "./tensor.js";
import { endInside, firstInside } from "./windows.js";

/**
 * y[f, p, q] = sum_cij kernel[f, c, i, j] x[c, h, w]
 * @param {Tensor} x (C, H, W)
 * @param {Tensor} kernel
 * @param {number[]} outputShape (F, P, Q)
 * @param {Geometry} geometry
 * @returns {Tensor}
 */
export function convolve(x, kernel, outputShape, geometry) {
  const [F, , kh, kw] = kernel.shape;
  const sums = new Float64Array(sizeOf(outputShape));
  const channels = kernel.shape[1];
  const filtersInGroup = F / (x.shape[0] / channels);
  for (let f = 0; f < F; f++) {
    const first = Math.floor(f / filtersInGroup) * channels;              // of the channels of its group
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < kh; i++) {
        for (let j = 0; j < kw; j++) {
          const weight = kernel.data[((f * channels + c) * kh + i) * kw + j];
          addTap(sums, outputShape, f, weight, x, first + c, geometry, i, j);
        }
      }
    }
  }
  return rounded(sums, outputShape, x);
}

/**
 * Add weight * x[c, h, w] to all outputs of filter f that meet a pixel at place (i, j) of their window.
 * @param {Float64Array} sums
 * @param {number[]} outputShape
 * @param {number} f
 * @param {number} weight
 * @param {Tensor} x
 * @param {number} c
 * @param {Geometry} geometry
 * @param {number} i
 * @param {number} j
 */
function addTap(sums, [, P, Q], f, weight, x, c, { strides: [s, t], dilation, margins }, i, j) {
  const [, H, W] = x.shape;
  const pixels = x.data;
  const down = dilation[0] * i - margins[0], right = dilation[1] * j - margins[1];
  const endRow = endInside(down, s, H, P), firstColumn = firstInside(right, t), endColumn = endInside(right, t, W, Q);
  for (let p = firstInside(down, s); p < endRow; p++) {
    const row = (c * H + s * p + down) * W + right, output = (f * P + p) * Q;
    for (let q = firstColumn; q < endColumn; q++) sums[output + q] += weight * pixels[row + t * q];
  }
}

/**
 * dx[c, h, w] = the sum over all windows over the pixel of dy[f, p, q] kernel[f, c, i, j]
 * @param {Tensor} dy (F, P, Q)
 * @param {Tensor} kernel
 * @param {number[]} inputShape (C, H, W)
 * @param {Geometry} geometry
 * @returns {Tensor}
 */
export function inputGradient(dy, kernel, inputShape, geometry) {
  const [F, channels, kh, kw] = kernel.shape;
  const sums = new Float64Array(sizeOf(inputShape));
  const filtersInGroup = F / (inputShape[0] / channels);
  for (let f = 0; f < F; f++) {
    const first = Math.floor(f / filtersInGroup) * channels;
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < kh; i++) {
        for (let j = 0; j < kw; j++) {
          const weight = kernel.data[((f * channels + c) * kh + i) * kw + j];
          returnTap(sums, inputShape, first + c, weight, dy, f, geometry, i, j);
        }
      }
    }
  }
  return rounded(sums, inputShape, dy);
}

/**
 * Add weight * dy[f, p, q] to all pixels of channel c that lie at place (i, j) of a window.
 * @param {Float64Array} sums
 * @param {number[]} inputShape
 * @param {number} c
 * @param {number} weight
 * @param {Tensor} dy
 * @param {number} f
 * @param {Geometry} geometry
 * @param {number} i
 * @param {number} j
 */
function returnTap(sums, [, H, W], c, weight, dy, f, { strides: [s, t], dilation, margins }, i, j) {
  const [, P, Q] = dy.shape;
  const upstream = dy.data;
  const down = dilation[0] * i - margins[0], right = dilation[1] * j - margins[1];
  const endRow = endInside(down, s, H, P), firstColumn = firstInside(right, t), endColumn = endInside(right, t, W, Q);
  for (let p = firstInside(down, s); p < endRow; p++) {
    const row = (c * H + s * p + down) * W + right, output = (f * P + p) * Q;
    for (let q = firstColumn; q < endColumn; q++) sums[row + t * q] += weight * upstream[output + q];
  }
}

/**
 * dkernel[f, c, i, j] = sum_pq dy[f, p, q] x[c, h, w]
 * @param {Tensor} x (C, H, W)
 * @param {Tensor} dy (F, P, Q)
 * @param {number[]} kernelShape
 * @param {Geometry} geometry
 * @returns {Tensor}
 */
export function kernelGradient(x, dy, kernelShape, geometry) {
  const [F, channels, kh, kw] = kernelShape;
  const sums = new Float64Array(sizeOf(kernelShape));
  const filtersInGroup = F / (x.shape[0] / channels);
  for (let f = 0; f < F; f++) {
    const first = Math.floor(f / filtersInGroup) * channels;
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < kh; i++) {
        for (let j = 0; j < kw; j++) {
          sums[((f * channels + c) * kh + i) * kw + j] = sumOfTap(x, first + c, dy, f, geometry, i, j);
        }
      }
    }
  }
  return rounded(sums, kernelShape, x);
}

/**
 * Sum dy[f, p, q] * x[c, h, w] over all pixels that lie at place (i, j) of a window.
 * @param {Tensor} x
 * @param {number} c
 * @param {Tensor} dy
 * @param {number} f
 * @param {Geometry} geometry
 * @param {number} i
 * @param {number} j
 */
function sumOfTap(x, c, dy, f, { strides: [s, t], dilation, margins }, i, j) {
  const [, H, W] = x.shape, [, P, Q] = dy.shape;
  const pixels = x.data, upstream = dy.data;
  const down = dilation[0] * i - margins[0], right = dilation[1] * j - margins[1];
  const endRow = endInside(down, s, H, P), firstColumn = firstInside(right, t), endColumn = endInside(right, t, W, Q);
  let sum = 0;
  for (let p = firstInside(down, s); p < endRow; p++) {
    const row = (c * H + s * p + down) * W + right, output = (f * P + p) * Q;
    for (let q = firstColumn; q < endColumn; q++) sum += upstream[output + q] * pixels[row + t * q];
  }
  return sum;
}
