// The right column: what a number is made of, the weights, the training, and the gallery of failures, as tabs.

import { h } from "./dom.js";
import { showGallery } from "./gallery.js";
import { Training } from "./training.js";
import { WeightsPanel } from "./weights.js";

/** @typedef {import("./state.js").View} View */

/** @type {[View, string][]} */
const TABS = [["explain", "Explain"], ["weights", "Change"], ["train", "Train"], ["failures", "Failures"]];

export class Panel {
  /** @type {Map<View, HTMLElement>} */
  #places = new Map();
  /** @type {Map<View, HTMLButtonElement>} */
  #tabs = new Map();

  /**
   * @param {HTMLElement} element
   * @param {import("./engine.js").Description} model
   * @param {import("./live.js").Live} live
   * @param {(problem: unknown) => void} failed
   */
  constructor(element, model, live, failed) {
    const { store } = live;
    for (const [name, text] of TABS) {
      this.#tabs.set(name, h("button", { type: "button", role: "tab", id: `tab-${name}`,
        "aria-controls": `view-${name}`, onclick: () => store.set({ view: name }) }, text));
      this.#places.set(name, h("div", { role: "tabpanel", id: `view-${name}`, "aria-labelledby": `tab-${name}` }));
    }
    const fold = h("button", { type: "button", class: "fold", "aria-label": "Show or hide this panel",
      onclick: () => show(element.classList.contains("folded")) }, "▾");
    const show = (/** @type {boolean} */ open) => {
      element.classList.toggle("folded", !open);
      fold.setAttribute("aria-expanded", String(open));
    };
    const asked = store.state.place !== null || store.state.ofWeight || store.state.view !== "explain";
    show(asked);        // by the address; matters on a telephone only, where the panel is a sheet over the network
    const bar = h("div", { class: "tabs", role: "tablist" }, ...this.#tabs.values());
    bar.addEventListener("keydown", event => this.#key(event));
    element.append(h("div", { class: "tabline" }, bar, fold), ...this.#places.values());
    this.store = store;
    this.weights = new WeightsPanel(this.place("weights"), model, live, failed);
    this.training = new Training(this.place("train"), model, live, failed);
    showGallery(this.place("failures"), model, store, this.training);
    store.listen((_, changed) => {
      if (changed.has("view")) this.#show();
      const byHand = document.documentElement.hasAttribute("data-ready");
      if (changed.has("view") || (changed.has("place") && byHand)) show(true);
    });
    this.#show();
  }

  /**
   * Change the model as the address says.
   * @param {() => void} renamed   called whenever steps have other names
   */
  begin(renamed) {
    this.weights.changes.onSteps.push(renamed, () => this.weights.fill());
    this.training.look();           // it may be running since before this page was opened
    return this.weights.begin();
  }

  /** @param {View} view */
  place(view) { return /** @type {HTMLElement} */ (this.#places.get(view)); }

  #show() {
    const { view } = this.store.state;
    for (const [name, tab] of this.#tabs) {
      tab.setAttribute("aria-selected", String(name === view));
      tab.tabIndex = name === view ? 0 : -1;
      this.place(name).hidden = name !== view;
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way) return;
    const names = TABS.map(([name]) => name), now = names.indexOf(this.store.state.view);
    const view = names[(now + way + names.length) % names.length];
    this.store.set({ view });
    this.#tabs.get(view)?.focus();
  }
}
