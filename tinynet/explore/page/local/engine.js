/**
 * The engine of the page file: it answers what the server would, from the model that lies in the page.
 *
 * @typedef {import("../engine.js").Engine} Engine
 * @typedef {import("../engine.js").Description} Description
 * @typedef {import("../engine.js").Normalised} Normalised
 * @typedef {import("./model.js").Objective} Objective
 * @typedef {import("./digit.js").DigitStep} DigitStep
 *
 * @typedef {object} PageFile
 * @property {Description} description without what the model itself tells
 * @property {import("./model.js").ModelInFile} model
 * @property {Record<string, import("./changes.js").Activation>} activations
 * @property {boolean} fromLogits whether the outputs of a model without a softmax are logits
 * @property {{count: number, divisor: number, pixels: string}} samples bytes, or float32 where `divisor` is 0
 */

import { bytes, floats } from "./base64.js";
import { ChangeList } from "./changes.js";
import { fromInk, fromPicture } from "./digit.js";
import { explainGradient, explainOutput } from "./explain.js";
import { Model } from "./model.js";
import { asInput, brightness, planesOf } from "./picture.js";
import { offer } from "./programs.js";
import { last, mapped, sizeOf } from "./tensor.js";

const NOT_HERE = "This page is a file, and has no engine behind it that trains or counts: study.explore(model) has.";

/** @implements {Engine} */
export class LocalEngine {
  /**
   * Make the engine of the element that has the model, and offer its numbers to programs, as window.tinynet.
   * @param {Element} element
   */
  static from(element) {
    return offer(new LocalEngine(JSON.parse(element.textContent ?? "")));
  }

  /** @param {PageFile} file */
  constructor({ description, model, activations, fromLogits, samples }) {
    this.model = new Model(model);
    this.list = new ChangeList(this.model, activations);
    this.description = description;
    this.fromLogits = fromLogits;
    this.samples = samples;
    this.pixels = samples.divisor ? bytes(samples.pixels) : floats(samples.pixels);
  }

  async describe() {
    const { model, description, list } = this;
    const vector = model.layers[model.logits - 1].outputShape.length === 1;
    return { ...description, logits: vector ? model.logits : null, softmax: model.softmax,
             changes: list.words, version: list.version };
  }

  /** @param {{index: number}} request */
  async sample({ index }) {
    const size = sizeOf(this.model.inputShape), { count, divisor } = this.samples;
    if (!count) throw new Error("There are no samples in this page: none were given to export_page(model, path, x).");
    if (!(index >= 0 && index < count)) throw new Error(`Expected a sample from 0 to ${count - 1}. Received: ${index}.`);
    const pixels = Array.from(this.pixels.subarray(index * size, (index + 1) * size), (pixel) => pixel / (divisor || 1));
    return { pixels: { data: this.model.cast(pixels), shape: this.model.inputShape },
             label: this.description.samples.labels?.data[index] ?? null };
  }

  /**
   * @param {{width: number, height: number, pixels: string, objective: Objective | null, steps?: boolean}} canvas
   *     pixels: bytes in base64, ink 255 on paper 0
   */
  async draw({ width, height, pixels, objective, steps = true }) {
    const ink = new Float64Array(bytes(pixels)).map((pixel) => pixel / 255);
    const drawn = normalised(() => fromInk({ width, height, pixels: ink }), steps);
    return { ...drawn, run: drawn.image && await this.run({ pixels: drawn.image.data, objective }) };
  }

  /** @param {{base64: string}} file */
  async picture({ base64 }) {
    const planes = await planesOf(base64);
    if (this.description.digits) return normalised(() => fromPicture(brightness(planes)));
    return { image: { data: Float32Array.from(asInput(planes, this.model.inputShape)), shape: this.model.inputShape },
             steps: [], message: null };
  }

  /** @param {{pixels: ArrayLike<number>, objective: Objective | null}} request */
  async run({ pixels, objective }) {
    const { model } = this, values = model.values(pixels);
    const outputs = last(values);
    const probabilities = model.softmax ? outputs : this.fromLogits ? model.probabilities(values) : null;
    return { values, probabilities, gradients: objective && model.gradients(values, objective),
             loss: objective?.kind === "loss" ? model.loss(values, objective.label) : null,
             version: this.list.version };
  }

  /** @param {{step: string, name: string, objective: Objective | null, pixels: ArrayLike<number> | null}} request */
  async parameter({ step, name, objective, pixels }) {
    const index = this.model.place(step), layer = this.model.layers[index];
    const value = layer.params[name] ?? layer.state[name];
    if (!value) throw new Error(`Expected a parameter of ${step}. Received: ${name}.`);
    const values = objective && pixels && this.model.values(pixels);
    const gradients = objective && values && this.model.gradients(values, objective);
    const gradient = values && gradients && this.model.parameterGradients(index, values, gradients)[name];
    return { value: mapped(value, (number) => number), gradient: gradient ?? null, penalty: null };
  }

  /** @param {{pixels: ArrayLike<number>, step: string, at: number[]}} request */
  async explain({ pixels, step, at }) {
    return explainOutput(this.model, this.model.place(step), this.model.values(pixels), at);
  }

  /**
   * Without a step, explain the gradient of a logit.
   * @param {{pixels: ArrayLike<number>, step: string | null, param: string | null, at: number[], objective: Objective}}
   *     request
   */
  async explainGradient({ pixels, step, param, at, objective }) {
    const index = step === null ? this.model.logits : this.model.place(step);
    return explainGradient(this.model, index, this.model.values(pixels), objective, param, at);
  }

  /** @param {import("../engine.js").Change} change */
  async change(change) {
    return this.list.add(change);
  }

  async undo() {
    return this.list.undo();
  }

  async reset() {
    return this.list.reset();
  }

  /** @returns {Promise<any>} */
  async accuracy() {
    throw new Error(NOT_HERE);
  }

  nextStep = this.accuracy;
  train = this.accuracy;
  progress = this.accuracy;
  snapshot = this.accuracy;
}

/**
 * Return the image and its steps, or in words why there is none.
 * @param {() => DigitStep[]} make
 * @param {boolean} [all]     whether its steps are wanted
 * @returns {Normalised}
 */
function normalised(make, all = true) {
  try {
    const steps = make().slice(all ? 0 : -1).map(({ name, text, picture: { width, height, pixels } }) => (
      { name, text, width, height, pixels: { data: Float32Array.from(pixels), shape: [height, width] } }));
    return { image: last(steps).pixels, steps: all ? steps : [], message: null };
  } catch (problem) {
    return { image: null, steps: [], message: problem instanceof Error ? problem.message : String(problem) };
  }
}
