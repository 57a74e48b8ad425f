"""Chapter "Convolution", forward: loops, sizes, padding and stride."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.exercises.exercise import Exercise, Task, Trial, mistake
from tinynet.exercises.marking.worked import count, total


def conv_forward(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Convolve images: x (N, C, H, W), kernel (F, C, kh, kw), bias (F,) -> (N, F, H - kh + 1, W - kw + 1).

    Every one of F kernels slides over every image. Its output at (p, q) is the sum, over all channels c and all places
    (i, j) in the window, of kernel[f, c, i, j] * x[n, c, p + i, q + j], plus bias[f]. The kernel is not flipped.

    >>> image = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])         # 2 x 3 pixels, one channel
    >>> conv_forward(image, np.array([[[[1.0, 10.0]]]]), np.array([100.0]))
    array([[[[121., 132.],
             [154., 165.]]]])
    """
    (N, _, H, W), (F, _, kh, kw) = x.shape, kernel.shape
    y = np.zeros((N, F, H - kh + 1, W - kw + 1))
    for n, f, p, q in np.ndindex(y.shape):
        y[n, f, p, q] = (x[n, :, p:p + kh, q:q + kw] * kernel[f]).sum() + bias[f]
    return y


def conv_forward_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; then more channels, kernels, samples; square and not."""
    image = np.array([[[[1.0, 2, 3], [4, 5, 6]]]])
    yield Trial("an image of 2 x 3, by hand", (image, np.array([[[[1.0, 10]]]]), np.array([100.0])))
    for (N, C, H, W), (F, kh, kw) in [((1, 1, 4, 4), (1, 2, 2)), ((2, 1, 4, 5), (2, 3, 2)), ((2, 3, 5, 4), (2, 2, 3)),
                                      ((3, 2, 4, 4), (3, 3, 3)), ((2, 2, 3, 3), (2, 1, 1))]:
        yield Trial(f"{count(N, 'image')} of {C} x {H} x {W}, {count(F, 'kernel')} of {kh} x {kw}",
                    (rng.normal(size=(N, C, H, W)), rng.normal(size=(F, C, kh, kw)), rng.normal(size=F)))


def conv_forward_by_hand(index: tuple[int, ...], x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> str:
    """Write one output out."""
    n, f, p, q = index
    return total([f"kernel[{f}, {c}, {i}, {j}] * x[{n}, {c}, {p + i}, {q + j}]"
                  for c, i, j in np.ndindex(*kernel.shape[1:])]) + f" + bias[{f}]"


MAPS = ("sample", "kernel", "row", "column")
WINDOW = "x[n, :, p:p + kh, q:q + kw]"
FLIPPED = ("the kernel is flipped, as a mathematician's convolution does it. Here, as in every framework, kernel[0, 0] "
           "meets the upper left pixel of the window.")

CONV_FORWARD = Exercise("Convolution as loops", "convolution", (Task(
    conv_forward, conv_forward_trials, by_hand=conv_forward_by_hand, axes=(MAPS,),
    mistakes=(
        mistake("flipped kernel", FLIPPED, ("kernel[f])", "kernel[f, :, ::-1, ::-1])")),
        mistake("flipped kernel", FLIPPED, ("kernel[f])", "kernel[f, ::-1, ::-1, ::-1])")),
        mistake("bias missing", "the bias is missing: each kernel adds its own to its whole map.", (" + bias[f]", "")),
        mistake("bias along the columns", "the bias is laid along the columns, the last axis. It belongs to the maps, "
                "axis 1: bias[:, None, None].", ("    return y", "    return y - bias[:, None, None] + bias")),
        mistake("one window missing", "the output is too small: a window fits at H - kh + 1 places, also at the "
                "last one.", ("H - kh + 1, W - kw + 1", "H - kh, W - kw")),
        mistake("last row left out", "the last row and column of the output are 0: range(H - kh) stops too early, a "
                "window fits at H - kh + 1 places.",
                ("np.ndindex(y.shape)", "np.ndindex(N, F, y.shape[2] - 1, y.shape[3] - 1)")),
        mistake("first channel", "only the first channel counts. Each kernel has a slice for every channel, and "
                "their sums are added.", (WINDOW + " * kernel[f]", "x[n, 0, p:p + kh, q:q + kw] * kernel[f, 0]")),
        mistake("sum overwritten", "the channels overwrite each other: only the last one is left. Add up over them, "
                "with +=.", (WINDOW + " * kernel[f]", "x[n, -1, p:p + kh, q:q + kw] * kernel[f, -1]")),
        mistake("sum overwritten", "the terms overwrite each other: only the last one of the window is left. Add up,"
                " with +=.",
                ("(" + WINDOW + " * kernel[f]).sum()", "x[n, -1, p + kh - 1, q + kw - 1] * kernel[f, -1, -1, -1]")),
        mistake("edge of the window missing", "the last row and column of the window are left out: it ends before "
                "p + kh, q + kw.", (WINDOW + " * kernel[f]",
                            "x[n, :, p:p + kh - 1, q:q + kw - 1] * kernel[f, :, :-1, :-1]")),
        mistake("mean of the window", "you took the mean over the window. A convolution sums.",
                (".sum() +", ".mean() +")),
        mistake("first kernel", "every map is that of the first kernel.", ("* kernel[f]", "* kernel[0]")),
        mistake("first sample", "every image is treated as the first one: x[0] in place of x[n].",
                ("x[n, :", "x[0, :")),
        mistake("last sample", "every image is treated as the last one.", ("x[n, :", "x[-1, :")),
        mistake("bias inside the sum", "the bias is added once for each term: it stands inside the sum. It is added "
                "once for each output.", ("* kernel[f]).sum() + bias[f]", "* kernel[f] + bias[f]).sum()")),
        mistake("bias for each channel", "the bias is added once for each channel. It is added once for each output.",
                ("+ bias[f]", "+ bias[f] * x.shape[1]")),
        mistake("first bias", "every map gets the first bias. Each kernel has its own.", ("bias[f]", "bias[0]")),
        mistake("kernel transposed", "rows and columns of the kernel are exchanged: kernel[f, c, i, j] meets pixel "
                "(p + i, q + j).", ("* kernel[f])", "* kernel[f].swapaxes(1, 2).reshape(kernel[f].shape))")),
        mistake("p and q exchanged", "p and q are exchanged: p counts the rows, the third axis.",
                (WINDOW,
                 "x[n, :, (q % (H - kh + 1)):(q % (H - kh + 1)) + kh, (p % (W - kw + 1)):(p % (W - kw + 1)) + kw]")),
        mistake("windows do not overlap", "your window moves by its own size. It moves by one pixel.",
                (WINDOW,
                 "np.pad(x, ((0, 0), (0, 0), (0, H * kh), (0, W * kw)))[n, :, p * kh:p * kh + kh, q * kw:q * kw + "
                 "kw]")),
        mistake("activation", "there is a ReLU in it: negative numbers became 0. It is not asked for here.",
                ("(" + WINDOW + " * kernel[f]).sum() + bias[f]",
                 "max((" + WINDOW + " * kernel[f]).sum() + bias[f], 0)")),
        mistake("padded", "you padded the image: the output has the size of the input. Here windows stay inside the "
                "image.",
                ("    y = np.zeros((N, F, H - kh + 1, W - kw + 1))",
                 "    x = np.pad(x, ((0, 0), (0, 0), ((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2)))\n    y = "
                 "np.zeros((N, F, H, W))")),
        mistake("channels apart", "you did not sum over the channels, but kept their maximum or mean.",
                (".sum() +", ".sum(axis=(1, 2)).mean() +")),
    ),
),), (
    "Four loops: over samples n, kernels f, and the places (p, q) of the output. What stands under the window there?",
    "The window at (p, q) is x[n, :, p:p + kh, q:q + kw], with all channels: (C, kh, kw), the shape of kernel[f].",
    "y[n, f, p, q] = (window * kernel[f]).sum() + bias[f].",
))


def output_size(size: int, kernel_size: int, stride: int = 1, padding: int = 0) -> int:
    """Say how many windows fit along one axis of an image: the output's height or width, as an int.

    `size` pixels get `padding` zeros at both ends; a window of `kernel_size` starts at the very first pixel and moves
    on by `stride` as long as it fits. What is left over at the end is not used.

    >>> output_size(28, 5), output_size(28, 3, padding=1), output_size(7, 3, stride=2), output_size(8, 3, stride=2)
    (24, 28, 3, 3)
    """
    return (size + 2 * padding - kernel_size) // stride + 1


def output_size_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """Each thing by itself, then together."""
    del rng                                      # nothing is drawn: sizes say it all
    stride, padding = {"stride": "the stride is not 1"}, {"padding": "there is padding"}
    over = {**stride, "left over": "the stride does not come out even"}
    yield Trial("size 28, kernel 5", (28, 5, 1, 0))
    yield Trial("size 4, kernel 4", (4, 4, 1, 0))
    yield Trial("size 6, kernel 1", (6, 1, 1, 0))
    yield Trial("size 28, kernel 3, padding 1", (28, 3, 1, 1), padding)
    yield Trial("size 5, kernel 5, padding 2", (5, 5, 1, 2), padding)
    yield Trial("size 7, kernel 3, stride 2", (7, 3, 2, 0), stride)
    yield Trial("size 28, kernel 2, stride 2", (28, 2, 2, 0), stride)
    yield Trial("size 8, kernel 3, stride 2", (8, 3, 2, 0), over)
    yield Trial("size 10, kernel 3, stride 4", (10, 3, 4, 0), over)
    yield Trial("size 12, kernel 5, stride 3, padding 1", (12, 5, 3, 1), {**stride, **padding})
    yield Trial("size 10, kernel 4, stride 4, padding 2", (10, 4, 4, 2), {**over, **padding})


OUTPUT_SIZE = Exercise("How large the output is", "convolution", (Task(
    output_size, output_size_trials, whole=True,
    by_hand=lambda index, *args: "(size + 2 * padding - kernel_size) // stride + 1",
    mistakes=(
        mistake("plus one missing", "the first window is not counted: after it there are (size + 2 padding - "
                "kernel) // stride steps, and so one window more.", ("stride + 1", "stride")),
        mistake("padding on one side", "the padding is counted once. It is at both ends.", ("2 * padding", "padding")),
        mistake("padding ignored", "the padding is not used.", (" + 2 * padding", "")),
        mistake("stride ignored", "the stride is not used.", (" // stride", "")),
        mistake("rounded up", "you rounded up. A window that does not fit whole is not used: //.",
                ("(size + 2 * padding - kernel_size) // stride", "-(-(size + 2 * padding - kernel_size) // stride)")),
        mistake("not rounded", "it must be a whole number, rounded down: // in place of /.", ("//", "/")),
        mistake("kernel ignored", "you divided the size by the stride. The window must fit whole: its own size counts.",
                ("(size + 2 * padding - kernel_size) // stride + 1", "(size + 2 * padding) // stride")),
        mistake("kernel ignored", "you divided the size by the stride. The window must fit whole: its own size counts, "
                "and so does the padding.", ("(size + 2 * padding - kernel_size) // stride + 1", "size // stride")),
        mistake("kernel ignored", "the kernel's size is not subtracted. The window must fit whole.",
                (" - kernel_size", "")),
        mistake("one added before", "1 is added before the division. It is the first window, and comes after: "
                "(...) // stride + 1.", ("- kernel_size) // stride + 1", "- kernel_size + 1) // stride")),
        mistake("padding subtracted", "the padding is subtracted. It makes the image larger.",
                ("+ 2 * padding", "- 2 * padding")),
        mistake("one too many", "there is one too many.", ("stride + 1", "stride + 2")),
        mistake("half a kernel", "you took off half a kernel at each end, rounded down: kernel // 2 twice.",
                ("- kernel_size)", "- kernel_size // 2 * 2)")),
        mistake("rounded to the nearest", "you rounded to the nearest. A window that does not fit whole is not "
                "used: //.",
                ("(size + 2 * padding - kernel_size) // stride",
                 "round((size + 2 * padding - kernel_size) / stride)")),
        mistake("brackets", "brackets are missing: only the kernel's size is divided by the stride.",
                ("(size + 2 * padding - kernel_size) // stride", "size + 2 * padding - kernel_size // stride")),
        mistake("stride multiplied", "you multiplied by the stride. A larger stride gives fewer windows.", ("//", "*")),
        mistake("sign", "size and kernel are exchanged.",
                ("size + 2 * padding - kernel_size", "kernel_size + 2 * padding - size")),
    ),
),), (
    "Put the first window at the very left. How many pixels are to the right of it?",
    "Each step to the right takes `stride` of these pixels. How many steps are that, rounded down?",
    "(size + 2 * padding - kernel_size) // stride steps, and one window more than steps.",
))


def pad(x: np.ndarray, amount: int) -> np.ndarray:
    """Put a frame of zeros, `amount` pixels wide, around images: (N, C, H, W) -> (N, C, H + 2 amount, W + 2 amount).

    >>> pad(np.array([[[[1.0, 2.0]]]]), 1)
    array([[[[0., 0., 0., 0.],
             [0., 1., 2., 0.],
             [0., 0., 0., 0.]]]])
    """
    N, C, H, W = x.shape
    padded = np.zeros((N, C, H + 2 * amount, W + 2 * amount))
    padded[:, :, amount:amount + H, amount:amount + W] = x
    return padded


def pad_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; wider; none at all."""
    yield Trial("an image of 1 x 2, a frame of 1", (np.array([[[[1.0, 2]]]]), 1))
    for shape, amount in ((2, 3, 3, 4), 1), ((1, 2, 4, 4), 2), ((2, 2, 3, 2), 3):
        yield Trial(f"x of the shape {shape}, a frame of {amount}", (rng.normal(size=shape), amount))
    yield Trial("a frame of 0", (rng.normal(size=(2, 2, 3, 3)), 0), {"no padding": "the frame is 0 pixels wide"})


