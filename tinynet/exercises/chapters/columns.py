"""Chapter "Convolution", fast: windows as columns, and all of it as one matrix product."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tinynet.exercises.exercise import Exercise, Task, Trial, mistake, with_backward
from tinynet.exercises.marking.worked import count, total


def im2col(x: np.ndarray, kh: int, kw: int) -> np.ndarray:
    """Lay the windows of images out as columns: x (N, C, H, W) -> (N, C * kh * kw, P * Q).

    There are P = H - kh + 1 places for a window down the image, and Q = W - kw + 1 across.

    Column p * Q + q holds the window whose upper left corner is pixel (p, q). In it, row (c * kh + i) * kw + j is pixel
    (p + i, q + j) of channel c: the order in which kernel[f].reshape(-1) has its weights. A loop over the kh * kw
    places of the window is fast; one over all windows is slow. Make the columns of x's dtype, np.zeros(shape, x.dtype):
    float64, which np.zeros makes by itself, takes twice as long.

    >>> im2col(np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]), 2, 2)
    array([[[1., 2.],
            [2., 3.],
            [4., 5.],
            [5., 6.]]])
    """
    N, C, H, W = x.shape
    P, Q = H - kh + 1, W - kw + 1
    columns = np.zeros((N, C, kh, kw, P, Q), x.dtype)
    for i, j in np.ndindex(kh, kw):
        columns[:, :, i, j] = x[:, :, i:i + P, j:j + Q]              # what place (i, j) sees, of all windows
    return columns.reshape(N, C * kh * kw, P * Q)


def im2col_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; more samples and channels."""
    yield Trial("two windows, by hand", (np.array([[[[1.0, 2, 3], [4, 5, 6]]]]), 2, 2))
    for (N, C, H, W), kh, kw in [((1, 1, 3, 3), 2, 2), ((1, 1, 4, 5), 2, 3), ((2, 2, 4, 5), 3, 2), ((2, 3, 5, 4), 2, 3),
                                 ((3, 2, 4, 4), 2, 2)]:
        yield Trial(f"{count(N, 'image')} of {C} x {H} x {W}, windows of {kh} x {kw}",
                    (rng.normal(size=(N, C, H, W)), kh, kw))


def im2col_by_hand(index: tuple[int, ...], x: np.ndarray, kh: int, kw: int) -> str:
    """Say which pixel belongs there."""
    n, row, column = index
    (c, rest), (p, q) = divmod(row, kh * kw), divmod(column, x.shape[3] - kw + 1)
    i, j = divmod(rest, kw)
    return f"x[{n}, {c}, {p + i}, {q + j}]"


SEEN = "x[:, :, i:i + P, j:j + Q]"
COLUMN_AXES = ("sample", "row of a column", "window")
WINDOW_ROWS = "each window is a row in yours. It is a column here, so that kernel @ columns sums over the window."

