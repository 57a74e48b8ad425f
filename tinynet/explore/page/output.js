// What the model says: its probabilities, or what it gives where it ends without a softmax.

import { h } from "./dom.js";
import { argmax, format, largest, number, show } from "./numbers.js";
import { classesOf } from "./state.js";

/** @typedef {import("./engine.js").Run} Run */

const QUIET = 700;      // milliseconds without a change before a screen reader is told

export class Output {
  #timer = 0;

  /**
   * @param {import("./engine.js").Description} model
   * @param {import("./live.js").Live} live
   */
  constructor(model, live) {
    this.model = model;
    this.count = Math.min(classesOf(model), 20);
    this.bars = Array.from({ length: this.count }, () => h("i"));
    this.numbers = this.bars.map((_, i) => number(`probability:${i}`, null));
    this.lines = this.bars.map((bar, i) =>
      h("li", {}, h("b", {}, String(i)), h("span", { class: "bar" }, bar), this.numbers[i]));
    this.said = h("p", { class: "hidden", "aria-live": "polite" });
    this.loss = number("loss", null);
    this.losses = h("p", { class: "note loss" }, "loss ", this.loss);
    this.element = h("div", { class: "output" }, h("h2", {}, model.softmax ? "Probabilities" : "Output"),
      h("ol", { class: "bars" }, ...this.lines), this.losses, this.said);
    this.element.hidden = !this.count;
    live.onRun.push(run => this.#show(run));
  }

  /** @param {Run} run */
  #show(run) {
    const given = run.probabilities ?? run.values[run.values.length - 1];
    const scale = run.probabilities ? 1 : largest(given.data) || 1, best = argmax(given.data);
    for (let i = 0; i < this.count; i++) {
      const value = given.data[i];
      this.bars[i].style.transform = `scaleX(${Math.min(1, Math.abs(value) / scale)})`;
      this.lines[i].className = i === best ? "best" : "";
      show(this.numbers[i], value);
    }
    show(this.loss, run.loss);
    this.losses.style.visibility = run.loss === null ? "hidden" : "visible";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { this.said.textContent = `${best}: ${format(given.data[best])}`; }, QUIET);
  }
}
