// The terms of a number as pictures: of each channel the window, what it is multiplied by, and the products.

import { signed } from "./colours.js";
import { h } from "./dom.js";
import { drawBars, drawMap } from "./maps.js";
import { place } from "./marks.js";
import { largest, number, show } from "./numbers.js";
import { pointed } from "./shapes.js";

/** @typedef {import("./engine.js").Explanation} Explanation */
/** @typedef {import("./engine.js").Terms} Terms */

/** The terms of a group, in the places where they stand: cells of a grid, each the number of a term or -1; or bars. */
/** @typedef {{height: number, width: number, cells: Int32Array, bars: boolean}} Grid */

const MOST_BARS = 600;

/**
 * @param {Terms} terms
 * @param {number} group
 * @param {boolean} picture     the terms are those of the pixels of a square picture, in order
 * @returns {Grid}
 */
export function grid(terms, group, picture) {
  const count = terms.product.data.length;
  const mine = Array.from({ length: count }, (_, t) => t).filter(t => !terms.group || terms.group.data[t] === group);
  const at = terms.leftAt?.data, axes = terms.leftAt?.shape[1] ?? 0;
  if (picture && Number.isInteger(Math.sqrt(count))) {
    const side = Math.sqrt(count);
    return { height: side, width: side, cells: Int32Array.from(mine), bars: false };
  }
  if (!at || axes < 2) return line(mine);
  const rows = mine.map(t => at[t * axes + axes - 2]), columns = mine.map(t => at[t * axes + axes - 1]);
  const top = Math.min(...rows), left = Math.min(...columns);
  const height = Math.max(...rows) - top + 1, width = Math.max(...columns) - left + 1;
  if (!mine.length || height * width > 40000) return line(mine);
  const cells = new Int32Array(height * width).fill(-1);
  mine.forEach((t, i) => { cells[(rows[i] - top) * width + columns[i] - left] = t; });
  return { height, width, cells, bars: false };
}

/**
 * Terms that have no place in a plane: side by side, or many of them in lines.
 * @param {number[]} mine
 * @returns {Grid}
 */
function line(mine) {
  if (mine.length <= MOST_BARS) return { height: 1, width: mine.length, cells: Int32Array.from(mine), bars: true };
  const width = Math.max(1, Math.min(mine.length, Math.ceil(Math.sqrt(mine.length * 1.6))));
  const height = Math.max(1, Math.ceil(mine.length / width)), cells = new Int32Array(height * width).fill(-1);
  cells.set(mine);
  return { height, width, cells, bars: false };
}

/**
 * What a term is shown by beside its left factor: the name of the product, null where the factor is the whole term.
 * @param {Terms} terms
 */
export function columns({ left, right, product }) {
  if (right) return { product: "products" };
  return { product: product.data.some((value, t) => value !== left.data[t]) ? "terms" : null };
}

export class TermPictures {
  /** @type {Terms | null} */
  #terms = null;
  /** @type {Grid} */
  #grid = { height: 1, width: 1, cells: new Int32Array(1), bars: false };
  group = 0;
  #picture = false;
  /** @type {number} */
  #term = -1;
  /** @type {Float64Array} */
  #sums = new Float64Array(0);

  /**
   * @param {(term: number, picked: boolean) => void} chosen   a term was pointed at, or picked
   */
  constructor(chosen) {
    this.chosen = chosen;
    this.names = ["left", "right", "product"].map(() => h("figcaption"));
    this.canvases = this.names.map((_, i) => h("canvas", { tabIndex: i === 2 ? 0 : -1, role: "img" }));
    this.figures = this.canvases.map((canvas, i) =>
      h("figure", {}, h("span", { class: "map framed" }, canvas), this.names[i]));
    this.channels = h("canvas", { tabIndex: 0, role: "img",
      "aria-label": "sums of the channels; arrow keys choose one" });
    this.sum = number("group", 0);
    this.groupName = h("span", { class: "group-name" });
    this.groups = h("div", { class: "groups" }, h("span", { class: "map wide" }, this.channels),
      h("p", { class: "note" }, this.groupName, " ", this.sum));
    this.signs = ["×", "="].map(sign => h("span", { class: "sign" }, sign));
    const [left, right, product] = this.figures;
    this.picture = h("div", { class: "triptych" }, left, this.signs[0], right, this.signs[1], product);
    this.element = h("div", { class: "terms" }, this.groups, this.picture);
    this.#listen();
  }