IM2COL = Exercise("im2col: windows as columns", "convolution", (Task(
    im2col, im2col_trials, by_hand=im2col_by_hand, axes=(COLUMN_AXES,),
    mistakes=(
        mistake("windows as rows", WINDOW_ROWS, ("P * Q)", "P * Q).swapaxes(1, 2)")),
        mistake("order lost", "you reshaped to windows as rows without moving the axes: the numbers are in the "
                "wrong places.",
                ("columns.reshape(N, C * kh * kw, P * Q)",
                 "columns.transpose(0, 4, 5, 1, 2, 3).reshape(N, C * kh * kw, P * Q)")),
        mistake("order lost", "each window's pixels stand together in memory, as they do in NumPy's "
                "sliding_window_view: a reshape alone leaves them there. Move kh and kw before P and Q first.",
                ("columns.reshape(N, C * kh * kw, P * Q)",
                 "columns.transpose(0, 1, 4, 5, 2, 3).reshape(N, C * kh * kw, P * Q)")),
        mistake("number of the window", "windows are numbered p * P + q. There are Q of them in a row: p * Q + q.",
                ("    return columns.reshape(N, C * kh * kw, P * Q)",
                 "    columns = columns.reshape(N, C * kh * kw, P * Q)\n    found = np.zeros(columns.shape)\n    "
                 "for p, q in np.ndindex(P, Q):\n        found[:, :, p * P + q] = columns[:, :, p * Q + q]\n    "
                 "return found")),
        mistake("order of places", "inside a column, j counts before i: the window is read down its columns.",
                ("columns.reshape", "columns.swapaxes(2, 3).reshape")),
        mistake("channels last", "inside a column the channels vary fastest. They vary slowest: a whole window of "
                "the first channel, then the next.",
                ("columns.reshape", "columns.transpose(0, 2, 3, 1, 4, 5).reshape")),
        mistake("order of windows", "the windows go down the image first. Column p * Q + q belongs to corner (p, "
                "q): along a row first.", ("columns.reshape", "columns.swapaxes(4, 5).reshape")),
        mistake("one window missing", "a window fits at H - kh + 1 places, not at H - kh.",
                ("H - kh + 1, W - kw + 1", "H - kh, W - kw")),
        mistake("flipped", "the windows are flipped: place (0, 0) of the window is its upper left pixel.",
                ("columns[:, :, i, j]", "columns[:, :, kh - 1 - i, kw - 1 - j]")),
        mistake("first channel", "every channel has the pixels of the first one.", ("x[:, :, i:", "x[:, :1, i:")),
        mistake("first sample", "every sample has the pixels of the first one.", ("x[:, :, i:", "x[:1, :, i:")),
        mistake("windows do not overlap", "your windows stand side by side. They move by one pixel, and overlap.",
                (SEEN,
                 "np.pad(x, ((0, 0), (0, 0), (0, H * kh), (0, W * kw)))[:, :, i:i + P * kh:kh, j:j + Q * kw:kw]")),
        mistake("batch in the columns", "the samples stand side by side: the shape is (N, C * kh * kw, P * Q), an "
                "axis for the samples first.",
                ("columns.reshape(N, C * kh * kw, P * Q)",
                 "columns.transpose(1, 2, 3, 0, 4, 5).reshape(C * kh * kw, N * P * Q)")),
        mistake("batch in the columns", "you made one array of rows of all samples' windows: (N * P * Q, C * kh * "
                "kw). The task asks for (N, C * kh * kw, P * Q).",
                ("columns.reshape(N, C * kh * kw, P * Q)",
                 "columns.transpose(0, 4, 5, 1, 2, 3).reshape(N * P * Q, C * kh * kw)")),
        mistake("not reshaped", "the axes are still apart: C, kh, kw make one axis, P and Q another.",
                ("columns.reshape(N, C * kh * kw, P * Q)", "columns")),
        mistake("corner alone", "every place of the window has its corner pixel: i and j are missing where x is read.",
                (SEEN, "x[:, :, :P, :Q]")),
        mistake("last place", "only one place of the window is filled, the others are 0.",
                ("columns[:, :, i, j] =", "columns[:, :, -1, -1] =")),
        mistake("rows and columns exchanged", "i and j are exchanged where the pixels are read: i moves down the rows.",
                (SEEN, "np.pad(x, ((0, 0), (0, 0), (0, kw), (0, kh)))[:, :, j:j + P, i:i + Q]")),
        mistake("channels apart", "each channel has columns of its own: C and kh * kw must be one axis.",
                ("columns.reshape(N, C * kh * kw, P * Q)", "columns.reshape(N, C, kh * kw, P * Q)")),
        mistake("channels summed", "you summed over the channels. They lie below each other in a column.",
                ("columns.reshape(N, C * kh * kw, P * Q)", "columns.sum(axis=1).reshape(N, kh * kw, P * Q)")),
    ),
),), (
    "Begin with zeros of the shape (N, C, kh, kw, P, Q): for each place of the window, what all windows have there.",
    "What place (i, j) sees as the window slides is an image: x without its first i rows and j columns, P x Q large.",
    "columns[:, :, i, j] = x[:, :, i:i + P, j:j + Q] for all i and j, then reshape to (N, C * kh * kw, P * Q).",
))


