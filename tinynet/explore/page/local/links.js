/**
 * Which input meets which weight on its way to which output: what every layer that multiplies and adds is made of.
 *
 * That of one output has the products that it is the sum of; that of one input, or of one weight, has the terms of its
 * gradient. Links of images are products of three lists: of channels, of rows and of columns.
 *
 * @typedef {import("./weighted.js").Layer} Layer
 * @typedef {import("./windows.js").Geometry} Geometry
 * @typedef {"out" | "in" | "weight"} Role
 *
 * The places of an output, of an input and of a weight, or the parts of them along some axes.
 * @typedef {{out: number[], in: number[], weight: number[]}} Link
 *
 * The links along some axes; `widths`: how many numbers of a place belong to them.
 * @typedef {{widths: Record<Role, number>, where: (role: Role, at: number[]) => Link[]}} Axis
 */

import { geometryOf, transposedGeometryOf } from "./windows.js";

/**
 * List the links of a layer whose output, input or weight is at a place; those of the last axis change fastest.
 * @param {Layer} layer
 * @param {Role} role
 * @param {number[]} at
 * @returns {Link[]}
 */
export function linksOf(layer, role, at) {
  /** @type {Link[]} */
  let links = [{ out: [], in: [], weight: [] }];
  for (const axis of axes[layer.kind](layer)) {
    const here = axis.where(role, at.slice(0, axis.widths[role]));
    at = at.slice(axis.widths[role]);
    links = links.flatMap((link) => here.map((more) => joined(link, more)));
  }
  return links;
}

/**
 * @param {Link} a
 * @param {Link} b
 * @returns {Link}
 */
function joined(a, b) {
  return { out: [...a.out, ...b.out], in: [...a.in, ...b.in], weight: [...a.weight, ...b.weight] };
}

/** @type {Record<string, (layer: Layer) => Axis[]>} of each kind of layer, the links along its axes */
const axes = {
  Dense: ({ inputShape, params: { kernel } }) => [...inputShape.slice(0, -1).map(apart),
    everyWithEvery(kernel.shape[0], kernel.shape[1])],
  Conv2D: ({ config, inputShape, outputShape, params: { kernel: { shape: [F, perGroup] } } }) => {
    const filtersInGroup = F / (inputShape[0] / perGroup);
    const channels = range(F).flatMap((f) => range(perGroup).map((c) => (
      { out: [f], in: [Math.floor(f / filtersInGroup) * perGroup + c], weight: [f, c] })));
    return [table({ out: 1, in: 1, weight: 2 }, channels), ...windows(geometryOf(config, inputShape), inputShape, outputShape)];
  },
  DepthwiseConv2D: ({ config, inputShape, outputShape, params: { kernel: { shape: [M, C] } } }) => {
    const channels = range(M).flatMap((m) => range(C).map((c) => ({ out: [c * M + m], in: [c], weight: [m, c] })));
    return [table({ out: 1, in: 1, weight: 2 }, channels), ...windows(geometryOf(config, inputShape), inputShape, outputShape)];
  },
  Conv2DTranspose: ({ config, inputShape, outputShape, params: { kernel } }) => {
    const backward = windows(transposedGeometryOf(config, inputShape, outputShape), outputShape, inputShape);
    return [everyWithEvery(kernel.shape[0], kernel.shape[1]), ...backward.map(turned)];
  },
};

/** @param {number} n @returns {number[]} */
const range = (n) => Array.from({ length: n }, (_, k) => k);

/**
 * Make an axis of all its links, written out.
 * @param {Record<Role, number>} widths
 * @param {Link[]} links
 * @returns {Axis}
 */
function table(widths, links) {
  return { widths, where: (role, at) => links.filter((link) => at.every((i, k) => link[role][k] === i)) };
}

/**
 * Each place of an axis with itself, the weights the same.
 * @param {number} size
 * @returns {Axis}
 */
function apart(size) {
  return { widths: { out: 1, in: 1, weight: 0 },
           where: (_role, at) => (at.length ? at : range(size)).map((k) => ({ out: [k], in: [k], weight: [] })) };
}

/**
 * Every input with every output.
 * @param {number} inputs
 * @param {number} outputs
 * @returns {Axis}
 */
function everyWithEvery(inputs, outputs) {
  return { widths: { out: 1, in: 1, weight: 2 }, where(role, at) {
    const ins = role === "out" ? range(inputs) : [at[0]];
    const outs = role === "in" ? range(outputs) : [at[at.length - 1]];
    return ins.flatMap((i) => outs.map((u) => ({ out: [u], in: [i], weight: [i, u] })));
  } };
}

/**
 * Windows along rows and along columns: output p sees pixel s p + d i - margin with weight i, if that is inside.
 * @param {Geometry} geometry
 * @param {number[]} image
 * @param {number[]} output
 * @returns {Axis[]}
 */
function windows({ size, strides, dilation, margins }, image, output) {
  return [0, 1].map((axis) => {
    const links = range(output[axis + 1]).flatMap((p) => range(size[axis]).map((i) => (
      { out: [p], in: [strides[axis] * p + dilation[axis] * i - margins[axis]], weight: [i] })));
    return table({ out: 1, in: 1, weight: 1 }, links.filter(({ in: [h] }) => h >= 0 && h < image[axis + 1]));
  });
}

/**
 * Exchange outputs and inputs.
 * @param {Axis} axis
 * @returns {Axis}
 */
function turned(axis) {
  /** @type {Record<Role, Role>} */
  const other = { out: "in", in: "out", weight: "weight" };
  return { widths: axis.widths, where: (role, at) => axis.where(other[role], at).map(
    (link) => ({ out: link.in, in: link.out, weight: link.weight })) };
}
