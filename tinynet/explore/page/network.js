// The middle column: a row for the input and one for each step, with all its maps.

import { onTheme } from "./colours.js";
import { h, mark } from "./dom.js";
import { around } from "./marks.js";
import { format } from "./numbers.js";
import { Row } from "./row.js";
import { middle, onMap, pointed } from "./shapes.js";
import { chapter } from "./words.js";

/** @typedef {import("./engine.js").Description} Description */
/** @typedef {import("./engine.js").Explanation} Explanation */
/** @typedef {import("./live.js").Live} Live */
/** @typedef {import("./state.js").Place} Place */
/** @typedef {import("./state.js").Store} Store */

/** @type {Record<string, [number, number]>} */
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
/** @type {Record<string, number>} */
const PAGES = { PageDown: 1, PageUp: -1 };

export class Network {
  /**
   * @param {HTMLElement} place
   * @param {Description} model
   * @param {Live} live
   * @param {(text: string) => void} readout    shows the number under the pointer
   */
  constructor(place, model, live, readout) {
    this.model = model;
    this.live = live;
    this.store = live.store;
    this.readout = readout;
    const shapes = [model.inputShape, ...model.steps.map(step => step.outputShape)];
    this.rows = shapes.map((shape, i) =>
      new Row(i, shape, i ? model.steps[i - 1] : null, model, head(model, i, this.store)));
    place.append(...this.rows.map(row => row.element));
    this.#watch();
    this.#listen(place);
    live.onRun.push(() => this.paint());
    onTheme(() => this.paint());
    this.store.listen((_, changed) => {
      if (changed.has("place") || changed.has("backward")) this.mark();
    });
  }