def col2im(columns: np.ndarray, shape: tuple[int, int, int, int], kh: int, kw: int) -> np.ndarray:
    """Add columns back onto the pixels that they came from: columns (N, C * kh * kw, P * Q) -> `shape`, (N, C, H, W).

    It is im2col's way back, for gradients: a pixel that stood in several windows collects from all of them.

    >>> col2im(np.array([[[1.0, 10.0], [2.0, 20.0]]]), (1, 1, 1, 3), 1, 2)       # two windows of 1 x 2 on three pixels
    array([[[[ 1., 12., 20.]]]])
    """
    N, C, H, W = shape
    P, Q = H - kh + 1, W - kw + 1
    columns = columns.reshape(N, C, kh, kw, P, Q)
    x = np.zeros(shape, columns.dtype)
    for i, j in np.ndindex(kh, kw):
        x[:, :, i:i + P, j:j + Q] += columns[:, :, i, j]
    return x


def col2im_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; windows of one pixel; more samples and channels."""
    yield Trial("two windows of 1 x 2, by hand", (np.array([[[1.0, 10], [2, 20]]]), (1, 1, 1, 3), 1, 2))
    for (N, C, H, W), kh, kw in [((1, 1, 3, 3), 2, 2), ((2, 2, 4, 5), 3, 2), ((2, 3, 5, 4), 2, 3),
                                 ((3, 2, 4, 4), 2, 2)]:
        yield Trial(f"{count(N, 'image')} of {C} x {H} x {W}, windows of {kh} x {kw}",
                    (rng.normal(size=(N, C * kh * kw, (H - kh + 1) * (W - kw + 1))), (N, C, H, W), kh, kw))


def col2im_by_hand(index: tuple[int, ...], columns: np.ndarray, shape: tuple[int, ...], kh: int, kw: int) -> str:
    """Say which entries of the columns a pixel collects."""
    n, c, row, column = index
    P, Q = shape[2] - kh + 1, shape[3] - kw + 1
    return total([f"columns[{n}, {(c * kh + i) * kw + j}, {(row - i) * Q + column - j}]" for i, j in np.ndindex(kh, kw)
                  if 0 <= row - i < P and 0 <= column - j < Q])


COL2IM = Exercise("col2im: the way back, adding up", "convolution", (Task(
    col2im, col2im_trials, by_hand=col2im_by_hand, axes=(("sample", "channel", "row", "column"),),
    mistakes=(
        mistake("overwritten", "windows overlap, and each place overwrites what another has stored. A pixel "
                "collects from all windows that it stood in: +=. (With arrays of indices += adds only once to each "
                "pixel, however often it is named: loop over the places of the window, or np.add.at.)",
                ("+= columns", "= columns")),
        mistake("overwritten", "windows overlap, and each one overwrites what the one before has stored. A pixel "
                "collects from all windows that it stood in: +=.",
                ("    return x", "    for p, q in np.ndindex(P, Q):\n        x[:, :, p:p + kh, q:q + kw] = "
                 "columns[..., p, q]\n    return x")),
        mistake("number of the window", "windows are numbered p * P + q. There are Q of them in a row: p * Q + q.",
                ("    return x", "    x[...] = 0\n    flat = columns.reshape(N, C, kh, kw, P * Q)\n    for p, q in "
                 "np.ndindex(P, Q):\n        x[:, :, p:p + kh, q:q + kw] += flat[..., p * P + q]\n    return x")),
        mistake("averaged", "you divided by the number of windows that a pixel stood in. That would undo im2col; a "
                "gradient is the sum.",
                ("    return x",
                 "    count = np.zeros((H, W))\n    for i, j in np.ndindex(kh, kw):\n        count[i:i + P, j:j + "
                 "Q] += 1\n    return x / count")),
        mistake("averaged", "you divided by the size of the window. A gradient is the sum.",
                ("    return x", "    return x / (kh * kw)")),
        mistake("order of places", "inside a column, i and j are exchanged: row (c * kh + i) * kw + j is place (i, "
                "j).",
                ("columns = columns.reshape(N, C, kh, kw, P, Q)",
                 "columns = columns.reshape(N, C, kw, kh, P, Q).swapaxes(2, 3)")),
        mistake("channels last", "you read the rows of a column as if the channels varied fastest. They vary slowest.",
                ("columns = columns.reshape(N, C, kh, kw, P, Q)",
                 "columns = columns.reshape(N, kh, kw, C, P, Q).transpose(0, 3, 1, 2, 4, 5)")),
        mistake("order of windows", "the windows are read as if they went down the image first: column p * Q + q "
                "belongs to corner (p, q).",
                ("columns = columns.reshape(N, C, kh, kw, P, Q)",
                 "columns = columns.reshape(N, C, kh, kw, Q, P).swapaxes(4, 5)")),
        mistake("windows as rows", "you took each window to be a row. It is a column.",
                ("columns = columns.reshape(N, C, kh, kw, P, Q)",
                 "columns = columns.reshape(N, P, Q, C, kh, kw).transpose(0, 3, 4, 5, 1, 2)")),
        mistake("flipped", "places are flipped: what row (0, 0) of the window holds goes to its upper left pixel.",
                ("columns[:, :, i, j]", "columns[:, :, kh - 1 - i, kw - 1 - j]")),
        mistake("one window missing", "the last row and column of windows are left out.",
                ("x[:, :, i:i + P, j:j + Q] += columns[:, :, i, j]",
                 "x[:, :, i:i + max(P - 1, 1), j:j + max(Q - 1, 1)] += columns[:, :, i, j, :max(P - 1, 1), :max(Q "
                 "- 1, 1)]")),
        mistake("corner alone", "everything went to the corners of the windows: i and j are missing where it is added.",
                ("x[:, :, i:i + P, j:j + Q]", "x[:, :, :P, :Q]")),
        mistake("first sample", "every sample got what belongs to the first.",
                ("columns[:, :, i, j]", "columns[:1, :, i, j]")),
        mistake("first channel", "every channel got what belongs to the first.",
                ("columns[:, :, i, j]", "columns[:, :1, i, j]")),
        mistake("first place", "only the first place of each window counts.", ("np.ndindex(kh, kw)", "[(0, 0)]")),
        mistake("last place", "the last place of each window is left out: range(kh) goes up to kh - 1 already.",
                ("np.ndindex(kh, kw)", "np.ndindex(max(kh - 1, 1), max(kw - 1, 1))")),
        mistake("summed over the batch", "every sample has the sum over the batch.",
                ("columns[:, :, i, j]", "columns[:, :, i, j].sum(axis=0)")),
        mistake("sign", "the sign is wrong.", ("+= columns", "-= columns")),
    ),
),), (
    "Undo im2col's last step first: columns as (N, C, kh, kw, P, Q).",
    "Then the same loop as in im2col, with the sides exchanged. What must = become, where windows overlap?",
    "x[:, :, i:i + P, j:j + Q] += columns[:, :, i, j].",
))


def conv_im2col(x: np.ndarray, kernel: np.ndarray,
                bias: np.ndarray) -> tuple[np.ndarray, Callable[..., tuple[np.ndarray, ...]]]:
    """Convolve by one matrix product, and return (y, backward): x (N, C, H, W), kernel (F, C, kh, kw), bias (F,).

    y is what conv_forward gives, (N, F, P, Q). backward(dy) is a function inside this one, so that it finds the columns
    again; it returns (dx, dkernel, dbias). With R = C * kh * kw, for each sample:

        y        (F, P * Q)  =  kernel (F, R)     @  columns (R, P * Q)
        dkernel  (F, R)      =  dy (F, P * Q)     @  columns.T (P * Q, R)      summed over the samples
        dcolumns (R, P * Q)  =  kernel.T (R, F)   @  dy (F, P * Q)             then col2im

    The last exercise trains a network with this function: it should have no loop but those over the kh * kw places.

    >>> y, backward = conv_im2col(np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[1.0, 10.0]]]]), np.array([100.0]))
    >>> y
    array([[[[121., 132.]]]])
    >>> [gradient.ravel().tolist() for gradient in backward(np.ones((1, 1, 1, 2)))]
    [[1.0, 11.0, 10.0], [3.0, 5.0], [2.0]]
    """
    (N, C, H, W), (F, _, kh, kw) = x.shape, kernel.shape
    P, Q, R = H - kh + 1, W - kw + 1, C * kh * kw
    columns = np.empty((N, C, kh, kw, P, Q), x.dtype)
    for i, j in np.ndindex(kh, kw):
        columns[:, :, i, j] = x[:, :, i:i + P, j:j + Q]
    columns = columns.reshape(N, R, P * Q)
    weights = kernel.reshape(F, R)
    y = (weights @ columns).reshape(N, F, P, Q) + bias[:, None, None]

    def backward(dy: np.ndarray) -> tuple[np.ndarray, ...]:
        dy = dy.reshape(N, F, P * Q)
        dkernel = (dy @ columns.transpose(0, 2, 1)).sum(axis=0).reshape(kernel.shape)
        dcolumns = (weights.T @ dy).reshape(N, C, kh, kw, P, Q)
        dx = np.zeros(x.shape, x.dtype)
        for i, j in np.ndindex(kh, kw):
            dx[:, :, i:i + P, j:j + Q] += dcolumns[:, :, i, j]
        return dx, dkernel, dy.sum(axis=(0, 2))
    return y, backward


def conv_im2col_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; more samples, channels, kernels. The last argument is dy."""
    yield Trial("a row of three pixels, by hand",
                (np.array([[[[1.0, 2, 3]]]]), np.array([[[[1.0, 10]]]]), np.array([100.0]),
                                                   np.array([[[[1.0, 10]]]])))
    for (N, C, H, W), (F, kh, kw) in [((1, 1, 3, 3), (1, 2, 2)), ((2, 2, 4, 5), (3, 3, 2)), ((3, 2, 5, 4), (2, 2, 3)),
                                      ((2, 3, 4, 4), (3, 3, 3))]:
        yield Trial(f"{count(N, 'image')} of {C} x {H} x {W}, {count(F, 'kernel')} of {kh} x {kw}",
                    (rng.normal(size=(N, C, H, W)), rng.normal(size=(F, C, kh, kw)), rng.normal(size=F),
                     rng.normal(size=(N, F, H - kh + 1, W - kw + 1))))


