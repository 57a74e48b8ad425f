// Asks what the chosen number is made of, whenever the choice, the input or the weights change.

import { latest } from "./live.js";

/** @typedef {import("./engine.js").Explanation} Explanation */
/** @typedef {import("./engine.js").Run} Run */

/**
 * @param {HTMLElement} panel   where it is shown
 * @param {import("./engine.js").Description} model
 * @param {import("./live.js").Live} live
 * @param {(found: Explanation | null) => void} shown
 * @param {(problem: unknown) => void} failed
 */
export function explainChosen(panel, model, live, shown, failed) {
  const { store, engine } = live;
  let wanted = 0;

  /** Say that what is shown is of before. */
  function stale() {
    wanted++;
    panel.setAttribute("aria-busy", "true");
  }

  const follow = latest(async () => {
    const run = live.run, mine = wanted;
    if (run) shown(await explain(run));
    if (mine === wanted) panel.setAttribute("aria-busy", "false");
  }, problem => { panel.setAttribute("aria-busy", "false"); failed(problem); });

  function ask() {
    stale();
    follow(undefined);
  }

  /**
   * @param {Run} run
   * @returns {Promise<Explanation | null>}
   */
  async function explain(run) {
    const { place, weight, ofWeight, backward, objective } = store.state;
    const pixels = Array.from(live.pixels);
    if (!backward) {
      if (!place?.row) return null;
      return engine.explain({ pixels, step: model.steps[place.row - 1].name, at: place.at, objective: null });
    }
    if (!objective || !run.gradients) return null;
    if (ofWeight && weight) {
      return engine.explainGradient({ pixels, step: weight.step, param: weight.param, at: weight.at, objective });
    }
    const start = model.logits ?? model.steps.length;
    if (!place || place.row > start) return null;
    const step = place.row < start ? model.steps[place.row].name : null;
    return engine.explainGradient({ pixels, step: /** @type {string} */ (step), param: null, at: place.at, objective });
  }

  live.onRun.push(stale);
  live.onCalm.push(ask);
  store.listen((_, changed) => {
    if (changed.has("backward") || changed.has("objective")) stale();       // a run follows, and is explained then
    else if (changed.has("place") || changed.has("ofWeight")) ask();
  });
}
