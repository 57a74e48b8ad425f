// The map that the terms come from beside the map of the number, both large enough to point at one pixel.

import { ink, signed } from "./colours.js";
import { h, write } from "./dom.js";
import { drawBars, drawMap } from "./maps.js";
import { around, place as mark } from "./marks.js";
import { largest } from "./numbers.js";
import { layout, onMap, pointed } from "./shapes.js";

/** @typedef {import("./engine.js").Run} Run */
/** @typedef {import("./engine.js").Terms} Terms */
/** @typedef {"values" | "gradients"} Where */
/** @typedef {ReturnType<typeof view>} View */

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
    this.to.box.addEventListener("pointermove", event => event.buttons && this.#pick(event));
    this.to.box.addEventListener("pointerdown", event => this.#pick(event));
    this.sign = h("span", { class: "sign", "aria-hidden": "true" }, "→");
    this.element = h("div", { class: "big" }, this.from.element, this.sign, this.to.element);
  }

  /** @param {PointerEvent} event */
  #pick(event) {
    const { place, ofWeight, backward } = this.live.store.state;
    if (!place || (ofWeight && backward)) return;
    const shape = this.shapes[place.row], maps = this.#layout(place.row);
    const at = pointed(this.to.box, event, onMap(place.at, shape, maps).map, shape, maps);
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
    if (!run) return;
    const terms = this.#terms, product = ofWeight && backward;
    write(this.sign, product ? "×" : "→");
    this.#factor(this.from, terms?.leftIn ?? null, terms?.leftAt ?? null);
    if (product) this.#factor(this.to, terms?.rightIn ?? null, terms?.rightAt ?? null);
    else this.#chosen(place, backward && run.gradients ? "gradients" : "values");
  }

  /**
   * Show the map of the chosen number.
   * @param {import("./state.js").Place | null} place
   * @param {Where} where
   */
  #chosen(place, where) {
    this.to.element.style.visibility = place ? "visible" : "hidden";
    this.sign.style.visibility = this.from.element.style.visibility;
    this.to.box.classList.remove("source");
    if (place) this.#show(this.to, where, place.row, place.at);
  }

  /**
   * Show the map that one factor of the term comes from, and mark all that the terms take from it.
   * @param {View} to
   * @param {Terms["leftIn"]} source
   * @param {import("./engine.js").Tensor | null} places
   */
  #factor(to, source, places) {
    const known = source && source.where !== "parameter" && places && this.#term >= 0
      && places.shape[1] === this.shapes[source.index]?.length;
    to.element.style.visibility = known ? "visible" : "hidden";
    if (!known) return;
    const axes = places.shape[1], maps = this.#layout(source.index);
    const at = Array.from(places.data.subarray(this.#term * axes, (this.#term + 1) * axes));
    this.#show(to, source.where, source.index, at);
    const part = around(places, this.shapes[source.index], maps);
    to.box.classList.toggle("source", part !== null && !maps.bars);
    if (part) mark(to.box, part, maps, "s");
  }

  /**
   * @param {View} to
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
    const which = maps.count > 1 ? `, map ${map}` : "";
    const caption = `${where === "gradients" ? "gradient at " : ""}${name}${which}`;
    write(to.caption, caption);
    to.canvas.setAttribute("aria-label", caption);
  }
}

function view() {
  const canvas = h("canvas", { role: "img" }), box = h("span", { class: "map framed chosen" }, canvas);
  const caption = h("figcaption");
  return { canvas, box, caption, element: h("figure", {}, box, caption) };
}
