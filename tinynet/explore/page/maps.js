// The one place that draws a map: numbers to the pixels of a canvas, one pixel a number, through a table of colours.
// The stylesheet enlarges canvases; nothing here asks for a size on the screen, so that drawing never waits for layout.

import { NOTHING } from "./colours.js";

/** @typedef {import("./colours.js").Colours} Colours */
/** @typedef {{context: CanvasRenderingContext2D, image: ImageData, words: Uint32Array}} Surface */

/** @type {WeakMap<HTMLCanvasElement, Surface>} */
const surfaces = new WeakMap();
const BAR_HEIGHT = 32;
const BARS = [[16, 12, 2], [64, 8, 1], [200, 4, 1], [Infinity, 1, 0]];      // up to so many: pixels of each, of them gap

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @returns {Surface}
 */
function surface(canvas, width, height) {
  const known = surfaces.get(canvas);
  if (known && known.image.width === width && known.image.height === height) return known;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });      // kept in memory, where we write
  if (!context) throw new Error("This browser offers no canvas to draw on.");
  const image = context.createImageData(width, height);
  const made = { context, image, words: new Uint32Array(image.data.buffer) };
  surfaces.set(canvas, made);
  return made;
}

/**
 * Draw `height` x `width` numbers, from `offset` on; `scale` is the size that has the full colour.
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} numbers
 * @param {{offset: number, height: number, width: number}} part
 * @param {Colours} colours
 * @param {number} scale
 */
export function drawMap(canvas, numbers, { offset, height, width }, { table }, scale) {
  const { context, image, words } = surface(canvas, width, height);
  const factor = scale > 0 ? 255 / scale : 0;
  for (let i = 0; i < words.length; i++) words[i] = table[entry(numbers[offset + i] * factor)];
  context.putImageData(image, 0, 0);
}

/** @typedef {{left: number, top: number, width: number, height: number}} Box   in pixels of a canvas */

/**
 * Draw maps that lie one after the other, each into its box of one canvas. For every frame a browser puts together all
 * canvases that it shows: a hundred of them, one for each map, would take it longer than all that is computed.
 * @param {{canvas: HTMLCanvasElement, pile: HTMLCanvasElement, boxes: Box[]}} on
 *     pile: where they are drawn first, one above the other, one pixel a number
 * @param {ArrayLike<number>} numbers
 * @param {{height: number, width: number}} map
 * @param {Colours} colours
 * @param {number} scale
 */
export function drawMaps({ canvas, pile, boxes }, numbers, { height, width }, colours, scale) {
  drawMap(pile, numbers, { offset: 0, height: height * boxes.length, width }, colours, scale);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingEnabled = false;
  boxes.forEach((box, i) =>
    context.drawImage(pile, 0, i * height, width, height, box.left, box.top, box.width, box.height));
}

/**
 * The entry of a table for a number from -255 to 255.
 * @param {number} value
 */
function entry(value) {
  if (!(value >= -255)) return value < -255 ? 0 : NOTHING;
  return value > 255 ? 510 : Math.round(value) + 255;
}

/**
 * Draw numbers as bars side by side, upwards from 0 and downwards; `floor`: 0 is the lower edge, none is below.
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} numbers
 * @param {Colours} colours
 * @param {number} scale
 * @param {boolean} floor
 */
export function drawBars(canvas, numbers, { table }, scale, floor) {
  const [, pitch, gap] = /** @type {number[]} */ (BARS.find(([most]) => numbers.length <= most));
  const width = numbers.length * pitch;
  const { context, image, words } = surface(canvas, width, BAR_HEIGHT);
  const reach = floor ? BAR_HEIGHT : BAR_HEIGHT / 2, zero = floor ? BAR_HEIGHT : BAR_HEIGHT / 2;
  words.fill(0);
  for (let i = 0; i < numbers.length; i++) {
    const value = scale > 0 ? Math.max(-1, Math.min(1, numbers[i] / scale)) : 0;
    const length = value === 0 ? 0 : Math.max(1, Math.round(Math.abs(value) * reach));
    const top = value > 0 ? zero - length : zero;
    const colour = table[value > 0 ? 450 : 60];
    for (let y = top; y < Math.min(BAR_HEIGHT, top + length); y++) {
      words.fill(colour, y * width + i * pitch, y * width + (i + 1) * pitch - gap);
    }
  }
  context.putImageData(image, 0, 0);
}

/**
 * Draw a picture of three channels, 0 to `scale`, in its own colours.
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} numbers   (3, height, width)
 * @param {number} height
 * @param {number} width
 * @param {number} scale
 */
export function drawColours(canvas, numbers, height, width, scale) {
  const { context, image } = surface(canvas, width, height);
  const plane = height * width, bytes = image.data, factor = scale > 0 ? 255 / scale : 0;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) bytes[4 * i + c] = numbers[c * plane + i] * factor;
    bytes[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
