// The left column: the drawing, what its steps make of it, test digits to pick, and what the model says.

import { ink, onTheme } from "./colours.js";
import { h, write } from "./dom.js";
import { drawColours, drawMap } from "./maps.js";
import { largest } from "./numbers.js";
import { Output } from "./output.js";
import { Pen } from "./pen.js";
import { layout } from "./shapes.js";

/** @typedef {import("./engine.js").Description} Description */
/** @typedef {import("./live.js").Live} Live */
/** @typedef {import("./state.js").State} State */

const PICKS = 12;

/**
 * @param {HTMLElement} place
 * @param {Description} model
 * @param {Live} live
 * @param {(problem: unknown) => void} failed
 * @returns {{begin: () => Promise<void>}}   begins with the input that the address names
 */
export function showInput(place, model, live, failed) {
  const note = h("p", { class: "note", "aria-live": "polite" });
  const steps = new NormaliseSteps(model.digits, () => pen.again().catch(failed));
  const shown = (/** @type {import("./engine.js").Normalised} */ answer) => {
    write(note, answer.message ?? "");
    steps.show(answer.steps);
    return answer.image && answer.image.data;
  };
  const pen = new Pen(model, live, { shown, open: () => steps.element.open }, failed);
  const picks = new Picks(model, live, failed);
  place.append(drawing(pen, model, live, failed), note, steps.element,
    new Output(model, live).element, picks.element);

  const take = async (/** @type {State} */ { source }) => {
    if (model.digits && source.kind !== "drawing") write(note, "");
    if (source.kind !== "drawing") pen.wipe();
    picks.mark(source);
    if (source.kind === "sample") await picks.feed(source.index);
    if (source.kind === "pixels") await live.feed(async () => source.pixels);
    if (source.kind === "noise") await live.feed(async () => noise(live.pixels.length, source.seed));
    if (source.kind === "drawing") await pen.draw(source.strokes);
  };
  live.store.listen((state, changed) => {
    if (!changed.has("source")) return;
    if (state.source.kind === "sample" || state.source.kind === "noise") take(state).catch(failed);
    else picks.mark(state.source);
  });
  return { begin: () => take(live.store.state) };
}

/**
 * @param {Pen} pen
 * @param {Description} model
 * @param {Live} live
 * @param {(problem: unknown) => void} failed
 */
function drawing(pen, model, live, failed) {
  const file = h("input", { type: "file", accept: "image/*", class: "hidden", id: "file", tabIndex: -1,
    onchange: () => { if (file.files?.[0]) pen.open(file.files[0]).catch(failed); file.value = ""; } });
  const set = live.store.set.bind(live.store);
  const clear = () => { pen.wipe(); set({ source: { kind: "drawing", strokes: "" } }); pen.draw(""); };
  const random = () => set({ source: { kind: "noise", seed: 1 + Math.floor(Math.random() * 1e6) } });
  const canDraw = model.digits || model.inputShape.length === 3;
  const shown = pixelsCanvas(model, { class: "seen", "aria-hidden": "true" });
  const paint = () => showPixels(shown, live.pixels, model);
  live.onRun.push(paint);
  onTheme(paint);
  return h("div", { class: "drawing" },
    h("h2", {}, model.digits ? "Draw a digit" : "Input"),
    canDraw && h("div", { class: "paper" }, pen.canvas,
      h("p", { class: "invitation", "aria-hidden": "true" }, "Draw here")),
    h("figure", { class: "sees" }, shown, h("figcaption", {}, "what the model sees")),
    h("div", { class: "buttons" },
      canDraw && h("button", { type: "button", onclick: clear }, "Clear"),
      canDraw && h("button", { type: "button", onclick: () => pen.takeBack() }, "Undo"),
      canDraw && h("button", { type: "button", title: "or drop one on the drawing", onclick: () => file.click() },
        "Picture"),
      !model.digits && h("button", { type: "button", onclick: random }, "Random"), file));
}

/**
 * A canvas of as many pixels as the input has.
 * @param {Description} model
 * @param {Record<string, string>} [given]
 */
function pixelsCanvas(model, given = {}) {
  const { height, width } = layout(model.inputShape, true);
  return h("canvas", { ...given, width, height });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} pixels
 * @param {Description} model
 */
function showPixels(canvas, pixels, model) {
  const maps = layout(model.inputShape, true), scale = largest(pixels);
  if (model.inputShape.length === 3 && maps.count === 3) drawColours(canvas, pixels, maps.height, maps.width, scale);
  else drawMap(canvas, pixels, { offset: 0, height: maps.height, width: maps.width }, ink(), scale);
}

