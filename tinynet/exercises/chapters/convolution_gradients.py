"""Chapter "Convolution", backward: what biases, weights and pixels get."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.exercises.chapters.convolution import conv_forward
from tinynet.exercises.exercise import Backward, Exercise, Task, Trial, mistake
from tinynet.exercises.marking.worked import count, total


def conv_bias_gradient(dy: np.ndarray) -> np.ndarray:
    """Return d loss / d bias of a convolution: dy (N, F, P, Q) -> (F,).

    Bias f was added in every sample and at every place of map f, with the slope 1. So it collects from all of them.

    >>> conv_bias_gradient(np.array([[[[1.0, 2.0]], [[10.0, 20.0]]]]))         # one sample, two maps of 1 x 2
    array([ 3., 30.])
    """
    return dy.sum(axis=(0, 2, 3))


def maps(rng: np.random.Generator) -> Iterator[Trial]:
    """Upstream gradients of maps."""
    yield Trial("two maps of 1 x 2, by hand", (np.array([[[[1.0, 2]], [[10, 20]]]]),))
    yield Trial("two samples, by hand", (np.array([[[[1.0, 2], [3, 4]]], [[[10, 20], [30, 40]]]]),))
    for shape in (2, 3, 4, 5), (3, 3, 3, 3), (4, 2, 2, 3):
        yield Trial(f"dy of the shape {shape}", (rng.normal(size=shape),))


CONV_BIAS_GRADIENT = Exercise("What a convolution's biases get", "convolution", (Task(
    conv_bias_gradient, maps, axes=(("kernel",),),
    by_hand=lambda index, dy: total([f"dy[{n}, {index[0]}, {p}, {q}]" for n in range(len(dy))
                                     for p, q in np.ndindex(dy.shape[2:])]),
    mistakes=(
        mistake("over the batch alone", "you summed over the batch, but not over the rows and columns: a bias "
                "collects from every place of its map.", ("axis=(0, 2, 3)", "axis=0")),
        mistake("over places alone", "you summed over rows and columns, but not over the batch: a bias collects "
                "from every sample.", ("axis=(0, 2, 3)", "axis=(2, 3)")),
        mistake("mean over the batch", "you divided by the batch size. It is a sum over the samples; the loss has "
                "divided already.", ("dy.sum(axis=(0, 2, 3))", "dy.sum(axis=(0, 2, 3)) / len(dy)")),
        mistake("mean over places", "you took the mean over the places. A bias collects the sum of what all places "
                "of its map get.", ("dy.sum(axis=(0, 2, 3))", "dy.mean(axis=(2, 3)).sum(axis=0)")),
        mistake("mean over places", "you took the mean over samples and places. A bias collects the sum.",
                (".sum(", ".mean(")),
        mistake("wrong axes", "you summed over the maps, axis 1, and kept another axis. Each map has a bias of its "
                "own.", ("(0, 2, 3)", "(1, 2, 3)")),
        mistake("wrong axes", "you summed over the maps, axis 1, and kept the columns. Each map has a bias of its own.",
                ("(0, 2, 3)", "(0, 1, 2)")),
        mistake("wrong axes", "you summed over the maps, axis 1, and kept the rows. Each map has a bias of its own.",
                ("(0, 2, 3)", "(0, 1, 3)")),
        mistake("columns left", "an axis is left over, that of the columns: sum over it as well.",
                ("(0, 2, 3)", "(0, 2)")),
        mistake("rows left", "an axis is left over, that of the rows: sum over it as well.", ("(0, 2, 3)", "(0, 3)")),
        mistake("axis kept", "the shape should be (F,): keepdims leaves axes of size 1.",
                ("(0, 2, 3)", "(0, 2, 3), keepdims=True")),
        mistake("sum of all", "you summed over everything. Each map has a bias of its own.", ("axis=(0, 2, 3)", "")),
        mistake("first sample", "only the first sample counts.", ("dy.sum(axis=(0, 2, 3))", "dy[0].sum(axis=(1, 2))")),
        mistake("last sample", "only the last sample counts: each one overwrites the one before.",
                ("dy.sum(axis=(0, 2, 3))", "dy[-1].sum(axis=(1, 2))")),
        mistake("sign", "the sign is wrong.", ("dy.sum", "-dy.sum")),
        mistake("dy ignored", "you counted places: dy is not used.", ("dy.sum", "np.ones_like(dy).sum")),
        mistake("one place", "only the first place of each map counts.",
                ("dy.sum(axis=(0, 2, 3))", "dy[:, :, 0, 0].sum(axis=0)")),
    ),
),), (
    "The result has a number for each map, so axis 1 stays. What do the three others count?",
    "The bias was added at every place of every sample: sum over all of these.",
    "dy.sum over the axes (0, 2, 3).",
))


def conv_kernel_gradient(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return d loss / d kernel of a convolution: x (N, C, H, W), dy (N, F, P, Q) -> (F, C, H - P + 1, W - Q + 1).

    Weight (f, c, i, j) was used in every sample and at every place (p, q), where it multiplied pixel
    x[n, c, p + i, q + j]. So it collects from all of them: the sum over n, p and q of
    dy[n, f, p, q] * x[n, c, p + i, q + j].

    >>> conv_kernel_gradient(np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[1.0, 10.0]]]]))     # the kernel was 1 x 2
    array([[[[21., 32.]]]])
    """
    (N, C, H, W), (_, F, P, Q) = x.shape, dy.shape
    dkernel = np.zeros((F, C, H - P + 1, W - Q + 1))
    for n, f, p, q in np.ndindex(N, F, P, Q):
        dkernel[f] += dy[n, f, p, q] * x[n, :, p:p + H - P + 1, q:q + W - Q + 1]
    return dkernel


