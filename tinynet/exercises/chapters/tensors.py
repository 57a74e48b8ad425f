"""Chapter "Tensors": shapes, indices, labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.exercises.exercise import Exercise, Task, Trial, mistake


def flatten(x: np.ndarray) -> np.ndarray:
    """Lay each image out as one row: (N, C, H, W) -> (N, C * H * W).

    The numbers of a sample keep their order: channel by channel, row by row.

    >>> flatten(np.array([[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]]))      # two images of one channel
    array([[1, 2, 3, 4],
           [5, 6, 7, 8]])
    """
    return x.reshape(len(x), -1)


def flatten_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """Two images by hand; then other shapes."""
    yield Trial("two images of 2 x 2", (np.arange(1.0, 9).reshape(2, 1, 2, 2),))
    for shape in (2, 3, 4, 5), (4, 2, 2, 3), (3, 3, 3, 3), (1, 2, 3, 2):
        yield Trial(f"x of the shape {shape}", (rng.normal(size=shape),))


FLATTEN = Exercise("Images as rows of numbers", "tensors", (Task(
    flatten, flatten_trials, may_share=True, axes=(("sample", "number"),),
    mistakes=(
        mistake("batch lost", "you made one row of the whole batch. The first axis counts the samples, and stays: each "
                "image has a row of its own.", ("x.reshape(len(x), -1)", "x.reshape(-1)")),
        mistake("batch lost", "you made one row of the whole batch. The first axis counts the samples, and stays: each "
                "image has a row of its own.", ("x.reshape(len(x), -1)", "x.reshape(1, -1)")),
        mistake("one column", "you made a column of all numbers. A sample is a row: the second axis has all the "
                "numbers of one image.", ("x.reshape(len(x), -1)", "x.reshape(-1, 1)")),
        mistake("one sample", "you flattened the first image alone. All samples are wanted, a row each.",
                ("x.reshape(len(x), -1)", "x[0].reshape(1, -1)")),
        mistake("order of axes", "the numbers of a row are in another order: the channels vary fastest, as if they "
                "stood last. Here the channels come first, so that a whole channel lies together.",
                ("x.reshape", "x.transpose(0, 2, 3, 1).reshape")),
        mistake("order of axes", "rows and columns are exchanged: the numbers go down the columns of an image. NumPy's "
                "order, and that of the task, goes along its rows.", ("x.reshape", "x.swapaxes(2, 3).reshape")),
        mistake("order of axes", "the numbers run in Fortran's order, the first axis fastest. The task wants "
                "NumPy's, the last axis fastest.", ("-1)", "-1, order=\"F\")")),
        mistake("samples as columns", "samples became columns: the shape is (C * H * W, N). A sample is a row.",
                ("-1)", "-1).T")),
        mistake("numbers mixed", "numbers of different samples are in one row: you reshaped to (C * H * W, N) and "
                "transposed. `reshape` keeps the order of numbers, and does not move axes.",
                ("x.reshape(len(x), -1)", "x.reshape(-1, len(x)).T")),
        mistake("channels apart", "each channel has a row of its own. An image has all of its channels in one row.",
                ("x.reshape(len(x), -1)", "x.reshape(len(x), x.shape[1], -1)")),
        mistake("channels apart", "each channel has a row of its own. An image has all of its channels in one row.",
                ("x.reshape(len(x), -1)", "x.reshape(len(x) * x.shape[1], -1)")),
    ),
),), (
    "What does the first axis of x count? It has to stay, all others become one.",
    "np.reshape keeps the numbers in their order: no transpose is needed.",
    "x.reshape(number of samples, -1): for -1 NumPy works out the size that is left over.",
))


def im2col_indices(height: int, width: int, kh: int, kw: int) -> tuple[np.ndarray, np.ndarray]:
    """Say which pixels the windows of a convolution look at: their rows and their columns, (kh * kw, P * Q) each.

    A window of kh x kw slides over an image of height x width, a pixel at a time: P = height - kh + 1 places down and
    Q = width - kw + 1 across. Row i * kw + j of the result belongs to place (i, j) inside the window, column p * Q + q
    to the window whose upper left corner is pixel (p, q). That place of that window lies on pixel (p + i, q + j).
    Then image[rows, columns] has a window in each column.

    >>> rows, columns = im2col_indices(2, 3, 2, 2)       # two windows, of four pixels each
    >>> rows
    array([[0, 0],
           [0, 0],
           [1, 1],
           [1, 1]])
    >>> columns
    array([[0, 1],
           [1, 2],
           [0, 1],
           [1, 2]])
    """
    P, Q = height - kh + 1, width - kw + 1
    i, j = np.repeat(np.arange(kh), kw), np.tile(np.arange(kw), kh)      # (kh * kw,): the place in the window
    p, q = np.repeat(np.arange(P), Q), np.tile(np.arange(Q), P)          # (P * Q,): the window's corner
    return i[:, None] + p, j[:, None] + q


def im2col_indices_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """The sizes of the example, then larger ones."""
    del rng                                      # nothing is drawn: sizes say it all
    for sizes in (2, 3, 2, 2), (4, 4, 2, 2), (4, 5, 3, 2), (6, 4, 2, 3), (5, 5, 3, 3), (3, 4, 3, 4), (3, 4, 1, 1):
        yield Trial("height {}, width {}, kh {}, kw {}".format(*sizes), sizes)


IM2COL_INDICES = Exercise("Which pixel each place of each window looks at", "tensors", (Task(
    im2col_indices, im2col_indices_trials, returns=("rows", "columns"), whole=True,
    axes=(("place of the window", "window"), ("place of the window", "window")),
    mistakes=(
        mistake("output size", "there are height - kh + 1 places for the window, not height - kh: it also fits at the "
                "very end.", ("height - kh + 1, width - kw + 1", "height - kh, width - kw")),
        mistake("windows do not overlap", "your windows stand side by side. They move by one pixel, and overlap.",
                ("i[:, None] + p, j[:, None] + q", "i[:, None] + p * kh, j[:, None] + q * kw")),
        mistake("order of places", "the places of the window run down its columns. Row i * kw + j belongs to place ("
                "i, j): j changes fastest.",
                ("np.repeat(np.arange(kh), kw), np.tile(np.arange(kw), kh)",
                 "np.tile(np.arange(kh), kw), np.repeat(np.arange(kw), kh)")),
        mistake("order of windows", "the windows run down the image. Column p * Q + q belongs to corner (p, q): q "
                "changes fastest.",
                ("np.repeat(np.arange(P), Q), np.tile(np.arange(Q), P)",
                 "np.tile(np.arange(P), Q), np.repeat(np.arange(Q), P)")),
        mistake("window as row", "windows are rows in yours. A window is a column, a place inside the window a row.",
                ("i[:, None] + p, j[:, None] + q", "(i[:, None] + p).T, (j[:, None] + q).T")),
        mistake("window as row", "windows are rows in yours, brought to the other shape by a reshape. That moves no "
                "number: a window becomes a column by a transpose.",
                ("i[:, None] + p, j[:, None] + q",
                 "(i[:, None] + p).T.reshape(kh * kw, -1), (j[:, None] + q).T.reshape(kh * kw, -1)")),
        mistake("corner alone", "you give the corner of each window for all of its places: add i and j, the place "
                "inside the window.", ("i[:, None] + p, j[:, None] + q", "0 * i[:, None] + p, 0 * j[:, None] + q")),
        mistake("place alone", "you give the place inside the window, without where the window stands: add p and q.",
                ("i[:, None] + p, j[:, None] + q", "i[:, None] + 0 * p, j[:, None] + 0 * q")),
        mistake("kh and kw exchanged", "kh and kw are exchanged: kh is how many rows a window has.",
                ("P, Q = height - kh + 1", "kh, kw = kw, kh\n    P, Q = height - kh + 1")),
        mistake("P and Q exchanged", "p and q got each other's range: p runs over P rows of windows, q over Q.",
                ("p, q = np", "P, Q = Q, P\n    p, q = np")),
        mistake("one loop", "p and q run together, like i and j: that gives the diagonal alone. Each p goes with "
                "each q.",
                ("np.repeat(np.arange(P), Q), np.tile(np.arange(Q), P)",
                 "np.arange(P * Q) % P, np.arange(P * Q) % Q")),
        mistake("from one", "indices begin at 0, in Python: yours begin at 1.",
                ("i[:, None] + p, j[:, None] + q", "i[:, None] + p + 1, j[:, None] + q + 1")),
        mistake("flipped", "your window runs backwards: its place (0, 0) is the upper left pixel, not the lower "
                "right one.", ("i[:, None] + p, j[:, None] + q", "i[::-1, None] + p, j[::-1, None] + q")),
    ),
),), (
    "Each entry is a sum of two numbers: where the window stands, and where in the window we are.",
    "Make four vectors first: i and j for the kh * kw places, p and q for the P * Q windows. np.repeat and np.tile "
    "do it, "
    "or two loops.",
    "rows = i[:, None] + p, and the same with j and q: broadcasting adds each i to each p.",
))


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Write each label as a row with a 1 at its class and 0 elsewhere: (N,) -> (N, classes).

    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    rows = np.zeros((len(labels), classes))
    rows[np.arange(len(labels)), labels] = 1
    return rows


def one_hot_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """The example; then the last class missing, labels twice, more classes than labels."""
    yield Trial("labels 2 and 0 of 3 classes", (np.array([2, 0]), 3))
    missing = {"highest label": "the last class does not occur among the labels"}
    yield Trial("labels 1, 0, 1 of 4 classes", (np.array([1, 0, 1]), 4), missing)
    yield Trial("ten digits in order", (np.arange(10), 10))
    yield Trial("20 digits, drawn", (np.append(rng.integers(0, 9, 19), 9), 10))
    yield Trial("labels 3, 3 of 5 classes", (np.array([3, 3]), 5), missing)


ONE_HOT = Exercise("Labels as targets", "tensors", (Task(
    one_hot, one_hot_trials, axes=(("sample", "class"),),
    mistakes=(
        mistake("classes from labels", "you took the number of classes from the labels. A batch need not hold all "
                "of them: `classes` says how many there are.", ("classes))", "labels.max() + 1))")),
        mistake("all rows", "you put a 1 into every row at every label: rows[:, labels] = 1. Each row has a label "
                "of its own; pair row numbers with labels, rows[np.arange(N), labels].",
                ("rows[np.arange(len(labels)), labels]", "rows[:, labels]")),
        mistake("whole rows", "you set whole rows to 1: rows[labels] = 1 picks rows by the label. The row is the "
                "sample, the column is the class.",
                ("np.zeros((len(labels), classes))", "np.zeros((max(len(labels), classes), classes))"),
                ("rows[np.arange(len(labels)), labels] = 1\n    return rows",
                 "rows[labels] = 1\n    return rows[:len(labels)]")),
        mistake("whole rows", "rows[labels] picks rows by the label. The row is the sample, the column is the class: "
                "rows[np.arange(N), labels].", ("rows[np.arange(len(labels)), labels]", "rows[labels]")),
        mistake("labels ignored", "the ones stand on a diagonal: the labels are not used. np.eye(classes)[labels] "
                "takes for each label its row.",
                ("rows[np.arange(len(labels)), labels] = 1\n    return rows", "return np.eye(len(labels), classes)")),
        mistake("labels ignored", "you return a row for each class, in order: the labels are not used. "
                "np.eye(classes)[labels] takes for each label its row.",
                ("rows[np.arange(len(labels)), labels] = 1\n    return rows", "return np.eye(classes)")),
        mistake("label as value", "you wrote the label into all of its row. It says where in the row the 1 stands.",
                ("rows[np.arange(len(labels)), labels] = 1", "rows += labels[:, None]")),
        mistake("transposed", "classes are rows in yours: the shape should be (N, classes).",
                ("return rows", "return rows.T")),
        mistake("off by one", "every 1 stands one class too far to the left, as if labels began at 1. The first "
                "class is 0.", ("labels] = 1", "labels - 1] = 1")),
        mistake("off by one", "every 1 stands one class too far to the right. The first class is 0, the first column.",
                ("labels] = 1", "(labels + 1) % classes] = 1")),
        mistake("label as value", "you stored the label. The number to store is 1; the label says where.",
                ("labels] = 1", "labels] = labels")),
        mistake("zeros and ones exchanged", "0 and 1 are exchanged: the label's place has the 0.",
                ("np.zeros", "np.ones"), ("= 1\n", "= 0\n")),
        mistake("one sample", "only the first sample got its 1.",
                ("rows[np.arange(len(labels)), labels]", "rows[0, labels[0]]")),
    ),
),), (
    "Begin with zeros of the right shape. Which one entry of row n becomes 1?",
    "A loop does it: rows[n, labels[n]] = 1. NumPy takes all n at once, with two arrays as indices.",
    "rows[np.arange(len(labels)), labels] = 1; or compare: labels[:, None] == np.arange(classes), as numbers.",
))

EXERCISES = (FLATTEN, IM2COL_INDICES, ONE_HOT)
