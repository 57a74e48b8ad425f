// Trainings that fail, each with one click: what it looks like, and how one tells.

import { h } from "./dom.js";
import { more } from "./words.js";

/**
 * @param {HTMLElement} place
 * @param {import("./engine.js").Description} model
 * @param {import("./state.js").Store} store
 * @param {import("./training.js").Training} training
 */
export function showGallery(place, model, store, training) {
  place.append(h("h2", {}, "How a training fails"));
  if (model.can.train) {
    place.append(h("p", { class: "note" }, model.can.train));
    return;
  }
  place.append(h("p", { class: "note" },
    "Each trains the model anew, from new weights, with one thing wrong. Watch the curves and the maps."));
  const begin = (/** @type {string} */ name) => {
    store.set({ view: "train" });
    training.scenario(name).then(() => store.set({ changes: [] }));
  };
  for (const { name, title, text, howToTell } of model.scenarios) {
    place.append(h("article", { class: "failure", "data-scenario": name }, h("h3", {}, title), h("p", {}, text),
      h("p", { class: "tell" }, h("b", {}, "How one tells: "), howToTell),
      h("button", { type: "button", onclick: () => begin(name) }, "Let it fail")));
  }
  const book = more("training.html");
  if (book) place.append(book);
}
