// The weights, and what becomes of the model when one is changed.

import { h } from "./dom.js";
import { Changes } from "./changes.js";
import { line } from "./explanation.js";
import { show, number } from "./numbers.js";
import { ParameterMaps } from "./parameter.js";
import { middle } from "./shapes.js";
import { classesOf } from "./state.js";

/** @typedef {import("./engine.js").Description} Description */
/** @typedef {import("./live.js").Live} Live */
/** @typedef {import("./state.js").Weight} Weight */

export class WeightsPanel {
  /** @type {Weight | null} */
  #shown = null;

  /**
   * @param {HTMLElement} place
   * @param {Description} model
   * @param {Live} live
   * @param {(problem: unknown) => void} failed
   */
  constructor(place, model, live, failed) {
    this.model = model;
    this.live = live;
    this.store = live.store;
    this.failed = failed;
    this.changes = new Changes(model, live, failed);
    this.maps = new ParameterMaps(model, live, weight => this.store.set({ weight }), failed);
    this.steps = h("select", { "aria-label": "Layer", onchange: () => this.#to(this.steps.value) });
    this.params = h("select", { "aria-label": "Parameter",
      onchange: () => this.#to(this.steps.value, this.params.value) });
    this.name = h("code");
    this.value = h("input", { type: "number", step: "any", "aria-label": "value of this weight",
      onchange: () => this.#set(Number(this.value.value)) });
    this.gradient = number("weight-gradient", null);
    this.slope = h("span", {}, "gradient ", this.gradient);
    this.next = h("div", { class: "next" });
    this.explain = h("button", { type: "button", onclick: () => this.#explain() }, "Terms of its gradient");
    this.nextButton = h("button", { type: "button", title: model.can.nextStep ?? "",
      onclick: () => this.#next().catch(failed) }, `Next step of ${model.optimizer?.name ?? "the optimizer"}?`);
    place.append(...this.#parts());
    this.store.listen((_, changed) => {
      if (changed.has("weight") || changed.has("view") || changed.has("objective")) this.show().catch(failed);
    });
    live.onCalm.push(() => { this.show().catch(failed); });
  }

  #parts() {
    this.fill();
    return [h("div", { class: "buttons" }, this.steps, this.params), this.maps.element,
      h("div", { class: "weight" }, this.name, h("label", {}, "value", this.value), this.slope),
      h("div", { class: "buttons" }, this.explain, this.nextButton), this.next, this.changes.element];
  }

  #explain() {
    const { objective } = this.store.state;
    this.store.set({ ofWeight: true, backward: true, view: "explain",
      objective: objective ?? { kind: "loss", label: this.#label() } });
  }

  /** List the layers that have weights. */
  fill() {
    this.steps.replaceChildren(...this.model.steps.filter(step => step.params.length)
      .map(step => h("option", { value: step.name }, step.name)));
  }

  async begin() {
    const step = this.model.steps.find(({ params }) => params.length);
    if (!this.store.state.weight && step) {
      this.store.set({ weight: { step: step.name, param: step.params[0].name, at: middle(step.params[0].shape) } });
    }
    await this.changes.begin();
  }

  #label() {
    const { source } = this.store.state;
    return source.kind === "sample" ? this.model.samples.labels?.data[source.index] ?? 0 : 0;
  }

  /**
   * @param {string} name
   * @param {string} [param]
   */
  #to(name, param) {
    const step = this.model.steps.find(each => each.name === name);
    const found = step?.params.find(each => each.name === param) ?? step?.params[0];
    if (step && found) this.store.set({ weight: { step: name, param: found.name, at: middle(found.shape) } });
  }

  async show() {
    const { weight, view, objective } = this.store.state;
    if (!weight || view !== "weights") return;
    const step = this.model.steps.find(({ name }) => name === weight.step);
    this.steps.value = weight.step;
    this.params.replaceChildren(...(step?.params ?? []).map(({ name }) => h("option", { value: name }, name)));
    this.params.value = weight.param;
    const { value, gradient } = await this.maps.show(weight, objective);
    this.name.textContent = `${weight.step}.${weight.param}[${weight.at.join(", ")}]`;
    this.value.value = String(value);
    this.value.dataset.number = "weight";
    this.value.dataset.value = String(value);
    show(this.gradient, gradient);
    this.slope.style.visibility = gradient === null ? "hidden" : "visible";
    const state = step?.params.find(({ name }) => name === weight.param)?.state === true;
    this.value.disabled = state || this.model.can.change !== null;
    this.explain.disabled = state || !classesOf(this.model);
    this.nextButton.disabled = state || this.model.can.nextStep !== null;
    this.changes.filter(step ?? null, weight);
    if (!this.#same(weight)) this.next.replaceChildren();
    this.#shown = weight;
  }

  /** @param {Weight} weight */
  #same(weight) { return JSON.stringify(this.#shown) === JSON.stringify(weight); }

  /** @param {number} value */
  #set(value) {
    const { weight } = this.store.state;
    if (weight && Number.isFinite(value)) this.changes.make({ kind: "weight", ...weight, value }).catch(this.failed);
  }

  async #next() {
    const { weight, objective } = this.store.state;
    if (!weight) return;
    const label = objective?.kind === "loss" ? objective.label : this.#label();
    const found = await this.live.engine.nextStep({ pixels: Array.from(this.live.pixels), label, ...weight });
    const row = (/** @type {import("./engine.js").Line} */ { name, value, formula }) =>
      line(name, number(`next:${name}`, value), formula);
    this.next.replaceChildren(h("h3", {}, `One step of ${found.optimizer} on this input, label ${label}`),
      h("dl", { class: "lines" }, row({ name: "now", value: found.before }), ...found.lines.map(row),
        row({ name: "after the step", value: found.after })));
  }
}
