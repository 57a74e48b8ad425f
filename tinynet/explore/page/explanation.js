// The right column: the chosen number, where it stands, and everything that it is made of.

import { BigMaps } from "./bigmap.js";
import { onTheme } from "./colours.js";
import { h } from "./dom.js";
import { format, number } from "./numbers.js";
import { seesPicture } from "./shapes.js";
import { TermList } from "./termlist.js";
import { TermPictures, columns } from "./terms.js";
import { more } from "./words.js";

/** @typedef {import("./engine.js").Description} Description */
/** @typedef {import("./engine.js").Explanation} Explanation */
/** @typedef {import("./live.js").Live} Live */

const QUIET = 500;      // milliseconds before a screen reader is told of a new number

export class ExplanationPanel {
  /** @type {Explanation | null} */
  #found = null;
  #timer = 0;

  /**
   * @param {HTMLElement} place
   * @param {Description} model
   * @param {Live} live
   * @param {HTMLElement} spoken
   */
  constructor(place, model, live, spoken) {
    this.model = model;
    this.live = live;
    this.spoken = spoken;
    this.title = h("h2", { class: "of" });
    this.how = h("p", { class: "how" });
    this.big = new BigMaps(model, live);
    this.pictures = new TermPictures((term, picked) => this.#term(term, picked));
    this.list = new TermList(term => { this.pictures.mark(term); this.#term(term, false); });
    this.one = h("div", { class: "one" });
    this.lines = h("dl", { class: "lines" });
    this.more = h("div");
    place.append(this.title, this.how, this.big.element, this.pictures.element, this.one, this.lines,
      this.list.element, this.more);
    onTheme(() => { this.pictures.repaint(); this.big.paint(); });
    live.onRun.push(() => this.big.paint());
  }

  /**
   * @param {Explanation | null} found
   */
  show(found) {
    const { place, backward, ofWeight } = this.live.store.state;
    this.#found = found;
    this.big.source(null, -1);
    this.#head(found);
    const terms = found?.terms ?? null;
    this.pictures.element.hidden = this.list.element.hidden = this.one.hidden = !terms;
    if (terms) {
      this.pictures.show(terms, this.#ofPixels(terms));
      this.list.show(terms);
      this.#term(strongest(terms), false);
      this.pictures.mark(strongest(terms));
    }
    this.lines.replaceChildren(...(found ? lines(found) : []));
    const step = place && this.model.steps[backward ? place.row : place.row - 1];
    this.more.replaceChildren(more(backward ? "backpropagation.html" : step?.chapter ?? null) ?? "");
    if (!found) this.how.textContent = this.#silence(ofWeight);
  }

  /**
   * Whether the terms are those of the pixels of the input, which is given as a vector.
   * @param {import("./engine.js").Terms} terms
   */
  #ofPixels({ leftIn, rightIn, left }) {
    const step = rightIn?.where === "parameter" && leftIn?.where === "values" ? leftIn.index : -1;
    return step >= 0 && seesPicture(this.model, step) && left.data.length === this.live.pixels.length;
  }

  /** @param {Explanation | null} found */
  #head(found) {
    const { place } = this.live.store.state;
    if (!found) {
      const name = place ? (place.row ? this.model.steps[place.row - 1].name : "input") : "";
      this.title.replaceChildren(place ? `${name}[${place.at.join(", ")}]` : "Click a number");
      return;
    }
    this.title.replaceChildren(h("span", {}, found.of), h("span", {}, "= ", number("value", found.value)));
    this.how.textContent = found.how;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { this.spoken.textContent = `${found.of} is ${format(found.value)}`; }, QUIET);
  }

  /**
   * Why there is nothing to explain.
   * @param {boolean} ofWeight
   */
  #silence(ofWeight) {
    const { place, backward } = this.live.store.state;
    if (!place && !ofWeight) return "Point at any number of any map.";
    if (backward && !this.live.run?.gradients) return "";        // they are still computed
    if (backward) return "The way back begins at the logits: what comes after them is part of the loss.";
    return place?.row === 0 ? "A pixel of the input: it is given, not computed." : "";
  }

  /** @param {import("./state.js").Weight} weight */
  #weight(weight) {
    const change = () => this.live.store.set({ weight, view: "weights" });
    const name = `${weight.step}.${weight.param}[${weight.at.join(", ")}]`;
    return h("p", { class: "buttons" }, h("span", { class: "note" }, name),
      h("button", { type: "button", class: "small", onclick: change }, "Change it"));
  }

  /**
   * Show one term as an equation; picked: go to the weight in it.
   * @param {number} term
   * @param {boolean} picked
   */
  #term(term, picked) {
    const terms = this.#found?.terms, { store } = this.live;
    if (!terms || term < 0) return;
    this.big.source(terms, term);
    const weight = weightOf(terms, term, this.model.steps);
    this.one.replaceChildren(h("p", { class: "equation" }, ...equation(terms, term)),
      weight ? this.#weight(weight) : "");
    if (picked && weight) store.set({ weight });
  }
}

/** @param {import("./engine.js").Terms} terms */
function strongest({ product }) {
  let best = product.data.length ? 0 : -1;
  for (let t = 1; t < product.data.length; t++) if (Math.abs(product.data[t]) > Math.abs(product.data[best])) best = t;
  return best;
}

/**
 * @param {import("./engine.js").Terms} terms
 * @param {number} term
 */
function equation(terms, term) {
  const left = number(`left:${term}`, terms.left.data[term]);
  const product = number(`product:${term}`, terms.product.data[term]);
  if (terms.right) return [left, " × ", number(`right:${term}`, terms.right.data[term]), " = ", product];
  return [`${terms.leftName} `, left, ...(columns(terms).product ? [" → ", product] : [])];
}

/**
 * The weight that is a factor of a term, if one is.
 * @param {import("./engine.js").Terms} terms
 * @param {number} term
 * @param {import("./engine.js").Step[]} steps
 */
function weightOf({ rightIn, rightAt }, term, steps) {
  if (rightIn?.where !== "parameter" || !rightAt) return null;
  const axes = rightAt.shape[1], step = typeof rightIn.step === "number" ? steps[rightIn.step].name : rightIn.step;
  return { step, param: rightIn.name, at: Array.from(rightAt.data.subarray(term * axes, (term + 1) * axes)) };
}

/**
 * From the terms to the number, and the engine's own beside it.
 * @param {Explanation} found
 */
function lines(found) {
  const made = found.lines.map(({ name, value, formula }) => line(name, number(`line:${name}`, value), formula));
  if (found.total !== null) made.push(line("by the terms", number("total", found.total), null, "total"));
  made.push(line("the engine's own number", number("engine", found.value), null, "engine"));
  return made;
}

/**
 * A line of arithmetic: a name, how it follows, and the number.
 * @param {string} name
 * @param {HTMLElement} shown
 * @param {string | null} [formula]
 * @param {string} [kind]
 */
export function line(name, shown, formula, kind = "") {
  return h("div", { class: kind }, h("dt", {}, name, formula ? h("small", {}, formula) : null), h("dd", {}, shown));
}
