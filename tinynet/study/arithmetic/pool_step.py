"""One output pixel of a pooling layer, the share of each pixel of its window, and gradients term by term."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers import AveragePool2D, Layer, MaxPool2D
from tinynet.layers.pooling import Pooling
from tinynet.study.arguments import LayerOrName
from tinynet.study.arithmetic.gradient_terms import GradientTerms
from tinynet.study.arithmetic.window_geometry import take, window_at, windows_over
from tinynet.study.drawing import PIXELS, StrPath, colorbar_below, finish, frame, grid, scale_of, show, write_numbers
from tinynet.study.trace import Trace, check_place
from tinynet.tables import Table, Tabular, shortened
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@singledispatch
def shares(layer: Layer, window: np.ndarray) -> np.ndarray:
    """Return the share of each pixel of a window (kh, kw) in the output: d output / d pixel.

    Pixels outside the image are NaN in `window`. A rule for a pooling layer of your own is added with
    ``@study.shares.register``.

    Raises
    ------
    ValueError : for a layer without a rule.

    >>> shares(MaxPool2D(), np.array([[1.0, 3.0], [np.nan, 3.0]])).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    raise ValueError(f"Expected a pooling layer whose shares are known, such as MaxPool2D. Received: {layer}. "
                     f"Add a rule with study.shares.register({type(layer).__name__}).")


@shares.register
def _(layer: MaxPool2D, window: np.ndarray) -> np.ndarray:
    """Return 1 for the largest pixel, the first of equals, and 0 for the others."""
    share = np.zeros(window.shape)
    share.flat[np.where(np.isnan(window), -np.inf, window).argmax()] = 1
    return share


@shares.register
def _(layer: AveragePool2D, window: np.ndarray) -> np.ndarray:
    """Return equal shares for the pixels inside the image."""
    inside = ~np.isnan(window)
    return inside / inside.sum()


