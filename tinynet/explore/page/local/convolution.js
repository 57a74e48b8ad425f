/**
 * Convolution of one image, and its two gradients: three sums over the same products.
 *
 * Output (f, p, q) sees the patch of the image that lies under its window: pixel (c, h, w) at place (i, j), where
 * h = s p + d i - top, and the same for the columns; `kernel` is (F, C / groups, kh, kw). So patches are taken out of the
 * image, one at a time, and each is met by all filters of its group. The sums are kept in float64, and rounded once.
 *
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./windows.js").Geometry} Geometry
 */

import { rounded, sizeOf } from "./tensor.js";

/**
 * y[f, p, q] = sum_cij kernel[f, c, i, j] x[c, h, w]
 * @param {Tensor} x (C, H, W)
 * @param {Tensor} kernel
 * @param {number[]} outputShape (F, P, Q)
 * @param {Geometry} geometry
 * @returns {Tensor}
 */
export function convolve(x, kernel, outputShape, geometry) {
  const sums = new Float64Array(sizeOf(outputShape)), weights = Float64Array.from(kernel.data);
  eachPatch(x.shape, kernel.shape, outputShape, geometry, (patch, places, filters, output, area) => {
    for (let m = 0; m < patch.length; m++) patch[m] = places[m] < 0 ? 0 : x.data[places[m]];
    for (let f = filters.first; f < filters.end; f++) sums[f * area + output] = dot(weights, f * patch.length, patch);
  });
  return rounded(sums, outputShape, x);
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
  const sums = new Float64Array(sizeOf(inputShape)), weights = Float64Array.from(kernel.data);
  eachPatch(inputShape, kernel.shape, dy.shape, geometry, (patch, places, filters, output, area) => {
    patch.fill(0);
    for (let f = filters.first; f < filters.end; f++) {
      addMultiple(patch, 0, dy.data[f * area + output], weights, f * patch.length, patch.length);
    }
    for (let m = 0; m < patch.length; m++) if (places[m] >= 0) sums[places[m]] += patch[m];
  });
  return rounded(sums, inputShape, dy);
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
  const sums = new Float64Array(sizeOf(kernelShape));
  eachPatch(x.shape, kernelShape, dy.shape, geometry, (patch, places, filters, output, area) => {
    for (let m = 0; m < patch.length; m++) patch[m] = places[m] < 0 ? 0 : x.data[places[m]];
    for (let f = filters.first; f < filters.end; f++) {
      addMultiple(sums, f * patch.length, dy.data[f * area + output], patch, 0, patch.length);
    }
  });
  return rounded(sums, kernelShape, x);
}

/**
 * Visit the patches of all windows and groups: room for the patch's numbers, the place in the image of each, -1 outside,
 * the filters that see it, the window's number p Q + q and how many windows there are. All are filled anew for each.
 * @param {number[]} imageShape
 * @param {number[]} kernelShape
 * @param {number[]} outputShape
 * @param {Geometry} geometry
 * @param {(patch: Float64Array, places: Int32Array, filters: {first: number, end: number}, output: number, area: number)
 *     => void} visit
 */
function eachPatch([C, H, W], [F, channels, kh, kw], [, P, Q], { strides, dilation, margins }, visit) {
  const patch = new Float64Array(channels * kh * kw), places = new Int32Array(patch.length);
  const groups = C / channels, filters = { first: 0, end: 0 };
  for (let group = 0; group < groups; group++) {
    filters.first = group * F / groups;
    filters.end = (group + 1) * F / groups;
    for (let output = 0; output < P * Q; output++) {
      const q = output % Q, p = (output - q) / Q;
      const top = strides[0] * p - margins[0], left = strides[1] * q - margins[1];
      for (let m = 0; m < patch.length; m++) {
        const j = m % kw, i = ((m - j) / kw) % kh, c = Math.floor(m / (kh * kw));
        const h = top + dilation[0] * i, w = left + dilation[1] * j;
        places[m] = h >= 0 && h < H && w >= 0 && w < W ? ((group * channels + c) * H + h) * W + w : -1;
      }
      visit(patch, places, filters, output, P * Q);
    }
  }
}

/**
 * Sum the products of a patch and the weights that begin at a place; in two sums, as an addition waits for the one before.
 * @param {Float64Array} weights
 * @param {number} begin
 * @param {Float64Array} patch
 * @returns {number}
 */
function dot(weights, begin, patch) {
  const n = patch.length, even = n - n % 2;
  let sum = n > even ? weights[begin + even] * patch[even] : 0, other = 0;
  for (let m = 0; m < even; m += 2) {
    sum += weights[begin + m] * patch[m];
    other += weights[begin + m + 1] * patch[m + 1];
  }
  return sum + other;
}

/**
 * Add a multiple of some numbers to others; where ReLU and pooling let nothing through, it is that of 0.
 * @param {Float64Array} sums
 * @param {number} to
 * @param {number} factor
 * @param {Float64Array} numbers
 * @param {number} from
 * @param {number} count
 */
function addMultiple(sums, to, factor, numbers, from, count) {
  if (factor === 0) return;
  for (let m = 0; m < count; m++) sums[to + m] += factor * numbers[from + m];
}