PAD = Exercise("A frame of zeros", "convolution", (Task(
    pad, pad_trials, axes=(("sample", "channel", "row", "column"),),
    mistakes=(
        mistake("all axes", "you padded the samples and channels as well. Only rows and columns, the last two axes, "
                "get a frame.", ("    return padded", "    return np.pad(x, amount)")),
        mistake("one side", "there is a frame above and on the left alone.",
                ("    return padded", "    return padded[:, :, :amount + H, :amount + W]")),
        mistake("one side", "there is a frame below and on the right alone.",
                ("    return padded", "    return padded[:, :, amount:, amount:]")),
        mistake("corner", "the image is in the upper left corner: it begins at (amount, amount).",
                ("amount:amount + H, amount:amount + W", ":H, :W")),
        mistake("corner", "the image is in the lower right corner: it begins at (amount, amount).",
                ("amount:amount + H, amount:amount + W", "2 * amount:, 2 * amount:")),
        mistake("rows alone", "only above and below is a frame.",
                ("    return padded", "    return padded[..., amount:amount + W]")),
        mistake("columns alone", "only on the left and right is a frame.",
                ("    return padded", "    return padded[:, :, amount:amount + H]")),
        mistake("edge continued", "the frame continues the image's edge. It should be 0.",
                ("    return padded",
                 "    return np.pad(x, ((0, 0), (0, 0), (amount, amount), (amount, amount)), mode=\"edge\")")),
        mistake("ones", "the frame is of ones. It should be 0.", ("np.zeros(", "np.ones(")),
        mistake("always 1", "the frame is always one pixel wide: `amount` is not used.",
                ("N, C, H, W = x.shape", "amount = 1\n    N, C, H, W = x.shape")),
        mistake("wrong axes", "you padded channels and rows, or samples and channels. The frame belongs to the last "
                "two axes.",
                ("    return padded", "    return np.pad(x, ((0, 0), (amount, amount), (amount, amount), (0, 0)))")),
        mistake("wrong axes", "you padded samples and channels. The frame belongs to the last two axes.",
                ("    return padded", "    return np.pad(x, ((amount, amount), (amount, amount), (0, 0), (0, 0)))")),
        mistake("half the amount", "the whole frame is `amount` wide. It is `amount` on each side.",
                ("    return padded",
                 "    return padded[:, :, amount // 2:amount // 2 + H + amount, amount // 2:amount // 2 + W + "
                 "amount]")),
        mistake("twice the amount", "the frame is twice as wide as it should be.",
                ("N, C, H, W = x.shape", "amount = 2 * amount\n    N, C, H, W = x.shape")),
        mistake("minus zero", "with amount = 0 nothing is left: the slice [0:-0] is empty. Write amount:amount + H.",
                ("    padded[:, :, amount:amount + H, amount:amount + W] = x",
                 "    padded[:, :, amount:-amount, amount:-amount] = x")),
        mistake("image missing", "the image itself is not there, only zeros.", ("] = x", "] = 0")),
        mistake("cropped", "you took a frame away in place of putting one around.",
                ("    return padded", "    return x[:, :, amount:H - amount, amount:W - amount]")),
    ),
),), (
    "Make zeros of the new shape, and store the image in the middle of them.",
    "The image begins at row `amount` and column `amount`, and is as large as it was.",
    "padded[:, :, amount:amount + H, amount:amount + W] = x; or np.pad with (0, 0) for the first two axes.",
))