/**
 * Numbers between 0 and 1 that look random, the same for the same seed.
 * @param {number} size
 * @param {number} seed
 */
function noise(size, seed) {
  const numbers = new Float32Array(size);
  let state = seed >>> 0;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    numbers[i] = (state >>> 8) / 2 ** 24;
  }
  return numbers;
}

/** What each step of `tinynet.digits.normalise` makes of the drawing. */
class NormaliseSteps {
  /** @type {HTMLElement} */
  #line = h("div", { class: "normalise" });
  element = h("details", { class: "steps" }, h("summary", {}, "How it becomes an MNIST digit"), this.#line);
  /** @type {import("./engine.js").NormaliseStep[]} */
  #last = [];

  /**
   * @param {boolean} digits
   * @param {() => void} opened   of a drawing they are sent only while they can be seen
   */
  constructor(digits, opened) {
    this.element.hidden = !digits;
    this.element.addEventListener("toggle", () => {
      this.show(this.#last);
      if (this.element.open) opened();
    });
    onTheme(() => this.show(this.#last));
  }

  /** @param {import("./engine.js").NormaliseStep[]} steps */
  show(steps) {
    this.#last = steps;
    if (!this.element.open) return;
    steps.forEach(({ name, text, width, height, pixels }, i) => {
      const figure = this.#line.children[i]
        ?? this.#line.appendChild(h("figure", {}, h("canvas", { role: "img" }), h("figcaption")));
      const canvas = /** @type {HTMLCanvasElement} */ (figure.firstElementChild);
      /** @type {HTMLElement} */ (figure.lastElementChild).textContent = name;
      canvas.setAttribute("aria-label", text);
      canvas.title = `${text}: ${height} × ${width}`;
      drawMap(canvas, pixels.data, { offset: 0, height, width }, ink(), largest(pixels.data));
    });
  }
}

/** Samples to pick: a few as pictures, all of them by number. */
class Picks {
  /** @type {Map<number, HTMLButtonElement>} */
  #buttons = new Map();

  /**
   * @param {Description} model
   * @param {Live} live
   * @param {(problem: unknown) => void} failed
   */
  constructor(model, live, failed) {
    const { count } = model.samples;
    this.model = model;
    this.live = live;
    this.number = h("input", { type: "number", min: "0", max: String(count - 1), id: "sample-number",
      onchange: () => this.#pick(Math.max(0, Math.min(count - 1, Math.round(Number(this.number.value) || 0)))) });
    const strip = h("div", { class: "picks" });
    const title = model.digits ? "or pick a test digit" : "or pick a sample";
    this.element = h("div", { class: "samples" }, h("h2", {}, title), strip,
      h("div", { class: "buttons" }, h("label", { for: "sample-number" }, "number"), this.number,
        h("button", { type: "button", onclick: () => this.#pick(Math.floor(Math.random() * count)) }, "Any")));
    this.element.hidden = !count;
    for (let i = 0; i < Math.min(PICKS, count); i++) strip.append(this.#thumbnail(i));
    this.#fill().catch(failed);
  }

  /** @param {number} index */
  #thumbnail(index) {
    const label = this.model.samples.labels?.data[index];
    const name = `sample ${index}${label === undefined ? "" : `, labelled ${label}`}`;
    const button = h("button", { type: "button", "data-sample": index, "aria-label": name, "aria-pressed": "false",
      onclick: () => this.#pick(index) }, pixelsCanvas(this.model));
    this.#buttons.set(index, button);
    return button;
  }

  async #fill() {
    for (const [index, button] of this.#buttons) {
      const { pixels } = await this.live.engine.sample({ index });
      const canvas = /** @type {HTMLCanvasElement} */ (button.firstElementChild);
      const paint = () => showPixels(canvas, pixels.data, this.model);
      paint();
      onTheme(paint);
    }
  }

  /**
   * Take a sample, and its label as the true one.
   * @param {number} index
   */
  #pick(index) {
    const { objective } = this.live.store.state, label = this.model.samples.labels?.data[index];
    const another = label !== undefined && objective?.kind === "loss" && objective.label !== label;
    this.live.store.set({ source: { kind: "sample", index }, ...(another && { objective: { kind: "loss", label } }) });
  }

  /** @param {State["source"]} source */
  mark(source) {
    const index = source.kind === "sample" ? source.index : -1;
    for (const [i, button] of this.#buttons) button.setAttribute("aria-pressed", String(i === index));
    this.number.value = index < 0 ? "" : String(index);
  }

  /** @param {number} index */
  async feed(index) {
    const { pixels } = await this.live.engine.sample({ index });
    await this.live.feed(async () => pixels.data);
  }
}
