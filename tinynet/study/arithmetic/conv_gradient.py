"""Where the gradient of one weight of a convolution, or of one pixel of its input, comes from."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.layers.base import Layer
from tinynet.study.arithmetic.conv_step import find_convolution
from tinynet.study.arithmetic.gradient_terms import GradientTerms, penalty_of
from tinynet.study.arithmetic.window_geometry import inside, met_by, take, windows_on
from tinynet.study.trace import Trace, check_place


def conv_gradient(model: Any, layer: Layer | str, x: Any, y: Any = None, *, weight: Any = None, pixel: Any = None,
                  sample: int = 0, upstream: Any = None) -> GradientTerms:
    """Return every term of the gradient of one weight of a convolution, or of one pixel of its input.

    With dy the upstream gradient of the sum, before the nonlinearity, and strides (s, t)::

        d loss / d kernel[f,c,i,j] = sum_npq dy[n,f,p,q] x[n, c, s p + i, t q + j]     everywhere the weight was used
        d loss / d x[n,c,h,w]      = sum_fpq dy[n,f,p,q] kernel[f,c,i,j]               every window that saw the pixel

    Afterwards the layers' ``grads`` are those of this loss. Dropout is off.

    Parameters
    ----------
    layer : a `Conv2D` in the model, or the name of its step.
    x : samples for the model (N, C, H, W).
    y : targets for the compiled loss; or give `upstream`, the gradient of the model's output.
    weight : the weight, (filter, channel, row, column); or give `pixel`, (channel, row, column) of the layer's input.
    sample : which of the samples the pixel is of; the one whose maps are drawn for a weight, which all samples share.

    Raises
    ------
    ValueError : for a layer that is no convolution, a place that is not there, or both or neither of `weight` and
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
    if (weight is None) == (pixel is None):
        raise ValueError(f"Expected either weight=(filter, channel, row, column) or pixel=(channel, row, column). "
                         f"Received: {'neither' if weight is None else 'both'}.")
    trace = Trace(model, x)
    place = find_convolution(trace, layer)
    step, given = trace.steps[place], trace.inputs[place]
    n, = check_place(sample, (len(given),), "sample")
    gradients = trace.gradients(y, upstream)
    dy, dx, kernel = gradients[place + 1], gradients[place], step.layer.params["kernel"]
    if weight is not None:
        at = check_place(weight, kernel.shape, f"weight, a place in the kernel of {step.name}")
        return of_weight(step, given, dy, at, n, penalty_of(step.layer, at))
    c, h, w = check_place(pixel, given.shape[1:], f"pixel (channel, row, column) of the input of {step.name}")
    return of_pixel(step, dy, kernel, dx, (n, c, h, w))


def of_weight(step: Any, x: np.ndarray, dy: np.ndarray, at: tuple[int, ...], sample: int,
              penalty: float) -> GradientTerms:
    """List the terms of a weight's gradient: one for every output pixel of every sample for which it met a pixel."""
    f, c, i, j = at
    image = x.shape[2:]
    rows, columns = met_by(step.layer.windows, image, (i, j))                 # (P,), (Q,)
    met = take(x[:, c], rows, columns, 0).astype(np.float64)                  # (N, P, Q)
    where = np.argwhere(np.broadcast_to(inside(image, rows, columns), met.shape))     # (T, 3): n, p, q
    n, p, q = where.T
    slopes = dy[:, f].astype(np.float64)                                      # (N, P, Q)
    return GradientTerms(
        of=f"{step.name}/kernel{list(at)}", names=("dy", "x"),
        left_at=np.stack([n, np.full_like(n, f), p, q], axis=1),
        right_at=np.stack([n, np.full_like(n, c), rows[p], columns[q]], axis=1),
        left=slopes[n, p, q], right=met[n, p, q], gradient=float(step.layer.grads["kernel"][at]), penalty=penalty,
        maps={f"dy[{sample}, {f}]": slopes[sample], f"the x[{sample}, {c}] that the weight met": met[sample],
              "their products": slopes[sample] * met[sample]})


def of_pixel(step: Any, dy: np.ndarray, kernel: np.ndarray, dx: np.ndarray, at: tuple[int, ...]) -> GradientTerms:
    """List the terms of a pixel's gradient: one for every filter of every window that saw it."""
    n, c, h, w = at
    seen = windows_on(step.layer.windows, dx.shape[2:], (h, w))               # (V, 4): p, q, i, j
    F, views = len(kernel), len(seen)
    f = np.repeat(np.arange(F), views)
    p, q, i, j = np.tile(seen, (F, 1)).T
    left, right = dy[n, f, p, q].astype(np.float64), kernel[f, c, i, j].astype(np.float64)
    maps = {"dy: filters down,\nwindows that saw the pixel across": left, "kernel: the weight it met": right,
            "their products": left * right}
    return GradientTerms(
        of=f"{step.name}'s input[{n}, {c}, {h}, {w}]", names=("dy", "kernel"),
        left_at=np.stack([np.full_like(f, n), f, p, q], axis=1),
        right_at=np.stack([f, np.full_like(f, c), i, j], axis=1), left=left, right=right, gradient=float(dx[at]),
        maps={title: part.reshape(F, views) for title, part in maps.items()} if views else {})
