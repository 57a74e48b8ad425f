/**
 * What is said of one number: the terms that it is the sum of, what is done with their sum, and the number itself.
 *
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./weighted.js").Layer} Layer
 * @typedef {import("../engine.js").Explanation} Explanation
 * @typedef {import("../engine.js").Line} Line
 * @typedef {import("../engine.js").Terms} Terms
 *
 * One step of the model on one sample: what it was given and what it returned, and the objective's gradients, if any.
 * @typedef {{index: number, name: string, layer: Layer, x: Tensor, y: Tensor, dx: Tensor | null, dy: Tensor | null,
 *     grads: Record<string, Tensor>}} StepNumbers
 *
 * One of the two numbers that each term multiplies: where each is found, in which array, and what that is called.
 * @typedef {{name: string, values: number[], at: number[][] | null, from: Terms["leftIn"]}} Factor
 *
 * What explains one kind of layer; `backward` explains the gradient of an input, `ofParameter` that of a parameter.
 * @typedef {object} Explainer
 * @property {(step: StepNumbers, at: number[]) => Explanation} forward
 * @property {(step: StepNumbers, at: number[]) => Explanation} backward
 * @property {(step: StepNumbers, key: string, at: number[]) => Explanation} [ofParameter]
 */

import { flat, indexOf, sizeOf } from "./tensor.js";

export const NO_OBJECTIVE = "Expected an objective, the loss or a logit, to take a gradient of. Received: none.";

/**
 * Read one number of an array.
 * @param {Tensor | null} array
 * @param {number[]} at
 * @returns {number}
 */
export function read(array, at) {
  if (!array) throw new Error(NO_OBJECTIVE);
  return array.data[flat(at, array.shape)];
}

/**
 * @param {string} name
 * @param {Tensor | null} array
 * @param {number[][]} places
 * @param {Terms["leftIn"]} from
 * @returns {Factor}
 */
export function taken(name, array, places, from) {
  return { name, values: places.map((at) => read(array, at)), at: places, from };
}

/** @type {(step: StepNumbers, places: number[][]) => Factor} the inputs at some places */
export const inputs = (step, places) => taken("x", step.x, places, { where: "values", index: step.index });

/** @type {(step: StepNumbers, places: number[][]) => Factor} the gradients of the outputs at some places */
export const upstreams = (step, places) => taken("dy", step.dy, places, { where: "gradients", index: step.index + 1 });

/** @type {(step: StepNumbers, key: string, places: number[][]) => Factor} numbers of a parameter */
export const weights = (step, key, places) => taken(key, step.layer.params[key], places,
  { where: "parameter", step: step.name, name: key });

/** @type {(name: string, values: number[]) => Factor} numbers that are in no array that is shown */
export const computed = (name, values) => ({ name, values, at: null, from: null });

/** @type {(step: StepNumbers, at: number[]) => string} */
export const output = (step, at) => `${step.name}[${at.join(", ")}]`;

/** @type {(step: StepNumbers, at: number[]) => string} */
export const inputGradient = (step, at) => `d objective / d ${step.name}'s input[${at.join(", ")}]`;

/** @type {(step: StepNumbers, key: string, at: number[]) => string} */
export const parameterGradient = (step, key, at) => `d objective / d ${step.name}/${key}[${at.join(", ")}]`;

/**
 * Explain a number that is the sum of products, or of the left factors alone, and of the lines that follow.
 * @param {{of: string, how: string, value: number, left: Factor, right?: Factor | null, more?: Line[],
 *     form?: string}} parts
 * @returns {Explanation}
 */
export function sumOfProducts({ of, how, value, left, right = null, more = [], form = "products" }) {
  const product = left.values.map((number, k) => (right ? number * right.values[k] : number));
  const sum = product.reduce((total, number) => total + number, 0);
  const lines = [{ name: right ? "sum of the products" : "sum of the terms", value: sum }, ...more];
  return { of, how, form, value, terms: terms(left, right, product), lines,
           total: lines.reduce((total, line) => total + line.value, 0) };
}

/**
 * @param {Factor} left
 * @param {Factor | null} right
 * @param {number[]} product
 * @returns {Terms}
 */
export function terms(left, right, product) {
  return { left: numbers(left.values), right: right && numbers(right.values), product: numbers(product),
           leftAt: places(left), rightAt: right && places(right), leftName: left.name, rightName: right && right.name,
           leftIn: left.from, rightIn: right && right.from, group: null, groupNames: null };
}

/**
 * Put the terms in groups by the channel that each comes from.
 * @param {Explanation} explanation
 * @param {number[]} channels
 * @returns {Explanation}
 */
export function byChannel(explanation, channels) {
  const names = [...new Set(channels)].sort((a, b) => a - b);
  const group = { data: Int32Array.from(channels, (channel) => names.indexOf(channel)), shape: [channels.length] };
  const found = /** @type {Terms} */ (explanation.terms);
  return { ...explanation, terms: { ...found, group, groupNames: names.map((name) => `channel ${name}`) } };
}

/**
 * List the places of an array for which something holds, in order.
 * @param {number[]} shape
 * @param {(at: number[]) => boolean} holds
 * @returns {number[][]}
 */
export function placesWhere(shape, holds) {
  return Array.from({ length: sizeOf(shape) }, (_, k) => indexOf(k, shape)).filter(holds);
}

/** @param {number[]} values @returns {Tensor} */
const numbers = (values) => ({ data: Float64Array.from(values), shape: [values.length] });

/**
 * Return the places of a factor as an array (T, k); of one that is in no map there are none.
 * @param {Factor} factor
 * @returns {any}
 */
function places({ at }) {
  return at && { data: Int32Array.from(at.flat()), shape: [at.length, at[0]?.length ?? 0] };
}
