/**
 * A drawing on its way to the shape that MNIST's digits have, as tinynet/digits does it: the ink is cropped, scaled into
 * 20 x 20 with its proportions kept, and put onto 28 x 28 with the centre of its mass at the middle.
 *
 * @typedef {import("./ink.js").Picture} Picture
 * @typedef {{name: string, text: string, picture: Picture}} DigitStep
 */

import { EMPTY, inkIn } from "./ink.js";

const SIDE = 28, BOX = 20, MIDDLE = 14;              // of MNIST: image, box of the digit, place of the centre of mass

/**
 * Bring ink, from 0 to 1, to the shape of MNIST's digits, where nothing else has to be told from it.
 * @param {Picture} ink
 * @returns {DigitStep[]} the last one has the image
 */
export function fromInk(ink) {
  if (!ink.pixels.some((pixel) => pixel > 0)) throw new Error(EMPTY);
  const cropped = crop(ink), fitted = fit(cropped);
  return [
    { name: "ink", text: "Its ink: 1 where there is most of it, 0 where there is paper.", picture: ink },
    { name: "cropped", text: "The smallest box that has all the ink.", picture: cropped },
    { name: "fitted", text: "Scaled so that its longer side is 20 pixels.", picture: fitted },
    { name: "as MNIST's", text: "Moved until its centre of mass lies in the middle of 28 x 28.", picture: centre(fitted) },
  ];
}

/**
 * Find the ink in a picture first.
 * @param {Picture} picture
 * @returns {DigitStep[]}
 */
export function fromPicture(picture) {
  return [{ name: "drawing", text: "The drawing.", picture }, ...fromInk(inkIn(picture))];
}

/**
 * Cut out the smallest box that has all the ink.
 * @param {Picture} ink
 * @returns {Picture}
 */
export function crop({ width, height, pixels }) {
  let top = height, bottom = 0, left = width, right = 0;
  for (let k = 0; k < pixels.length; k++) {
    if (pixels[k] === 0) continue;
    const row = Math.floor(k / width), column = k % width;
    top = Math.min(top, row);
    bottom = Math.max(bottom, row);
    left = Math.min(left, column);
    right = Math.max(right, column);
  }
  const cropped = { width: right - left + 1, height: bottom - top + 1, pixels: new Float64Array() };
  cropped.pixels = Float64Array.from({ length: cropped.width * cropped.height }, (_, k) => (
    pixels[(top + Math.floor(k / cropped.width)) * width + left + k % cropped.width]));
  return cropped;
}

/**
 * Scale into 20 x 20, the proportions kept, and make the strongest ink 1 again.
 * @param {Picture} cropped
 * @returns {Picture}
 */
export function fit(cropped) {
  const scale = BOX / Math.max(cropped.width, cropped.height);
  const [height, width] = [cropped.height, cropped.width].map((side) => Math.max(1, halfToEven(scale * side)));
  const fitted = resize(cropped, height, width), most = fitted.pixels.reduce((a, b) => Math.max(a, b), 0);
  return { ...fitted, pixels: fitted.pixels.map((pixel) => pixel / most) };
}

/**
 * Put onto 28 x 28, the centre of mass at (14, 14) to half a pixel, or as near as the edges let it.
 * @param {Picture} fitted
 * @returns {Picture}
 */
export function centre({ width, height, pixels }) {
  let mass = 0, rows = 0, columns = 0;
  pixels.forEach((pixel, k) => {
    mass += pixel;
    rows += pixel * Math.floor(k / width);
    columns += pixel * (k % width);
  });
  const [top, left] = [[rows, height], [columns, width]].map(([sum, side]) => (
    Math.min(Math.max(halfToEven(MIDDLE - sum / mass), 0), SIDE - side)));
  const image = new Float64Array(SIDE * SIDE);
  pixels.forEach((pixel, k) => { image[(top + Math.floor(k / width)) * SIDE + left + k % width] = pixel; });
  return { width: SIDE, height: SIDE, pixels: image };
}

/**
 * Scale a picture: each new pixel is the mean of the area of old pixels that it covers, so that no line is lost.
 * @param {Picture} picture
 * @param {number} height
 * @param {number} width
 * @returns {Picture}
 */
export function resize(picture, height, width) {
  const rows = overlaps(picture.height, height), columns = overlaps(picture.width, width);
  const pixels = new Float64Array(height * width);
  for (let p = 0; p < height; p++) {
    for (let q = 0; q < width; q++) {
      for (const [row, down] of rows[p]) {
        for (const [column, across] of columns[q]) {
          pixels[p * width + q] += down * across * picture.pixels[row * picture.width + column];
        }
      }
    }
  }
  return { width, height, pixels };
}

/**
 * Return for each new pixel along an axis the old ones that it covers, and how much of it each makes up.
 * @param {number} before
 * @param {number} after
 * @returns {[number, number][][]}
 */
function overlaps(before, after) {
  return Array.from({ length: after }, (_, p) => {
    const start = p * before / after, end = (p + 1) * before / after;
    /** @type {[number, number][]} */
    const shares = [];
    for (let k = Math.floor(start); k < Math.min(before, Math.ceil(end)); k++) {
      shares.push([k, (Math.min(end, k + 1) - Math.max(start, k)) * after / before]);
    }
    return shares;
  });
}

/**
 * Round as Python does: halves to the even number.
 * @param {number} x
 */
function halfToEven(x) {
  const below = Math.floor(x);
  return x - below === 0.5 ? below + (below % 2) : Math.round(x);
}
