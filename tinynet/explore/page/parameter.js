// The weights of one filter as maps, and the gradient at each of them.

import { onTheme, signed } from "./colours.js";
import { h } from "./dom.js";
import { drawBars, drawMap } from "./maps.js";
import { place as mark } from "./marks.js";
import { largest } from "./numbers.js";
import { flat, fromMap, layout, onMap, pointed, seesPicture } from "./shapes.js";

/** @typedef {import("./engine.js").Tensor} Tensor */
/** @typedef {import("./state.js").Weight} Weight */

/**
 * Which axis counts the filters: the first of a convolution's kernel, the last of a dense one's, none of a bias.
 * @param {number[]} shape
 */
const filterAxis = shape => (shape.length >= 3 ? 0 : shape.length === 2 ? 1 : -1);

/**
 * The numbers of one filter.
 * @param {Tensor} tensor
 * @param {number} filter
 * @returns {Tensor}
 */
export function slice({ data, shape }, filter) {
  const axis = filterAxis(shape);
  if (axis < 0) return { data, shape };
  const rest = shape.filter((_, i) => i !== axis), size = rest.reduce((a, b) => a * b, 1);
  if (axis === 0) return { data: data.subarray(filter * size, (filter + 1) * size), shape: rest };
  return { data: Float64Array.from({ length: size }, (_, i) => data[i * shape[1] + filter]), shape: rest };
}

export class ParameterMaps {
  /** @type {Weight | null} */
  #weight = null;
  /** @type {{value: Tensor, gradient: Tensor | null} | null} */
  #found = null;

