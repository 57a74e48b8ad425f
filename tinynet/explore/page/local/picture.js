/**
 * A picture file, unpacked by the browser: of a digit, the brightness; of anything else, the pixels of the input.
 *
 * @typedef {import("./ink.js").Picture} Picture
 */

import { bytes } from "./base64.js";
import { resize } from "./digit.js";

const MAX_SIDE = 400;                                  // a digit in a larger picture is looked at from afar
const EYE = [0.299, 0.587, 0.114];                     // how bright red, green and blue are to the eye

/**
 * Return the red, green and blue planes of a picture, each from 0 to 1; where it is transparent there is white paper.
 * @param {string} base64
 * @returns {Promise<Picture[]>}
 */
export async function planesOf(base64) {
  const image = await createImageBitmap(new Blob([/** @type {BlobPart} */ (bytes(base64))])).catch(() => {
    throw new Error("Expected a picture that the browser can read, such as a PNG or JPEG. Received: something else.");
  });
  const scale = Math.min(1, MAX_SIDE / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(scale * side)));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return [0, 1, 2].map((colour) => ({ width, height,
    pixels: Float64Array.from({ length: width * height }, (_, k) => data[4 * k + colour] / 255) }));
}

/**
 * Return the brightness of a picture.
 * @param {Picture[]} planes
 * @returns {Picture}
 */
export function brightness([red, green, blue]) {
  return { ...red, pixels: red.pixels.map((r, k) => EYE[0] * r + EYE[1] * green.pixels[k] + EYE[2] * blue.pixels[k]) };
}

/**
 * Return a picture in the size and the channels of an input (C, H, W), C 1 or 3.
 * @param {Picture[]} planes
 * @param {number[]} shape
 * @returns {number[]}
 */
export function asInput(planes, shape) {
  const [channels, height, width] = shape;
  if (shape.length !== 3 || (channels !== 1 && channels !== 3)) {
    throw new Error(`Expected a model of images, (1, H, W) or (3, H, W), to drop a picture on. Received: ${shape.join(" x ")}.`);
  }
  return (channels === 1 ? [brightness(planes)] : planes).flatMap((plane) => [...resize(plane, height, width).pixels]);
}
