// The map that the terms come from beside the map of the number, both large enough to point at one pixel.

import { ink, signed } from "./colours.js";
import { h } from "./dom.js";
import { drawBars, drawMap } from "./maps.js";
import { around, place as mark } from "./marks.js";
import { largest } from "./numbers.js";
import { layout, onMap, pointed } from "./shapes.js";

/** @typedef {import("./engine.js").Run} Run */
/** @typedef {import("./engine.js").Terms} Terms */
/** @typedef {"values" | "gradients"} Where */

export class BigMaps {
  #term = -1;
  /** @type {Terms | null} */
  #terms = null;

  /**
   * @param {import("./engine.js").Description} model
   * @param {import("./live.js").Live} live
   */
  constructor(model, live) {
    this.model = model;
    this.live = live;
    this.shapes = [model.inputShape, ...model.steps.map(step => step.outputShape)];
    this.from = view();
    this.to = view();
    this.to.canvas.addEventListener("pointermove", event => event.buttons && this.#pick(event));
    this.to.canvas.addEventListener("pointerdown", event => this.#pick(event));
    this.element = h("div", { class: "big" }, this.from.element,
      h("span", { class: "sign", "aria-hidden": "true" }, "→"), this.to.element);
  }

  /** @param {PointerEvent} event */
  #pick(event) {
    const { place } = this.live.store.state;
    if (!place) return;
    const shape = this.shapes[place.row], maps = this.#layout(place.row);
    const at = pointed(event, onMap(place.at, shape, maps).map, shape, maps);
    if (at) this.live.store.set({ place: { row: place.row, at }, ofWeight: false });
  }

  /** @param {number} row */
  #layout(row) { return layout(this.shapes[row], this.model.digits && row === 0); }

  /**
   * Show the map that a term comes from.
   * @param {Terms | null} terms
   * @param {number} term
   */
  source(terms, term) {
    this.#terms = terms;
    this.#term = term;
    this.paint();
  }

  paint() {
    const { run, store } = this.live, { place, backward, ofWeight } = store.state;
    const from = this.#from();
    this.from.element.style.visibility = from ? "visible" : "hidden";
    this.to.element.style.visibility = place && !(ofWeight && backward) ? "visible" : "hidden";
    if (!run || !place) return;
    this.#show(this.to, backward && run.gradients ? "gradients" : "values", place.row, place.at);
    if (!from) return;
    this.#show(this.from, from.where, from.row, from.at);
    this.#window(from.row);
  }

  /** Where the term stands that is shown. */
  #from() {
    const terms = this.#terms, leftIn = terms?.leftIn;
    if (!terms || !leftIn || leftIn.where === "parameter" || this.#term < 0) return null;
    const axes = terms.leftAt.shape[1];
    const at = Array.from(terms.leftAt.data.subarray(this.#term * axes, (this.#term + 1) * axes));
    return at.length === this.shapes[leftIn.index]?.length ? { where: leftIn.where, row: leftIn.index, at } : null;
  }

  /**
   * Mark the whole of what the terms come from, around the one that is shown.
   * @param {number} row
   */
  #window(row) {
    const maps = this.#layout(row), part = around(/** @type {Terms} */ (this.#terms).leftAt, this.shapes[row], maps);
    this.from.box.classList.toggle("source", part !== null && !maps.bars);
    if (part) mark(this.from.box, part, maps, "s");
  }

  /**
   * @param {ReturnType<typeof view>} to
   * @param {Where} where
   * @param {number} row
   * @param {number[]} at
   */
  #show(to, where, row, at) {
    const run = /** @type {Run} */ (this.live.run), { data } = (run[where] ?? run.values)[row];
    const shape = this.shapes[row], maps = this.#layout(row), { map, row: top, column: left } = onMap(at, shape, maps);
    const part = { offset: map * maps.height * maps.width, height: maps.height, width: maps.width };
    if (maps.bars) drawBars(to.canvas, data, signed(), largest(data), false);
    else drawMap(to.canvas, data, part, row === 0 && where === "values" ? ink() : signed(), largest(data));
    to.box.style.setProperty("--ratio", String(maps.bars ? 1.5 : maps.width / maps.height));
    mark(to.box, { left, top, width: 1, height: 1 }, maps);
    const name = row ? this.model.steps[row - 1].name : "input";
    to.caption.textContent = `${where === "gradients" ? "gradient at " : ""}${name}${maps.count > 1 ? `, map ${map}` : ""}`;
    to.canvas.setAttribute("aria-label", to.caption.textContent);
  }
}

function view() {
  const canvas = h("canvas", { role: "img" }), box = h("span", { class: "map framed chosen" }, canvas);
  const caption = h("figcaption");
  return { canvas, box, caption, element: h("figure", {}, box, caption) };
}
