/**
 * Explains one number of any layer: an output, the gradient of an input, or that of a parameter.
 *
 * @typedef {import("./explanation.js").Explainer} Explainer
 * @typedef {import("./explanation.js").Explanation} Explanation
 * @typedef {import("./explanation.js").StepNumbers} StepNumbers
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./model.js").Objective} Objective
 * @typedef {import("./model.js").Model} Model
 */

import { explainParameter, layerNormalization, residual } from "./explain_composed.js";
import { elementwise } from "./explain_elementwise.js";
import { shared } from "./explain_shares.js";
import { weighted } from "./explain_weighted.js";
import { flat } from "./tensor.js";

/** @type {Record<string, Explainer>} by the names of the layers' classes */
export const explainers = { ...weighted, ...shared, ...elementwise, LayerNormalization: layerNormalization };
explainers.Residual = residual(explainers);

/**
 * Explain a number of a step's output.
 * @param {Model} model
 * @param {number} index
 * @param {Tensor[]} values
 * @param {number[]} at
 * @returns {Explanation}
 */
export function explainOutput(model, index, values, at) {
  const step = numbersOf(model, index, values, null);
  expectPlace(at, step.y.shape, `the output of ${step.name}`);
  return explainers[step.layer.kind].forward(step, at);
}

/**
 * Explain the gradient of a number of a step's input, or of one of its parameters; or, after all layers, of the logits.
 * @param {Model} model
 * @param {number} index
 * @param {Tensor[]} values
 * @param {Objective} objective
 * @param {string | null} param
 * @param {number[]} at
 * @returns {Explanation}
 */
export function explainGradient(model, index, values, objective, param, at) {
  const gradients = model.gradients(values, objective);
  if (index === model.logits) return ofLogit(model, values, gradients[index], objective, at);
  const step = numbersOf(model, index, values, gradients);
  if (param !== null) {
    if (!(param in step.layer.params)) throw new Error(`Expected a parameter of ${step.name}. Received: ${param}.`);
    expectPlace(at, step.layer.params[param].shape, `${step.name}/${param}`);
    return explainParameter(explainers, { ...step, grads: model.parameterGradients(index, values, gradients) }, param, at);
  }
  expectPlace(at, step.x.shape, `the input of ${step.name}`);
  return explainers[step.layer.kind].backward(step, at);
}

/**
 * The gradient of a logit, where the way back begins: the softmax is left to the loss, which works from the logits.
 * @param {Model} model
 * @param {Tensor[]} values
 * @param {Tensor} gradient
 * @param {Objective} objective
 * @param {number[]} at
 * @returns {Explanation}
 */
function ofLogit(model, values, gradient, objective, at) {
  expectPlace(at, gradient.shape, "the logits");
  const index = flat(at, gradient.shape), value = gradient.data[index], of = `d objective / d logits[${at.join(", ")}]`;
  if (objective.kind === "logit") {
    return { of, form: "copy", value, total: index === objective.index ? 1 : 0, terms: null,
             how: "The objective is this logit itself where the two are the same, and another one where they are not: a slope "
               + "of 1, or of 0.", lines: [{ name: "slope", value: index === objective.index ? 1 : 0 }] };
  }
  const p = model.probabilities(values).data[index], t = index === objective.label ? 1 : 0;
  return { of, form: "softmax", value, total: p - t, terms: null,
           how: "The way back begins here: the slope of the cross-entropy is the probability less the target.",
           lines: [{ name: "p", value: p }, { name: "t", value: t },
             { name: "p - t", value: p - t, formula: "probability - target" }] };
}

/**
 * @param {Model} model
 * @param {number} index
 * @param {Tensor[]} values
 * @param {Tensor[] | null} gradients
 * @returns {StepNumbers}
 */
function numbersOf(model, index, values, gradients) {
  const layer = model.layers[index];
  return { index, name: layer.name, layer, x: values[index], y: values[index + 1],
           dx: gradients && gradients[index], dy: gradients && gradients[index + 1], grads: {} };
}

/**
 * @param {number[]} at
 * @param {number[]} shape
 * @param {string} what
 */
function expectPlace(at, shape, what) {
  if (at.length !== shape.length || !at.every((i, axis) => Number.isInteger(i) && i >= 0 && i < shape[axis])) {
    throw new Error(`Expected a place in ${what}, of shape ${shape.join(" x ")}. Received: ${at.join(", ")}.`);
  }
}
