// Above the network: forward or backward, of what, step by step, and the number under the pointer.

import { choice, h } from "./dom.js";
import { argmax } from "./numbers.js";
import { classesOf } from "./state.js";
import { Stepping } from "./stepping.js";

/** @typedef {import("./engine.js").Objective} Objective */

const ALMOST_NOTHING = 1e-3;

/**
 * @param {HTMLElement} place
 * @param {import("./engine.js").Description} model
 * @param {import("./live.js").Live} live
 * @returns {{readout: (text: string) => void}}
 */
export function showToolbar(place, model, live) {
  const { store } = live, classes = classesOf(model);
  const ways = choice("Direction", [{ value: "forward", text: "Forward", title: "The numbers of every layer" },
    { value: "backward", text: "Backward", title: "The gradient at every number" }],
  value => turn(value === "backward"));
  const objective = objectives(classes, chosen => store.set({ objective: chosen }));
  const stepping = new Stepping(model, store);
  const line = h("output", { class: "readout" }, "Click a number in a map to see what it is made of.");
  const key = h("span", { class: "key", "aria-hidden": "true" },
    h("span", {}, "below 0"), h("i"), h("span", {}, "above"));
  place.append(ways.element, objective.element, stepping.element, h("div", { class: "line" }, line, key));

  /** @param {boolean} backward */
  function turn(backward) {
    if (backward === store.state.backward) return;
    stepping.stop();
    store.set({ backward, objective: store.state.objective ?? likely(), ofWeight: false, view: "explain" });
  }

  /** The label that came with the sample, or what the model says. */
  function likely() {
    const { source } = store.state, given = live.run?.probabilities ?? live.run?.values[model.logits ?? 0];
    const label = source.kind === "sample" ? model.samples.labels?.data[source.index] : undefined;
    return /** @type {Objective} */ ({ kind: "loss", label: label ?? (given ? argmax(given.data) : 0) });
  }

  const show = () => {
    ways.show(store.state.backward ? "backward" : "forward");
    objective.show(store.state.objective, store.state.backward);
  };
  store.listen(show);
  show();
  live.onRun.push(run => {
    const sure = run.gradients !== null && run.loss !== null && run.loss < ALMOST_NOTHING;
    if (sure && store.state.backward) line.textContent = "Loss and gradients are almost 0: try another label.";
  });
  ways.element.hidden = !classes;
  return { readout: text => { line.textContent = text; } };
}

/**
 * @param {number} classes
 * @param {(objective: Objective) => void} choose
 */
function objectives(classes, choose) {
  const kind = h("select", { "aria-label": "Gradient of", onchange: () => changed() },
    h("option", { value: "loss" }, "loss, true label"), h("option", { value: "logit" }, "logit"));
  const label = h("select", { "aria-label": "Class", onchange: () => changed() },
    ...Array.from({ length: classes }, (_, i) => h("option", { value: String(i) }, String(i))));
  const element = h("div", { class: "objective" }, h("span", {}, "of the"), kind, label);
  const changed = () => {
    const number = Number(label.value);
    choose(kind.value === "loss" ? { kind: "loss", label: number } : { kind: "logit", index: number });
  };
  /**
   * @param {Objective | null} objective
   * @param {boolean} backward
   */
  const show = (objective, backward) => {
    element.style.visibility = backward ? "visible" : "hidden";
    if (!objective) return;
    kind.value = objective.kind;
    label.value = String(objective.kind === "loss" ? objective.label : objective.index);
  };
  return { element, show };
}
