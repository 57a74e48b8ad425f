"""One output pixel of a convolution, with every number that it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinynet.kernels.im2col import im2col
from tinynet.layers.base import Layer
from tinynet.study.arithmetic.window_geometry import inside, seen_by, take
from tinynet.study.drawing import Path
from tinynet.study.trace import Trace, check_place


@dataclass(frozen=True)
class ConvStep:
    """Output pixel (p, q) of filter f, as the definition has it and as one cell of im2col's matrix product.

    ``str()`` shows it in numbers, `plot` draws it.

    Attributes
    ----------
    name : the layer's name in its model.
    sample, at : which sample, and which output pixel, (f, p, q).
    rows, columns : (kh,), (kw,) where the patch lies in the image; outside of it is padding.
    padding : (kh, kw) which cells of the patch are padding: they count as 0.
    image : (C, H, W) the input of the sample.
    patch, kernel, products : (C, kh, kw) what the window sees, the filter's weights, and each times the other.
    channel_sums : (C,) the products of each channel, summed.
    sum, bias : the channels' sums, summed; the filter's bias, 0 if the layer has none.
    z : the engine's own output, before the nonlinearity: ``sum + bias``.
    activation, y : the nonlinearity's name, "" if there is none, and what it makes of z.
    kernel_matrix, column_matrix : the factors of im2col's product, (F, R) and (R, P*Q), R = C * kh * kw.
    kernel_row, column_index : the row and the column whose product is this pixel: f, and p * Q + q.
    """

    name: str
    sample: int
    at: tuple[int, ...]
    rows: np.ndarray
    columns: np.ndarray
    padding: np.ndarray
    image: np.ndarray = field(repr=False)
    patch: np.ndarray
    kernel: np.ndarray
    products: np.ndarray
    channel_sums: np.ndarray
    sum: float
    bias: float
    z: float
    activation: str
    y: float
    kernel_matrix: np.ndarray = field(repr=False)
    column_matrix: np.ndarray = field(repr=False)
    kernel_row: int
    column_index: int

    @property
    def row(self) -> np.ndarray:
        """The filter as a row of the kernel matrix (R,)."""
        return self.kernel_matrix[self.kernel_row]

    @property
    def column(self) -> np.ndarray:
        """The patch as a column of im2col's matrix (R,)."""
        return self.column_matrix[:, self.column_index]

    def strongest(self, count: int) -> list[int]:
        """Return the channels whose sums are largest in size, at most `count`, largest first."""
        return np.argsort(-np.abs(self.channel_sums), kind="stable")[:count].tolist()

    def __str__(self) -> str:
        f, p, q = self.at
        C, kh, kw = self.patch.shape
        shown, width = self.strongest(3), 8 * kw
        lines = [f"{self.name}: filter {f}, output pixel ({p}, {q}), sample {self.sample}",
                 f"the window lies on rows {self.rows[0]} to {self.rows[-1]} and columns {self.columns[0]} to "
                 f"{self.columns[-1]} of the image" + ("; outside the image are zeros" if self.padding.any() else "")]
        for c in shown:
            lines.append(f"channel {c}\n  {'patch':<{width}} * {'kernel':<{width}} = products")
            for i in range(kh):
                cells = ["".join(f"{number:8.3f}" for number in part[c, i])
                         for part in (self.patch, self.kernel, self.products)]
                lines.append(f"  {cells[0]} * {cells[1]} = {cells[2]}   sum {self.products[c, i].sum():+.4f}")
            lines.append(f"  sum of channel {c}: {self.channel_sums[c]:+.6f}")
        if len(shown) < C:
            lines.append(f"the other {C - len(shown)} channels: {np.delete(self.channel_sums, shown).sum():+.6f}")
        lines.append(f"sum {self.sum:+.6f}, bias {self.bias:+.6f}: z = {self.sum + self.bias:+.6f}; "
                     f"the engine's z = {self.z:+.6f}")
        if self.activation:
            lines.append(f"{self.activation}(z) = {self.y:+.6f}")
        lines.append(f"as a matrix product: row {self.kernel_row} of the kernels {self.kernel_matrix.shape} times "
                     f"column {self.column_index} of the columns {self.column_matrix.shape}: "
                     f"{self.row @ self.column:+.6f}")
        return "\n".join(lines)

    def plot(self, path: Path | None = None) -> Any:
        """Draw it: image, patch, kernel and products of up to three channels, the sums, the matrix product."""
        from tinynet.study.arithmetic.conv_figure import draw
        return draw(self, path)


