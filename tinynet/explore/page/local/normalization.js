/**
 * Normalisation, as in inference: batch normalisation by its running statistics, layer normalisation by those of the
 * sample. Then rescaling and PReLU, which have numbers along some axes in common with them.
 *
 * @typedef {import("./tensor.js").Tensor} Tensor
 * @typedef {import("./weighted.js").Kind} Kind
 * @typedef {import("./weighted.js").Layer} Layer
 */

import { axesOfSample, broadcast, groupsAlong, mapped, rounded, zeros } from "./tensor.js";

/** @type {Kind} y = gamma (x - mean) / std + beta, of each channel, the first axis */
export const batchNormalization = {
  forward(layer, x) {
    const { gamma, beta, mean, std } = channelNumbers(layer), area = x.data.length / x.shape[0];
    return mapped(x, (number, k) => {
      const c = Math.floor(k / area);
      return (number - mean(c)) * (gamma(c) / std(c)) + beta(c);
    });
  },
  backward(layer, x, dy) {
    const { gamma, std } = channelNumbers(layer), area = x.data.length / x.shape[0];
    return mapped(dy, (upstream, k) => {
      const c = Math.floor(k / area);
      return upstream * (gamma(c) / std(c));
    });
  },
  gradients(layer, x, dy) {
    const { mean, std } = channelNumbers(layer), area = x.data.length / x.shape[0];
    const places = Int32Array.from(x.data, (_, k) => Math.floor(k / area));
    return sums(layer.params, dy, places, (k) => (x.data[k] - mean(places[k])) / std(places[k]));
  },
};

/**
 * Return the numbers of channel c.
 * @param {Layer} layer
 */
export function channelNumbers({ config, params, state }) {
  return {
    /** @type {(c: number) => number} */ gamma: (c) => params.gamma?.data[c] ?? 1,
    /** @type {(c: number) => number} */ beta: (c) => params.beta?.data[c] ?? 0,
    /** @type {(c: number) => number} */ mean: (c) => state.moving_mean.data[c],
    /** @type {(c: number) => number} */ std: (c) => Math.sqrt(state.moving_variance.data[c] + config.epsilon),
  };
}

/** @type {Kind} the same, with mean and std over some axes of the sample itself */
export const layerNormalization = {
  forward(layer, x) {
    const { h, gamma, beta } = standardised(layer, x);
    return mapped(x, (_, k) => gamma(k) * h[k] + beta(k));
  },
  backward(layer, x, dy) {
    const { h, std, gamma, mean } = standardised(layer, x);
    const dh = Float64Array.from(dy.data, (upstream, k) => upstream * gamma(k));
    const meanOfDh = mean(dh), meanOfProducts = mean(dh.map((each, k) => each * h[k]));
    return mapped(dy, (_, k) => (dh[k] - meanOfDh(k) - h[k] * meanOfProducts(k)) / std(k));
  },
  gradients(layer, x, dy) {
    const { h, places } = standardised(layer, x);
    return sums(layer.params, dy, places, (k) => h[k]);
  },
};

/**
 * Return h = (x - mean) / std and what goes with each of its numbers.
 * @param {Layer} layer
 * @param {Tensor} x
 */
export function standardised({ config, params }, x) {
  const axes = axesOfSample(x.shape, config.axis), groups = groupsAlong(x.shape, config.axis);
  const places = broadcast(x.shape, x.shape.map((side, axis) => (axes.includes(axis) ? side : 1)));
  /** @param {ArrayLike<number>} a @returns {(k: number) => number} the mean over the group of place k */
  const mean = (a) => {
    const totals = new Float64Array(Math.max(...groups) + 1), size = a.length / totals.length;
    for (let k = 0; k < a.length; k++) totals[groups[k]] += a[k];
    return (k) => totals[groups[k]] / size;
  };
  const ofX = mean(x.data);
  const d = Float64Array.from(x.data, (number, k) => number - ofX(k));
  const variance = mean(d.map((each) => each * each));
  /** @param {number} k */
  const std = (k) => Math.sqrt(variance(k) + config.epsilon);
  return { h: d.map((each, k) => each / std(k)), std, mean, places, groups, ofX, variance,
           /** @type {(k: number) => number} */ gamma: (k) => params.gamma?.data[places[k]] ?? 1,
           /** @type {(k: number) => number} */ beta: (k) => params.beta?.data[places[k]] ?? 0 };
}

/** @type {Kind} y = scale x + offset, both numbers, or arrays along the first axes */
export const rescaling = {
  forward({ config }, x) {
    const scale = along(x, config.scale), offset = along(x, config.offset);
    return mapped(x, (number, k) => number * scale(k) + offset(k));
  },
  backward({ config }, x, dy) {
    const scale = along(x, config.scale);
    return mapped(dy, (upstream, k) => upstream * scale(k));
  },
};

/**
 * Return the number of a setting that goes with place k of x.
 * @param {Tensor} x
 * @param {any} setting a number, or an array of arrays
 * @returns {(k: number) => number}
 */
export function along(x, setting) {
  const shape = [];
  for (let part = setting; Array.isArray(part); part = part[0]) shape.push(part.length);
  const numbers = [setting].flat(Infinity).map((number) => (x.data instanceof Float32Array ? Math.fround(number) : number));
  const places = broadcast(x.shape, shape);
  return (k) => numbers[places[k]];
}

/** @type {Kind} y = x above 0, and alpha x elsewhere */
export const prelu = {
  forward({ params }, x) {
    const places = broadcast(x.shape, params.alpha.shape);
    return mapped(x, (number, k) => (number > 0 ? number : params.alpha.data[places[k]] * number));
  },
  backward({ params }, x, dy) {
    const places = broadcast(x.shape, params.alpha.shape);
    return mapped(dy, (upstream, k) => (x.data[k] > 0 ? upstream : params.alpha.data[places[k]] * upstream));
  },
  gradients({ params }, x, dy) {
    const places = broadcast(x.shape, params.alpha.shape);
    return { alpha: sumsAt(places, params.alpha, (k) => dy.data[k] * Math.min(x.data[k], 0)) };
  },
};

/**
 * Sum what `f` says of each place of an array over those that share a parameter.
 * @param {Int32Array} places of the parameter, for each place of the array
 * @param {Tensor} parameter
 * @param {(k: number) => number} f
 * @returns {Tensor}
 */
function sumsAt(places, parameter, f) {
  const totals = new Float64Array(zeros(parameter.shape, parameter).data.length);
  for (let k = 0; k < places.length; k++) totals[places[k]] += f(k);
  return rounded(totals, parameter.shape, parameter);
}

/**
 * Return the gradients of gamma, sum dy h, and of beta, sum dy, as far as there are.
 * @param {Record<string, Tensor>} params
 * @param {Tensor} dy
 * @param {Int32Array} places
 * @param {(k: number) => number} h
 * @returns {Record<string, Tensor>}
 */
function sums(params, dy, places, h) {
  /** @type {Record<string, Tensor>} */
  const found = {};
  if (params.gamma) found.gamma = sumsAt(places, params.gamma, (k) => dy.data[k] * h(k));
  if (params.beta) found.beta = sumsAt(places, params.beta, (k) => dy.data[k]);
  return found;
}
