/**
 * The ink of one digit in a drawing on clean paper, as tinynet/digits/ink.py finds it: 0 is paper, 1 the most ink.
 * Photographs, with their light, lines and shadows, are for Python alone.
 *
 * @typedef {{width: number, height: number, pixels: Float64Array}} Picture
 * @typedef {{top: number, bottom: number, left: number, right: number, places: number[]}} Part
 */

const FAINT = 0.05, WEAK = 0.2, EDGE = 0.1;          // parts of the strongest ink: a stain, its outline, its soft edge
const SPECK = 0.03;                                  // of the area of the largest piece
const SOFT = 4;                                      // pixels of the soft edge of ink, at most
const COMPARABLE = 0.4, GAP = 0.06;                  // of the height of the tallest part

export const EMPTY = "The drawing is empty: no ink that stands out from the paper. If there is some, draw it darker.";
export const SEVERAL = "There are two things in the picture, or more, and only one digit can be read at a time.";

/**
 * Return how much ink there is, or raise an error if there is none, or more than one thing.
 * @param {Picture} drawing brightness, 0 to 1; dark ink on light paper, or light ink on dark
 * @returns {Picture}
 */
export function inkIn(drawing) {
  const { width, height, pixels } = drawing, paper = paperOf(drawing);
  const contrast = pixels.map((pixel) => Math.abs(pixel - paper));
  const most = contrast.reduce((a, b) => Math.max(a, b), 0);
  if (most < 2 * FAINT) throw new Error(EMPTY);
  const pieces = partsOf(drawing, (k) => contrast[k] > WEAK * most);
  const kept = pieces.filter((piece) => piece.places.length >= SPECK * pieces[0].places.length);
  expectOne(kept);
  const mask = softened(drawing, kept, (k) => contrast[k] > EDGE * most);
  return { width, height, pixels: contrast.map((c, k) => (mask[k] && c > FAINT * most ? c / most : 0)) };
}

/**
 * Return the brightness of the paper: that in the middle of all along the edge of the drawing.
 * @param {Picture} drawing
 */
function paperOf({ width, height, pixels }) {
  const edge = pixels.filter((_, k) => k < width || k >= width * (height - 1) || k % width === 0 || k % width === width - 1);
  return edge.sort()[edge.length >> 1];
}

/**
 * List the connected pieces of what holds, neighbours at corners included, the largest first.
 * @param {Picture} picture
 * @param {(place: number) => boolean} holds
 * @returns {Part[]}
 */
function partsOf({ width, height }, holds) {
  const seen = new Uint8Array(width * height), found = [];
  for (let first = 0; first < seen.length; first++) {
    if (seen[first] || !holds(first)) continue;
    const part = { top: height, bottom: 0, left: width, right: 0, places: [first] };
    seen[first] = 1;
    for (let next = 0; next < part.places.length; next++) {        // `places` grows while it is walked through
      const k = part.places[next], row = Math.floor(k / width), column = k % width;
      part.top = Math.min(part.top, row);
      part.bottom = Math.max(part.bottom, row);
      part.left = Math.min(part.left, column);
      part.right = Math.max(part.right, column);
      for (let r = Math.max(0, row - 1); r <= Math.min(height - 1, row + 1); r++) {
        for (let c = Math.max(0, column - 1); c <= Math.min(width - 1, column + 1); c++) {
          if (!seen[r * width + c] && holds(r * width + c)) {
            seen[r * width + c] = 1;
            part.places.push(r * width + c);
          }
        }
      }
    }
    found.push(part);
  }
  return found.sort((a, b) => b.places.length - a.places.length);
}

/**
 * Raise an error if parts lie side by side, or one above the other, and are of about the same height.
 * @param {Part[]} parts
 */
function expectOne(parts) {
  const tallest = Math.max(...parts.map((part) => part.bottom - part.top));
  const large = parts.filter((part) => part.bottom - part.top >= COMPARABLE * tallest);
  for (const part of large) {
    for (const other of large) {
      const gap = Math.max(part.left - other.right, part.top - other.bottom);
      if (gap > GAP * tallest) throw new Error(SEVERAL);
    }
  }
}

/**
 * Return the mask of the pieces with the soft edge of their ink.
 * @param {Picture} picture
 * @param {Part[]} pieces
 * @param {(place: number) => boolean} isEdge
 * @returns {Uint8Array}
 */
function softened({ width, height }, pieces, isEdge) {
  const mask = new Uint8Array(width * height);
  for (const piece of pieces) for (const place of piece.places) mask[place] = 1;
  let border = pieces.flatMap((piece) => piece.places);
  for (let round = 0; round < SOFT; round++) {
    /** @type {number[]} */
    const next = [];
    for (const k of border) {
      const row = Math.floor(k / width), column = k % width;
      for (let r = Math.max(0, row - 1); r <= Math.min(height - 1, row + 1); r++) {
        for (let c = Math.max(0, column - 1); c <= Math.min(width - 1, column + 1); c++) {
          if (!mask[r * width + c] && isEdge(r * width + c)) {
            mask[r * width + c] = 1;
            next.push(r * width + c);
          }
        }
      }
    }
    border = next;
  }
  return mask;
}