@dataclass(frozen=True, repr=False)
class PoolStep(Tabular):
    """Output pixel (p, q) of channel c of a pooling layer: ``y = sum_ij shares[i,j] window[i,j]``.

    Attributes
    ----------
    name : of the layer in its model.
    sample, at : index of the sample, and of the output pixel, (c, p, q).
    rows, columns : (kh,), (kw,) rows and columns of the image that the window covers.
    image : (H, W) the input's channel.
    window : (kh, kw) the pixels under the window, NaN outside the image.
    shares : (kh, kw) of each pixel in the output: 1 for the maximum in max pooling, 1/count in average pooling.
    y : the engine's own output.
    dy, dx : with targets, the engine's gradients of the loss with respect to y and to the window's pixels (kh, kw), NaN
        outside the image; None without.
    """

    name: str
    sample: int
    at: tuple[int, int, int]
    rows: np.ndarray
    columns: np.ndarray
    image: np.ndarray
    window: np.ndarray
    shares: np.ndarray
    y: float
    dy: float | None = None
    dx: np.ndarray | None = None

    def in_short(self) -> str:
        """Say which pixel this is."""
        c, p, q = self.at
        return f"{self.name}: channel {c}, output pixel ({p}, {q}), sample {self.sample}"

    def tables(self) -> list[Table]:
        """Return a table of the window's pixels, each with its share."""
        pixels = [[str(row), str(column), "outside" if np.isnan(self.window[i, j]) else f"{self.window[i, j]:.4f}",
                   f"{self.shares[i, j]:.3f}"]
                  for i, row in enumerate(self.rows) for j, column in enumerate(self.columns)]
        return [Table(["row", "column", "pixel", "share"], shortened(pixels, 30), f"y = {self.y:+.6f}")]

    def __str__(self) -> str:
        width = 9 * len(self.columns)
        lines = [self.in_short(),
                 f"  {'':6}{'window':<{width}}   shares"]
        for row, pixels, parts in zip(self.rows, self.window, self.shares, strict=True):
            cells = "".join("  outside" if np.isnan(pixel) else f"{pixel:9.4f}" for pixel in pixels)
            lines.append(f"  row{row:>3}{cells}   {''.join(f'{part:7.3f}' for part in parts)}")
        total = float((np.nan_to_num(self.window) * self.shares).sum())
        lines.append(f"  sum of pixel * share: {total:+.6f}; the engine's y = {self.y:+.6f}")
        if self.dy is not None and self.dx is not None:
            lines.append(f"  back: upstream gradient dy = {self.dy:+.4e}; of the pixels")
            for row, pixels in zip(self.rows, self.dx, strict=True):
                cells = "".join(f"{'outside':>12}" if np.isnan(dx) else f"{dx:+12.4e}" for dx in pixels)
                lines.append(f"  row{row:>3}{cells}")
        return "\n".join(lines)

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw the image with the window on it, the window's pixels, their shares, and any gradients."""
        limit, signed = scale_of(self.image), bool(self.image.min() < 0)
        parts = [self.image, self.window, self.shares]
        titles = [f"input, channel {self.at[0]}", f"window: y = {self.y:.4f}", "shares"]
        figure, axes = grid(1, 3 + (self.dx is not None), (9 + 3 * (self.dx is not None), 3.9))
        if self.dx is not None:
            drawn = show(axes[0, 3], self.dx, scale_of(self.dx))
            write_numbers(drawn, fontsize=9)
            axes[0, 3].set_title(f"back: dy = {self.dy:.4g}; d loss / d pixel", fontsize=9)
            colorbar_below(drawn, pad=0.05, shrink=0.8)
        for ax, part, title in zip(axes[0], parts, titles, strict=False):
            drawn = show(ax, part, 1 if part is self.shares else limit, signed and part is not self.shares)
            if not signed or part is self.shares:
                drawn.set_cmap(PIXELS)
            if part is not self.image and max(part.shape) <= 7:
                write_numbers(drawn, fontsize=9)
            ax.set_title(title, fontsize=9)
            colorbar_below(drawn, pad=0.05, shrink=0.8)
        for i, j in np.argwhere(np.isnan(self.window)):
            axes[0, 1].text(j, i, "outside", ha="center", va="center", fontsize=8, color="0.5")
        frame(axes[0, 0], self.rows, self.columns)
        c, p, q = self.at
        figure.suptitle(f"{self.name}, channel {c}, output pixel ({p}, {q})", fontsize=11)
        return finish(figure, path)


def pool_step(model: Model, layer: LayerOrName, x: ArrayLike, at: ArrayLike, sample: int = 0,
              y: ArrayLike | None = None) -> PoolStep:
    """Show how one output pixel of a pooling layer is computed: its window, and the share of each pixel.

    With targets `y` for the compiled loss, also where its gradient goes; the layers' ``grads`` are then those of it.

    Parameters
    ----------
    layer : a `MaxPool2D` or `AveragePool2D` in the model, or the name of its step (``"max_pool2d_1"``).
    x : samples for the model (N, C, H, W).
    at : the output pixel, (channel, row, column).
    sample : index of the sample.

    Raises
    ------
    ValueError : for a layer that is not a pooling layer of the model, or an index out of range.

    >>> from tinynet import Sequential
    >>> model = Sequential([MaxPool2D(input_shape=(1, 2, 2))])
    >>> print(pool_step(model, "max_pool2d_1", [[[[1, 2], [4, 3]]]], at=(0, 0, 0)))
    max_pool2d_1: channel 0, output pixel (0, 0), sample 0
            window               shares
      row  0   1.0000   2.0000     0.000  0.000
      row  1   4.0000   3.0000     1.000  0.000
      sum of pixel * share: +4.000000; the engine's y = +4.000000
    """
    trace = Trace(model, x)
    index, pool = find_pooling(trace, layer)
    name, inputs, outputs = trace.steps[index].name, trace.inputs[index], trace.outputs[index]
    n, = check_place(sample, (len(inputs),), "sample")
    c, p, q = check_place(at, outputs.shape[1:], f"at, an output pixel (channel, row, column) of {name}")
    image = inputs[n, c]
    rows, columns = window_at(pool.windows, image.shape, (p, q))
    window = take(image, rows, columns, np.nan)
    step = PoolStep(name, n, (c, p, q), rows, columns, image, window, shares(pool, window), float(outputs[n, c, p, q]))
    if y is None:
        return step
    dx, dy = trace.loss_gradients(y)[index:index + 2]
    return replace(step, dy=float(dy[n, c, p, q]), dx=take(dx[n, c], rows, columns, np.nan))


