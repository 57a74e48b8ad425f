/**
 * The normal distribution that GELU weighs its input with, to nearly all digits: the series of tinynet/layers/gelu.py,
 * for erfc(t) = 1 - erf(t) times e^(t^2), which hardly changes with t.
 */

const FAR = 40;                        // from the middle: e^(-FAR^2 / 2) is 0 in float64
const CENTRE = 3.75;
const COEFFICIENTS = [                 // of (1 + 2 t) e^(t^2) erfc(t), Chebyshev's in (t - CENTRE) / (t + CENTRE)
  1.1775789345674017, -0.004590054580646478, -0.08424913336651792, 0.05920993999819189,
  -0.026658668435305753, 0.009074997670705265, -0.002413163540417608, 0.0004907758365258086,
  -6.916973302501207e-5, 4.13902798607301e-6, 7.74038306619849e-7, -2.1886401049234397e-7,
  1.076499946591067e-8, 4.521959811218287e-9, -7.754400208831351e-10, -6.318088340886684e-11,
  2.86879501093067e-11, 1.9455868545777347e-13, -9.65469674843344e-13, 3.25254814814874e-14,
  3.3478119482868056e-14, -1.864562880419313e-15, -1.2507950530688648e-15, 7.418235256624044e-17];

/**
 * Return e^(-x^2 / 2).
 * @param {number} x
 */
function bell(x) {
  return Math.exp(-x * x / 2);
}

/**
 * Return P(Z <= x) of a standard normal Z.
 * @param {number} x
 * @returns {number}
 */
export function normalCdf(x) {
  const near = Math.min(FAR, Math.max(-FAR, x)), t = Math.abs(near) / Math.SQRT2;
  const erfc = chebyshev((t - CENTRE) / (t + CENTRE)) / (1 + 2 * t) * bell(near);
  return x > 0 ? 1 - erfc / 2 : erfc / 2;
}

/**
 * Return the density of a standard normal at x.
 * @param {number} x
 * @returns {number}
 */
export function normalDensity(x) {
  return bell(Math.min(FAR, Math.max(-FAR, x))) / Math.sqrt(2 * Math.PI);
}

/**
 * Sum the series, by Clenshaw's recurrence.
 * @param {number} u
 */
function chebyshev(u) {
  let next = 0, afterNext = 0;
  for (let k = COEFFICIENTS.length - 1; k > 0; k--) {
    [next, afterNext] = [COEFFICIENTS[k] + 2 * u * next - afterNext, next];
  }
  return COEFFICIENTS[0] + u * next - afterNext;
}
