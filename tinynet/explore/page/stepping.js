// Through the network in order: a pixel, a map or a layer at a time, by hand or playing.

import { choice, h } from "./dom.js";
import { flat, layout, unflat } from "./shapes.js";

/** @typedef {import("./engine.js").Description} Description */
/** @typedef {import("./state.js").Place} Place */
/** @typedef {"pixel" | "map" | "layer"} Unit */

/**
 * The place after this one. Forward: from the first layer's first pixel to the last's last. Backward: from the logits
 * to the input, each map still from its first pixel to its last.
 * @param {Place} place
 * @param {Unit} unit
 * @param {1 | -1} way       1 on, -1 back
 * @param {boolean} backward
 * @param {number[][]} shapes    of the rows
 * @param {number} start     the row that backward begins with
 * @returns {Place | null}   null at the end
 */
export function next(place, unit, way, backward, shapes, start) {
  const { row } = place, shape = shapes[row], maps = layout(shape);
  const size = maps.height * maps.width, count = maps.count;
  const index = flat(place.at, shape);
  if (unit !== "layer") {
    const to = unit === "pixel" ? index + way : (Math.floor(index / size) + way) * size;
    if (to >= 0 && to < Math.min(count * size, total(shape))) return { row, at: unflat(to, shape) };
  }
  const other = row + (backward ? -way : way);
  const [first, last] = backward ? [0, start] : [1, shapes.length - 1];
  if (other < first || other > last) return null;
  const begin = unit === "layer" || way > 0 ? 0 : unit === "pixel" ? total(shapes[other]) - 1 : lastMap(shapes[other]);
  return { row: other, at: unflat(begin, shapes[other]) };
}

/** @param {number[]} shape */
const total = shape => shape.reduce((a, b) => a * b, 1);

/** @param {number[]} shape */
function lastMap(shape) {
  const { count, height, width } = layout(shape);
  return (count - 1) * height * width;
}

const PACE = [2000, 1000, 500, 250, 120, 60];       // milliseconds a step

export class Stepping {
  /** @type {Unit} */
  #unit = "pixel";
  #timer = 0;

  /**
   * @param {Description} model
   * @param {import("./state.js").Store} store
   */
  constructor(model, store) {
    this.store = store;
    this.shapes = [model.inputShape, ...model.steps.map(step => step.outputShape)];
    this.start = model.logits ?? this.shapes.length - 1;
    const units = choice("Step by", ["pixel", "map", "layer"].map(unit => ({ value: unit, text: unit })), value => {
      this.#unit = /** @type {Unit} */ (value);
      units.show(value);
    });
    units.show(this.#unit);
    this.pace = h("input", { type: "range", min: "0", max: String(PACE.length - 1), value: "2",
      "aria-label": "Speed of playing" });
    this.pace.addEventListener("input", () => this.#timer && this.#play());
    this.playing = h("button", { type: "button", class: "play", "aria-pressed": "false", "aria-label": "Play",
      onclick: () => (this.#timer ? this.stop() : this.#play()) }, "▶");
    this.element = h("div", { class: "stepping", role: "group", "aria-label": "Step through the network" },
      this.#button("One step back", "←", -1), this.#button("One step on", "→", 1),
      units.element, this.playing, this.pace);
  }

  /**
   * @param {string} name
   * @param {string} text
   * @param {1 | -1} way
   */
  #button(name, text, way) {
    return h("button", { type: "button", "aria-label": name, title: name, onclick: () => this.#by(way) }, text);
  }

  /** @param {1 | -1} way */
  #by(way) {
    this.stop();
    this.#go(way);
  }

  /** @param {1 | -1} way */
  #go(way) {
    const { place, backward } = this.store.state;
    const first = backward ? this.start : 1;
    const beyond = place && backward && place.row > this.start;
    const to = place && !beyond ? next(place, this.#unit, way, backward, this.shapes, this.start)
      : { row: first, at: this.shapes[first].map(() => 0) };
    if (to) this.store.set({ place: to, ofWeight: false });
    return to !== null;
  }

  #play() {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#go(1) || this.stop(), PACE[Number(this.pace.value)]);
    this.#showPlaying(true);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#showPlaying(false);
  }

  /** @param {boolean} on */
  #showPlaying(on) {
    this.playing.textContent = on ? "■" : "▶";
    this.playing.setAttribute("aria-pressed", String(on));
    this.playing.setAttribute("aria-label", on ? "Stop" : "Play");
  }
}
