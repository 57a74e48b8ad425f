"""One output pixel of a pooling, how much each pixel of its window counts in it, and where gradients come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np

from tinynet.layers import AveragePool2D, Layer, MaxPool2D
from tinynet.study.arithmetic.gradient_terms import GradientTerms
from tinynet.study.arithmetic.window_geometry import seen_by, take, windows_on
from tinynet.study.drawing import PIXELS, Path, bar_below, finish, grid, scale_of, show, write_numbers
from tinynet.study.trace import Trace, check_place


@singledispatch
def shares(layer: Layer, window: np.ndarray) -> np.ndarray:
    """Return how much of each pixel of a window (kh, kw), NaN outside the image, goes into the output.

    The same shares of the output's gradient go back to the pixels. A rule for a pooling of one's own is added with
    ``@study.shares.register``.

    Raises
    ------
    ValueError : for a layer that there is no rule for.

    >>> shares(MaxPool2D(), np.array([[1.0, 3.0], [np.nan, 3.0]])).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    raise ValueError(f"Expected a pooling whose shares are known, such as MaxPool2D. Received: {layer}. "
                     f"Tell them with study.shares.register({type(layer).__name__}).")


@shares.register
def _(layer: MaxPool2D, window: np.ndarray) -> np.ndarray:
    """All of the largest pixel, the first of equals."""
    share = np.zeros(window.shape)
    share.flat[np.where(np.isnan(window), -np.inf, window).argmax()] = 1
    return share


@shares.register
def _(layer: AveragePool2D, window: np.ndarray) -> np.ndarray:
    """The same of each pixel inside the image."""
    known = ~np.isnan(window)
    return known / known.sum()


@dataclass(frozen=True)
class PoolStep:
    """Output pixel (p, q) of channel c of a pooling: ``y = sum_ij shares[i,j] window[i,j]``.

    Attributes
    ----------
    name : the layer's name in its model.
    sample, at : which sample, and which output pixel, (c, p, q).
    rows, columns : (kh,), (kw,) where the window lies in the image.
    image : (H, W) the input's channel.
    window : (kh, kw) the pixels under the window, NaN outside the image.
    shares : (kh, kw) how much of each goes into the output: 1 for the winner of max pooling, 1/count for the average.
    y : the engine's own output.
    """

    name: str
    sample: int
    at: tuple[int, int, int]
    rows: np.ndarray
    columns: np.ndarray
    image: np.ndarray = field(repr=False)
    window: np.ndarray
    shares: np.ndarray
    y: float

    def __str__(self) -> str:
        c, p, q = self.at
        width = 9 * len(self.columns)
        lines = [f"{self.name}: channel {c}, output pixel ({p}, {q}), sample {self.sample}",
                 f"  {'':6}{'window':<{width}}   shares"]
        for row, pixels, parts in zip(self.rows, self.window, self.shares, strict=True):
            cells = "".join("  outside" if np.isnan(pixel) else f"{pixel:9.4f}" for pixel in pixels)
            lines.append(f"  row{row:>3}{cells}   {''.join(f'{part:7.3f}' for part in parts)}")
        total = float((np.nan_to_num(self.window) * self.shares).sum())
        return "\n".join([*lines, f"  sum of pixel * share: {total:+.6f}; the engine's y = {self.y:+.6f}"])

    def plot(self, path: Path | None = None) -> Any:
        """Draw the image with the window on it, the window's pixels, and their shares."""
        from matplotlib.patches import Rectangle

        figure, axes = grid(1, 3, (9, 3.9))
        limit, signed = scale_of(self.image), bool(self.image.min() < 0)
        top, left = self.rows[0] - 0.5, self.columns[0] - 0.5
        parts = (self.image, self.window, self.shares)
        titles = (f"input, channel {self.at[0]}", f"window: y = {self.y:.4f}", "shares")
        for ax, part, title in zip(axes[0], parts, titles, strict=True):
            drawn = show(ax, part, 1 if part is self.shares else limit, signed and part is not self.shares)
            if not signed or part is self.shares:
                drawn.set_cmap(PIXELS)
            if part is not self.image and max(part.shape) <= 7:
                write_numbers(drawn, fontsize=9)
            ax.set_title(title, fontsize=9)
            bar_below(drawn, pad=0.05, shrink=0.8)
        for i, j in np.argwhere(np.isnan(self.window)):
            axes[0, 1].text(j, i, "outside", ha="center", va="center", fontsize=8, color="0.5")
        axes[0, 0].add_patch(Rectangle((left, top), len(self.columns), len(self.rows), fill=False, linewidth=2,
                                       edgecolor="#D55E00", clip_on=False))
        c, p, q = self.at
        figure.suptitle(f"{self.name}, channel {c}, output pixel ({p}, {q})", fontsize=11)
        return finish(figure, path)


