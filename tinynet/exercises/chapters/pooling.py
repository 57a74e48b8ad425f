"""Chapter "Pooling": the largest and the mean of each square, and their gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.exercises.exercise import Exercise, Task, Trial, mistake
from tinynet.exercises.marking.worked import count, total

AXES = (("sample", "channel", "row", "column"),)
OVER = {"left over": "the size of the image is no multiple of the window's: what is left over at the end is not used"}


def max_pool(x: np.ndarray, size: int) -> np.ndarray:
    """Take the largest pixel of each square of size x size: x (N, C, H, W) -> (N, C, H // size, W // size).

    The squares lie side by side. Rows and columns that are left over at the end are not used.

    >>> max_pool(np.array([[[[1.0, 2.0, 5.0], [4.0, 3.0, 6.0]]]]), 2)     # 2 x 3 pixels: the last column is left over
    array([[[[4.]]]])
    """
    N, C, H, W = x.shape
    P, Q = H // size, W // size
    y = np.zeros((N, C, P, Q))
    for p, q in np.ndindex(P, Q):
        y[:, :, p, q] = x[:, :, p * size:(p + 1) * size, q * size:(q + 1) * size].max(axis=(2, 3))
    return y


def pool_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; negative pixels; other sizes; with something left over."""
    yield Trial("4 x 4 pixels by hand", (np.array([[[[1.0, 2, 5, 0], [4, 3, 6, 7], [9, 8, 0, 1], [2, 0, 3, 2]]]]), 2))
    yield Trial("negative pixels", (-rng.uniform(1, 2, (2, 2, 4, 2)), 2), {"negative": "all pixels are negative"})
    for shape, size in ((2, 3, 4, 6), 2), ((3, 2, 6, 3), 3), ((2, 2, 4, 4), 2):
        yield Trial(f"{count(shape[0], 'image')} of {shape[1]} x {shape[2]} x {shape[3]}, squares of {size}",
                    (rng.normal(size=shape), size))
    yield Trial("images of 5 x 7, squares of 2", (rng.normal(size=(2, 2, 5, 7)), 2), OVER)


def window(index: tuple[int, ...], size: int, of: str = "x") -> list[str]:
    """List the pixels of the square at (p, q)."""
    n, c, p, q = index
    return [f"{of}[{n}, {c}, {p * size + i}, {q * size + j}]" for i, j in np.ndindex(size, size)]


WINDOW = "x[:, :, p * size:(p + 1) * size, q * size:(q + 1) * size]"
WHERE = "p * size:(p + 1) * size, q * size:(q + 1) * size"

MAX_POOL = Exercise("Max pooling", "pooling", (Task(
    max_pool, pool_trials, axes=AXES, by_hand=lambda index, x, size: f"max({', '.join(window(index, size))})",
    mistakes=(
        mistake("mean", "you took the mean of each square. Max pooling takes the largest.", (".max(", ".mean(")),
        mistake("sum", "you took the sum of each square. Max pooling takes the largest.", (".max(", ".sum(")),
        mistake("minimum", "you took the smallest of each square.", (".max(", ".min(")),
        mistake("first pixel", "you took the first pixel of each square, x[::size]. The largest is wanted.",
                (WINDOW + ".max(axis=(2, 3))", "x[:, :, p * size, q * size]")),
        mistake("overlapping squares", "your squares move by one pixel. They lie side by side: the next begins "
                "`size` later.", (WHERE, "p:p + size, q:q + size")),
        mistake("overlapping squares", "your squares move by one pixel. They lie side by side: the next begins "
                "`size` later.", ("P, Q = H // size, W // size", "P, Q = H - size + 1, W - size + 1"),
                (WHERE, "p:p + size, q:q + size")),
        mistake("end of the square", "your square ends at p + size, where it begins at p * size: further on it is "
                "empty. It ends at (p + 1) * size.", (WHERE, "p * size:p + size, q * size:q + size")),
        mistake("over everything", "you took the largest of all samples and channels: max(axis=(2, 3)) keeps them "
                "apart.", (".max(axis=(2, 3))", ".max()")),
        mistake("absolute", "you compared sizes without their signs: the largest number is wanted, negative or not.",
                (WINDOW + ".max", "abs(" + WINDOW + ").max")),
        mistake("starts at 0", "a square of negative pixels gives 0: your maximum begins at 0. Begin with the first "
                "pixel, or with -inf.", (".max(axis=(2, 3))", ".max(axis=(2, 3), initial=0)")),
        mistake("over channels", "you took the largest over the channels, too. Each channel is pooled by itself.",
                (".max(axis=(2, 3))", ".max(axis=(1, 2, 3))[:, None]")),
        mistake("over the batch", "you took the largest over the batch, too. Each image is pooled by itself.",
                (".max(axis=(2, 3))", ".max(axis=(0, 2, 3))")),
        mistake("whole image", "you took the largest of the whole image.",
                ("    return y", "    return x.max(axis=(2, 3))")),
        mistake("index", "you return where the largest is: argmax in place of max.",
                (WINDOW + ".max(axis=(2, 3))", WINDOW + ".reshape(N, C, -1).argmax(axis=2)")),
        mistake("rounded up", "the rows and columns left over at the end made squares of their own. They are not "
                "used: H // size.", ("P, Q = H // size, W // size", "P, Q = -(-H // size), -(-W // size)")),
        mistake("rows alone", "you pooled the rows alone.",
                ("    return y", "    return x[:, :, :P * size].reshape(N, C, P, size, W).max(axis=3)")),
        mistake("one square missing", "the last row and column of squares are left out.",
                ("np.ndindex(P, Q)", "np.ndindex(max(P - 1, 1), max(Q - 1, 1))")),
        mistake("always 2", "the squares are always 2 x 2: `size` is not used.",
                ("N, C, H, W = x.shape", "size = 2\n    N, C, H, W = x.shape")),
        mistake("p and q exchanged", "p and q are exchanged: p counts the rows.",
                (WHERE, "(q * size) % max(H - size + 1, 1):(q * size) % max(H - size + 1, 1) + size, "
                 "(p * size) % max(W - size + 1, 1):(p * size) % max(W - size + 1, 1) + size")),
        mistake("reshaped wrongly", "you reshaped to squares with the axes in the wrong order: a square of pixels "
                "is not a run of neighbours in memory. Reshape to (N, C, P, size, Q, size), and take the maximum "
                "over axes 3 and 5.",
                ("    return y",
                 "    return x[:, :, :P * size, :Q * size].reshape(N, C, P, Q, size, size).max(axis=(4, 5))")),
        mistake("reshaped wrongly", "you reshaped to (N, C, size, P, size, Q), and so the pixels of a square lie P "
                "rows apart. Reshape to (N, C, P, size, Q, size), and take the maximum over axes 3 and 5.",
                ("    return y",
                 "    return x[:, :, :P * size, :Q * size].reshape(N, C, size, P, size, Q).max(axis=(2, 4))")),
        mistake("diagonal", "only the two corners of each square are compared.",
                ("    return y",
                 "    return np.maximum(x[:, :, 0:P * size:size, 0:Q * size:size], x[:, :, size - 1:P * size:size, "
                 "size - 1:Q * size:size])")),
    ),
),), (
    "Output (p, q) looks at the square whose corner is pixel (p * size, q * size).",
    "A square is x[:, :, p * size:(p + 1) * size, q * size:(q + 1) * size]; its maximum is over axes 2 and 3.",
    "Loop over p and q; or cut off what is left over, reshape to (N, C, P, size, Q, size), and .max(axis=(3, 5)).",
))


def max_pool_gradient(dy: np.ndarray, x: np.ndarray, size: int) -> np.ndarray:
    """Return d loss / d x of max pooling: dy (N, C, P, Q), x (N, C, H, W) -> (N, C, H, W).

    Of each square only the largest pixel made a difference: it gets the square's dy, all others get 0. Where several
    are largest, the first of them, row by row, takes it all. What was left over at the end gets 0.

    >>> max_pool_gradient(np.array([[[[10.0]]]]), np.array([[[[1.0, 4.0], [4.0, 3.0]]]]), 2)
    array([[[[ 0., 10.],
             [ 0.,  0.]]]])
    """
    dx = np.zeros(x.shape)
    for n, c, p, q in np.ndindex(dy.shape):
        square = x[n, c, p * size:(p + 1) * size, q * size:(q + 1) * size]
        i, j = divmod(int(square.argmax()), size)
        dx[n, c, p * size + i, q * size + j] = dy[n, c, p, q]
    return dx


def max_pool_gradient_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; with ties; other sizes; with something left over."""
    ties = {"ties": "several pixels of a square are largest"}
    yield Trial("4 x 2 pixels by hand",
                (np.array([[[[10.0], [20]]]]), np.array([[[[1.0, 4], [2, 3], [5, 1], [0, -1]]]]), 2))
    yield Trial("two equal pixels", (np.array([[[[10.0]]]]), np.array([[[[1.0, 4], [4, 3]]]]), 2), ties)
    yield Trial("blank squares, all pixels equal", (rng.normal(size=(2, 1, 2, 2)), np.zeros((2, 1, 4, 4)), 2),
                {**ties, "zero": "the largest pixel is 0"})
    for shape, size in ((2, 3, 4, 6), 2), ((3, 2, 6, 3), 3):
        dy = rng.normal(size=(*shape[:2], shape[2] // size, shape[3] // size))
        yield Trial(f"{count(shape[0], 'image')} of {shape[1]} x {shape[2]} x {shape[3]}, squares of {size}",
                    (dy, rng.normal(size=shape), size))
    yield Trial("whole numbers from 0 to 2",
                (rng.normal(size=(2, 2, 3, 3)), rng.integers(0, 3, (2, 2, 6, 6)) * 1.0, 2), ties)
    yield Trial("images of 5 x 7, squares of 2",
                (rng.normal(size=(2, 2, 2, 3)), rng.normal(size=(2, 2, 5, 7)), 2), OVER)


PUT = "dx[n, c, p * size + i, q * size + j] = dy[n, c, p, q]"
SQUARE = "dx[n, c, p * size:(p + 1) * size, q * size:(q + 1) * size]"
MAX_POOL_GRADIENT = Exercise("Back through max pooling: the winner takes it", "pooling", (Task(
    max_pool_gradient, max_pool_gradient_trials, axes=AXES, mistakes=(
        mistake("ties", "where several pixels of a square are largest, all of them get dy. One alone may: the first,"
                " row by row; otherwise more goes back than came in.",
                (PUT, SQUARE + " = dy[n, c, p, q] * (square == square.max())")),
        mistake("last of ties", "where several pixels of a square are largest, the last one gets dy. Here it is the "
                "first, row by row.",
                ("divmod(int(square.argmax()), size)",
                 "divmod(size * size - 1 - int(square.ravel()[::-1].argmax()), size)")),
        mistake("shared between ties", "where several pixels of a square are largest, dy is shared out among them. "
                "Here the first, row by row, takes it all.",
                (PUT, SQUARE + " = dy[n, c, p, q] * (square == square.max()) / (square == square.max()).sum()")),
        mistake("first by columns", "where several pixels of a square are largest, you take the first down the "
                "columns. Here it is the first row by row.",
                ("i, j = divmod(int(square.argmax()), size)", "j, i = divmod(int(square.T.argmax()), size)")),
        mistake("all pixels", "every pixel of a square gets its dy. Only the largest made a difference.",
                (PUT, SQUARE + " = dy[n, c, p, q]")),
        mistake("as average", "every pixel of a square gets a share of dy: that is average pooling. Here the "
                "largest takes it all.", (PUT, SQUARE + " = dy[n, c, p, q] / size ** 2")),
        mistake("first pixel", "the first pixel of each square gets dy. The largest should.",
                ("+ i, q * size + j]", ", q * size]")),
        mistake("i and j exchanged", "row and column of the winner are exchanged: its number in the square is i * "
                "size + j.", ("i, j = divmod", "j, i = divmod")),
        mistake("pixel in place of dy", "the winner gets its own pixel. It should get dy.",
                ("= dy[n, c, p, q]", "= square.max()")),
        mistake("dy times pixel", "the winner gets dy times its pixel. The slope is 1: it gets dy.",
                ("= dy[n, c, p, q]", "= dy[n, c, p, q] * square.max()")),
        mistake("dy ignored", "the winner gets 1. That is the slope; times dy it is the gradient.",
                ("= dy[n, c, p, q]", "= 1")),
        mistake("smallest", "the smallest pixel gets dy.", ("square.argmax()", "square.argmin()")),
        mistake("largest in absolute value", "you looked for the largest without its sign.",
                ("square.argmax()", "abs(square).argmax()")),
        mistake("first channel", "the winners are those of the first channel. Each channel has its own.",
                ("square = x[n, c,", "square = x[n, 0,")),
        mistake("first sample", "the winners are those of the first sample. Each sample has its own.",
                ("square = x[n, c,", "square = x[0, c,")),
        mistake("position in the image", "you put dy at the place inside the square, not in the image: add p * size "
                "and q * size.", ("p * size + i, q * size + j] =", "i, j] =")),
        mistake("position in the image", "you put dy at the place inside the square, not in the image: add p * size "
                "and q * size.", ("p * size + i, q * size + j] =", "i, j] +=")),
        mistake("left over missing", "the shape is too small: dx has the shape of x, also where rows or columns were "
                "left over.",
                ("    return dx", "    return dx[:, :, :dy.shape[2] * size, :dy.shape[3] * size].copy()")),
        mistake("overlapping squares", "your squares begin at (p, q). They begin at (p * size, q * size).",
                ("square = x[n, c, p * size:(p + 1) * size, q * size:(q + 1) * size]",
                 "square = x[n, c, p:p + size, q:q + size]"), ("p * size + i, q * size + j] =", "p + i, q + j] +=")),
        mistake("sign", "the sign is wrong.", ("= dy[n", "= -dy[n")),
        mistake("winners of zero", "nothing goes back where the largest pixel is 0 (or below): the mask must "
                "compare with the maximum, not multiply by the pixel.",
                ("= dy[n, c, p, q]", "= dy[n, c, p, q] * (square.max() > 0)")),
        mistake("last square missing", "the last row and column of squares are left out.",
                ("np.ndindex(dy.shape)",
                 "np.ndindex(*dy.shape[:2], max(dy.shape[2] - 1, 1), max(dy.shape[3] - 1, 1))")),
    ),
),), (
    "Loop over the squares. In each, find the largest pixel, and store dy there; all else stays 0.",
    "argmax of a square counts its pixels row by row and gives the first of equal ones. divmod(number, size) is its "
    "row and "
    "column.",
    "dx[n, c, p * size + i, q * size + j] = dy[n, c, p, q], with i, j = divmod(square.argmax(), size).",
))


def average_pool(x: np.ndarray, size: int) -> np.ndarray:
    """Take the mean of each square of size x size: x (N, C, H, W) -> (N, C, H // size, W // size).

    The squares lie side by side. Rows and columns that are left over at the end are not used.

    >>> average_pool(np.array([[[[1.0, 2.0, 5.0], [4.0, 3.0, 6.0]]]]), 2)
    array([[[[2.5]]]])
    """
    N, C, H, W = x.shape
    P, Q = H // size, W // size
    y = np.zeros((N, C, P, Q))
    for p, q in np.ndindex(P, Q):
        y[:, :, p, q] = x[:, :, p * size:(p + 1) * size, q * size:(q + 1) * size].mean(axis=(2, 3))
    return y


AVERAGE_POOL = Exercise("Average pooling", "pooling", (Task(
    average_pool, pool_trials, axes=AXES,
    by_hand=lambda index, x, size: f"({total(window(index, size))}) / {size ** 2}",
    mistakes=(
        mistake("sum", "you took the sum of each square. It is the mean: divided by size * size.", (".mean(", ".sum(")),
        mistake("maximum", "you took the largest of each square.", (".mean(", ".max(")),
        mistake("divided by size", "you divided by size. A square has size * size pixels.",
                (".mean(axis=(2, 3))", ".sum(axis=(2, 3)) / size")),
        mistake("divided by 4", "you always divide by 4. A square has size * size pixels.",
                (".mean(axis=(2, 3))", ".sum(axis=(2, 3)) / 4")),
        mistake("first pixel", "you took the first pixel of each square.",
                (WINDOW + ".mean(axis=(2, 3))", "x[:, :, p * size, q * size]")),
        mistake("overlapping squares", "your squares move by one pixel. They lie side by side.",
                (WHERE, "p:p + size, q:q + size")),
        mistake("overlapping squares", "your squares move by one pixel. They lie side by side.",
                ("P, Q = H // size, W // size", "P, Q = H - size + 1, W - size + 1"),
                (WHERE, "p:p + size, q:q + size")),
        mistake("end of the square", "your square ends at p + size, where it begins at p * size: further on it is "
                "empty. It ends at (p + 1) * size.", (WHERE, "p * size:p + size, q * size:q + size")),
        mistake("over everything", "you took the mean of all samples and channels: mean(axis=(2, 3)) keeps them apart.",
                (".mean(axis=(2, 3))", ".mean()")),
        mistake("over channels", "you took the mean over the channels, too. Each channel is pooled by itself.",
                (".mean(axis=(2, 3))", ".mean(axis=(1, 2, 3))[:, None]")),
        mistake("over the batch", "you took the mean over the batch, too.",
                (".mean(axis=(2, 3))", ".mean(axis=(0, 2, 3))")),
        mistake("whole image", "you took the mean of the whole image.",
                ("    return y", "    return x.mean(axis=(2, 3))")),
        mistake("median", "you took the median of each square.",
                (WINDOW + ".mean(axis=(2, 3))", "np.median(" + WINDOW + ", axis=(2, 3))")),
        mistake("rounded up", "the rows and columns left over at the end made squares of their own. They are not used.",
                ("P, Q = H // size, W // size", "P, Q = -(-H // size), -(-W // size)")),
        mistake("always 2", "the squares are always 2 x 2: `size` is not used.",
                ("N, C, H, W = x.shape", "size = 2\n    N, C, H, W = x.shape")),
        mistake("rows alone", "you pooled the rows alone.",
                ("    return y", "    return x[:, :, :P * size].reshape(N, C, P, size, W).mean(axis=3)")),
        mistake("one square missing", "the last row and column of squares are left out.",
                ("np.ndindex(P, Q)", "np.ndindex(max(P - 1, 1), max(Q - 1, 1))")),
        mistake("reshaped wrongly", "you reshaped to squares with the axes in the wrong order: a square of pixels "
                "is not a run of neighbours in memory. Reshape to (N, C, P, size, Q, size), and take the mean over "
                "axes 3 and 5.",
                ("    return y",
                 "    return x[:, :, :P * size, :Q * size].reshape(N, C, P, Q, size, size).mean(axis=(4, 5))")),
        mistake("reshaped wrongly", "you reshaped to (N, C, size, P, size, Q), and so the pixels of a square lie P "
                "rows apart. Reshape to (N, C, P, size, Q, size), and take the mean over axes 3 and 5.",
                ("    return y",
                 "    return x[:, :, :P * size, :Q * size].reshape(N, C, size, P, size, Q).mean(axis=(2, 4))")),
        mistake("half of it", "you took the mean of the largest and the smallest.",
                (WINDOW + ".mean(axis=(2, 3))",
                 "(" + WINDOW + ".max(axis=(2, 3)) + " + WINDOW + ".min(axis=(2, 3))) / 2")),
        mistake("divided by the image", "you divided by the number of squares, or of the image's pixels, not of the "
                "square's.", (".mean(axis=(2, 3))", ".sum(axis=(2, 3)) / (P * Q)")),
    ),
),), (
    "It is max_pool with one word changed.",
    "The mean of a square is over axes 2 and 3 of x[:, :, p * size:(p + 1) * size, q * size:(q + 1) * size].",
    "y[:, :, p, q] = square.mean(axis=(2, 3)).",
))


def average_pool_gradient(dy: np.ndarray, shape: tuple[int, int, int, int], size: int) -> np.ndarray:
    """Return d loss / d x of average pooling: dy (N, C, P, Q) -> `shape`, that of x, (N, C, H, W).

    Every pixel of a square had the same part in its mean. What was left over at the end had none, and gets 0.

    >>> average_pool_gradient(np.array([[[[8.0]]]]), (1, 1, 2, 3), 2)
    array([[[[2., 2., 0.],
             [2., 2., 0.]]]])
    """
    dx = np.zeros(shape)
    for p, q in np.ndindex(dy.shape[2:]):
        square = dx[:, :, p * size:(p + 1) * size, q * size:(q + 1) * size]
        square[...] = dy[:, :, p:p + 1, q:q + 1] / size ** 2
    return dx


def average_pool_gradient_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; other sizes; with something left over."""
    yield Trial("one square, by hand", (np.array([[[[8.0]]]]), (1, 1, 2, 2), 2))
    for shape, size in ((1, 1, 4, 4), 2), ((2, 3, 4, 6), 2), ((3, 2, 6, 3), 3):
        yield Trial(f"{count(shape[0], 'image')} of {shape[1]} x {shape[2]} x {shape[3]}, squares of {size}",
                    (rng.normal(size=(*shape[:2], shape[2] // size, shape[3] // size)), shape, size))
    yield Trial("images of 5 x 7, squares of 2", (rng.normal(size=(2, 2, 2, 3)), (2, 2, 5, 7), 2), OVER)


AVERAGE_POOL_GRADIENT = Exercise("Back through average pooling", "pooling", (Task(
    average_pool_gradient, average_pool_gradient_trials, axes=AXES,
    by_hand=lambda index, dy, shape, size: "dy[{}, {}, {}, {}] / {}".format(
        *index[:2], index[2] // size, index[3] // size, size ** 2) if index[2] // size < dy.shape[2]
    and index[3] // size < dy.shape[3] else "0",
    mistakes=(
        mistake("not divided", "every pixel gets the whole dy. It had a part of 1 / (size * size) in the mean.",
                (" / size ** 2", "")),
        mistake("divided by size", "you divided by size. A square has size * size pixels.", ("size ** 2", "size")),
        mistake("divided by 4", "you always divide by 4. A square has size * size pixels.", ("size ** 2", "4")),
        mistake("first pixel", "only the first pixel of each square gets something. All of them had the same part.",
                ("square[...] = dy[:, :, p:p + 1, q:q + 1] / size ** 2", "square[:, :, 0, 0] = dy[:, :, p, q]")),
        mistake("first pixel", "only the first pixel of each square gets something. All of them had the same part.",
                ("square[...] = dy[:, :, p:p + 1, q:q + 1] / size ** 2",
                 "square[:, :, 0, 0] = dy[:, :, p, q] / size ** 2")),
        mistake("first dy", "every square gets the dy of the first one.", ("p:p + 1, q:q + 1]", ":1, :1]")),
        mistake("overlapping squares", "your squares begin at (p, q). They begin at (p * size, q * size).",
                ("dx[:, :, p * size:(p + 1) * size, q * size:(q + 1) * size]", "dx[:, :, p:p + size, q:q + size]")),
        mistake("tiled", "dy is laid out again and again, like tiles. Each of its numbers belongs to one square: "
                "repeat, not tile.",
                ("    return dx",
                 "    big = np.tile(dy / size ** 2, (1, 1, size, size))\n    dx[:, :, :big.shape[2], "
                 ":big.shape[3]] = big\n    return dx")),
        mistake("left over", "the rows and columns left over have something. They had no part in any square, and "
                "get 0.",
                ("    return dx",
                 "    return np.pad(dx[:, :, :dy.shape[2] * size, :dy.shape[3] * size], ((0, 0), (0, 0), (0, "
                 "shape[2] - dy.shape[2] * size), (0, shape[3] - dy.shape[3] * size)), mode=\"edge\")")),
        mistake("left over missing", "the shape is too small: dx has the shape of x, also where rows or columns "
                "were left over.", ("    return dx", "    return dx[:, :, :dy.shape[2] * size, :dy.shape[3] * size]")),
        mistake("mean over the batch", "you divided by the batch size.", ("size ** 2", "size ** 2 / len(dy)")),
        mistake("divided by places", "you divided by the number of squares, not by the pixels of one.",
                ("size ** 2", "(dy.shape[2] * dy.shape[3])")),
        mistake("divided by the image", "you divided by the number of all pixels of the image.",
                ("size ** 2", "(shape[2] * shape[3])")),
        mistake("rows alone", "only the first row of each square gets something.",
                ("square[...] =", "square[:, :, :1] =")),
        mistake("columns alone", "only the first column of each square gets something.",
                ("square[...] =", "square[:, :, :, :1] =")),
        mistake("multiplied", "you multiplied by the number of pixels in place of dividing.",
                ("/ size ** 2", "* size ** 2")),
        mistake("sign", "the sign is wrong.", ("= dy[:", "= -dy[:")),
        mistake("dy ignored", "dy is not used: every pixel gets its part in the mean.",
                ("dy[:, :, p:p + 1, q:q + 1] /", "1 /")),
        mistake("always 2", "the squares are always 2 x 2: `size` is not used.",
                ("    dx = np", "    size = 2\n    dx = np")),
    ),
),), (
    "A pixel has the part 1 / (size * size) in the mean of its square. What does it get of dy?",
    "All pixels of square (p, q) get the same: dy[:, :, p, q] / size ** 2. What is in no square stays 0.",
    "dx[:, :, p * size:(p + 1) * size, q * size:(q + 1) * size] = dy[:, :, p:p + 1, q:q + 1] / size ** 2.",
))

EXERCISES = (MAX_POOL, MAX_POOL_GRADIENT, AVERAGE_POOL, AVERAGE_POOL_GRADIENT)
