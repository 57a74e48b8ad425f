// Puts the page together: the engine, the state, and the four parts that show it.

import { byId } from "./dom.js";
import { connect } from "./engine.js";
import { ExplanationPanel } from "./explanation.js";
import { explainChosen } from "./explaining.js";
import { showInput } from "./input.js";
import { Live } from "./live.js";
import { Network } from "./network.js";
import { argmax } from "./numbers.js";
import { Panel } from "./panel.js";
import { unflat } from "./shapes.js";
import { Store, fromHash, toHash } from "./state.js";
import { showToolbar } from "./toolbar.js";

async function start() {
  const engine = await connect(), model = await engine.describe({});
  const store = new Store(fromHash(location.hash, model));
  const live = new Live(engine, store, model.inputShape.reduce((a, b) => a * b, 1), failed);
  byId("model").textContent = `${model.title}, ${model.parameterCount.toLocaleString("en")} parameters, ${model.dtype}`;
  const input = showInput(byId("input"), model, live, failed);
  const toolbar = showToolbar(byId("toolbar"), model, live);
  const network = new Network(byId("rows"), model, live, toolbar.readout);
  const panel = new Panel(byId("panel"), model, live, failed);
  const explanation = new ExplanationPanel(panel.place("explain"), model, live, byId("spoken"));
  explainChosen(panel.place("explain"), model, live, found => {
    network.source(found);
    explanation.show(found);
  }, failed);
  byId("main").hidden = false;       // all of it at once: nothing moves when the next part comes
  remember(store, model);
  await panel.begin(() => network.rename());
  await input.begin();
  if (!store.state.place) store.set({ place: first(model, live) });
  network.mark();
  document.documentElement.setAttribute("data-ready", "");
}

/**
 * A number worth a look: the largest of the first layer.
 * @param {import("./engine.js").Description} model
 * @param {Live} live
 */
function first(model, live) {
  const row = Math.min(1, model.steps.length), given = live.run?.values[row];
  if (!given) return null;
  return { row, at: unflat(argmax(given.data), given.shape) };
}

/**
 * Keep the state in the address, a moment after it has changed, and follow an address that is changed by hand.
 * @param {Store} store
 * @param {import("./engine.js").Description} model
 */
function remember(store, model) {
  let timer = 0;
  if (location.protocol === "about:") return;         // in a notebook's frame without an address of its own
  store.listen(() => {
    clearTimeout(timer);
    timer = setTimeout(() => history.replaceState(null, "", toHash(store.state, model)), 150);
  });
  window.addEventListener("hashchange", () => location.reload());
}

/**
 * Say what went wrong, for a while.
 * @param {unknown} problem
 */
function failed(problem) {
  const place = byId("problem");
  place.textContent = problem instanceof Error ? problem.message : String(problem);
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.textContent = ""; }, 10000);
}
let hiding = 0;

start().catch(failed);
