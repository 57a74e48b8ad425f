// Tables that turn a number into the four bytes of a pixel: blue for less than 0, orange for more, which people who are
// colour-blind tell apart too. Looked up once for each pixel, they are as fast as a copy.

const HALF = 255;                       // entries on either side of 0
export const NOTHING = 2 * HALF + 1;    // the entry for NaN, and for a place without a number

/** @typedef {{table: Uint32Array}} Colours */

/** @typedef {{zero: number[], below: number[][], above: number[][], ink: number[], none: number[]}} Theme */

/** @type {Record<"light" | "dark", Theme>} */
const THEMES = {
  light: { zero: [250, 249, 246], below: [[133, 182, 222], [13, 84, 150]], above: [[247, 184, 120], [190, 72, 0]],
    ink: [28, 30, 38], none: [226, 225, 220] },
  dark: { zero: [22, 25, 31], below: [[34, 92, 148], [128, 196, 255]], above: [[158, 84, 18], [255, 184, 96]],
    ink: [240, 238, 230], none: [48, 52, 60] },
};

/**
 * @param {number[]} from
 * @param {number[]} to
 * @param {number} share
 */
const between = (from, to, share) => from.map((value, i) => value + (to[i] - value) * share);

/** @param {number[]} rgb */
const word = ([r, g, b]) => ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;

/**
 * The colour of `share`, 0 to 1, on the way from zero over a middle to the full colour.
 * @param {number[]} zero
 * @param {number[][]} way
 * @param {number} share
 */
function ramp(zero, [middle, full], share) {
  return share < 0.5 ? between(zero, middle, share * 2) : between(middle, full, share * 2 - 1);
}

/** @param {"light" | "dark"} theme */
function tables(theme) {
  const { zero, below, above, ink, none } = THEMES[theme];
  const signed = new Uint32Array(2 * HALF + 2), inked = new Uint32Array(2 * HALF + 2);
  for (let i = 0; i <= 2 * HALF; i++) {
    const share = (i - HALF) / HALF;
    signed[i] = word(ramp(zero, share < 0 ? below : above, Math.abs(share) ** 0.8));
    inked[i] = word(between(zero, ink, Math.max(0, share)));
  }
  signed[NOTHING] = inked[NOTHING] = word(none);
  return { signed: { table: signed }, ink: { table: inked } };
}

const dark = matchMedia("(prefers-color-scheme: dark)");
let current = tables(dark.matches ? "dark" : "light");

/** Below 0 and above. */
export const signed = () => current.signed;
/** From paper to ink, for pictures. */
export const ink = () => current.ink;

/**
 * Call back when the reader changes between light and dark.
 * @param {() => void} repaint
 */
export function onTheme(repaint) {
  dark.addEventListener("change", () => {
    current = tables(dark.matches ? "dark" : "light");
    repaint();
  });
}
