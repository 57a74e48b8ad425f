/**
 * Explains what is done to each number by itself: activations, rescaling, batch normalisation; and softmax, a row.
 *
 * @typedef {import("./explanation.js").StepNumbers} StepNumbers
 * @typedef {import("./explanation.js").Explainer} Explainer
 * @typedef {import("./explanation.js").Line} Line
 * @typedef {import("./activations.js").Curve} Curve
 */

import { curves, exponentials } from "./activations.js";
import {
  computed, inputGradient, inputs, output, parameterGradient, placesWhere, read, sumOfProducts, terms, upstreams,
} from "./explanation.js";
import { along, channelNumbers } from "./normalization.js";
import { flat, groupsAlong } from "./tensor.js";

/**
 * Explain a number that is made of the one at the same place.
 * @param {StepNumbers} step
 * @param {number[]} at
 * @param {{how: string, form: string, value: number, lines: Line[]}} parts
 */
function ofOne(step, at, { how, form, value, lines }) {
  const left = inputs(step, [at]);
  return { of: output(step, at), how, form, value: read(step.y, at), terms: terms(left, null, [value]),
           lines: [{ name: "x", value: left.values[0] }, ...lines], total: value };
}

/**
 * Explain its gradient: that of the output, times the slope.
 * @param {StepNumbers} step
 * @param {number[]} at
 * @param {{how: string, form: string, name: string, slope: number, lines: Line[]}} parts
 */
function timesSlope(step, at, { how, form, name, slope, lines }) {
  const found = sumOfProducts({ of: inputGradient(step, at), how, form, value: read(step.dx, at),
    left: upstreams(step, [at]), right: computed(name, [slope]) });
  return { ...found, lines: [...lines, ...found.lines] };
}

/**
 * @param {(step: StepNumbers, at: number[]) => Curve} curveAt
 * @returns {Explainer}
 */
function curve(curveAt) {
  return {
    forward(step, at) {
      const { value, formula } = curveAt(step, at), y = value(read(step.x, at));
      return ofOne(step, at, { how: "Each number by itself: the activation of the one at the same place.",
        form: "elementwise", value: y, lines: [{ name: "y", value: y, formula }] });
    },
    backward(step, at) {
      const x = read(step.x, at), slope = curveAt(step, at).slope(x);
      return timesSlope(step, at, { how: "The gradient of the output at the same place, times the slope of the activation "
        + "there.", form: "elementwise", name: "slope", slope,
      lines: [{ name: "x", value: x }, { name: "slope", value: slope }] });
    },
  };
}

/** @type {(step: StepNumbers, at: number[]) => number[]} the place in a PReLU's alpha of a place in its input */
const alphaAt = ({ layer }, at) => at.map((i, axis) => (layer.params.alpha.shape[axis] === 1 ? 0 : i));

/** @type {Explainer} */
const prelu = {
  ...curve((step, at) => curves.LeakyReLU({ negative_slope: read(step.layer.params.alpha, alphaAt(step, at)) })),
  ofParameter(step, key, at) {
    const places = placesWhere(step.x.shape, (place) => alphaAt(step, place).every((i, axis) => i === at[axis]));
    return sumOfProducts({ of: parameterGradient(step, key, at), value: read(step.grads[key], at),
      how: "Every place that has this slope: the gradient there, times the number, where it is below 0.",
      left: upstreams(step, places), right: computed("min(x, 0)", places.map((place) => Math.min(read(step.x, place), 0))) });
  },
};

/** @type {Explainer} */
const rescaling = {
  forward(step, at) {
    const k = flat(at, step.x.shape), x = step.x.data[k];
    const scale = along(step.x, step.layer.config.scale)(k), offset = along(step.x, step.layer.config.offset)(k);
    return ofOne(step, at, { how: "Each number by itself: times a fixed scale, plus a fixed offset.", form: "elementwise",
      value: x * scale + offset,
      lines: [{ name: "scale", value: scale }, { name: "offset", value: offset },
        { name: "y", value: x * scale + offset, formula: "x scale + offset" }] });
  },
  backward(step, at) {
    const scale = along(step.x, step.layer.config.scale)(flat(at, step.x.shape));
    return timesSlope(step, at, { how: "The gradient of the output at the same place, times the scale.",
      form: "elementwise", name: "scale", slope: scale, lines: [] });
  },
};

