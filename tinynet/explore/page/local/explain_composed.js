/**
 * Explains layer normalisation, in which every number depends on all of its group, and residual blocks, which have
 * layers inside.
 *
 * @typedef {import("./explanation.js").StepNumbers} StepNumbers
 * @typedef {import("./explanation.js").Explainer} Explainer
 */

import {
  NO_OBJECTIVE, computed, inputGradient, inputs, output, parameterGradient, read, sumOfProducts, terms, upstreams,
} from "./explanation.js";
import { gradientsInside, valuesInside } from "./layers.js";
import { standardised } from "./normalization.js";
import { flat, indexOf, last } from "./tensor.js";

/**
 * List what is normalised together with place k: places in row-major order.
 * @param {Int32Array} groups
 * @param {number} k
 */
const groupOf = (groups, k) => Array.from(groups.keys()).filter((other) => groups[other] === groups[k]);

/** @type {Explainer} */
export const layerNormalization = {
  forward(step, at) {
    const { h, std, groups, ofX, variance, gamma, beta } = standardised(step.layer, step.x);
    const k = flat(at, step.x.shape), group = groupOf(groups, k), value = gamma(k) * h[k] + beta(k);
    const left = inputs(step, group.map((other) => indexOf(other, step.x.shape)));
    return { of: output(step, at), form: "normalisation", value: read(step.y, at), total: value,
             how: "By the mean and the standard deviation of the numbers that are normalised together, those shown.",
             terms: terms(left, null, left.values.map((x) => x / group.length)),
             lines: [{ name: "mean", value: ofX(k) }, { name: "variance", value: variance(k) },
               { name: "std", value: std(k), formula: "sqrt(variance + epsilon)" },
               { name: "h", value: h[k], formula: "(x - mean) / std" }, { name: "gamma", value: gamma(k) },
               { name: "beta", value: beta(k) }, { name: "y", value, formula: "gamma h + beta" }] };
  },
  backward(step, at) {
    const { h, std, groups, gamma } = standardised(step.layer, step.x);
    const k = flat(at, step.x.shape), group = groupOf(groups, k);
    const slope = (/** @type {number} */ i) => (
      gamma(i) / std(k) * ((i === k ? 1 : 0) - (1 + h[i] * h[k]) / group.length));
    return sumOfProducts({ of: inputGradient(step, at), form: "normalisation", value: read(step.dx, at),
      how: "Every output of its group depends on it, through h, the mean and the std: each one's gradient, times "
        + "gamma / std (1 - 1/n - h_i h_j / n) for its own output, and without the 1 for another.",
      left: upstreams(step, group.map((other) => indexOf(other, step.y.shape))),
      right: computed("dy_i / dx_j", group.map(slope)) });
  },
  ofParameter(step, key, at) {
    const { h, places } = standardised(step.layer, step.x), own = flat(at, step.layer.params[key].shape);
    const used = Array.from(places.keys()).filter((k) => places[k] === own);
    return sumOfProducts({ of: parameterGradient(step, key, at), value: read(step.grads[key], at),
      how: key === "gamma" ? "Every place that it multiplied: the gradient there, times h."
        : "It was added at every such place, so their gradients add up.",
      left: upstreams(step, used.map((k) => indexOf(k, step.y.shape))),
      right: key === "gamma" ? computed("h", used.map((k) => h[k])) : null });
  },
};

/**
 * Explain a residual block; `explainers` are those of the layers inside.
 * @param {Record<string, Explainer>} explainers
 * @returns {Explainer}
 */
export function residual(explainers) {
  return {
    forward(step, at) {
      const f = read(last(valuesInside(step.layer, step.x)), at);
      return sumOfProducts({ of: output(step, at), form: "sum", value: read(step.y, at),
        how: "The number as it came, plus what the layers of the block make of all: x + f(x).",
        left: computed("x, then f(x)", [read(step.x, at), f]) });
    },
    backward(step, at) {
      const df = read(inside(step).upstream[0], at);
      return sumOfProducts({ of: inputGradient(step, at), form: "sum", value: read(step.dx, at),
        how: "The gradient as it came, plus what the layers of the block make of it: x went both ways.",
        left: computed("dy, then df", [read(step.dy, at), df]) });
    },
    ofParameter(step, key, at) {
      const { values, upstream } = inside(step);
      const index = step.layer.inner.findIndex((inner) => Object.values(inner.paramNames).includes(key));
      const layer = step.layer.inner[index];
      const own = Object.keys(layer.paramNames).find((name) => layer.paramNames[name] === key) ?? key;
      const found = explainParameter(explainers, { index, name: layer.name, layer, x: values[index], y: values[index + 1],
        dx: upstream[index], dy: upstream[index + 1], grads: { [own]: step.grads[key] } }, own, at);
      // what is inside the block is in no map of the page
      const hidden = found.terms && { ...found.terms, leftIn: null, rightIn: null };
      return { ...found, of: parameterGradient(step, key, at), terms: hidden };
    },
  };
}

/**
 * Explain the gradient of a parameter, if the layer has one.
 * @param {Record<string, Explainer>} explainers
 * @param {StepNumbers} step
 * @param {string} key
 * @param {number[]} at
 */
export function explainParameter(explainers, step, key, at) {
  const { ofParameter } = explainers[step.layer.kind];
  if (!ofParameter) throw new Error(`Expected a parameter of ${step.name}. Received: ${key}.`);
  return ofParameter(step, key, at);
}

/** @param {StepNumbers} step */
function inside(step) {
  if (!step.dy) throw new Error(NO_OBJECTIVE);
  const values = valuesInside(step.layer, step.x);
  return { values, upstream: gradientsInside(step.layer, values, step.dy) };
}
