/**
 * The normal distribution that GELU weighs its input with, to nearly all digits: the series of tinynet/layers/gelu.py,
 * for erfc(t) = 1 - erf(t) times e^(t^2), which hardly changes with t.
 */

const FAR = 40;                        // from the middle: e^(-FAR^2 / 2) is 0 in float64
const CENTRE = 3.75;
const COEFFICIENTS = [                 // of (1 + 2 t) e^(t^2) erfc(t), Chebyshev's in (t - CENTRE) / (t + CENTRE)
  1.1775789345674017542, -4.5900545806464773309e-3, -8.4249133366517915584e-2, 5.9209939998191890498e-2,
  -2.6658668435305752277e-2, 9.0749976707052650939e-3, -2.4131635404176081909e-3, 4.9077583652580863229e-4,
  -6.9169733025012063671e-5, 4.1390279860730101675e-6, 7.7403830661984906686e-7, -2.1886401049234395661e-7,
  1.0764999465910670377e-8, 4.5219598112182868979e-9, -7.7544002088313511065e-10, -6.3180883408866844944e-11,
  2.8687950109306698981e-11, 1.945586854577734723e-13, -9.6546967484334389059e-13, 3.2525481481487398415e-14,
  3.3478119482868053878e-14, -1.8645628804193131015e-15, -1.2507950530688647085e-15, 7.418235256624043463e-17];

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