/** @type {Explainer} */
const batchNormalization = {
  forward(step, at) {
    const numbers = channelNumbers(step.layer), x = read(step.x, at);
    const [gamma, beta, mean, std] = [numbers.gamma, numbers.beta, numbers.mean, numbers.std].map((of) => of(at[0]));
    const value = (x - mean) * (gamma / std) + beta;
    return ofOne(step, at, { how: "Each number by itself, by the mean and the standard deviation that its channel had in "
      + "training.", form: "normalisation", value,
    lines: [{ name: "moving mean", value: mean }, { name: "std", value: std, formula: "sqrt(moving variance + epsilon)" },
      { name: "h", value: (x - mean) / std, formula: "(x - mean) / std" }, { name: "gamma", value: gamma },
      { name: "beta", value: beta }, { name: "y", value, formula: "gamma h + beta" }] });
  },
  backward(step, at) {
    const { gamma, std } = channelNumbers(step.layer), slope = gamma(at[0]) / std(at[0]);
    return timesSlope(step, at, { how: "The gradient of the output at the same place, times gamma / std of its channel: in "
      + "inference, mean and std do not depend on x.", form: "normalisation", name: "gamma / std", slope,
    lines: [{ name: "gamma", value: gamma(at[0]) }, { name: "std", value: std(at[0]) }] });
  },
  ofParameter(step, key, at) {
    const places = placesWhere(step.x.shape, (place) => place[0] === at[0]), { mean, std } = channelNumbers(step.layer);
    const h = places.map((place) => (read(step.x, place) - mean(at[0])) / std(at[0]));
    return sumOfProducts({ of: parameterGradient(step, key, at), value: read(step.grads[key], at),
      how: key === "gamma" ? "Every place of the channel: the gradient there, times h, which gamma multiplied."
        : "It was added to every place of the channel, so their gradients add up.",
      left: upstreams(step, places), right: key === "gamma" ? computed("h", h) : null });
  },
};

/** @type {(step: StepNumbers, at: number[]) => number[][]} the places of what is divided by one sum, a row of numbers */
const rowOf = ({ x, layer }, at) => {
  const groups = groupsAlong(x.shape, layer.config.axis), own = groups[flat(at, x.shape)];
  return placesWhere(x.shape, (place) => groups[flat(place, x.shape)] === own);
};

/** @type {Explainer} */
const softmax = {
  forward(step, at) {
    const row = rowOf(step, at), left = inputs(step, row), value = read(step.x, at);
    const found = exponentials(step.x, step.layer.config.axis), group = found.groups[flat(at, step.x.shape)];
    const max = found.max[group], sum = found.sum[group], share = Math.exp(value - max);
    return { of: output(step, at), form: "softmax", value: read(step.y, at), total: share / sum,
             how: "Its share in the sum of all e^x of the row; the largest is subtracted first, so that nothing overflows.",
             terms: terms(left, null, left.values.map((x) => Math.exp(x - max))),
             lines: [{ name: "largest x", value: max }, { name: "e^(x - largest)", value: share },
               { name: "sum of all", value: sum }, { name: "y", value: share / sum, formula: "e^(x - largest) / sum" }] };
  },
  backward(step, at) {
    const row = rowOf(step, at), y = read(step.y, at), own = flat(at, step.x.shape);
    return sumOfProducts({ of: inputGradient(step, at), form: "softmax", value: read(step.dx, at),
      how: "Every output depends on every input of its row: each one's gradient, times y_i (1 - y_j) for its own input, and "
        + "-y_i y_j for another.",
      left: upstreams(step, row),
      right: computed("dy_i / dx_j", row.map((place) => (
        read(step.y, place) * ((flat(place, step.x.shape) === own ? 1 : 0) - y)))) });
  },
};

/** @type {Record<string, Explainer>} */
export const elementwise = {
  PReLU: prelu, Rescaling: rescaling, BatchNormalization: batchNormalization, Softmax: softmax,
  ...Object.fromEntries(Object.keys(curves).map((name) => [name, curve(({ layer }) => curves[name](layer.config))])),
};
