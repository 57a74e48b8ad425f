// Changes of the model: made, listed, taken back, and what they do to the accuracy.

import { h } from "./dom.js";
import { number, show } from "./numbers.js";

/** @typedef {import("./engine.js").Change} Change */
/** @typedef {import("./engine.js").Changes} Answer */
/** @typedef {import("./engine.js").Description} Description */
/** @typedef {import("./engine.js").Step} Step */

export class Changes {
  /** @type {Step | null} */
  #step = null;
  #channel = 0;
  /** @type {(() => void)[]} called when steps have other names */
  onSteps = [];

  /**
   * @param {Description} model
   * @param {import("./live.js").Live} live
   * @param {(problem: unknown) => void} failed
   */
  constructor(model, live, failed) {
    this.model = model;
    this.live = live;
    this.failed = failed;
    this.switch = h("input", { type: "checkbox", id: "filter-on", onchange: () => this.#switch() });
    this.switchName = h("label", { for: "filter-on" });
    this.activation = h("select", { id: "activation", onchange: () => this.#activation() },
      ...model.activations.map(name => h("option", { value: name }, name)));
    this.activationLine = h("span", {}, h("label", { for: "activation" }, "activation"), this.activation);
    this.list = h("ol", { class: "changes" });
    this.undo = h("button", { type: "button", disabled: true, onclick: () => this.#back("undo") }, "Undo");
    this.reset = h("button", { type: "button", disabled: true, onclick: () => this.#back("reset") }, "Put all back");
    this.before = number("accuracy-before", null);
    this.now = number("accuracy", null);
    this.element = h("div", { class: "change" },
      h("div", { class: "buttons" }, h("span", {}, this.switch, this.switchName), this.activationLine),
      this.#accuracyLine(), h("h3", {}, "Changes"), this.list, h("div", { class: "buttons" }, this.undo, this.reset));
    live.store.listen(({ changes }, changed) => {
      if (changed.has("changes") && !changes.length && this.list.children.length) this.#forget();
    });
    if (model.can.change) this.element.prepend(h("p", { class: "note" }, model.can.change));
  }

  /** A failing training begins without any change: follow it. */
  #forget() {
    this.#shown({ changes: [] });
    this.#renamed().catch(this.failed);
  }

  #accuracyLine() {
    const why = this.model.can.accuracy;
    if (why) return h("p", { class: "note" }, why);
    return h("p", { class: "accuracy" }, "right of 1,000 test samples ", this.now,
      h("small", {}, "before the changes ", this.before));
  }

  /** Change the model as the address says, and measure it. */
  async begin() {
    const { changes } = this.live.store.state;
    if (!this.model.can.accuracy) this.#measure(this.before).catch(this.failed);
    this.#shown({ changes: this.model.changes ?? [] });
    if (!changes.length) return;
    await this.live.engine.reset({});
    for (const change of changes) this.#shown(await this.live.engine.change(change));
    await this.#renamed();
    await this.#measure(this.now);
  }

  /**
   * What can be switched at the layer of the chosen weight.
   * @param {Step | null} step
   * @param {import("./state.js").Weight} weight
   */
  filter(step, weight) {
    this.#step = step;
    const kernel = step?.params[0], axis = kernel && kernel.shape.length === 2 ? 1 : 0;
    this.#channel = weight.param === kernel?.name ? weight.at[axis] : weight.at[0];
    this.switch.checked = this.#on(step?.name);
    this.switchName.textContent = `filter ${this.#channel} on`;
    const activation = this.#activationStep();
    this.activationLine.style.visibility = activation ? "visible" : "hidden";
    if (activation) this.activation.value = activation.name.split("/").at(-1) ?? "";
  }

  /**
   * Whether the filter is on: as its last change says.
   * @param {string} [step]
   */
  #on(step) {
    const mine = this.live.store.state.changes.filter(change =>
      change.kind === "filter" && change.step === step && change.channel === this.#channel);
    const last = mine.at(-1);
    return !last || last.kind !== "filter" || last.on;
  }

  #activationStep() {
    const { steps } = this.model, after = steps[steps.findIndex(({ name }) => name === this.#step?.name) + 1];
    return this.#step && after?.activation && after.layer === this.#step.layer ? after : null;
  }

  #switch() {
    if (!this.#step) return;
    this.make({ kind: "filter", step: this.#step.name, channel: this.#channel, on: this.switch.checked })
      .catch(this.failed);
  }

  #activation() {
    const step = this.#activationStep();
    if (step) this.make({ kind: "activation", step: step.name, name: this.activation.value }).catch(this.failed);
  }

  /** @param {Change} change */
  async make(change) {
    const answer = await this.live.engine.change(change), { store } = this.live;
    this.#shown(answer);
    const before = store.state.changes.slice(0, answer.changes.length - 1);     // of one weight the last change counts
    store.set({ changes: [...before, change] });
    await this.#follow(change.kind === "activation");
  }

  /** @param {"undo" | "reset"} way */
  async #back(way) {
    try {
      const answer = await this.live.engine[way]({}), { store } = this.live;
      this.#shown(answer);
      store.set({ changes: store.state.changes.slice(0, answer.changes.length) });
      await this.#follow(true);
    } catch (problem) { this.failed(problem); }
  }

  /** @param {boolean} steps   whether steps may have other names */
  async #follow(steps) {
    if (steps) await this.#renamed();
    await this.live.again();
    await this.#measure(this.now);
  }

  async #renamed() {
    const { steps } = await this.live.engine.describe({});
    steps.forEach((step, i) => Object.assign(this.model.steps[i], step));
    this.onSteps.forEach(follow => follow());
  }

  /** @param {{changes: string[]}} answer */
  #shown({ changes }) {
    this.list.replaceChildren(...changes.map(words => h("li", {}, words)));
    this.undo.disabled = this.reset.disabled = !changes.length;
  }

  /** @param {HTMLElement} where */
  async #measure(where) {
    if (this.model.can.accuracy) return;
    const { correct } = await this.live.engine.accuracy({});
    show(where, correct);
    if (where === this.before && !this.live.store.state.changes.length) show(this.now, correct);
  }
}
