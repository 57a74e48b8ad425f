// A drawing as strokes: what the pen did, as text for the address, and as ink on a canvas.

export const SIDE = 112;                // pixels of what the engine is given
const STEPS = 8;                        // places between two pixels that an address can tell apart
const PEN = SIDE / 12;                  // as thick as a digit's strokes in MNIST, before it is scaled into its box

/** @typedef {[number, number][]} Stroke */

/** @param {number} share   0 to 1 */
export const snap = share => Math.max(0, Math.min(SIDE * STEPS, Math.round(share * SIDE * STEPS)));

/** @param {Stroke[]} strokes */
export const toText = strokes =>
  strokes.map(stroke => stroke.flat().map(i => i.toString(36).padStart(2, "0")).join("")).join(".");

/**
 * @param {string} text
 * @returns {Stroke[]}
 */
export function fromText(text) {
  const read = (/** @type {string} */ pair) => Math.min(SIDE * STEPS, parseInt(pair, 36) || 0);
  return text.split(".").filter(Boolean).map(stroke =>
    (stroke.match(/[0-9a-z]{4}/g) ?? []).map(four => [read(four.slice(0, 2)), read(four.slice(2))]));
}

/**
 * Draw the last piece of a stroke.
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke} stroke
 * @param {string} colour
 */
export function drawPiece(context, stroke, colour) {
  const scale = context.canvas.width / (SIDE * STEPS);
  const [x, y] = stroke[stroke.length - 1], [fromX, fromY] = stroke[Math.max(0, stroke.length - 2)];
  context.strokeStyle = colour;
  context.lineWidth = PEN * context.canvas.width / SIDE;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(fromX * scale, fromY * scale);
  context.lineTo(x * scale + 0.01, y * scale);
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke[]} strokes
 * @param {string} colour
 */
export function drawAll(context, strokes, colour) {
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  for (const stroke of strokes) {
    for (let i = 1; i <= stroke.length; i++) drawPiece(context, stroke.slice(0, i), colour);
  }
}

/**
 * The ink on a canvas of SIDE x SIDE, 0 paper, 255 ink, in base64.
 * @param {CanvasRenderingContext2D} context
 * @returns {string}
 */
export function inkOf(context) {
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  const ink = new Array(SIDE * SIDE);
  for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3];
  return btoa(String.fromCharCode.apply(null, ink));       // at every move of the pen, and `...ink` takes seven times as long
}

/**
 * The ink on a canvas, as an input of another shape than a digit's: the same in every channel, 0 to 1.
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} shape      (channels, height, width)
 * @returns {Float32Array}
 */
export function inkAs(context, [channels, height, width]) {
  const small = Object.assign(document.createElement("canvas"), { width, height });
  const to = /** @type {CanvasRenderingContext2D} */ (small.getContext("2d", { willReadFrequently: true }));
  to.imageSmoothingQuality = "high";
  to.drawImage(context.canvas, 0, 0, width, height);
  const { data } = to.getImageData(0, 0, width, height), plane = height * width;
  return Float32Array.from({ length: channels * plane }, (_, i) => data[4 * (i % plane) + 3] / 255);
}
