/**
 * Layers that compute nothing: numbers in another shape, at other places, with zeros around them, or repeated; and
 * those that do something in training alone. UpSampling2D mixes neighbours, too, where it is bilinear.
 *
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./weighted.js").Kind} Kind
 * @typedef {import("./weighted.js").Layer} Layer
 */

import { flat, indexOf, reshaped, sizeOf, zeros } from "./tensor.js";

/** Layers whose outputs are their inputs, in order: in another shape, or changed in training alone. */
export const unchanged = ["Linear", "Flatten", "Reshape", "Activation", "ActivityRegularization", "Dropout",
  "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise", "RandomFlip", "RandomContrast",
  "RandomElasticTransform", "RandomAffine", "RandomRotation", "RandomShear", "RandomTranslation", "RandomZoom"];

/** @type {Kind} the same numbers, in order */
export const reshape = {
  forward: ({ outputShape }, x) => reshaped(x, outputShape),
  backward: (_layer, x, dy) => reshaped(dy, x.shape),
};

/** @type {Kind} y = sum of share * x over the places that each output is taken from: one, several, or none */
export const taken = {
  forward(layer, x) {
    const y = zeros(layer.outputShape, x);
    eachTaken(layer, (output, input, share) => { y.data[output] += share * x.data[input]; });
    return y;
  },
  backward(layer, x, dy) {
    const dx = new Float64Array(sizeOf(x.shape));
    eachTaken(layer, (output, input, share) => { dx[input] += share * dy.data[output]; });
    const result = zeros(x.shape, x);
    result.data.set(dx);
    return result;
  },
};

/**
 * Visit each pair of an output and the input that it is taken from.
 * @param {Layer} layer
 * @param {(output: number, input: number, share: number) => void} visit
 */
export function eachTaken(layer, visit) {
  const { inputShape, outputShape } = layer;
  const [, H, W] = inputShape;
  const rows = sharesAlong(layer, 0), columns = sharesAlong(layer, 1);
  for (let output = 0; output < sizeOf(outputShape); output++) {
    const [c, p, q] = indexOf(output, outputShape);
    for (const [row, down] of rows[p]) {
      for (const [column, across] of columns[q]) visit(output, flat([c, row, column], [0, H, W]), down * across);
    }
  }
}

/**
 * Say for each output along an axis, rows or columns, which inputs it is taken from, and the share of each.
 * @param {Layer} layer
 * @param {number} axis 0 for rows
 * @returns {[number, number][][]}
 */
function sharesAlong({ kind, config, inputShape, outputShape }, axis) {
  const side = inputShape[axis + 1], outputs = outputShape[axis + 1];
  const one = places[config.interpolation === "bilinear" ? "bilinear" : kind];
  return Array.from({ length: outputs }, (_, p) => one(p, side, outputs, config, axis)
    .filter(([place, share]) => place >= 0 && place < side && share !== 0));
}

/**
 * @typedef {(p: number, side: number, outputs: number, config: Record<string, any>, axis: number) => [number, number][]} Places
 * @type {Record<string, Places>}
 */
const places = {
  ZeroPadding2D: (p, _side, _outputs, config, axis) => [[p - config.padding[axis][0], 1]],
  RandomCrop: (p, side, outputs) => [[p + Math.floor((side - outputs) / 2), 1]],           // the middle
  UpSampling2D: (p, _side, _outputs, config, axis) => [[Math.floor(p / config.size[axis]), 1]],
  bilinear(p, side, _outputs, config, axis) {
    const centre = (p + 0.5) / config.size[axis] - 0.5;              // of the output, counted in pixels of the input
    const at = Math.min(Math.max(centre, 0), side - 1), first = Math.floor(at);
    return [[first, 1 - (at - first)], [first + 1, at - first]];
  },
};