def pool_step(model: Any, layer: Layer | str, x: Any, at: tuple[int, int, int], sample: int = 0) -> PoolStep:
    """Take one output pixel of a pooling apart: its window, and how much each of the pixels counts.

    Parameters
    ----------
    layer : a `MaxPool2D` or `AveragePool2D` in the model, or the name of its step (``"max_pool2d_1"``).
    x : samples for the model (N, C, H, W).
    at : the output pixel, (channel, row, column).
    sample : which of the samples.

    Raises
    ------
    ValueError : for a layer that is no pooling of the model, or a place that is not there.

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
    place = find_pooling(trace, layer)
    step, given, made = trace.steps[place], trace.inputs[place], trace.outputs[place]
    n, = check_place(sample, (len(given),), "sample")
    c, p, q = check_place(at, made.shape[1:], f"at, an output pixel (channel, row, column) of {step.name}")
    image = given[n, c]
    rows, columns = seen_by(step.layer.windows, image.shape, (p, q))
    window = take(image, rows, columns, np.nan)
    return PoolStep(step.name, n, (c, p, q), rows, columns, image, window, shares(step.layer, window),
                    float(made[n, c, p, q]))


def pool_gradient(model: Any, layer: Layer | str, x: Any, y: Any = None, *, pixel: Any, sample: int = 0,
                  upstream: Any = None) -> GradientTerms:
    """Return every term of the gradient of one pixel of a pooling's input: one for each window that saw it.

    ``d loss / d x[n,c,h,w] = sum_pq dy[n,c,p,q] share[p,q](h, w)``: of max pooling, the upstream gradients of the
    windows that the pixel won; of average pooling, its part of those of all windows that it lies in.
    Afterwards the layers' ``grads`` are those of this loss. Dropout is off.

    Parameters
    ----------
    layer : a `MaxPool2D` or `AveragePool2D` in the model, or the name of its step.
    x : samples for the model (N, C, H, W).
    y : targets for the compiled loss; or give `upstream`, the gradient of the model's output.
    pixel : (channel, row, column) of the layer's input, of one `sample`.

    Raises
    ------
    ValueError : for a layer that is no pooling, a pixel that is not there, or both or neither of `y` and `upstream`.

    >>> from tinynet import Sequential
    >>> model = Sequential([MaxPool2D(2, strides=1, input_shape=(1, 2, 3))])
    >>> x, dy = [[[[1, 9, 2], [3, 4, 5]]]], [[[[0.5, 3.0]]]]             # both windows have the 9
    >>> pool_gradient(model, "max_pool2d_1", x, pixel=(0, 0, 1), upstream=dy).terms.tolist()
    [0.5, 3.0]
    """
    trace = Trace(model, x)
    place = find_pooling(trace, layer)
    step, given = trace.steps[place], trace.inputs[place]
    n, = check_place(sample, (len(given),), "sample")
    c, h, w = check_place(pixel, given.shape[1:], f"pixel (channel, row, column) of the input of {step.name}")
    gradients = trace.gradients(y, upstream)
    windows, image = step.layer.windows, given[n, c]
    seen = windows_on(windows, image.shape, (h, w))                                    # (T, 4): p, q, i, j
    right = [shares(step.layer, take(image, *seen_by(windows, image.shape, (p, q)), np.nan))[i, j]
             for p, q, i, j in seen]
    places = [(n, c, p, q) for p, q, _, _ in seen]
    return GradientTerms(
        of=f"{step.name}'s input[{n}, {c}, {h}, {w}]", names=("dy", "share"),
        left_at=np.array(places, int).reshape(-1, 4), right_at=seen[:, 2:], right=np.array(right, np.float64),
        left=np.array([gradients[place + 1][at] for at in places], np.float64),
        gradient=float(gradients[place][n, c, h, w]))


def find_pooling(trace: Trace, layer: Layer | str) -> int:
    """Return the place of a pooling in the model's steps, or raise a ValueError."""
    place = trace.place(layer)
    shares(trace.steps[place].layer, np.zeros((1, 1)))
    return place