def conv_strided(x: np.ndarray, kernel: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Convolve with stride and padding: x (N, C, H, W), kernel (F, C, kh, kw) -> (N, F, P, Q). No bias.

    The image gets a frame of `padding` zeros first (pad does that: an earlier answer of yours can be imported, as in
    from pad import pad). Then output (p, q) looks at the window whose upper left corner is
    pixel (p * stride, q * stride) of the padded image. P and Q are how many windows fit.

    >>> image = np.array([[[[1.0, 2.0, 3.0, 4.0]]]])
    >>> conv_strided(image, np.array([[[[1.0, 10.0]]]]), stride=2, padding=0)
    array([[[[21., 43.]]]])
    """
    (N, C, H, W), (F, _, kh, kw) = x.shape, kernel.shape
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    padded[:, :, padding:padding + H, padding:padding + W] = x
    y = np.zeros((N, F, (H + 2 * padding - kh) // stride + 1, (W + 2 * padding - kw) // stride + 1))
    for n, f, p, q in np.ndindex(y.shape):
        top, left = p * stride, q * stride
        y[n, f, p, q] = (padded[n, :, top:top + kh, left:left + kw] * kernel[f]).sum()
    return y


def conv_strided_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; without either; one of them; both; a stride that does not come out even."""
    stride, padding = {"stride": "the stride is not 1"}, {"padding": "there is padding"}
    yield Trial("a row of 4 pixels, stride 2",
                (np.array([[[[1.0, 2, 3, 4]]]]), np.array([[[[1.0, 10]]]]), 2, 0), stride)
    for (N, C, H, W), (F, kh, kw), s, m, when in [
            ((2, 2, 4, 5), (2, 2, 3), 1, 0, {}), ((1, 2, 4, 4), (2, 3, 3), 1, 1, padding),
            ((2, 1, 5, 7), (2, 3, 3), 2, 0, stride), ((2, 2, 6, 5), (1, 3, 2), 2, 1, {**stride, **padding}),
            ((1, 2, 7, 6), (2, 2, 2), 3, 2, {**stride, **padding})]:
        yield Trial(f"{count(N, 'image')} of {C} x {H} x {W}, {count(F, 'kernel')} of {kh} x {kw}, stride {s}, "
                    f"padding {m}",
                    (rng.normal(size=(N, C, H, W)), rng.normal(size=(F, C, kh, kw)), s, m), when)


def conv_strided_by_hand(index: tuple[int, ...], x: np.ndarray, kernel: np.ndarray, stride: int, padding: int) -> str:
    """Write one output out; pixels of the frame are left out."""
    n, f, p, q = index
    pixels = [(c, i, j, p * stride + i - padding, q * stride + j - padding)
              for c, i, j in np.ndindex(*kernel.shape[1:])]
    return total([f"kernel[{f}, {c}, {i}, {j}] * x[{n}, {c}, {row}, {column}]" for c, i, j, row, column in pixels
                  if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]])