CONV_IM2COL = Exercise("Convolution as a matrix product, forward and backward", "convolution", (Task(
    conv_im2col, conv_im2col_trials, observe=with_backward, returns=("y", "dx", "dkernel", "dbias"),
    axes=(("sample", "kernel", "row", "column"), ("sample", "channel", "row", "column"),
          ("kernel", "channel", "row of the kernel", "column of the kernel"), ("kernel",)),
    mistakes=(
        mistake("bias missing", "y: the bias is missing.", (" + bias[:, None, None]", "")),
        mistake("bias along the columns", "y: the bias is added along the columns of the image. It belongs to the "
                "maps: bias[:, None, None].", ("bias[:, None, None]", "np.resize(bias, Q)")),
        mistake("dkernel not summed", "dkernel: you kept the first sample's share alone. Sum over the samples.",
                (".sum(axis=0).reshape(kernel.shape)", "[0].reshape(kernel.shape)")),
        mistake("dkernel mean", "dkernel: you took the mean over the samples. It is a sum.",
                (".sum(axis=0).reshape(kernel.shape)", ".mean(axis=0).reshape(kernel.shape)")),
        mistake("dkernel last sample", "dkernel: only the last sample counts: each one overwrites the one before.",
                (".sum(axis=0).reshape(kernel.shape)", "[-1].reshape(kernel.shape)")),
        mistake("dkernel transposed", "dkernel: the product is the wrong way round, so the reshape puts its numbers "
                "in the wrong places: it is (F, R), dy @ columns.T.",
                ("(dy @ columns.transpose(0, 2, 1)).sum(axis=0)", "(dy @ columns.transpose(0, 2, 1)).sum(axis=0).T")),
        mistake("dx overwritten", "dx: windows overlap, and each place overwrites what another has stored: += in "
                "place of =.", ("+= dcolumns", "= dcolumns")),
        mistake("dx flipped", "dx: the places of the window are flipped.",
                ("dcolumns[:, :, i, j]", "dcolumns[:, :, kh - 1 - i, kw - 1 - j]")),
        mistake("dx order lost", "dx: the rows of dcolumns are read in another order than those of the columns.",
                (".reshape(N, C, kh, kw, P, Q)\n        dx",
                 ".reshape(N, kh, kw, C, P, Q).transpose(0, 3, 1, 2, 4, 5)\n        dx")),
        mistake("dbias over the batch alone", "dbias: you summed over the batch, but not over the places.",
                ("dy.sum(axis=(0, 2))", "dy.sum(axis=0)")),
        mistake("dbias over places alone", "dbias: you summed over the places, but not over the batch.",
                ("dy.sum(axis=(0, 2))", "dy.sum(axis=2)")),
        mistake("dbias over the maps", "dbias: you summed over the maps, and kept the places. Each map has a bias of "
                "its own: sum over samples and places.", ("dy.sum(axis=(0, 2))", "dy.sum(axis=(0, 1))")),
        mistake("dbias mean", "dbias: you took a mean. It is a sum.", ("dy.sum(axis=(0, 2))", "dy.mean(axis=(0, 2))")),
        mistake("dbias mean", "dbias: you divided by the number of samples. It is a sum.",
                ("dy.sum(axis=(0, 2))", "dy.sum(axis=(0, 2)) / N")),
        mistake("dbias mean", "dbias: you took the mean over the places. It is a sum.",
                ("dy.sum(axis=(0, 2))", "dy.mean(axis=2).sum(axis=0)")),
        mistake("order of outputs", "dx, dkernel and dbias are in another order: backward returns (dx, dkernel, "
                "dbias).", ("return dx, dkernel, dy.sum(axis=(0, 2))", "return dkernel, dx, dy.sum(axis=(0, 2))")),
        mistake("order of outputs", "dx, dkernel and dbias are in another order: backward returns (dx, dkernel, "
                "dbias).", ("return dx, dkernel, dy.sum(axis=(0, 2))", "return dx, dy.sum(axis=(0, 2)), dkernel")),
        mistake("order of outputs", "dx, dkernel and dbias are in another order: backward returns (dx, dkernel, "
                "dbias).", ("return dx, dkernel, dy.sum(axis=(0, 2))", "return dkernel, dy.sum(axis=(0, 2)), dx")),
        mistake("flipped kernel", "y: the kernel is flipped.", ("weights @ columns", "weights[:, ::-1] @ columns")),
        mistake("dy ignored", "dkernel: dy is not used.", ("(dy @ columns", "(np.ones_like(dy) @ columns")),
    ),
),), (
    "Forward: the columns of im2col, one product, a reshape, and the bias of each map. Backward: the three lines of "
    "the task.",
    "@ multiplies stacks of matrices, a sample at a time: (F, R) @ (N, R, P * Q) is (N, F, P * Q).",
    "dkernel = (dy @ columns.transpose(0, 2, 1)).sum(axis=0), reshaped; dcolumns = kernel.reshape(F, R).T @ dy, then "
    "the loop "
    "of col2im; dbias = dy.sum over samples and places.",
))

EXERCISES = (IM2COL, COL2IM, CONV_IM2COL)