  #listen() {
    for (const canvas of this.canvases) {
      const at = (/** @type {PointerEvent} */ event) => {
        const { height, width } = this.#grid;
        const found = pointed(canvas, event, 0, [height, width], { count: 1, height, width, bars: false });
        return found ? found[0] * width + found[1] : -1;
      };
      canvas.addEventListener("pointermove", event => this.#point(at(event), false));
      canvas.addEventListener("click", event => this.#point(at(/** @type {PointerEvent} */ (event)), true));
      canvas.addEventListener("keydown", event => this.#key(event));
    }
    const pick = (/** @type {PointerEvent | MouseEvent} */ event) => {
      const width = this.#sums.length;
      const found = pointed(this.channels, event, 0, [width], { count: 1, height: 1, width, bars: true });
      if (found) this.choose(found[0]);
    };
    this.channels.addEventListener("click", pick);
    this.channels.addEventListener("pointermove", event => event.buttons && pick(event));
    this.channels.addEventListener("keydown", event => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.choose(Math.max(0, Math.min(this.#sums.length - 1, this.group + step)));
    });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { width, cells } = this.#grid;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width }[event.key];
    if (event.key === "Enter" && this.#term >= 0) this.chosen(this.#term, true);
    if (!step) return;
    event.preventDefault();
    const now = cells.indexOf(this.#term);
    this.#point(now < 0 ? 0 : Math.max(0, Math.min(cells.length - 1, now + step)), false);
  }

  /**
   * @param {number} cell
   * @param {boolean} picked
   */
  #point(cell, picked) {
    const term = this.#grid.cells[cell] ?? -1;
    if (term < 0) return;
    this.mark(term);
    this.chosen(term, picked);
  }

  /**
   * Mark a term in all three pictures, in the group that it belongs to.
   * @param {number} term
   */
  mark(term) {
    const group = this.#terms?.group?.data[term];
    if (group !== undefined && group !== this.group) this.choose(group);
    this.#term = term;
    const { height, width, cells } = this.#grid, cell = cells.indexOf(term);
    for (const figure of this.figures) {
      const map = /** @type {HTMLElement} */ (figure.firstElementChild);
      map.classList.toggle("chosen", cell >= 0);
      place(map, { left: cell % width, top: Math.floor(cell / width), width: 1, height: 1 }, { height, width });
    }
  }

  /**
   * @param {Terms} terms
   * @param {boolean} picture     the left factors are the pixels of a picture that is given as a vector
   */
  show(terms, picture) {
    this.#terms = terms;
    this.#picture = picture;
    const count = terms.groupNames?.length ?? 0;
    this.#sums = new Float64Array(count);
    const group = terms.group?.data;
    if (group) terms.product.data.forEach((value, t) => { this.#sums[group[t]] += value; });
    this.groups.hidden = count < 2;
    const { product } = columns(terms);
    this.signs[0].hidden = this.figures[1].hidden = !terms.right;
    this.signs[1].hidden = this.figures[2].hidden = !product;
    this.signs[1].textContent = terms.right ? "=" : "→";
    [terms.leftName, terms.rightName ?? "", product ?? ""].forEach((name, i) => {
      this.names[i].textContent = name;
      this.canvases[i].setAttribute("aria-label", `${name}; arrow keys choose a term`);
    });
    this.canvases[0].tabIndex = product ? -1 : 0;
    this.#term = -1;
    this.choose(this.group < count ? this.group : 0);
  }

  /** @param {number} group */
  choose(group) {
    const terms = this.#terms;
    if (!terms) return;
    this.group = group;
    this.#grid = grid(terms, group, this.#picture);
    this.#paint(terms);
    this.mark(this.#term);
    if (this.groups.hidden) return;
    this.groupName.textContent = `${terms.groupNames?.[group]}, sum`;
    this.sum.dataset.number = `group:${group}`;
    show(this.sum, this.#sums[group]);
    const map = /** @type {HTMLElement} */ (this.channels.parentElement);
    map.classList.add("chosen");
    place(map, { left: group, top: 0, width: 1, height: 1 }, { height: 1, width: this.#sums.length });
  }

  /** Draw anew, in other colours perhaps. */
  repaint() { if (this.#terms) this.#paint(this.#terms); }

  /** @param {Terms} terms */
  #paint(terms) {
    const { height, width, cells, bars } = this.#grid, parts = [terms.left, terms.right, terms.product];
    this.picture.style.setProperty("--ratio", String(width / height));
    this.picture.classList.toggle("wide", width > 2.5 * height);
    this.picture.classList.toggle("bars", bars);
    parts.forEach((part, i) => {
      if (!part) return;
      const numbers = Float64Array.from(cells, t => (t < 0 ? NaN : part.data[t]));
      if (bars) drawBars(this.canvases[i], numbers, signed(), largest(part.data), false);
      else drawMap(this.canvases[i], numbers, { offset: 0, height, width }, signed(), largest(part.data));
    });
    if (!this.groups.hidden) drawBars(this.channels, this.#sums, signed(), largest(this.#sums), false);
  }
}

