// Training from the page: start, pause, one step, and everything that it does, live.

import { Curves } from "./curves.js";
import { h } from "./dom.js";
import { Filters } from "./filters.js";
import { number, show } from "./numbers.js";

/** @typedef {import("./engine.js").Progress} Progress */

const POLL = 400;       // milliseconds between two looks at a running training

export class Training {
  /** @type {Progress["history"]} */
  #history = { step: [], loss: [], accuracy: [], testAccuracy: [] };
  #timer = 0;
  #version;
  #dragging = false;
  running = false;
  dead = h("ul", { class: "shares" });
  ratios = h("ul", { class: "shares" });

  /**
   * @param {HTMLElement} place
   * @param {import("./engine.js").Description} model
   * @param {import("./live.js").Live} live
   * @param {(problem: unknown) => void} failed
   */
  constructor(place, model, live, failed) {
    this.model = model;
    this.live = live;
    this.failed = failed;
    this.#version = model.version;
    if (model.can.train) {
      place.append(h("h2", {}, "Train and watch"), h("p", { class: "note" }, model.can.train));
      return;
    }
    const rate = String(model.optimizer?.learningRate ?? 0.001);
    this.rate = h("input", { type: "number", step: "any", min: "0", value: rate, id: "rate" });
    this.batch = h("input", { type: "number", min: "1", max: "1000", value: "200", id: "batch" });
    this.start = h("button", { type: "button", class: "on",
      onclick: () => this.#act(this.running ? "pause" : "start") }, "Start");
    this.one = h("button", { type: "button", onclick: () => this.#act("step") }, "One step");
    this.status = h("p", { class: "note status" }, "Not trained from this page yet.");
    this.loss = new Curves("loss", ["training loss"]);
    this.accuracy = new Curves("accuracy", ["training accuracy", "test accuracy"], 1);
    this.slider = h("input", { type: "range", min: "0", max: "0", value: "0", disabled: true, id: "snapshot",
      oninput: () => this.#snapshot(Number(this.slider?.value)) });
    this.moment = h("span", { class: "number" }, "now");
    this.filters = new Filters(model, live, failed);
    place.append(...this.#parts());
    live.store.listen((state, changed) => {
      if (changed.has("view") && state.view === "train") this.look();
    });
  }

  #parts() {
    return [h("h2", {}, "Train and watch"),
      h("div", { class: "buttons" }, this.start, this.one,
        h("label", {}, "learning rate", this.rate), h("label", {}, "batch", this.batch)),
      this.status, this.loss?.element, this.accuracy?.element,
      h("div", { class: "snapshots" },
        h("label", { for: "snapshot" }, "back through the run"), this.slider, this.moment),
      this.filters?.element, h("h3", {}, "Dead units"), this.dead,
      h("h3", {}, "Update ratios", h("small", {}, "size of a step, by the size of the weights")), this.ratios,
    ].filter(part => part !== undefined);
  }

  /** @param {"start" | "pause" | "step"} action */
  #act(action) {
    const learningRate = Number(this.rate?.value), batchSize = Math.round(Number(this.batch?.value));
    return this.follow(this.live.engine.train({ action, learningRate, batchSize }));
  }

  /**
   * Begin a training that fails.
   * @param {string} scenario
   */
  scenario(scenario) {
    this.#history = { step: [], loss: [], accuracy: [], testAccuracy: [] };
    return this.follow(this.live.engine.train({ action: "scenario", scenario }));
  }

  /** Ask how it goes. */
  async look() {
    if (this.model.can.train) return;
    await this.follow(this.live.engine.progress({ since: this.#history.step.at(-1) ?? 0 }));
  }

  /** @param {Promise<Progress>} asked */
  async follow(asked) {
    clearTimeout(this.#timer);
    try {
      const progress = await asked;
      this.#show(progress);
      if (progress.version !== this.#version) {
        this.#version = progress.version;
        await this.live.again();
        await this.filters?.show();
      }
    } catch (problem) {
      this.running = false;
      this.failed(problem);
    }
    clearTimeout(this.#timer);
    if (this.running) this.#timer = setTimeout(() => this.look(), POLL);
  }

  /** @param {Progress} progress */
  #show(progress) {
    this.running = progress.running;
    this.#add(progress);
    if (this.start) this.start.textContent = progress.running ? "Pause" : "Start";
    if (this.one) this.one.disabled = progress.running;
    const of = progress.steps ? ` of ${progress.steps}` : "";
    const where = `epoch ${progress.epoch}, step ${progress.step}${of}`;
    if (this.status) this.status.textContent = progress.message ?? where;
    const { step, loss, accuracy, testAccuracy } = this.#history;
    this.loss?.show([step.map((x, i) => [x, loss[i]])]);
    this.accuracy?.show([step.map((x, i) => [x, accuracy[i]]), testAccuracy]);
    this.#snapshots(progress);
    shares(this.dead, progress.deadUnits.map(({ step: name, share }) => [name, share, `dead:${name}`, share]));
    shares(this.ratios, progress.updateRatios.map(({ param, ratio }) =>
      [param, ratio, `ratio:${param}`, Math.min(1, Math.max(0, (Math.log10(ratio || 1e-9) + 6) / 6))]));
  }

  /** @param {Progress} progress */
  #add({ history }) {
    const mine = this.#history, last = mine.step.at(-1) ?? -1;
    if (history.step.length && history.step[0] <= last && (history.step.at(-1) ?? 0) < last) {
      this.#history = { step: [], loss: [], accuracy: [], testAccuracy: [] };        // another training has begun
    }
    const from = this.#history.step.at(-1) ?? -1;
    history.step.forEach((step, i) => {
      if (step <= from) return;
      this.#history.step.push(step);
      this.#history.loss.push(history.loss[i]);
      this.#history.accuracy.push(history.accuracy[i]);
    });
    const tested = this.#history.testAccuracy.at(-1)?.[0] ?? -1;
    this.#history.testAccuracy.push(...history.testAccuracy.filter(([step]) => step > tested));
  }

  /** @param {Progress} progress */
  #snapshots({ snapshots, shown }) {
    const { slider, moment } = this;
    if (!slider || !moment) return;
    this.kept = snapshots;
    slider.disabled = snapshots.length < 2;
    slider.max = String(snapshots.length);
    if (!this.#dragging) slider.value = String(shown === null ? snapshots.length : shown);
    moment.textContent = shown === null ? "now" : `step ${snapshots[shown]}`;
    slider.setAttribute("aria-valuetext", moment.textContent);
  }

  /** @param {number} index */
  async #snapshot(index) {
    this.#dragging = true;
    const count = this.kept?.length ?? 0;
    await this.follow(this.live.engine.snapshot({ index: index < count ? index : null }));
    this.#dragging = false;
  }
}

/**
 * @param {HTMLElement} list
 * @param {[string, number, string, number][]} shown     name, number, its name for a test, length of the bar
 */
function shares(list, shown) {
  while (list.children.length > shown.length) list.lastElementChild?.remove();
  shown.forEach(([name, value, test, length], i) => {
    const item = list.children[i]
      ?? list.appendChild(h("li", {}, h("span"), h("span", { class: "bar" }, h("i")), number(test, value)));
    /** @type {HTMLElement} */ (item.children[0]).textContent = name;
    /** @type {HTMLElement} */ (item.children[1].firstElementChild).style.transform = `scaleX(${length})`;
    show(/** @type {HTMLElement} */ (item.children[2]), value);
  });
}