CONV_STRIDED = Exercise("Convolution with padding and stride", "convolution", (Task(
    conv_strided, conv_strided_trials, by_hand=conv_strided_by_hand, axes=(MAPS,),
    mistakes=(
        mistake("stride ignored", "the size is right, but the windows stand next to each other: output (p, q) looks "
                "at the window that begins at (p * stride, q * stride).",
                ("top, left = p * stride, q * stride", "top, left = p, q")),
        mistake("stride ignored", "the stride is not used: neither for the size nor for the windows.",
                ("(H + 2 * padding - kh) // stride + 1, (W + 2 * padding - kw) // stride + 1",
                 "H + 2 * padding - kh + 1, W + 2 * padding - kw + 1"),
                ("top, left = p * stride, q * stride", "top, left = p, q")),
        mistake("stride in one direction", "the stride counts for the rows alone. The windows move by it across as "
                "well.", ("p * stride, q * stride", "p * stride, q")),
        mistake("stride in one direction", "the stride counts for the columns alone. The windows move by it down as "
                "well.", ("p * stride, q * stride", "p, q * stride")),
        mistake("padding ignored", "the padding is not used.",
                ("(N, C, H, W), (F", "padding = 0\n    (N, C, H, W), (F")),
        mistake("padding on one side", "the padding is counted once. It is at both ends: above and below, left and "
                "right.", ("H + 2 * padding, W + 2 * padding))", "H + padding, W + padding))"),
                ("(H + 2 * padding - kh) // stride + 1, (W + 2 * padding - kw)",
                 "(H + padding - kh) // stride + 1, (W + padding - kw)")),
        mistake("size without padding", "the output has the size that it would have without padding.",
                ("(H + 2 * padding - kh) // stride + 1, (W + 2 * padding - kw)",
                 "(H - kh) // stride + 1, (W - kw)")),
        mistake("image in the corner", "the windows do not see the image where it is: in the padded one it begins "
                "at (padding, padding), and the first window at (0, 0).",
                ("padding:padding + H, padding:padding + W", ":H, :W")),
        mistake("flipped kernel", FLIPPED, ("* kernel[f])", "* kernel[f, :, ::-1, ::-1])")),
        mistake("plus one missing", "the output is one too small: the first window is not counted.",
                ("- kh) // stride + 1, (W + 2 * padding - kw) // stride + 1",
                 "- kh) // stride, (W + 2 * padding - kw) // stride")),
        mistake("first channel", "only the first channel counts. The kernel has a slice for each, and all add up.",
                ("padded[n, :, top:top + kh, left:left + kw] * kernel[f]",
                 "padded[n, 0, top:top + kh, left:left + kw] * kernel[f, 0]")),
        mistake("first kernel", "every map is that of the first kernel.", ("kernel[f]", "kernel[0]")),
        mistake("first sample", "every image is treated as the first one.", ("padded[n, :", "padded[0, :")),
        mistake("mean of the window", "you took the mean over the window. A convolution sums.", (".sum()", ".mean()")),
        mistake("stride inside the window", "the stride is applied inside the window, to its pixels: that is a "
                "dilation. Windows move by it; inside, pixels are neighbours.",
                ("padded[n, :, top:top + kh, left:left + kw]",
                 "np.pad(padded, ((0, 0), (0, 0), (0, 9), (0, 9)))[n, :, p:p + kh * stride:stride, q:q + kw * "
                 "stride:stride]")),
        mistake("size of the kernel as stride", "your windows move by the kernel's size, not by the stride.",
                ("top, left = p * stride, q * stride",
                 "padded_more = np.pad(padded, ((0, 0), (0, 0), (0, 99), (0, 99)))\n        top, left = p * kh, q "
                 "* kw"), ("padded[n, :, top", "padded_more[n, :, top")),
    ),
),), (
    "Begin with the loops of conv_forward. Two things are new: the padded image, and where a window begins.",
    "The size of the output is that of the exercise output_size, once for the rows and once for the columns.",
    "top, left = p * stride, q * stride; the window is padded[n, :, top:top + kh, left:left + kw].",
))

EXERCISES = (CONV_FORWARD, OUTPUT_SIZE, PAD, CONV_STRIDED)
