// Curves of a training, as they grow.

import { h } from "./dom.js";
import { format, show, number } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [360, 110];
const MOST = 400;       // points drawn of a curve

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 */
function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** @param {string} y */
const rule = y => svg("line", { class: "rule", x1: "0", x2: String(WIDTH), y1: y, y2: y });

export class Curves {
  /**
   * @param {string} name
   * @param {string[]} curves
   * @param {number | null} top     of the scale; null: the largest value
   */
  constructor(name, curves, top = null) {
    this.top = top;
    this.lines = curves.map((_, i) => svg("polyline", { class: `curve c${i}`, fill: "none", points: "" }));
    this.picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
      "aria-label": curves.join(" and ") });
    this.picture.append(...[0.25, 0.5, 0.75].map(share => rule(String(share * HEIGHT))), ...this.lines);
    this.highest = h("span", { class: "highest" }, top === null ? "" : format(top));
    this.numbers = curves.map((_, i) => number(`${i ? "test" : "training"}-${name}`, null));
    const legend = curves.map((text, i) => h("span", { class: `c${i}` }, h("i"), `${text} `, this.numbers[i]));
    const frame = h("div", { class: "frame" });
    frame.append(this.picture, this.highest);
    this.element = h("figure", { class: "curves" }, frame, h("figcaption", {}, ...legend));
  }

  /** @param {[number, number][][]} curves */
  show(curves) {
    const finite = curves.map(points => points.filter(([, y]) => Number.isFinite(y)));
    const all = finite.flat(), last = all.reduce((most, [x]) => Math.max(most, x), 1);
    const top = this.top ?? all.reduce((most, [, y]) => Math.max(most, y), 1e-9);
    finite.forEach((points, i) => {
      this.lines[i].setAttribute("points", thin(points).map(([x, y]) =>
        `${(x / last * WIDTH).toFixed(1)},${(HEIGHT - 1 - Math.min(1, y / top) * (HEIGHT - 2)).toFixed(1)}`).join(" "));
      show(this.numbers[i], curves[i].length ? curves[i][curves[i].length - 1][1] : null);
    });
    if (this.top === null) this.highest.textContent = all.length ? format(top) : "";
  }
}

/**
 * Of many points some, evenly, the last among them.
 * @param {[number, number][]} points
 */
function thin(points) {
  const every = Math.ceil(points.length / MOST);
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
}
