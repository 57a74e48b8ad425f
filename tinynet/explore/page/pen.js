// The drawing: mouse, finger and pen on a canvas, and a picture file dropped on it.

import { onTheme } from "./colours.js";
import { h } from "./dom.js";
import { SIDE, drawAll, drawPiece, fromText, inkAs, inkOf, snap, toText } from "./strokes.js";

/** @typedef {import("./live.js").Live} Live */
/** @typedef {import("./strokes.js").Stroke} Stroke */

const SHOWN = 560;      // pixels of the canvas on the screen
const MOST_BYTES = 4e6;

export class Pen {
  /** @type {Stroke[]} */
  #strokes = [];
  #drawing = false;
  /** @type {DOMRect | null} */
  #box = null;

  /**
   * @param {import("./engine.js").Description} model
   * @param {Live} live
   * @param {{shown: (answer: import("./engine.js").Normalised) => ArrayLike<number> | null, open: () => boolean}} how
   *     shows how the drawing became the image, and returns its pixels; whether anybody looks at that
   * @param {(problem: unknown) => void} failed
   */
  constructor(model, live, { shown, open }, failed) {
    this.model = model;
    this.live = live;
    this.shown = shown;
    this.wanted = open;
    this.failed = failed;
    this.canvas = h("canvas", { class: "pen", width: SHOWN, height: SHOWN, tabIndex: 0, role: "img",
      "aria-label": "Drawing area: draw with mouse, finger or pen, or drop a picture file here" });
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    const small = h("canvas", { width: SIDE, height: SIDE });
    this.small = /** @type {CanvasRenderingContext2D} */ (small.getContext("2d", { willReadFrequently: true }));
    this.#listen();
    onTheme(() => this.#redraw());
  }

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", event => this.#down(event));
    canvas.addEventListener("pointermove", event => this.#move(event));
    canvas.addEventListener("pointerup", () => this.#up());
    canvas.addEventListener("pointercancel", () => this.#up());
    canvas.addEventListener("dragover", event => event.preventDefault());
    canvas.addEventListener("drop", event => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file) this.open(file);
    });
  }

  get #colour() { return getComputedStyle(this.canvas).color; }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button) return;
    const start = performance.now();
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.#box = this.canvas.getBoundingClientRect();       // once a stroke: asking at every event would wait for layout
    this.colour = this.#colour;
    this.canvas.classList.add("drawn");
    this.#drawing = true;
    this.#strokes.push([]);
    this.#to(event, start);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#drawing) return;
    const start = performance.now();
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.slice(0, -1)) this.#add(each);
    this.#to(event, start);
  }

  /** @param {PointerEvent} event */
  #add(event) {
    const box = /** @type {DOMRect} */ (this.#box), stroke = this.#strokes[this.#strokes.length - 1];
    const x = snap((event.clientX - box.left) / box.width), y = snap((event.clientY - box.top) / box.height);
    stroke.push([x, y]);
    drawPiece(this.context, stroke, /** @type {string} */ (this.colour));
    drawPiece(this.small, stroke, "black");
  }

  /**
   * @param {PointerEvent} event
   * @param {number} start
   */
  #to(event, start) {
    this.#add(event);
    this.#feed(start);
  }

  #up() {
    if (!this.#drawing) return;
    this.#drawing = false;
    this.live.store.set({ source: { kind: "drawing", strokes: toText(this.#strokes) } });
  }

  /** @param {number} [start] */
  #feed(start) {
    return this.live.feed(objective => this.#drawn(objective), start);
  }

  /** @param {import("./engine.js").Objective | null} objective */
  async #drawn(objective) {
    if (!this.#strokes.length) return new Float32Array(this.live.pixels.length);
    if (!this.model.digits) return inkAs(this.small, this.model.inputShape);
    const answer = await this.live.engine.draw(
      { width: SIDE, height: SIDE, pixels: inkOf(this.small), objective, steps: this.wanted() });
    return { pixels: this.shown(answer), run: answer.run };
  }

  #redraw() {
    this.canvas.classList.toggle("drawn", this.#strokes.length > 0);
    drawAll(this.context, this.#strokes, this.#colour);
    drawAll(this.small, this.#strokes, "black");
  }

  /**
   * Show the strokes of an address, and run on them.
   * @param {string} text
   */
  draw(text) {
    this.#strokes = fromText(text);
    this.#redraw();
    return this.#feed();
  }

  /** Run on the same strokes again, if there are any. */
  async again() { if (this.#strokes.length) await this.#feed(); }

  /** Forget the strokes: something else is the input now. */
  wipe() {
    this.#strokes = [];
    this.#redraw();
  }

  /** Take the last stroke back. */
  takeBack() {
    this.#strokes.pop();
    this.live.store.set({ source: { kind: "drawing", strokes: toText(this.#strokes) } });
    this.#redraw();
    this.#feed();
  }

  /**
   * Read a picture file.
   * @param {File} file
   */
  async open(file) {
    try {
      if (file.size > MOST_BYTES) {
        const size = (file.size / 1e6).toFixed(1);
        throw new Error(`Expected a picture of at most 4 MB. Received: ${file.name}, ${size} MB.`);
      }
      const answer = await this.live.engine.picture({ name: file.name, base64: await base64(file) });
      const pixels = this.shown(answer);
      if (!pixels) return;
      this.wipe();
      this.live.store.set({ source: { kind: "pixels", pixels: Float32Array.from(pixels) } });
      await this.live.feed(async () => pixels);
    } catch (problem) { this.failed(problem); }
  }
}

/**
 * @param {File} file
 * @returns {Promise<string>}
 */
function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}
