/**
 * Nonlinearities of one number: what each makes of x, and its slope there. And softmax, of a row.
 *
 * @typedef {import("./weighted.js").Kind} Kind
 * @typedef {{value: (x: number) => number, slope: (x: number) => number, formula: string}} Curve
 */

import { normalCdf, normalDensity } from "./gelu.js";
import { mapped, zeros } from "./tensor.js";

/** @type {(x: number) => number} */
const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/**
 * @param {number} alpha
 * @param {number} scale
 * @param {string} formula
 * @returns {Curve}
 */
function exponential(alpha, scale, formula) {
  return { value: (x) => scale * (x > 0 ? x : alpha * Math.expm1(x)),
           slope: (x) => scale * (x > 0 ? 1 : alpha * Math.exp(x)), formula };
}

/** @type {Curve} */
const exactGelu = { value: (x) => x * normalCdf(x), slope: (x) => normalCdf(x) + x * normalDensity(x),
                    formula: "x P(Z <= x)" };

const FACTOR = Math.sqrt(8 / Math.PI);

/** @type {Curve} x sigmoid(2 z), with z = sqrt(2 / pi) (x + 0.044715 x^3) */
const approximateGelu = {
  value: (x) => x * sigmoid(FACTOR * (x + 0.044715 * x ** 3)),
  slope(x) {
    const near = Math.min(40, Math.max(-40, x));                   // beyond, the slope of the sigmoid is 0
    const cdf = sigmoid(FACTOR * (near + 0.044715 * near ** 3));
    return cdf + x * cdf * (1 - cdf) * FACTOR * (1 + 3 * 0.044715 * near ** 2);
  },
  formula: "x sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3)",
};

/** @type {Record<string, (config: Record<string, any>) => Curve>} by the class's name; `config` is its settings */
export const curves = {
  ReLU: () => ({ value: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0), formula: "max(x, 0)" }),
  LeakyReLU: ({ negative_slope: slope }) => ({
    value: (x) => (x > 0 ? x : slope * x), slope: (x) => (x > 0 ? 1 : slope),
    formula: `x above 0, ${slope} x elsewhere` }),
  ELU: ({ alpha }) => exponential(alpha, 1, `x above 0, ${alpha} (e^x - 1) elsewhere`),
  SELU: () => exponential(1.6732632423543772, 1.0507009873554805, "1.0507 x above 0, 1.7581 (e^x - 1) elsewhere"),
  ReLU6: () => ({ value: (x) => Math.min(Math.max(x, 0), 6), slope: (x) => (x > 0 && x < 6 ? 1 : 0),
                  formula: "min(max(x, 0), 6)" }),
  HardSigmoid: () => ({ value: (x) => Math.min(Math.max(x + 3, 0), 6) / 6,
                        slope: (x) => (x + 3 > 0 && x + 3 < 6 ? 1 / 6 : 0), formula: "min(max(x + 3, 0), 6) / 6" }),
  Sigmoid: () => ({ value: sigmoid, slope: (x) => sigmoid(x) * sigmoid(-x), formula: "1 / (1 + e^-x)" }),
  Tanh: () => ({ value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2, formula: "tanh(x)" }),
  Softplus: () => ({ value: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), slope: sigmoid,
                     formula: "log(1 + e^x)" }),
  Softsign: () => ({ value: (x) => x / (1 + Math.abs(x)), slope: (x) => (1 + Math.abs(x)) ** -2,
                     formula: "x / (1 + |x|)" }),
  SiLU: () => ({ value: (x) => x * sigmoid(x), slope: (x) => sigmoid(x) * (1 + x * sigmoid(-x)),
                 formula: "x sigmoid(x)" }),
  GELU: ({ approximate }) => (approximate ? approximateGelu : exactGelu),
};

/** @type {Kind} any of them, as a layer */
export const elementwise = {
  forward({ kind, config }, x) {
    return mapped(x, curves[kind](config).value);
  },
  backward({ kind, config }, x, dy) {
    const { slope } = curves[kind](config);
    return mapped(dy, (upstream, k) => upstream * slope(x.data[k]));
  },
};

/** @type {Kind} y[i] = e^x[i] / sum_j e^x[j], over the last axis */
export const softmax = {
  forward(_layer, x) {
    const y = zeros(x.shape, x), n = x.shape[x.shape.length - 1];
    for (let start = 0; start < x.data.length; start += n) {
      const { max, sum } = exponentials(x, start, n);
      for (let i = start; i < start + n; i++) y.data[i] = Math.exp(x.data[i] - max) / sum;
    }
    return y;
  },
  backward(_layer, x, dy, y) {
    const dx = zeros(x.shape, x), n = x.shape[x.shape.length - 1];
    for (let start = 0; start < x.data.length; start += n) {
      let mean = 0;                                                // of dy, weighed by the probabilities
      for (let i = start; i < start + n; i++) mean += dy.data[i] * y.data[i];
      for (let i = start; i < start + n; i++) dx.data[i] = y.data[i] * (dy.data[i] - mean);
    }
    return dx;
  },
};

/**
 * Return the largest number of a row, and the sum of e^(x - it).
 * @param {import("./tensor.js").Tensor} x
 * @param {number} start
 * @param {number} n
 * @returns {{max: number, sum: number}}
 */
export function exponentials(x, start, n) {
  let max = -Infinity, sum = 0;
  for (let i = start; i < start + n; i++) max = Math.max(max, x.data[i]);
  for (let i = start; i < start + n; i++) sum += Math.exp(x.data[i] - max);
  return { max, sum };
}