  /**
   * @param {import("./engine.js").Description} model
   * @param {import("./live.js").Live} live
   * @param {(weight: Weight) => void} chosen
   * @param {(problem: unknown) => void} failed
   */
  constructor(model, live, chosen, failed) {
    this.model = model;
    this.live = live;
    this.chosen = chosen;
    const by = (/** @type {number} */ way) => this.#filter(Number(this.number.value) + way);
    this.number = h("input", { type: "number", min: "0", "aria-label": "Filter", onchange: () => by(0) });
    this.count = h("span", { class: "note" });
    this.picker = h("div", { class: "buttons" },
      h("button", { type: "button", "aria-label": "Filter before", onclick: () => by(-1) }, "◀"),
      h("label", {}, "filter", this.number), this.count,
      h("button", { type: "button", "aria-label": "Filter after", onclick: () => by(1) }, "▶"));
    this.values = h("div", { class: "maps kernels", role: "group", "aria-label": "weights" });
    this.gradients = h("div", { class: "maps kernels", role: "group", "aria-label": "their gradients" });
    this.gradientsTitle = h("h3", {}, "Their gradients");
    this.element = h("div", { class: "parameter" }, this.picker, this.values, this.gradientsTitle, this.gradients);
    for (const maps of [this.values, this.gradients]) {
      maps.addEventListener("click", event => this.#pick(/** @type {PointerEvent} */ (event)));
      maps.addEventListener("keydown", event => this.#key(event));
    }
    onTheme(() => this.#paint());
    this.failed = failed;
  }

  /**
   * Show the filter of a weight.
   * @param {Weight} weight
   * @param {import("./engine.js").Objective | null} objective
   * @returns {Promise<{value: number, gradient: number | null}>}   of the weight
   */
  async show(weight, objective) {
    const pixels = Array.from(this.live.pixels);
    const found = await this.live.engine.parameter({ step: weight.step, name: weight.param, objective, pixels });
    this.#weight = weight;
    this.#found = found;
    this.#paint();
    const index = flat(weight.at, found.value.shape);
    return { value: found.value.data[index], gradient: found.gradient && found.gradient.data[index] };
  }

  #paint() {
    if (!this.#found || !this.#weight) return;
    const { value, gradient } = this.#found, { at } = this.#weight, axis = filterAxis(value.shape);
    this.picker.hidden = axis < 0;
    if (axis >= 0) {
      this.number.max = String(value.shape[axis] - 1);
      this.number.value = String(at[axis]);
      this.count.textContent = `of ${value.shape[axis]}`;
    }
    const place = at.filter((_, i) => i !== axis);
    draw(this.values, slice(value, at[axis]), largest(value.data), place, this.#picture());
    this.gradients.hidden = this.gradientsTitle.hidden = !gradient;
    if (gradient) draw(this.gradients, slice(gradient, at[axis]), largest(gradient.data), place, this.#picture());
  }

  /** Whether the weights of a unit belong to pixels. */
  #picture() {
    const step = this.model.steps.findIndex(({ name }) => name === this.#weight?.step);
    return seesPicture(this.model, step) && this.#rest()[0] === this.live.pixels.length;
  }

  /** @param {number} filter */
  #filter(filter) {
    if (!this.#found || !this.#weight) return;
    const { shape } = this.#found.value, axis = filterAxis(shape), at = [...this.#weight.at];
    at[axis] = Math.max(0, Math.min(shape[axis] - 1, Math.round(filter) || 0));
    this.chosen({ ...this.#weight, at });
  }

  /** @param {PointerEvent} event */
  #pick(event) {
    const map = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".map"));
    if (!map || !this.#found || !this.#weight) return;
    const rest = this.#rest(), place = pointed(map, event, Number(map.dataset.map), rest, layout(rest, this.#picture()));
    if (place) this.#choose(place);
  }

  #rest() {
    const { shape } = /** @type {{value: Tensor}} */ (this.#found).value, axis = filterAxis(shape);
    return shape.filter((_, i) => i !== axis);
  }

  /** @param {number[]} place */
  #choose(place) {
    if (!this.#found || !this.#weight) return;
    const axis = filterAxis(this.#found.value.shape), at = [...place];
    if (axis >= 0) at.splice(axis, 0, this.#weight.at[axis]);
    this.chosen({ ...this.#weight, at });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const move = /** @type {Record<string, [number, number]>} */ (
      { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] })[event.key];
    if (!move || !this.#found || !this.#weight) return;
    event.preventDefault();
    const rest = this.#rest(), maps = layout(rest, this.#picture()), axis = filterAxis(this.#found.value.shape);
    const now = onMap(this.#weight.at.filter((_, i) => i !== axis), rest, maps);
    let { map, row, column } = { map: now.map, row: now.row + move[0], column: now.column + move[1] };
    if (column >= maps.width && map + 1 < maps.count) [map, column] = [map + 1, 0];
    if (column < 0 && map > 0) [map, column] = [map - 1, maps.width - 1];
    if (row < 0 || row >= maps.height || column < 0 || column >= maps.width) return;
    const place = fromMap({ map, row, column }, rest, maps);
    if (place) this.#choose(place);
  }
}

/**
 * @param {HTMLElement} place
 * @param {Tensor} tensor
 * @param {number} scale
 * @param {number[]} at
 * @param {boolean} picture
 */
function draw(place, { data, shape }, scale, at, picture) {
  const maps = layout(shape, picture), chosen = onMap(at, shape, maps), size = maps.height * maps.width;
  while (place.children.length > maps.count) place.lastElementChild?.remove();
  while (place.children.length < maps.count) {
    const map = place.children.length;
    place.append(h("span", { class: "map framed", "data-map": map, role: "img", tabIndex: map ? -1 : 0,
      "aria-label": `channel ${map}; arrow keys choose a weight` }, h("canvas")));
  }
  place.classList.toggle("bars", maps.bars);
  place.classList.toggle("strip", picture || maps.strip === true);
  place.style.setProperty("--ratio", String(maps.width / maps.height));
  Array.from(place.children).forEach((map, channel) => {
    const canvas = /** @type {HTMLCanvasElement} */ (map.firstElementChild);
    if (maps.bars) drawBars(canvas, data, signed(), scale, false);
    else drawMap(canvas, data, { offset: channel * size, height: maps.height, width: maps.width }, signed(), scale);
    map.classList.toggle("chosen", channel === chosen.map);
    mark(/** @type {HTMLElement} */ (map), { left: chosen.column, top: chosen.row, width: 1, height: 1 }, maps);
  });
}