SIZES = [((1, 1, 3, 3), (1, 2, 2)), ((2, 2, 4, 5), (3, 3, 2)), ((3, 2, 5, 4), (2, 2, 3)), ((2, 2, 4, 4), (2, 3, 3)),
         ((3, 3, 5, 5), (3, 3, 3))]


def conv_kernel_gradient_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; more samples, channels, kernels."""
    yield Trial("a row of three pixels, by hand", (np.array([[[[1.0, 2, 3]]]]), np.array([[[[1.0, 10]]]])))
    for (N, C, H, W), (F, kh, kw) in SIZES:
        yield Trial(f"{count(N, 'image')} of {C} x {H} x {W}, {count(F, 'kernel')} of {kh} x {kw}",
                    (rng.normal(size=(N, C, H, W)), rng.normal(size=(N, F, H - kh + 1, W - kw + 1))))


def conv_kernel_gradient_by_hand(index: tuple[int, ...], x: np.ndarray, dy: np.ndarray) -> str:
    """Write the gradient of one weight out."""
    f, c, i, j = index
    return total([f"dy[{n}, {f}, {p}, {q}] * x[{n}, {c}, {p + i}, {q + j}]"
                  for n in range(len(x)) for p, q in np.ndindex(dy.shape[2:])])


PIXELS = "x[n, :, p:p + H - P + 1, q:q + W - Q + 1]"
ADD = "dkernel[f] += dy[n, f, p, q] * " + PIXELS
CONV_KERNEL_GRADIENT = Exercise("What a convolution's weights get", "convolution", (Task(
    conv_kernel_gradient, conv_kernel_gradient_trials, by_hand=conv_kernel_gradient_by_hand,
    axes=(("kernel", "channel", "row of the kernel", "column of the kernel"),),
    backward=Backward(
        lambda x, kernel: conv_forward(x, kernel, np.zeros(len(kernel))),
        lambda x, dy: (x, np.ones((dy.shape[1], x.shape[1], x.shape[2] - dy.shape[2] + 1,
                                   x.shape[3] - dy.shape[3] + 1))), 1,
        lambda answer, dy, x, kernel: (None, answer(x, dy))),
    mistakes=(
        mistake("over the batch alone", "you summed over the batch, but not over the rows and columns: the gradient "
                "of a weight collects from every place where it was used.",
                ("np.ndindex(N, F, P, Q)", "np.ndindex(N, F, 1, 1)")),
        mistake("size of the kernel", "the kernel was larger by one, down and across: with P places for a window, H is "
                "P + kh - 1, and so kh is H - P + 1.",
                ("np.zeros((F, C, H - P + 1, W - Q + 1))", "np.zeros((F, C, H - P, W - Q))"),
                (PIXELS, "x[n, :, p:p + H - P, q:q + W - Q]")),
        mistake("last place", "only the last place, or the last sample, counts: each one overwrites the one before. "
                "A weight was used at every place of every sample: add up, with +=.",
                ("dkernel[f] += dy", "dkernel[f] = dy")),
        mistake("last sample", "only the last sample counts: each one overwrites the one before. Add up, with +=.",
                ("np.ndindex(N, F, P, Q)", "((N - 1, *rest) for rest in np.ndindex(F, P, Q))")),
        mistake("first sample", "only the first sample counts. The weights were used in every one.",
                ("np.ndindex(N, F, P, Q)", "np.ndindex(1, F, P, Q)")),
        mistake("first sample", "dy is that of each sample, but x always that of the first one.", ("x[n, :", "x[0, :")),
        mistake("mean over the batch", "you divided by the batch size. It is a sum over the samples; the loss has "
                "divided already.", ("return dkernel", "return dkernel / N")),
        mistake("mean over places", "you divided by the number of places. A weight collects the sum of what it gets "
                "from all places where it was used.", ("return dkernel", "return dkernel / (P * Q)")),
        mistake("mean over places", "you took the mean over samples and places. A weight collects the sum.",
                ("return dkernel", "return dkernel / (N * P * Q)")),
        mistake("flipped", "the gradient is flipped: weight (i, j) met pixel (p + i, q + j), not the one opposite.",
                ("return dkernel", "return dkernel[:, :, ::-1, ::-1].copy()")),
        mistake("dy flipped", "dy is flipped. The pixel belongs to the dy of its own window.",
                ("dy[n, f, p, q]", "dy[n, f, P - 1 - p, Q - 1 - q]")),
        mistake("first channel", "only the first channel of x is used: each slice of the kernel has met a channel "
                "of its own.", ("x[n, :,", "x[n, :1,")),
        mistake("channels summed", "you summed over the channels. Each weight has met one channel alone.",
                (PIXELS, PIXELS + ".sum(axis=0)")),
        mistake("kernels summed", "you summed over the kernels: the dy of all maps went into each kernel. A kernel "
                "gets its own map's.", ("dy[n, f, p, q]", "dy[n, :, p, q].sum()")),
        mistake("first kernel", "every kernel gets the dy of the first map.", ("dy[n, f, p, q]", "dy[n, 0, p, q]")),
        mistake("axes exchanged", "channels and kernels are exchanged: the shape is that of the kernel, (F, C, kh, "
                "kw).", ("return dkernel", "return dkernel.swapaxes(0, 1)")),
        mistake("dy ignored", "dy is not used: you summed the pixels alone.", ("dy[n, f, p, q] * ", "")),
        mistake("last place missing", "the last row and column of places are left out: range(P) goes up to P - 1 "
                "already.", ("np.ndindex(N, F, P, Q)", "np.ndindex(N, F, max(P - 1, 1), max(Q - 1, 1))")),
        mistake("always the first window", "x is always the window at the upper left. For the dy of (p, q) it is "
                "the window there.", (PIXELS, "x[n, :, :H - P + 1, :W - Q + 1]")),
        mistake("averaged before the product", "you averaged x over the batch before you multiplied. Each sample's "
                "x belongs to its own dy.", (PIXELS, "x.mean(axis=0)[:, p:p + H - P + 1, q:q + W - Q + 1]")),
        mistake("rows and columns exchanged", "p and q are exchanged: dy's third axis are the rows.",
                ("dy[n, f, p, q]", "dy[n, f].T.reshape(P, Q)[p, q]")),
        mistake("sign", "the sign is wrong.", ("+= dy", "-= dy")),
    ),
),), (
    "Take the loops of the forward pass. Where y collected weight times pixel, the weight now collects dy times pixel.",
    "For one (n, f, p, q): every weight of kernel f gets dy[n, f, p, q] times the pixel that it met. All these add up.",
    "dkernel[f] += dy[n, f, p, q] * x[n, :, p:p + kh, q:q + kw], with kh = H - P + 1.",
))


def conv_input_gradient(dy: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return d loss / d x of a convolution: dy (N, F, P, Q), kernel (F, C, kh, kw) -> (N, C, P + kh - 1, Q + kw - 1).

    Output (n, f, p, q) looked at the window whose corner is pixel (p, q). So its dy goes back to all pixels of that
    window, times the weight that each has met: pixel (p + i, q + j) of channel c gets
    dy[n, f, p, q] * kernel[f, c, i, j]. Windows overlap: what a pixel gets from all of them, and from all kernels, adds
    up.

    >>> conv_input_gradient(np.array([[[[1.0, 10.0]]]]), np.array([[[[1.0, 2.0]]]]))
    array([[[[ 1., 12., 20.]]]])
    """
    (N, F, P, Q), (_, C, kh, kw) = dy.shape, kernel.shape
    dx = np.zeros((N, C, P + kh - 1, Q + kw - 1))
    for n, f, p, q in np.ndindex(N, F, P, Q):
        dx[n, :, p:p + kh, q:q + kw] += dy[n, f, p, q] * kernel[f]
    return dx