def pool_gradient(model: Model, layer: LayerOrName, x: ArrayLike, y: ArrayLike | None = None, *, pixel: ArrayLike,
                  sample: int = 0, upstream: ArrayLike | None = None) -> GradientTerms:
    """Return every term of the gradient of one pixel of a pooling layer's input: one for each window over it.

    ``d loss / d x[n,c,h,w] = sum_pq dy[n,c,p,q] share[p,q](h, w)``: in max pooling, the upstream gradients of the
    windows whose maximum the pixel is; in average pooling, its share of those of all windows over it.
    Afterwards the layers' ``grads`` are those of this loss. Dropout is off.

    Parameters
    ----------
    layer : a `MaxPool2D` or `AveragePool2D` in the model, or the name of its step.
    x : samples for the model (N, C, H, W).
    y : targets for the compiled loss; or give `upstream`, the gradient with respect to the model's output.
    pixel : (channel, row, column) of the layer's input, of one `sample`.

    Raises
    ------
    ValueError : for a layer that is not a pooling layer, an index out of range, or both or neither of `y` and
        `upstream`.

    >>> from tinynet import Sequential
    >>> model = Sequential([MaxPool2D(2, strides=1, input_shape=(1, 2, 3))])
    >>> x, dy = [[[[1, 9, 2], [3, 4, 5]]]], [[[[0.5, 3.0]]]]             # the 9 is in both windows
    >>> pool_gradient(model, "max_pool2d_1", x, pixel=(0, 0, 1), upstream=dy).terms.tolist()
    [0.5, 3.0]
    """
    trace = Trace(model, x)
    index, pool = find_pooling(trace, layer)
    name, inputs = trace.steps[index].name, trace.inputs[index]
    n, = check_place(sample, (len(inputs),), "sample")
    c, h, w = check_place(pixel, inputs.shape[1:], f"pixel (channel, row, column) of the input of {name}")
    gradients = trace.gradients(y, upstream)
    dx, dy = gradients[index:index + 2]
    image = inputs[n, c]
    over = windows_over(pool.windows, image.shape, (h, w))                             # (T, 4): p, q, i, j
    right = [shares(pool, take(image, *window_at(pool.windows, image.shape, (p, q)), np.nan))[i, j]
             for p, q, i, j in over]
    p, q, i, j = over.T
    return GradientTerms(
        of=f"{name}'s input[{n}, {c}, {h}, {w}]", names=("dy", "share"),
        left_at=np.stack([np.full_like(p, n), np.full_like(p, c), p, q], axis=1), right_at=np.stack([i, j], axis=1),
        left=dy[n, c, p, q].astype(np.float64), right=np.array(right, np.float64), gradient=float(dx[n, c, h, w]))


def find_pooling(trace: Trace, layer: LayerOrName) -> tuple[int, Pooling]:
    """Return the index of a pooling layer's step, and the layer, or raise a ValueError if its shares are not known."""
    index = trace.place(layer)
    pool = trace.steps[index].layer
    shares(pool, np.zeros((1, 1)))
    return index, cast("Pooling", pool)                        # or a layer of your own with a rule, and with `windows`
