/**
 * A model from the page's file: its layers with their arrays, run forward and backward.
 *
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./weighted.js").Layer} Layer
 * @typedef {{kind: "loss", label: number} | {kind: "logit", index: number}} Objective
 *
 * @typedef {object} LayerInFile
 * @property {string} name
 * @property {string} kind
 * @property {Record<string, any>} config
 * @property {number[]} inputShape
 * @property {number[]} outputShape
 * @property {Record<string, number>} params places in `arrays`
 * @property {Record<string, number>} state
 * @property {Record<string, string>} paramNames of a layer inside a residual block: the block's names of its params
 * @property {LayerInFile[]} inner
 *
 * @typedef {{dtype: string, layers: LayerInFile[], arrays: number[][], weights: string}} ModelInFile `arrays`: shapes
 */

import { exponentials } from "./activations.js";
import { floats } from "./base64.js";
import { kinds } from "./layers.js";
import { last, reshaped, sizeOf, zeros } from "./tensor.js";

/** @type {(logits: Tensor) => {max: number, sum: number}} the largest of all, and the sum of e^(logit - it) */
function ofAll(logits) {
  const { max, sum } = exponentials(reshaped(logits, [logits.data.length]), -1);
  return { max: max[0], sum: sum[0] };
}

export class Model {
  /** @param {ModelInFile} file */
  constructor({ dtype, layers, arrays, weights }) {
    this.dtype = dtype;
    this.numbers = this.cast(floats(weights));                             // of all arrays, one after the other
    let begin = 0;
    this.arrays = arrays.map((shape) => {
      const array = { data: this.numbers.subarray(begin, begin + sizeOf(shape)), shape };
      begin += sizeOf(shape);
      return array;
    });
    this.layers = layers.map((layer) => this.withArrays(layer));
    this.inputShape = layers[0].inputShape;
  }

  /** Whether the outputs are probabilities, made of logits. */
  get softmax() {
    const { kind, config, inputShape } = last(this.layers);
    return kind === "Softmax" && [-1, inputShape.length].includes(config.axis);         // along the last axis
  }

  /** The place of the logits in `values`. */
  get logits() {
    return this.layers.length - (this.softmax ? 1 : 0);
  }

  /**
   * Give numbers the model's dtype, in which it computes.
   * @param {ArrayLike<number>} numbers
   * @returns {import("./tensor.js").Numbers}
   */
  cast(numbers) {
    return this.dtype === "float64" ? Float64Array.from(numbers) : Float32Array.from(numbers);
  }

  /**
   * Return the place of a step, by its name.
   * @param {string} name
   * @returns {number}
   */
  place(name) {
    const place = this.layers.findIndex((layer) => layer.name === name);
    if (place < 0) throw new Error(`Expected the name of a step. Received: ${name}.`);
    return place;
  }

  /**
   * @param {LayerInFile} layer
   * @returns {Layer}
   */
  withArrays(layer) {
    /** @param {Record<string, number>} places */
    const named = (places) => Object.fromEntries(
      Object.entries(places).map(([name, place]) => [name, this.arrays[place]]));
    return { ...layer, params: named(layer.params), state: named(layer.state),
             inner: layer.inner.map((inner) => this.withArrays(inner)) };
  }

  /**
   * Run forward: the input, then what each layer returns.
   * @param {ArrayLike<number>} pixels
   * @returns {Tensor[]}
   */
  values(pixels) {
    const wanted = sizeOf(this.inputShape);
    if (pixels.length !== wanted) {
      throw new Error(`Expected ${wanted} pixels, an input of ${this.inputShape.join(" x ")}. Received: ${pixels.length}.`);
    }
    const values = [{ data: this.cast(pixels), shape: this.inputShape }];
    for (const layer of this.layers) values.push(kinds[layer.kind].forward(layer, last(values)));
    return values;
  }

  /**
   * Return the probabilities that the logits stand for.
   * @param {Tensor[]} values
   * @returns {Tensor}
   */
  probabilities(values) {
    const logits = values[this.logits], { max, sum } = ofAll(logits);
    return { data: Float64Array.from(logits.data, (logit) => Math.exp(logit - max) / sum), shape: logits.shape };
  }

  /**
   * Return the cross-entropy at a label, in nats, from the logits.
   * @param {Tensor[]} values
   * @param {number} label
   * @returns {number}
   */
  loss(values, label) {
    const logits = values[this.logits], { max, sum } = ofAll(logits);
    this.expectClass(label, logits);
    return Math.log(sum) - (logits.data[label] - max);
  }

  /**
   * Run backward: the gradient of the objective for each of `values`. The loss is differentiated from the logits.
   * @param {Tensor[]} values
   * @param {Objective} objective
   * @returns {Tensor[]}
   */
  gradients(values, objective) {
    const upstream = zeros(values[this.logits].shape, values[0]);
    const ofOutputs = values.slice(this.logits + 1).map((output) => zeros(output.shape, output));
    if (objective.kind === "loss") {
      this.expectClass(objective.label, upstream);
      const { data: p } = this.probabilities(values);
      upstream.data.set(p.map((each, k) => each - (k === objective.label ? 1 : 0)));
      for (const { data } of ofOutputs) data[objective.label] = -1 / p[objective.label];
    } else {
      this.expectClass(objective.index, upstream);
      upstream.data[objective.index] = 1;
    }
    const gradients = [upstream, ...ofOutputs];
    for (let i = this.logits - 1; i >= 0; i--) {
      const layer = this.layers[i];
      gradients.unshift(kinds[layer.kind].backward(layer, values[i], gradients[0], values[i + 1]));
    }
    return gradients;
  }

  /**
   * Return the gradients of a layer's parameters.
   * @param {number} step
   * @param {Tensor[]} values
   * @param {Tensor[]} gradients
   * @returns {Record<string, Tensor>}
   */
  parameterGradients(step, values, gradients) {
    const layer = this.layers[step];
    return kinds[layer.kind].gradients?.(layer, values[step], gradients[step + 1]) ?? {};
  }

  /**
   * @param {number} label
   * @param {Tensor} logits
   */
  expectClass(label, logits) {
    if (logits.shape.length !== 1) {
      throw new Error(`A class says what is right where the output is a vector. Here it is ${logits.shape.join(" x ")}.`);
    }
    if (!Number.isInteger(label) || label < 0 || label >= logits.data.length) {
      throw new Error(`Expected a class from 0 to ${logits.data.length - 1}. Received: ${label}.`);
    }
  }
}
