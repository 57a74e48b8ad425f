/**
 * Nonlinearities of one number: what each makes of x, and its slope there. And softmax, of a row.
 *
 * @typedef {import("./weighted.js").Kind} Kind
 * @typedef {{value: (x: number) => number, slope: (x: number) => number, formula: string}} Curve
 */

import { normalCdf, normalDensity } from "./gelu.js";
import { groupsAlong, mapped } from "./tensor.js";

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

/** @type {Curve} */
const rectified = { value: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0), formula: "max(x, 0)" };

/** @type {(config: Record<string, any>) => boolean} whether a ReLU is without settings */
const plain = (config) => config.max_value === null && config.negative_slope === 0 && config.threshold === 0;

/**
 * @param {Record<string, any>} config of a ReLU with settings
 * @returns {Curve}
 */
function bent({ max_value: limit, negative_slope: slope, threshold }) {
  const top = limit ?? Infinity;
  return { value: (x) => (x > threshold ? Math.min(x, top) : slope * (x - threshold)),
           slope: (x) => (x > threshold ? (x < top ? 1 : 0) : slope),
           formula: `${limit === null ? "x" : `min(x, ${limit})`} above ${threshold}, ${slope} (x - ${threshold}) elsewhere` };
}

/** @type {Record<string, (config: Record<string, any>) => Curve>} by the class's name; `config` is its settings */
export const curves = {
  ReLU: (config) => (plain(config) ? rectified : bent(config)),
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

/** @type {Kind} y[i] = e^x[i] / sum_j e^x[j], over the last axis or others */
export const softmax = {
  forward({ config }, x) {
    const { groups, max, sum } = exponentials(x, config.axis);
    return mapped(x, (number, k) => Math.exp(number - max[groups[k]]) / sum[groups[k]]);
  },
  backward({ config }, x, dy, y) {
    const groups = groupsAlong(x.shape, config.axis);
    const means = new Float64Array(groups.length);                           // of dy, weighed by the probabilities
    for (let k = 0; k < groups.length; k++) means[groups[k]] += dy.data[k] * y.data[k];
    return mapped(dy, (upstream, k) => y.data[k] * (upstream - means[groups[k]]));
  },
};

/**
 * Return for each number which group it is of, and of each group the largest, and the sum of e^(x - it).
 * @param {import("./tensor.js").Tensor} x
 * @param {number | number[]} axis along which a group lies
 * @returns {{groups: Int32Array, max: Float64Array, sum: Float64Array}}
 */
export function exponentials(x, axis) {
  const groups = groupsAlong(x.shape, axis), most = groups.length;             // of groups
  const max = new Float64Array(most).fill(-Infinity), sum = new Float64Array(most);
  for (let k = 0; k < groups.length; k++) max[groups[k]] = Math.max(max[groups[k]], x.data[k]);
  for (let k = 0; k < groups.length; k++) sum[groups[k]] += Math.exp(x.data[k] - max[groups[k]]);
  return { groups, max, sum };
}
