// What the reader looks at, and how it stands in the address: a lesson links to exactly this.

/** @typedef {import("./engine.js").Description} Description */
/** @typedef {import("./engine.js").Objective} Objective */
/** @typedef {{kind: "sample", index: number} | {kind: "drawing", strokes: string} | {kind: "noise", seed: number}
 *     | {kind: "pixels", pixels: Float32Array}} Source */
/** @typedef {{row: number, at: number[]}} Place      row: index into a run's values; 0 is the input */
/** @typedef {{step: string, param: string, at: number[]}} Weight */
/** @typedef {"explain" | "weights" | "train" | "failures"} View */

/**
 * @typedef {object} State
 * @property {Source} source
 * @property {Place | null} place
 * @property {Weight | null} weight
 * @property {boolean} ofWeight      backward: the gradient of the weight is explained, not that of the place
 * @property {boolean} backward
 * @property {Objective | null} objective
 * @property {View} view
 * @property {import("./engine.js").Change[]} changes
 */

/** @typedef {(state: State, changed: Set<keyof State>) => void} Listener */

export class Store {
  /** @type {Listener[]} */
  #listeners = [];

  /** @param {State} state */
  constructor(state) { this.state = state; }

  /** @param {Listener} listener */
  listen(listener) { this.#listeners.push(listener); }

  /**
   * Change some of the state, and tell everybody what.
   * @param {Partial<State>} some
   */
  set(some) {
    this.state = { ...this.state, ...some };
    const changed = /** @type {Set<keyof State>} */ (new Set(Object.keys(some)));
    for (const listener of this.#listeners) listener(this.state, changed);
  }
}

/**
 * Write the state as the part of an address after `#`.
 * @param {State} state
 * @param {Description} model
 */
export function toHash(state, model) {
  const { source, place, weight, objective } = state;
  /** @type {Record<string, string>} */
  const parts = { [source.kind]: written(source) };
  if (place) parts.at = `${place.row ? model.steps[place.row - 1].name : "input"}:${place.at.join(".")}`;
  if (weight) parts.weight = `${weight.step}:${weight.param}:${weight.at.join(".")}`;
  if (objective) parts.objective = objective.kind === "loss" ? `loss.${objective.label}` : `logit.${objective.index}`;
  if (state.backward) parts.backward = state.ofWeight ? "weight" : "place";
  if (state.view !== "explain") parts.view = state.view;
  if (state.changes.length) parts.changes = JSON.stringify(state.changes);
  return "#" + Object.entries(parts).map(([name, value]) =>
    `${name}=${encodeURIComponent(value).replace(/%(2F|3A|2C)/g, found => decodeURIComponent(found))}`).join("&");
}

/** @param {Source} source */
function written(source) {
  if (source.kind === "sample") return String(source.index);
  if (source.kind === "noise") return String(source.seed);
  if (source.kind === "drawing") return source.strokes;
  return btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(source.pixels).buffer)));
}

/**
 * Read the state from an address; what does not fit the model is left at its default.
 * @param {string} hash
 * @param {Description} model
 * @returns {State}
 */
export function fromHash(hash, model) {
  const parts = new URLSearchParams(hash.replace(/^#/, "").replace(/\+/g, "%2B"));
  const view = /** @type {View} */ (parts.get("view"));
  return {
    source: readSource(parts, model),
    place: readPlace(parts.get("at") ?? "", model),
    weight: readWeight(parts.get("weight") ?? "", model),
    ofWeight: parts.get("backward") === "weight",
    backward: parts.has("backward"),
    objective: readObjective(parts.get("objective") ?? "", model),
    view: ["weights", "train", "failures"].includes(view) ? view : "explain",
    changes: readChanges(parts.get("changes")),
  };
}

/**
 * @param {URLSearchParams} parts
 * @param {Description} model
 * @returns {Source}
 */
function readSource(parts, model) {
  const index = Number(parts.get("sample"));
  if (parts.has("drawing")) return { kind: "drawing", strokes: parts.get("drawing") ?? "" };
  if (parts.has("pixels")) {
    try {
      const bytes = Uint8Array.from(atob(parts.get("pixels") ?? ""), c => c.charCodeAt(0));
      const pixels = new Float32Array(bytes.buffer);
      if (pixels.length === model.inputShape.reduce((a, b) => a * b, 1)) return { kind: "pixels", pixels };
    } catch { /* not base64: the default below */ }
  }
  if (!model.samples.count && !parts.has("noise") && model.digits) return { kind: "drawing", strokes: "" };
  if (parts.has("noise") || !model.samples.count) return { kind: "noise", seed: Number(parts.get("noise")) || 1 };
  return { kind: "sample", index: Number.isInteger(index) && index >= 0 && index < model.samples.count ? index : 0 };
}

/**
 * @param {string} text
 * @param {number[]} shape
 */
function readAt(text, shape) {
  const at = text.split(".").map(Number);
  const inside = at.every((i, axis) => Number.isInteger(i) && i >= 0 && i < shape[axis]);
  return at.length === shape.length && inside ? at : null;
}

/**
 * @param {string} text
 * @param {Description} model
 * @returns {Place | null}
 */
function readPlace(text, model) {
  const cut = text.lastIndexOf(":"), name = text.slice(0, cut);
  const row = name === "input" ? 0 : model.steps.findIndex(step => step.name === name) + 1;
  if (cut < 0 || (row === 0 && name !== "input")) return null;
  const at = readAt(text.slice(cut + 1), row ? model.steps[row - 1].outputShape : model.inputShape);
  return at && { row, at };
}

/**
 * @param {string} text
 * @param {Description} model
 * @returns {Weight | null}
 */
function readWeight(text, model) {
  const [step, param, place] = text.split(":");
  const shape = model.steps.find(({ name }) => name === step)?.params.find(({ name }) => name === param)?.shape;
  const at = shape && readAt(place ?? "", shape);
  return at ? { step, param, at } : null;
}

/**
 * @param {string} text
 * @param {Description} model
 * @returns {Objective | null}
 */
function readObjective(text, model) {
  const [kind, number] = text.split("."), index = Number(number);
  const classes = model.logits === null ? 0 : classesOf(model);
  if (!Number.isInteger(index) || index < 0 || index >= classes) return null;
  return kind === "loss" ? { kind, label: index } : kind === "logit" ? { kind, index } : null;
}

/**
 * @param {Description} model
 */
export function classesOf(model) {
  if (model.logits === null) return 0;
  const shape = model.logits ? model.steps[model.logits - 1].outputShape : model.inputShape;
  return shape.length === 1 ? shape[0] : 0;
}

/** @param {string | null} text */
function readChanges(text) {
  try {
    const changes = JSON.parse(text ?? "[]");
    return Array.isArray(changes) ? changes : [];
  } catch { return []; }
}
