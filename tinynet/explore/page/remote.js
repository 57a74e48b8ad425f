// The one place that talks to the server. A request is JSON; an answer is a header in JSON, then the arrays' bytes. What
// the pen draws goes over a WebSocket, on which the same is said much sooner.

import { Channel } from "./channel.js";

/** @typedef {import("./engine.js").Tensor} Tensor */

const KINDS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array };
const METHODS = ["describe", "sample", "picture", "run", "parameter", "explain", "explainGradient",
  "change", "undo", "reset", "accuracy", "nextStep", "train", "progress", "snapshot"];

const ENDED = "The engine no longer answers: the program that served this page has ended.";
const LONG = 1500;      // milliseconds, after which the page says that it waits

/** The server's methods as methods: `await engine.run({pixels, objective})`. */
class Remote {
  constructor() {
    for (const name of METHODS) {
      Object.defineProperty(this, name, { value: (/** @type {object} */ body) => call(name, body) });
    }
    const channel = new Channel("api/draw");
    Object.defineProperty(this, "draw", { value: async (/** @type {object} */ body) => {
      const answer = await patiently(channel.ask(JSON.stringify(body)));
      return answer === null ? call("draw", body) : answered(answer);
    } });
  }
}

/** @type {new () => import("./engine.js").Engine} */
export const RemoteEngine = /** @type {any} */ (Remote);

/**
 * @param {string} name
 * @param {object} body
 * @returns {Promise<any>}
 */
async function call(name, body) {
  const answer = await patiently(fetch(`api/${name}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  }).catch(() => { throw new Error(ENDED); }));
  return answered(answer.ok ? await answer.arrayBuffer() : await answer.text());
}

/**
 * Say on the page that it waits, when an answer takes long.
 * @template T
 * @param {Promise<T>} asked
 * @returns {Promise<T>}
 */
function patiently(asked) {
  const long = setTimeout(() => document.documentElement.setAttribute("data-waiting", ""), LONG);
  return asked.finally(() => {
    clearTimeout(long);
    document.documentElement.removeAttribute("data-waiting");
  });
}

/**
 * @param {ArrayBuffer | string} answer   a string: an error in words
 */
function answered(answer) {
  if (typeof answer === "string") throw new Error(JSON.parse(answer).error);
  return decode(answer);
}

/**
 * Put the arrays of an answer in their places: views into its bytes, nothing is copied.
 * @param {ArrayBuffer} bytes
 */
function decode(bytes) {
  const length = new DataView(bytes).getUint32(0, true);
  const start = Math.ceil((4 + length) / 8) * 8;
  const header = new TextDecoder().decode(new Uint8Array(bytes, 4, length));
  return JSON.parse(header, (_, value) => (value && value.$array ? view(bytes, start, value.$array) : value));
}

/**
 * @param {ArrayBuffer} bytes
 * @param {number} start
 * @param {[number, number[], keyof typeof KINDS]} where
 * @returns {Tensor}
 */
function view(bytes, start, [offset, shape, kind]) {
  return { data: new KINDS[kind](bytes, start + offset, shape.reduce((a, b) => a * b, 1)), shape };
}
