// The one place that talks to the server. A request is JSON; an answer is a header in JSON, then the arrays' bytes.

/** @typedef {import("./engine.js").Tensor} Tensor */

const KINDS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array };
const METHODS = ["describe", "sample", "draw", "picture", "run", "parameter", "explain", "explainGradient",
  "change", "undo", "reset", "accuracy", "nextStep", "train", "progress", "snapshot"];

const ENDED = "The engine no longer answers: the program that served this page has ended.";
const LONG = 1500;      // milliseconds, after which the page says that it waits

/** The server's methods as methods: `await engine.run({pixels, objective})`. */
class Remote {
  constructor() {
    for (const name of METHODS) {
      Object.defineProperty(this, name, { value: (/** @type {object} */ body) => call(name, body) });
    }
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
  const asked = fetch(`api/${name}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const long = setTimeout(() => document.documentElement.setAttribute("data-waiting", ""), LONG);
  const answer = await asked.catch(() => { throw new Error(ENDED); }).finally(() => {
    clearTimeout(long);
    document.documentElement.removeAttribute("data-waiting");
  });
  if (!answer.ok) throw new Error((await answer.json()).error);
  return decode(await answer.arrayBuffer());
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