  /** Only rows that can be seen have a canvas, and only they are drawn: 30 layers cost no more than what is in view. */
  #watch() {
    const rowOf = (/** @type {Element} */ target) =>
      this.rows[Number(/** @type {HTMLElement} */ (target.closest("[data-row]")).dataset.row)];
    const sized = new ResizeObserver(entries => {
      const rows = entries.map(({ target }) => rowOf(target)).filter(({ seen }) => seen);
      for (const row of rows) row.measure();
      for (const row of rows) this.#paint(row);
    });
    const seen = new IntersectionObserver(entries => {
      for (const { target, isIntersecting } of entries) {
        const row = rowOf(target);
        row.show(isIntersecting);
        if (isIntersecting) sized.observe(row.group);         // calls back once it is laid out, too
        else sized.unobserve(row.group);
      }
    }, { rootMargin: "150px" });
    for (const row of this.rows) seen.observe(row.element);
  }

  /** @param {Row} row */
  #paint(row) {
    const { run } = this.live;
    if (!run) return;
    const gradient = this.store.state.backward && run.gradients !== null;
    row.paint(gradient ? /** @type {any} */ (run.gradients)[row.index] : run.values[row.index], gradient);
  }

  /** Name the rows anew: a step has become another. */
  rename() {
    for (const row of this.rows.slice(1)) {
      row.rename(this.model.steps[row.index - 1], head(this.model, row.index, this.store));
    }
    this.paint();
  }

  paint() {
    for (const row of this.rows) if (row.seen) this.#paint(row);
  }

  /** Mark the chosen number. */
  mark() {
    const { place, backward } = this.store.state;
    for (const row of this.rows) row.choose(place && place.row === row.index ? place.at : null);
    mark(document.documentElement, "data-backward", backward);
  }

  /**
   * Mark where the terms come from.
   * @param {Explanation | null} found
   */
  source(found) {
    for (const row of this.rows) row.source(null);
    const terms = found?.terms;
    if (!terms?.leftAt || !terms.leftIn || terms.leftIn.where === "parameter") return;
    const row = this.rows[terms.leftIn.index];
    if (row) row.source(around(terms.leftAt, row.shape, row.layout));
  }

  /** @param {HTMLElement} place */
  #listen(place) {
    let down = false;
    const at = (/** @type {PointerEvent} */ event) => this.#under(event);
    place.addEventListener("pointerdown", event => {
      const found = event.button ? null : at(event);
      if (!found) return;
      down = event.pointerType === "mouse";
      this.store.set({ place: found, ofWeight: false });
    });
    place.addEventListener("pointermove", event => {
      const found = at(event);
      if (found && down) this.store.set({ place: found, ofWeight: false });
      if (found) this.readout(this.words(found));
    });
    window.addEventListener("pointerup", () => { down = false; });
    place.addEventListener("keydown", event => this.#key(event));
  }

  /** @param {EventTarget | null} target */
  #mapOf(target) {
    const element = /** @type {HTMLElement | null} */ (/** @type {Element} */ (target).closest?.(".map") ?? null);
    const row = /** @type {HTMLElement | null} */ (element?.closest("[data-row]") ?? null);
    return element && row && { element, row: Number(row.dataset.row), channel: Number(element.dataset.map) };
  }

  /**
   * @param {PointerEvent} event
   * @returns {Place | null}
   */
  #under(event) {
    const map = this.#mapOf(event.target);
    if (!map) return null;
    const row = this.rows[map.row];
    const at = pointed(map.element, event, map.channel, row.shape, row.layout);
    return at && { row: map.row, at };
  }

  /**
   * The name of a number, and the number.
   * @param {Place} place
   */
  words(place) {
    const { run } = this.live, row = this.rows[place.row];
    const gradient = this.store.state.backward && run?.gradients;
    const value = run && row.value(gradient ? gradient[place.row] : run.values[place.row], place.at);
    return `${gradient ? "gradient of " : ""}${row.name}[${place.at.join(", ")}] = ${format(value)}`;
  }

  /**
   * Arrow keys move the place, with shift to the map beside; page keys go to the row before or after.
   * @param {KeyboardEvent} event
   */
  #key(event) {
    const map = this.#mapOf(event.target);
    if (!map || event.ctrlKey || event.metaKey || event.altKey) return;
    const [down, right] = MOVES[event.key] ?? [0, 0], rows = PAGES[event.key] ?? 0;
    if (!down && !right && !rows && event.key !== "Enter") return;
    event.preventDefault();
    if (rows) this.#enter(map.row + rows, 0);
    else if (event.shiftKey) this.#enter(map.row, map.channel + down + right);
    else this.#move(map.row, map.channel, down, right);
  }

  /**
   * Choose the first number of a map, and put the focus there.
   * @param {number} index
   * @param {number} channel
   */
  #enter(index, channel) {
    const row = this.rows[index], at = row?.atMap(channel, 0, 0);
    if (!at || channel < 0 || channel >= row.maps.length) return;
    row.focus(channel);
    this.store.set({ place: { row: index, at }, ofWeight: false });
  }

  /**
   * Move the chosen number within its map, or choose the first of a map in which none is chosen.
   * @param {number} index
   * @param {number} channel
   * @param {number} down
   * @param {number} right
   */
  #move(index, channel, down, right) {
    const { place } = this.store.state, row = this.rows[index];
    const now = place?.row === index ? onMap(place.at, row.shape, row.layout) : null;
    const at = now?.map === channel ? row.atMap(channel, now.row + down, now.column + right) : row.atMap(channel, 0, 0);
    if (at) this.store.set({ place: { row: index, at }, ofWeight: false });
  }
}

/**
 * What stands beside a row's maps: its name, what it is, and where the book tells of it.
 * @param {Description} model
 * @param {number} index
 * @param {Store} store
 */
function head(model, index, store) {
  const step = index ? model.steps[index - 1] : null;
  if (!step) return h("header", {}, h("h3", {}, "input"));
  const param = step.params[0];
  const toWeights = () => store.set({ view: "weights",
    weight: { step: step.name, param: param.name, at: firstAt(step, store, index, param.shape) } });
  const weights = param && h("button", { type: "button", class: "link", "aria-label": `weights of ${step.name}`,
    onclick: toWeights }, "weights");
  return h("header", {}, h("h3", { title: step.name }, step.name),
    h("p", {}, chapter(step.kind, step.chapter), step.settings && h("span", {}, step.settings), weights));
}

/**
 * The first weight of the chosen map's filter.
 * @param {import("./engine.js").Step} step
 * @param {Store} store
 * @param {number} index
 * @param {number[]} shape
 */
function firstAt(step, store, index, shape) {
  const at = middle(shape), { place } = store.state;
  const axis = step.kind === "Dense" ? shape.length - 1 : 0;
  if (place?.row === index && place.at[0] < shape[axis]) at[axis] = place.at[0];
  return at;
}
