"""The gradient of one weight of a convolution, or of one pixel of its input, term by term."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers import Conv2D
from tinynet.study.arguments import LayerOrName, expect_one
from tinynet.study.arithmetic.gradient_terms import GradientTerms, penalty_of
from tinynet.study.arithmetic.weighted_steps import find_convolution
from tinynet.study.arithmetic.window_geometry import inside, take, tap_at, windows_over
from tinynet.study.trace import Trace, check_place
from tinynet.training.model import Model


def conv_gradient(model: Model, layer: LayerOrName, x: ArrayLike, y: ArrayLike | None = None, *,
                  weight: ArrayLike | None = None, pixel: ArrayLike | None = None, sample: int = 0,
                  upstream: ArrayLike | None = None) -> GradientTerms:
    """Return every term of the gradient of one weight of a convolution, or of one pixel of its input.

    With dy the gradient with respect to the convolution's output, before the activation, and strides (s, t)::

        d loss / d kernel[f,c,i,j] = sum_npq dy[n,f,p,q] x[n, c, s p + i, t q + j]     all pixels the weight multiplied
        d loss / d x[n,c,h,w]      = sum_fpq dy[n,f,p,q] kernel[f,c,i,j]               all windows over the pixel

    Afterwards the layers' ``grads`` are those of this loss. Dropout is off.

    Parameters
    ----------
    layer : a `Conv2D` of one group in the model, or the name of its step.
    x : samples for the model (N, C, H, W).
    y : targets for the compiled loss; or give `upstream`, the gradient with respect to the model's output.
    weight : the weight, (filter, channel, row, column); or give `pixel`, (channel, row, column) of the layer's input.
    sample : index of the pixel's sample; for a weight, whose terms come from all samples, the one whose maps are drawn.

    Raises
    ------
    ValueError : for a layer that is not a convolution, an index out of range, or both or neither of `weight` and
        `pixel`, or of `y` and `upstream`.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Conv2D
    >>> model = Sequential([Conv2D(1, 2, kernel_initializer="ones", input_shape=(1, 3, 3))])
    >>> x, dy = np.arange(9).reshape(1, 1, 3, 3), [[[[1.0, 0.0], [0.0, -2.0]]]]
    >>> print(conv_gradient(model, "conv2d_1", x, weight=(0, 0, 0, 1), upstream=dy))
    d loss / d conv2d_1/kernel[0, 0, 0, 1] is the sum of 4 terms dy * x, 2 of them not 0:
      dy[0, 0, 1, 1] * x[0, 0, 1, 2]   = -2.0000e+00 *   +5.000000 = -1.000000e+01
      dy[0, 0, 0, 0] * x[0, 0, 0, 1]   = +1.0000e+00 *   +1.000000 = +1.000000e+00
      dy[0, 0, 0, 1] * x[0, 0, 0, 2]   = +0.0000e+00 *   +2.000000 = +0.000000e+00
      dy[0, 0, 1, 0] * x[0, 0, 1, 1]   = +0.0000e+00 *   +4.000000 = +0.000000e+00
      the sum of all                                                 -9.000000e+00
      the engine's gradient                                          -9.000000e+00
      their difference                                               +0.000000e+00
    """
    expect_one("weight=(filter, channel, row, column) or pixel=(channel, row, column)", weight, pixel)
    trace = Trace(model, x)
    index, conv = find_convolution(trace, layer)
    name, inputs = trace.steps[index].name, trace.inputs[index]
    n, = check_place(sample, (len(inputs),), "sample")
    gradients = trace.gradients(y, upstream)
    dx, dy = gradients[index:index + 2]
    if weight is not None:
        at = check_place(weight, conv.params["kernel"].shape, f"weight (filter, channel, row, column) of {name}")
        return weight_terms(conv, name, inputs, dy, at, n)
    c, h, w = check_place(pixel, inputs.shape[1:], f"pixel (channel, row, column) of the input of {name}")
    return pixel_terms(conv, name, dy, dx, (n, c, h, w))


def weight_terms(conv: Conv2D, name: str, x: np.ndarray, dy: np.ndarray, at: tuple[int, ...],
                 sample: int) -> GradientTerms:
    """Return the terms of a weight's gradient: one for every output pixel for which it multiplied a pixel."""
    f, c, i, j = at
    image = x.shape[2:]
    rows, columns = tap_at(conv.windows, image, (i, j))                       # (P,), (Q,)
    pixels = take(x[:, c], rows, columns, 0).astype(np.float64)               # (N, P, Q)
    n, p, q = np.argwhere(np.broadcast_to(inside(image, rows, columns), pixels.shape)).T     # (T,) each: no padding
    upstream = dy[:, f].astype(np.float64)                                    # (N, P, Q)
    return GradientTerms(
        of=f"{name}/kernel{list(at)}", names=("dy", "x"),
        left_at=np.stack([n, np.full_like(n, f), p, q], axis=1),
        right_at=np.stack([n, np.full_like(n, c), rows[p], columns[q]], axis=1),
        left=upstream[n, p, q], right=pixels[n, p, q], gradient=float(conv.grads["kernel"][at]),
        penalty=penalty_of(conv, at),
        maps={f"dy[{sample}, {f}]": upstream[sample], f"x[{sample}, {c}]: the pixels it multiplied": pixels[sample],
              "their products": upstream[sample] * pixels[sample]})


def pixel_terms(conv: Conv2D, name: str, dy: np.ndarray, dx: np.ndarray, at: tuple[int, ...]) -> GradientTerms:
    """Return the terms of a pixel's gradient: one for every filter and every window over the pixel."""
    n, c, h, w = at
    kernel = conv.params["kernel"]
    over = windows_over(conv.windows, dx.shape[2:], (h, w))                   # (V, 4): p, q, i, j
    F, V = len(kernel), len(over)
    f = np.repeat(np.arange(F), V)
    p, q, i, j = np.tile(over, (F, 1)).T
    left, right = dy[n, f, p, q].astype(np.float64), kernel[f, c, i, j].astype(np.float64)
    maps = {"dy: filters down,\nwindows over the pixel across": left, "kernel: the weight on it": right,
            "their products": left * right}
    return GradientTerms(
        of=f"{name}'s input[{n}, {c}, {h}, {w}]", names=("dy", "kernel"),
        left_at=np.stack([np.full_like(f, n), f, p, q], axis=1),
        right_at=np.stack([f, np.full_like(f, c), i, j], axis=1), left=left, right=right, gradient=float(dx[at]),
        maps={title: part.reshape(F, V) for title, part in maps.items()} if V else {})
