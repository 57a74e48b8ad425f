// The filters of the first layer that has some, as they change.

import { onTheme, signed } from "./colours.js";
import { h } from "./dom.js";
import { drawMap } from "./maps.js";
import { largest } from "./numbers.js";
import { slice } from "./parameter.js";
import { layout } from "./shapes.js";

const MOST = 64;

export class Filters {
  /**
   * @param {import("./engine.js").Description} model
   * @param {import("./live.js").Live} live
   * @param {(problem: unknown) => void} failed
   */
  constructor(model, live, failed) {
    this.live = live;
    this.step = model.steps.find(({ params }) => params.some(({ shape }) => shape.length === 4));
    this.param = this.step?.params.find(({ shape }) => shape.length === 4);
    const count = Math.min(MOST, this.param?.shape[0] ?? 0);
    this.canvases = Array.from({ length: count }, (_, i) => h("canvas", { role: "img", "aria-label": `filter ${i}` }));
    this.element = h("div", { class: "filters" }, h("h3", {}, `Filters of ${this.step?.name}`),
      h("div", { class: "maps kernels" }, ...this.canvases.map(canvas => h("span", { class: "map" }, canvas))));
    this.element.hidden = !count;
    live.store.listen((_, changed) => { if (changed.has("view")) this.show().catch(failed); });
    onTheme(() => { this.show().catch(failed); });
  }

  async show() {
    if (!this.step || !this.param || this.live.store.state.view !== "train") return;
    const pixels = Array.from(this.live.pixels);
    const which = { step: this.step.name, name: this.param.name };
    const { value } = await this.live.engine.parameter({ ...which, objective: null, pixels });
    const scale = largest(value.data);
    this.canvases.forEach((canvas, i) => {
      const filter = slice(value, i), { height, width } = layout(filter.shape);
      drawMap(canvas, filter.data, { offset: 0, height, width }, signed(), scale);
    });
  }
}
