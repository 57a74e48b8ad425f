// One row of the network: an array, drawn as maps or as bars.

import { ink, signed } from "./colours.js";
import { h } from "./dom.js";
import { drawBars, drawMaps } from "./maps.js";
import { place } from "./marks.js";
import { largest, number, show } from "./numbers.js";
import { flat, fromMap, layout, onMap, shapeText } from "./shapes.js";

/** @typedef {import("./engine.js").Tensor} Tensor */

const NEVER_BELOW_0 = ["ReLU", "Softmax", "Sigmoid"];

export class Row {
  seen = false;
  /** @type {import("./maps.js").Box[]} none until the maps are laid out */
  boxes = [];
  /** 0 is the lower edge of bars: none is below */
  floor = false;
  name = "";

  /**
   * @param {number} index        into a run's values
   * @param {number[]} shape
   * @param {import("./engine.js").Step | null} step      what gives it; null: the input
   * @param {import("./engine.js").Description} model
   * @param {HTMLElement} head
   */
  constructor(index, shape, step, model, head) {
    this.index = index;
    this.shape = shape;
    this.picture = !step;
    this.layout = layout(shape, model.digits && !step);
    this.scale = number("scale", null);
    this.maps = Array.from({ length: this.layout.count }, (_, c) => this.#map(c));
    const kind = this.layout.bars ? "maps bars" : this.layout.strip ? "maps strip" : "maps";
    const group = h("div", { class: kind, role: "group" }, ...this.maps);
    if (this.layout.bars && shape[0] <= 20) group.append(units(shape[0]));
    this.group = group;
    this.canvas = h("canvas");
    this.pile = h("canvas");
    this.element = h("section", { class: "row", "data-row": index }, h("header"), group);
    this.rename(step, head);
    this.element.style.setProperty("--ratio", String(this.layout.width / this.layout.height));
  }

  /** @param {number} channel */
  #map(channel) {
    return h("span", { class: "map", "data-map": channel, tabIndex: channel ? -1 : 0, role: "img" });
  }

  /**
   * @param {import("./engine.js").Step | null} step
   * @param {HTMLElement} head      what stands beside the maps
   */
  rename(step, head) {
    const { count, height, width } = this.layout;
    this.name = step ? step.name : "input";
    this.floor = step !== null && NEVER_BELOW_0.includes(step.kind);
    this.scale.dataset.number = `scale:${this.name}`;
    head.append(h("p", { class: "scale" }, h("span", {}, shapeText(this.shape)), h("span", {}, "±", this.scale)));
    this.element.firstElementChild?.replaceWith(head);
    this.element.setAttribute("aria-label", this.name);
    this.element.lastElementChild?.setAttribute("aria-label", `${this.name}: ${count} of ${height} by ${width}`);
    this.maps.forEach((map, channel) =>
      map.setAttribute("aria-label", `${this.name}, map ${channel} of ${count}; arrow keys choose a number`));
  }

  /**
   * Come into view, with a canvas behind all maps, or leave it, without.
   * @param {boolean} seen
   */
  show(seen) {
    if (seen === this.seen) return;
    this.seen = seen;
    if (seen) (this.layout.bars ? this.maps[0] : this.group).prepend(this.canvas);
    else this.canvas.remove();
    this.boxes = [];
  }

  /** Ask where the maps stand: once they are laid out, and never while somebody draws, as it waits for the layout. */
  measure() {
    const finer = Math.min(2, Math.max(1, window.devicePixelRatio));
    this.boxes = this.maps.map(({ offsetLeft, offsetTop, offsetWidth, offsetHeight }) => ({ left: offsetLeft * finer,
      top: offsetTop * finer, width: offsetWidth * finer, height: offsetHeight * finer }));
    if (this.layout.bars) return;
    this.canvas.width = this.group.offsetWidth * finer;
    this.canvas.height = this.group.offsetHeight * finer;
  }

  /**
   * @param {Tensor} tensor
   * @param {boolean} gradient
   */
  paint({ data }, gradient) {
    const scale = largest(data), colours = this.picture && !gradient ? ink() : signed();
    show(this.scale, scale);
    if (this.layout.bars) drawBars(this.canvas, data, signed(), scale, this.floor && !gradient);
    else if (this.boxes.length) drawMaps(this, data, this.layout, colours, scale);
  }

  /**
   * @param {Tensor} tensor
   * @param {number[]} at
   */
  value(tensor, at) { return tensor.data[flat(at, this.shape)]; }

  /**
   * The place of the array at a row and column of a map, held within the map.
   * @param {number} map
   * @param {number} row
   * @param {number} column
   */
  atMap(map, row, column) {
    const { height, width } = this.layout;
    const held = { map, row: Math.max(0, Math.min(height - 1, row)), column: Math.max(0, Math.min(width - 1, column)) };
    return fromMap(held, this.shape, this.layout);
  }

  /** @param {number} map */
  focus(map) {
    this.maps[map].focus();
    this.maps[map].scrollIntoView({ block: "nearest" });
  }

  /**
   * Mark the chosen number, or none.
   * @param {number[] | null} at
   */
  choose(at) {
    const chosen = at && onMap(at, this.shape, this.layout);
    for (const map of this.element.querySelectorAll(".chosen")) map.classList.remove("chosen");
    if (!chosen) return;
    for (const map of this.maps) map.tabIndex = -1;
    const map = this.maps[chosen.map];
    map.tabIndex = 0;
    map.classList.add("chosen");
    place(map, { left: chosen.column, top: chosen.row, width: 1, height: 1 }, this.layout);
  }

  /**
   * Mark the part of the maps from which terms come, or none.
   * @param {import("./marks.js").Parts | null} part
   */
  source(part) {
    for (const map of this.element.querySelectorAll(".source")) map.classList.remove("source");
    if (!part) return;
    place(this.element, part, this.layout, "s");
    for (const map of this.maps.slice(part.first, part.last + 1)) map.classList.add("source");
  }
}

/**
 * The numbers of few units, below their bars.
 * @param {number} count
 */
function units(count) {
  const numbers = Array.from({ length: count }, (_, i) => h("span", {}, String(i)));
  const line = h("span", { class: "units", "aria-hidden": "true" }, ...numbers);
  line.style.setProperty("--count", String(count));
  return line;
}
