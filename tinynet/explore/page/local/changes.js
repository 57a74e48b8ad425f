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
    this.version = 0;
  }

  /** @param {Change} change */
  add(change) {
    this.make(change);
    this.changes.push(change);
    if (change.kind === "filter") this.remake();                   // one that is on again has its own weights again
    return this.told();
  }

  undo() {
    this.changes.pop();
    this.remake();
    return this.told();
  }

  reset() {
    this.changes = [];
    this.remake();
    return this.told();
  }

  /** Put the model back to what it was, and make all changes that still hold. */
  remake() {
    this.model.numbers.set(this.original.numbers);
    this.model.layers.splice(0, this.model.layers.length, ...this.original.layers);
    this.changes.forEach((change, k) => {
      const later = this.changes.slice(k + 1);
      if (change.kind !== "filter" || !later.some((other) => sameFilter(change, other))) this.make(change);
    });
  }

  told() {
    this.version += 1;
    return { changes: this.changes.map(inWords), version: this.version };
  }

  /** @param {Change} change */
  make(change) {
    const index = this.model.place(change.step), layer = this.model.layers[index];
    if (change.kind === "activation") {
      if (!(change.name in this.activations)) throw new Error(`Expected an activation. Received: ${change.name}.`);
      this.model.layers[index] = { ...layer, ...this.activations[change.name] };
    } else if (change.kind === "filter") {
      if (!change.on) switchOff(layer, change.channel);
    } else {
      const array = layer.params[change.param];
      if (!array || !Number.isFinite(change.value)) {
        throw new Error(`Expected a parameter of ${layer.name}, and a finite number for it. Received: ${change.param}, `
          + `${change.value}.`);
      }
      array.data[flat(change.at, array.shape)] = change.value;
    }
  }
}

/**
 * Set the weights and the bias of an output channel to 0.
 * @param {Layer} layer
 * @param {number} channel
 */
function switchOff(layer, channel) {
  const kernel = layer.params.kernel ?? layer.params.pointwise_kernel;
  const channelOf = channels[layer.kind];
  if (!channelOf) throw new Error(`Expected a layer with filters or units. Received: ${layer.name}, ${layer.kind}.`);
  for (let k = 0; k < kernel.data.length; k++) {
    if (channelOf(indexOf(k, kernel.shape), kernel.shape) === channel) kernel.data[k] = 0;
  }
  if (layer.params.bias) layer.params.bias.data[channel] = 0;
}

/** @type {Record<string, (at: number[], shape: number[]) => number>} the output channel that a weight belongs to */
const channels = {
  Dense: ([, unit]) => unit, Conv2D: ([filter]) => filter, SeparableConv2D: ([filter]) => filter,
  Conv2DTranspose: ([, filter]) => filter, DepthwiseConv2D: ([m, c], [M]) => c * M + m,
};

/**
 * @param {Change} change
 * @param {Change} other
 */
function sameFilter(change, other) {
  return change.kind === "filter" && other.kind === "filter" && change.step === other.step && change.channel === other.channel;
}

/**
 * Say what a change is.
 * @param {Change} change
 * @returns {string}
 */
function inWords(change) {
  if (change.kind === "activation") return `${change.step} is ${change.name}`;
  if (change.kind === "filter") return `filter ${change.channel} of ${change.step} is ${change.on ? "on" : "off"}`;
  return `${change.step}/${change.param}[${change.at.join(", ")}] is ${change.value}`;
}
