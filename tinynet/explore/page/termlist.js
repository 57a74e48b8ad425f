// The terms of a number as a list, the largest first, with what they have come to so far.

import { h } from "./dom.js";
import { largest, number } from "./numbers.js";
import { columns } from "./terms.js";

/** @typedef {import("./engine.js").Terms} Terms */

const FEW = 8;
const MOST = 1000;

export class TermList {
  #all = false;
  /** @type {Terms | null} */
  #terms = null;

  /** @param {(term: number) => void} pointed */
  constructor(pointed) {
    this.pointed = pointed;
    this.body = h("tbody");
    this.head = h("tr");
    this.button = h("button", { type: "button", class: "small", onclick: () => this.#more() });
    this.element = h("div", { class: "termlist" }, h("h3", {}, "Its terms, the largest first"),
      h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "terms" },
        h("table", {}, h("thead", {}, this.head), this.body)), this.button);
  }

  /** @param {Terms} terms */
  show(terms) {
    this.#terms = terms;
    this.#fill();
  }

  #more() {
    this.#all = !this.#all;
    this.#fill();
  }

  #fill() {
    const terms = this.#terms;
    if (!terms) return;
    const count = terms.product.data.length;
    const order = Array.from({ length: count }, (_, t) => t)
      .sort((a, b) => Math.abs(terms.product.data[b]) - Math.abs(terms.product.data[a]) || a - b);
    const shown = order.slice(0, this.#all ? MOST : FEW), most = largest(terms.product.data);
    const { product } = columns(terms);
    const others = terms.right ? [`× ${terms.rightName}`, "= product"] : product ? ["term"] : [];
    const names = ["at", terms.leftName, ...others, ""];
    this.head.replaceChildren(...names.map(name => h("th", { scope: "col" }, name)));
    this.body.replaceChildren(...shown.map(t => this.#line(terms, t, most)));
    this.button.hidden = count <= FEW;
    const all = count > MOST ? `The largest ${MOST} of ${count} terms` : `All ${count} terms`;
    this.button.textContent = this.#all ? "The largest only" : all;
  }

  /**
   * @param {Terms} terms
   * @param {number} t
   * @param {number} most
   */
  #line(terms, t, most) {
    const axes = terms.leftAt?.shape[1] ?? 0;
    const at = terms.leftAt ? Array.from(terms.leftAt.data.subarray(t * axes, (t + 1) * axes)) : [t];
    const value = terms.product.data[t], bar = h("i", { class: value < 0 ? "below" : "above" });
    bar.style.width = `${most ? 100 * Math.abs(value) / most : 0}%`;
    const point = () => this.pointed(t);
    return h("tr", { "data-term": t, onpointerenter: point },
      h("td", {}, h("button", { type: "button", class: "link", onclick: point, onfocus: point }, `[${at.join(", ")}]`)),
      h("td", {}, number(`left:${t}`, terms.left.data[t])),
      terms.right && h("td", {}, number(`right:${t}`, terms.right.data[t])),
      columns(terms).product && h("td", {}, number(`product:${t}`, value)),
      h("td", { class: "size" }, bar));
  }
}
