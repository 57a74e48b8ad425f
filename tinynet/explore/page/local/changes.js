/**
 * What a reader changes in the model: a weight, a filter that is switched off, an activation in another's place. All is
 * kept in a list, and undone by making all but the last anew.
 *
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./weighted.js").Layer} Layer
 * @typedef {import("../engine.js").Change} Change
 * @typedef {{kind: string, config: Record<string, any>}} Activation
 */

import { flat, indexOf } from "./tensor.js";

export class ChangeList {
  /**
   * @param {Model} model
   * @param {Record<string, Activation>} activations by name
   */
  constructor(model, activations) {
    this.model = model;
    this.activations = activations;
    this.original = { numbers: model.numbers.slice(), layers: [...model.layers] };
    /** @type {Change[]} */
    this.changes = [];
    /** @type {string[]} what they are */
    this.words = [];
    this.version = 0;
  }

  /**
   * Make a change; a filter that is switched on again is one change less.
   * @param {Change} change
   */
  add(change) {
    const off = this.changes.findIndex((other) => sameFilter(change, other));
    if (change.kind === "filter" && change.on) {
      if (off >= 0) this.changes.splice(off, 1);
    } else if (off < 0) {
      this.make(change);
      this.changes.push(change);
    }
    return this.redone();
  }

  undo() {
    this.changes.pop();
    return this.redone();
  }

  reset() {
    this.changes = [];
    return this.redone();
  }

  /** Put the model back to what it was, make all changes anew, and say what they are. */
  redone() {
    this.model.numbers.set(this.original.numbers);
    this.model.layers.splice(0, this.model.layers.length, ...this.original.layers);
    this.words = this.changes.map((change) => this.make(change));
    this.version += 1;
    return { changes: this.words, version: this.version };
  }

  /**
   * Make one change; return it in words.
   * @param {Change} change
   * @returns {string}
   */
  make(change) {
    const index = this.model.place(change.step), layer = this.model.layers[index];
    if (change.kind === "activation") {
      if (!(change.name in this.activations)) throw new Error(`Expected an activation. Received: ${change.name}.`);
      this.model.layers[index] = { ...layer, ...this.activations[change.name] };
      return `${layer.name}: ${change.name} in its place`;
    }
    if (change.kind === "filter") {
      switchOff(this.weighed(layer), change.channel);
      return `${layer.name}: number ${change.channel} switched off`;
    }
    const array = layer.params[change.param];
    if (!array || !Number.isFinite(change.value)) {
      throw new Error(`Expected a parameter of ${layer.name}, and a finite number for it. Received: ${change.param}, `
        + `${change.value}.`);
    }
    const place = flat(change.at, array.shape), before = array.data[place];
    array.data[place] = change.value;
    return `${layer.name}/${change.param}[${change.at.join(", ")}]: ${short(before)} to ${short(change.value)}`;
  }

  /**
   * Return the layer that has the parameters of a filter: that before an activation, or itself.
   * @param {Layer} layer
   */
  weighed(layer) {
    const owner = layer.name.slice(0, Math.max(0, layer.name.lastIndexOf("/")));
    return this.model.layers.find((other) => other.name === owner) ?? layer;
  }
}

/**
 * Write a number with six digits.
 * @param {number} number
 */
const short = (number) => String(Number(number.toPrecision(6)));

/**
 * Set the parameters of one filter or unit to 0.
 * @param {Layer} layer
 * @param {number} unit
 */
function switchOff(layer, unit) {
  const unitOf = units[layer.kind];
  if (!unitOf) {
    throw new Error("Expected a filter of a convolution, a unit of a dense layer, or a channel of batch normalisation, to "
      + `switch off. Received: ${layer.name}.`);
  }
  for (const [key, { data, shape }] of Object.entries(layer.params)) {
    for (let k = 0; k < data.length; k++) {
      if ((shape.length === 1 ? k : unitOf(indexOf(k, shape), key, shape)) === unit) data[k] = 0;
    }
  }
}

/** @type {Record<string, (at: number[], key: string, shape: number[]) => number>} the unit that a weight belongs to */
const units = {
  Dense: ([, unit]) => unit, Conv2D: ([filter]) => filter, Conv2DTranspose: ([, filter]) => filter,
  DepthwiseConv2D: ([m, c], _key, [M]) => c * M + m,
  SeparableConv2D: ([filter], key) => (key === "pointwise_kernel" ? filter : -1),
  BatchNormalization: ([channel]) => channel,
};

/**
 * @param {Change} change
 * @param {Change} other
 */
function sameFilter(change, other) {
  return change.kind === "filter" && other.kind === "filter" && change.step === other.step && change.channel === other.channel;
}
