"""One output pixel of a convolution, with every number that it is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.kernels.im2col import im2col
from tinynet.study.arguments import LayerOrName
from tinynet.study.arithmetic.summands import largest
from tinynet.study.arithmetic.weighted_steps import activation_after, find_convolution
from tinynet.study.arithmetic.window_geometry import inside, take, window_at
from tinynet.study.drawing import StrPath
from tinynet.study.trace import Trace, check_place
from tinynet.tables import Table, Tabular, shortened, signed
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class ConvStep(Tabular):
    """Output pixel (p, q) of filter f, by the definition and as one element of im2col's matrix product.

    ``str()`` shows it in numbers, `plot` draws it.

    Attributes
    ----------
    name : of the layer in its model.
    sample, at : index of the sample, and of the output pixel, (f, p, q).
    rows, columns : (kh,), (kw,) rows and columns of the image that the window covers; outside the image is padding.
    padding : (kh, kw) which pixels of the patch are padding: they count as 0.
    image : (C, H, W) the layer's input for the sample.
    patch, kernel, products : (C, kh, kw) the pixels under the window, the filter's weights, and their products.
    channel_sums : (C,) the sum of the products of each channel.
    sum, bias : the sum of all products; the filter's bias, 0 if the layer has none.
    z : the engine's own output, before the activation: ``sum + bias``.
    activation, y : name of the activation, "" if there is none, and its output for z.
    kernel_matrix, column_matrix : the factors of im2col's product, (F, R) and (R, P*Q), R = C * kh * kw.
    kernel_row, column_index : the row and the column whose product is this pixel: f, and p * Q + q.
    """

    name: str
    sample: int
    at: tuple[int, ...]
    rows: np.ndarray
    columns: np.ndarray
    padding: np.ndarray
    image: np.ndarray
    patch: np.ndarray
    kernel: np.ndarray
    products: np.ndarray
    channel_sums: np.ndarray
    sum: float
    bias: float
    z: float
    activation: str
    y: float
    kernel_matrix: np.ndarray
    column_matrix: np.ndarray
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
        """Return the channels with the sums of the largest magnitude, at most `count`, in decreasing order."""
        return largest(self.channel_sums, count).tolist()

    def in_short(self) -> str:
        """Say which pixel this is."""
        f, p, q = self.at
        return f"{self.name}: filter {f}, output pixel ({p}, {q}), sample {self.sample}"

    def tables(self) -> list[Table]:
        """Return a table of every product of the strongest channels, and one of the sums."""
        _, kh, kw = self.patch.shape
        shown = self.strongest(3)
        products = [[str(c), str(i), str(j), *(f"{part[c, i, j]:.4f}" for part in
                                               (self.patch, self.kernel, self.products))]
                    for c in shown for i in range(kh) for j in range(kw)]
        sums = {f"channel {c}": self.channel_sums[c] for c in shown}
        if len(shown) < len(self.channel_sums):
            sums["the other channels"] = np.delete(self.channel_sums, shown).sum()
        sums |= {"bias": self.bias, "z, their sum": self.sum + self.bias, "the engine's z": self.z}
        if self.activation:
            sums[f"{self.activation}(z)"] = self.y
        return [Table(["channel", "row", "column", "pixel", "weight", "product"], shortened(products, 30)),
                Table(["", "sum"], signed(sums.items()))]

    def __str__(self) -> str:
        C, kh, kw = self.patch.shape
        shown, width = self.strongest(3), 8 * kw
        lines = [self.in_short(),
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

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw image, patch, kernel and products of up to three channels, the sums, and the matrix product."""
        from tinynet.study.arithmetic.conv_figure import plot_conv_step
        return plot_conv_step(self, path)


def conv_step(model: Model, layer: LayerOrName, x: ArrayLike, at: ArrayLike, sample: int = 0) -> ConvStep:
    """Show how one output pixel of a convolution is computed: patch, kernel, products, sum, bias, activation.

    ``y[n,f,p,q] = bias[f] + sum_cij kernel[f,c,i,j] x[n, c, s p + i, t q + j]``, strides (s, t); with dilation the
    pixels under the window are further apart, with padding the window may lie partly outside the image.

    Parameters
    ----------
    layer : a `Conv2D` of one group in the model, or the name of its step (``"conv2d_1"``).
    x : samples for the model (N, C, H, W).
    at : the output pixel, (filter, row, column).
    sample : index of the sample.

    Raises
    ------
    ValueError : for a layer that is not a convolution of the model, or an index out of range.

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
    index, conv = find_convolution(trace, layer)
    name, inputs, outputs = trace.steps[index].name, trace.inputs[index], trace.outputs[index]
    n, = check_place(sample, (len(inputs),), "sample")
    f, p, q = check_place(at, outputs.shape[1:], f"at, an output pixel (filter, row, column) of {name}")
    image, windows = inputs[n], conv.windows
    kernels, biases = conv.params["kernel"], conv.params.get("bias")
    rows, columns = window_at(windows, image.shape[1:], (p, q))
    patch = take(image, rows, columns, 0)
    products = patch.astype(np.float64) * kernels[f] + 0.0                            # + 0.0: no minus zeros
    activation, y = activation_after(trace, index)
    return ConvStep(
        name=name, sample=n, at=(f, p, q), rows=rows, columns=columns,
        padding=~inside(image.shape[1:], rows, columns), image=image, patch=patch, kernel=kernels[f],
        products=products, channel_sums=products.sum(axis=(1, 2)), sum=float(products.sum()),
        bias=0.0 if biases is None else float(biases[f]), z=float(outputs[n, f, p, q]),
        activation=activation, y=float(y[n, f, p, q]), kernel_matrix=kernels.reshape(len(kernels), -1),
        column_matrix=im2col(windows.pad(inputs[n:n + 1], 0), windows.size, windows.strides, windows.dilation)[0],
        kernel_row=f, column_index=p * outputs.shape[3] + q)