def conv_input_gradient_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; more samples, channels, kernels."""
    yield Trial("two windows in a row, by hand", (np.array([[[[1.0, 10]]]]), np.array([[[[1.0, 2]]]])))
    for (N, C, H, W), (F, kh, kw) in SIZES:
        yield Trial(f"{count(N, 'image')} of {C} x {H} x {W}, {count(F, 'kernel')} of {kh} x {kw}",
                    (rng.normal(size=(N, F, H - kh + 1, W - kw + 1)), rng.normal(size=(F, C, kh, kw))))


def conv_input_gradient_by_hand(index: tuple[int, ...], dy: np.ndarray, kernel: np.ndarray) -> str:
    """Write the gradient of one pixel out."""
    n, c, row, column = index
    return total([f"dy[{n}, {f}, {row - i}, {column - j}] * kernel[{f}, {c}, {i}, {j}]"
                  for f, i, j in np.ndindex(len(kernel), *kernel.shape[2:])
                  if 0 <= row - i < dy.shape[2] and 0 <= column - j < dy.shape[3]])


CONV_INPUT_GRADIENT = Exercise("What a convolution hands back to the layer before", "convolution", (Task(
    conv_input_gradient, conv_input_gradient_trials, by_hand=conv_input_gradient_by_hand,
    axes=(("sample", "channel", "row", "column"),),
    backward=Backward(
        lambda x, kernel: conv_forward(x, kernel, np.zeros(len(kernel))),
        lambda dy, kernel: (np.ones((len(dy), kernel.shape[1], dy.shape[2] + kernel.shape[2] - 1,
                                     dy.shape[3] + kernel.shape[3] - 1)), kernel), 0,
        lambda answer, dy, x, kernel: (answer(dy, kernel), None)),
    mistakes=(
        mistake("size of the image", "dx is larger by one than x was, down and across: with P places for a window, H "
                "is P + kh - 1.", ("P + kh - 1, Q + kw - 1", "P + kh, Q + kw")),
        mistake("overwritten", "windows overlap, and each one overwrites what the one before has stored. A pixel "
                "collects from all windows that saw it, and from all kernels: +=.", ("] += dy", "] = dy")),
        mistake("flipped kernel", "the kernel is flipped. Each pixel gets dy times the very weight that it has met: "
                "kernel[f, c, i, j] at (p + i, q + j). (In the form of a full convolution the kernel is flipped; so "
                "it is flipped once too often, or not there.)", ("* kernel[f]", "* kernel[f, :, ::-1, ::-1]")),
        mistake("first kernel", "only the first kernel counts. Every kernel has seen the pixel, and all of them add "
                "up.", ("np.ndindex(N, F, P, Q)", "((n, 0, p, q) for n, p, q in np.ndindex(N, P, Q))")),
        mistake("last kernel", "only the last kernel counts: each one overwrites the one before. Add up, with +=.",
                ("np.ndindex(N, F, P, Q)", "((n, F - 1, p, q) for n, p, q in np.ndindex(N, P, Q))")),
        mistake("same kernel for all", "the dy of every map is multiplied by the first kernel. Each map has its own.",
                ("kernel[f]", "kernel[0]")),
        mistake("first channel", "every channel gets what belongs to the first one: kernel[f, 0] in place of "
                "kernel[f, c].", ("kernel[f]", "kernel[f, :1]")),
        mistake("channels summed", "you summed the kernel over its channels. Each channel gets its own slice.",
                ("kernel[f]", "kernel[f].sum(axis=0)")),
        mistake("mean over the batch", "you divided by the batch size. A pixel belongs to one sample.",
                ("return dx", "return dx / N")),
        mistake("mean over the kernels", "you took the mean over the kernels. A pixel collects the sum.",
                ("return dx", "return dx / F")),
        mistake("divided by overlaps", "you divided by the size of the window. A pixel collects the sum of what all "
                "windows send.", ("return dx", "return dx / (kh * kw)")),
        mistake("summed over the batch", "every sample has the sum over the batch. Each has pixels of its own.",
                ("dx[n, :, p", "dx[:, :, p")),
        mistake("first sample", "every sample gets the dy of the first one.", ("* kernel[f]", "/ 1 * kernel[f]"),
                ("dy[n, f", "dy[0, f")),
        mistake("dy ignored", "dy is not used: you added up the weights alone.", ("dy[n, f, p, q] * ", "")),
        mistake("corner alone", "only the upper left pixel of each window gets something. All of its pixels do.",
                ("dx[n, :, p:p + kh, q:q + kw] += dy[n, f, p, q] * kernel[f]",
                 "dx[n, :, p, q] += dy[n, f, p, q] * kernel[f, :, 0, 0]")),
        mistake("last window missing", "the last row and column of windows are left out: range(P) goes up to P - 1 "
                "already.", ("np.ndindex(N, F, P, Q)", "np.ndindex(N, F, max(P - 1, 1), max(Q - 1, 1))")),
        mistake("output size", "the shape is that of dy. dx has the shape of x, which is larger: P + kh - 1 rows.",
                ("return dx", "return dx[:, :, :P, :Q]")),
        mistake("output size", "the shape is that of dy. dx has the shape of x, which is larger: pad dy with kh - 1 "
                "zeros on every side for a full convolution.",
                ("return dx", "return dx[:, :, kh // 2:kh // 2 + P, kw // 2:kw // 2 + Q]")),
        mistake("rows and columns exchanged", "rows and columns of the kernel are exchanged.",
                ("* kernel[f]", "* kernel[f].swapaxes(1, 2).reshape(kernel[f].shape)")),
        mistake("axes of the kernel", "the kernel's first two axes are exchanged: it is (F, C, kh, kw).",
                ("kernel[f]", "kernel.swapaxes(0, 1).reshape(kernel.shape)[f]")),
        mistake("sign", "the sign is wrong.", ("+= dy", "-= dy")),
    ),
),), (
    "Take the loops of the forward pass. Where an output collected from a window, it now sends its dy back into it.",
    "For one (n, f, p, q): every pixel of the window gets dy[n, f, p, q] times the weight that it has met.",
    "dx[n, :, p:p + kh, q:q + kw] += dy[n, f, p, q] * kernel[f].",
))

EXERCISES = (CONV_BIAS_GRADIENT, CONV_KERNEL_GRADIENT, CONV_INPUT_GRADIENT)