def conv_step(model: Any, layer: Layer | str, x: Any, at: tuple[int, int, int], sample: int = 0) -> ConvStep:
    """Take one output pixel of a convolution apart: patch, kernel, products, sum, bias, nonlinearity.

    ``y[n,f,p,q] = bias[f] + sum_cij kernel[f,c,i,j] x[n, c, s p + i, t q + j]``, strides (s, t); with dilation the
    places (i, j) lie further apart, with padding the window may lie partly outside.

    Parameters
    ----------
    layer : a `Conv2D` in the model, or the name of its step (``"conv2d_1"``).
    x : samples for the model (N, C, H, W).
    at : the output pixel, (filter, row, column).
    sample : which of the samples.

    Raises
    ------
    ValueError : for a layer that is no convolution of the model, or a place that is not there.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Conv2D
    >>> model = Sequential([Conv2D(1, 2, kernel_initializer="ones", activation="relu", input_shape=(1, 3, 3))])
    >>> print(conv_step(model, "conv2d_1", np.arange(9).reshape(1, 1, 3, 3), at=(0, 1, 0)))
    conv2d_1: filter 0, output pixel (1, 0), sample 0
    the window lies on rows 1 to 2 and columns 0 to 1 of the image
    channel 0
      patch            * kernel           = products
         3.000   4.000 *    1.000   1.000 =    3.000   4.000   sum +7.0000
         6.000   7.000 *    1.000   1.000 =    6.000   7.000   sum +13.0000
      sum of channel 0: +20.000000
    sum +20.000000, bias +0.000000: z = +20.000000; the engine's z = +20.000000
    relu(z) = +20.000000
    as a matrix product: row 0 of the kernels (1, 4) times column 2 of the columns (4, 4): +20.000000
    """
    trace = Trace(model, x)
    place = find_convolution(trace, layer)
    step, given, made = trace.steps[place], trace.inputs[place], trace.outputs[place]
    n, = check_place(sample, (len(given),), "sample")
    f, p, q = check_place(at, made.shape[1:], f"at, an output pixel (filter, row, column) of {step.name}")
    image, windows = given[n], step.layer.windows
    kernels, biases = step.layer.params["kernel"], step.layer.params.get("bias")
    rows, columns = seen_by(windows, image.shape[1:], (p, q))
    patch = take(image, rows, columns, 0)
    products = patch.astype(np.float64) * kernels[f] + 0.0                            # + 0.0: no minus zeros
    activation, y = after(trace, place)
    return ConvStep(
        name=step.name, sample=n, at=(f, p, q), rows=rows, columns=columns,
        padding=~inside(image.shape[1:], rows, columns), image=image, patch=patch, kernel=kernels[f],
        products=products, channel_sums=products.sum(axis=(1, 2)), sum=float(products.sum()),
        bias=0.0 if biases is None else float(biases[f]), z=float(made[n, f, p, q]),
        activation=activation, y=float(y[n, f, p, q]), kernel_matrix=kernels.reshape(len(kernels), -1),
        column_matrix=im2col(windows.pad(given[n:n + 1], 0), windows.size, windows.strides, windows.dilation)[0],
        kernel_row=f, column_index=p * made.shape[3] + q)


def find_convolution(trace: Trace, layer: Layer | str) -> int:
    """Return the place of a convolution in the model's steps, or raise a ValueError."""
    place = trace.place(layer)
    step = trace.steps[place]
    if not (hasattr(step.layer, "windows") and step.run == getattr(step.layer, "linear", None)):
        raise ValueError(f"Expected a convolution: a Conv2D of the model, or its name. Received: {step.layer}, "
                         f"step '{step.name}'.")
    return place


def after(trace: Trace, place: int) -> tuple[str, np.ndarray]:
    """Return the name of a layer's nonlinearity and what it makes of the layer's sum; "" and the sum without one."""
    name, following = trace.steps[place].name, trace.steps[place + 1:place + 2]
    if following and following[0].name.startswith(f"{name}/"):
        return following[0].name.removeprefix(f"{name}/"), trace.outputs[place + 1]
    return "", trace.outputs[place]
