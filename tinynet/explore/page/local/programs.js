/**
 * `window.tinynet`, for programs that read the page's numbers: `await tinynet.ready`, then `forward` and `gradient`.
 *
 * @typedef {import("./engine.js").LocalEngine} LocalEngine
 */

import { last } from "./tensor.js";

/**
 * Offer an engine's numbers; return the engine.
 * @param {LocalEngine} engine
 * @returns {LocalEngine}
 */
export function offer(engine) {
  const { model } = engine;
  Object.assign(window, { tinynet: {
    ready: Promise.resolve(),
    /** @param {ArrayLike<number>} pixels flat, in the model's order, scaled @returns {number[]} the model's output */
    forward: (pixels) => Array.from(last(model.values(pixels)).data),
    /** @param {ArrayLike<number>} pixels @param {number} label @returns {number[]} d cross-entropy / d pixels, in nats */
    gradient: (pixels, label) => Array.from(model.gradients(model.values(pixels), { kind: "loss", label })[0].data),
  } });
  return engine;
}
