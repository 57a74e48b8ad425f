/**
 * Explains dense layers and convolutions of all kinds: products of inputs and weights.
 *
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./weighted.js").Layer} Layer
 * @typedef {import("./explanation.js").StepNumbers} StepNumbers
 * @typedef {import("./explanation.js").Explainer} Explainer
 * @typedef {import("./explanation.js").Factor} Factor
 */

import {
  byChannel, inputGradient, inputs, output, parameterGradient, placesWhere, read, sumOfProducts, taken, upstreams, weights,
} from "./explanation.js";
import { linksOf } from "./links.js";
import { depthwiseOutput, depthwiseUpstream } from "./weighted.js";

const USED = "Every product that the weight was in: the gradient of the output, times the input it multiplied.";

/**
 * @param {string} sums what an output is the sum of
 * @param {string} spreads where an input went
 * @returns {Explainer}
 */
function weighing(sums, spreads) {
  return {
    forward(step, at) {
      const links = linksOf(step.layer, "out", at);
      const found = sumOfProducts({ of: output(step, at), how: sums, value: read(step.y, at),
        left: inputs(step, links.map((link) => link.in)), right: weights(step, "kernel", links.map((link) => link.weight)),
        more: biasLine(step, at) });
      return step.x.shape.length === 3 ? byChannel(found, links.map((link) => link.in[0])) : found;
    },
    backward(step, at) {
      const links = linksOf(step.layer, "in", at);
      const found = sumOfProducts({ of: inputGradient(step, at), how: spreads, value: read(step.dx, at),
        left: upstreams(step, links.map((link) => link.out)), right: weights(step, "kernel", links.map((link) => link.weight)) });
      return step.y.shape.length === 3 ? byChannel(found, links.map((link) => link.out[0])) : found;
    },
    ofParameter(step, key, at) {
      if (key === "bias") return ofBias(step, at);
      const links = linksOf(step.layer, "weight", at);
      return sumOfProducts({ of: parameterGradient(step, key, at), how: USED, value: read(step.grads[key], at),
        left: upstreams(step, links.map((link) => link.out)), right: inputs(step, links.map((link) => link.in)) });
    },
  };
}

/**
 * @param {StepNumbers} step
 * @param {number[]} at
 */
function biasLine({ layer: { params }, y }, at) {
  return params.bias ? [{ name: "bias", value: params.bias.data[at[unitAxis(y)]] }] : [];
}

/**
 * Return the axis of the output along which each unit, or filter, has its own bias.
 * @param {Tensor} y
 */
const unitAxis = ({ shape }) => (shape.length === 3 ? 0 : shape.length - 1);

/**
 * @param {StepNumbers} step
 * @param {number[]} at
 */
function ofBias(step, at) {
  const axis = unitAxis(step.y);
  return sumOfProducts({ of: parameterGradient(step, "bias", at), value: read(step.grads.bias, at),
    how: "It was added to every output of its unit, so their gradients add up.",
    left: upstreams(step, placesWhere(step.y.shape, (place) => place[axis] === at[0])) });
}

/** @type {Explainer} h, what is between its two convolutions, is in no map: it is computed here */
const separable = {
  forward(step, at) {
    const { layer } = step, h = depthwiseOutput(layer, step.x);
    const links = linksOf(pointwisePart(layer, h), "out", at);
    const found = sumOfProducts({ of: output(step, at), value: read(step.y, at), more: biasLine(step, at),
      how: "The outputs h of the depthwise convolution at this place, each channel times its pointwise weight.",
      left: taken("h", h, links.map((link) => link.in), null),
      right: weights(step, "pointwise_kernel", links.map((link) => link.weight)) });
    return byChannel(found, links.map((link) => link.in[0]));
  },
  backward(step, at) {
    const links = linksOf(depthwisePart(step.layer), "in", at);
    return sumOfProducts({ of: inputGradient(step, at), value: read(step.dx, at),
      how: "Every window of the depthwise convolution over the pixel: the gradient dh of its output, times the weight that "
        + "lay on the pixel.",
      left: upstreamOfH(step, links.map((link) => link.out)),
      right: weights(step, "depthwise_kernel", links.map((link) => link.weight)) });
  },
  ofParameter(step, key, at) {
    if (key === "bias") return ofBias(step, at);
    const { layer } = step, h = depthwiseOutput(layer, step.x), pointwise = key === "pointwise_kernel";
    const links = linksOf(pointwise ? pointwisePart(layer, h) : depthwisePart(layer), "weight", at);
    const outs = links.map((link) => link.out), ins = links.map((link) => link.in);
    return sumOfProducts({ of: parameterGradient(step, key, at), how: USED, value: read(step.grads[key], at),
      left: pointwise ? upstreams(step, outs) : upstreamOfH(step, outs),
      right: pointwise ? taken("h", h, ins, null) : inputs(step, ins) });
  },
};

/**
 * @param {StepNumbers} step
 * @param {number[][]} places
 * @returns {Factor}
 */
function upstreamOfH(step, places) {
  return taken("dh", step.dy && depthwiseUpstream(step.layer.params, step.dy), places, null);
}

/**
 * @param {Layer} layer
 * @returns {Layer}
 */
function depthwisePart(layer) {
  const { depthwise_kernel: kernel, pointwise_kernel: pointwise } = layer.params;
  return { ...layer, kind: "DepthwiseConv2D", params: { kernel },
           outputShape: [pointwise.shape[1], ...layer.outputShape.slice(1)] };
}

/**
 * @param {Layer} layer
 * @param {Tensor} h
 * @returns {Layer}
 */
function pointwisePart(layer, h) {
  return { ...layer, kind: "Conv2D", params: { kernel: layer.params.pointwise_kernel }, inputShape: h.shape,
           config: { kernel_size: [1, 1], strides: [1, 1] } };
}

/** @type {Record<string, Explainer>} */
export const weighted = {
  Dense: weighing("Each input times its weight: the whole of what the unit sees.",
    "Every unit that had the input in its sum: its gradient, times the weight it gave the input."),
  Conv2D: weighing("The patch under the window times the filter's kernel, pixel by pixel and channel by channel.",
    "Every window over the pixel, of every filter: its gradient, times the weight that lay on the pixel."),
  DepthwiseConv2D: weighing("The patch under the window, of one channel alone, times that channel's kernel.",
    "Every window over the pixel, of the channel's own kernels: its gradient, times the weight on the pixel."),
  Conv2DTranspose: weighing("Every pixel whose kernel, laid onto the output, covers this place: the pixel times the weight "
    + "that lies there.",
  "Every output that the pixel's kernel was laid onto: its gradient, times the weight that lay there."),
  SeparableConv2D: separable,
};
