// The input on its way through the network: one request in flight at a time, and the latest drawing wins.

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./engine.js").Run} Run */
/** @typedef {import("./state.js").Store} Store */
/** @typedef {import("./engine.js").Objective} Objective */
/** @typedef {ArrayLike<number> | null} Numbers   what to run on; null: as before */
/** @typedef {(objective: Objective | null) => Promise<Numbers | {pixels: Numbers, run: Run | null}>} Pixels
 *     a drawing has been run already when it comes: with one answer from the engine, the maps follow the pen sooner */

/**
 * Wrap work so that it runs once at a time; of those who ask meanwhile, the last is served.
 * @template T
 * @param {(wanted: T) => Promise<void>} work
 * @param {(problem: unknown) => void} failed
 * @returns {(wanted: T) => Promise<void>}
 */
export function latest(work, failed) {
  /** @type {{wanted: T} | null} */
  let next = null;
  let busy = false;
  return async wanted => {
    next = { wanted };
    if (busy) return;
    busy = true;
    while (next) {
      const now = /** @type {{wanted: T}} */ (next);
      next = null;
      await work(now.wanted).catch(failed);
    }
    busy = false;
  };
}

const CALM = 90;        // milliseconds without a new run, before what is slower follows

export class Live {
  /** @type {Float32Array} what the last run ran on */
  pixels;
  /** @type {Run | null} */
  run = null;
  /** @type {((run: Run) => void)[]} draw, at once */
  onRun = [];
  /** @type {((run: Run) => void)[]} what may come a moment later */
  onCalm = [];
  /** @type {number[]} when the events came that the next run answers */
  #starts = [];
  #timer = 0;

  /**
   * @param {Engine} engine
   * @param {Store} store
   * @param {number} size     of the input
   * @param {(problem: unknown) => void} failed
   */
  constructor(engine, store, size, failed) {
    this.engine = engine;
    this.store = store;
    this.pixels = new Float32Array(size);
    this.#follow = latest(pixels => this.#through(pixels), failed);
    store.listen((_, changed) => { if (changed.has("backward") || changed.has("objective")) this.again(); });
  }

  /** @type {(pixels: Pixels) => Promise<void>} */
  #follow;

  /**
   * Run on what `pixels` returns.
   * @param {Pixels} pixels
   * @param {number} [start]  when the pen's event came
   */
  feed(pixels, start) {
    if (start !== undefined) this.#starts.push(start);
    return this.#follow(pixels);
  }

  /** Run on the same pixels: the weights have changed, or the objective. */
  again() { return this.#follow(async () => this.pixels); }

  /** @param {Pixels} pixels */
  async #through(pixels) {
    const starts = this.#starts.splice(0);
    const objective = this.store.state.backward ? this.store.state.objective : null;
    const found = await pixels(objective);
    const { pixels: numbers, run: done } = found && "run" in found ? found : { pixels: found, run: null };
    if (numbers) this.pixels = Float32Array.from(numbers);
    const run = done ?? await this.engine.run({ pixels: Array.from(this.pixels), objective });
    this.run = run;
    for (const draw of this.onRun) draw(run);
    const end = performance.now();
    for (const start of starts) performance.measure("tinynet:stroke", { start, end });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.onCalm.forEach(follow => follow(run)), CALM);
  }
}
