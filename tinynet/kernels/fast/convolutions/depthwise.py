"""Depthwise convolution: each channel by itself, a vector of channels at a time.

There is no product of matrices in it, and each number that is loaded takes part in few multiplications. Channels last,
a pixel is whole vectors, and all that differs between two convolutions is which pixels are weighed by which places of
the window. These are listed here, in numbers; `tinynet.kernels.fast.llvm.depthwise` goes through the list.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import chain, groupby
from typing import cast

import numpy as np

from tinynet.kernels.buffers import aligned, empty
from tinynet.kernels.fast import layout
from tinynet.kernels.fast.layout import NO_MARGINS, common_dtype
from tinynet.kernels.fast.llvm.depthwise import AT_ONCE, OUTSIDE
from tinynet.kernels.fast.llvm.functions import VECTOR_BYTES, depthwise_entries, entries
from tinynet.kernels.fast.loops.depthwise import weigh_back_and_add, weigh_samples
from tinynet.kernels.fast.threads import MIN_PARALLEL, for_chunks, samples_per_chunk
from tinynet.kernels.fast.tiles import cut
from tinynet.kernels.geometry import Pair, expect_gradients, output_size

FEW = 400_000                  # numbers of images that one thread works through before a second one wakes
Margins = tuple[Pair, Pair]
Sights = list[list[tuple[int, int]]]       # along an axis, of each pixel: (place of the window, pixel seen there)
Runs = tuple[np.ndarray, int, int, int, np.ndarray]                                # what `listed` returns


def depthwise_conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Add up the pixels that each place of the window meets, times its weight."""
    M, C, *_ = kernel.shape
    return Depthwise(x.shape, kernel, common_dtype(x, kernel), strides, dilation).forward(x, np.zeros(C * M))


def depthwise_conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                                     dilation: Pair) -> np.ndarray:
    """Multiply the pixels that each place of the window meets by the upstream gradients, and add the products up."""
    M = dy.shape[1] // x.shape[1]
    expect_gradients(dy, (len(x), M * x.shape[1], *output_size(x.shape[2:], kernel_size, strides, dilation)))
    like = np.zeros((M, x.shape[1], *kernel_size))
    return Depthwise(x.shape, like, common_dtype(x, dy), strides, dilation).backward(dy, x, need_dx=False)[0]


def depthwise_conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                                    dilation: Pair) -> np.ndarray:
    """Add up the upstream gradients that each pixel takes part in, times the weight that it has there."""
    M, C, kh, kw = kernel.shape
    expect_gradients(dy, (len(dy), M * C, *output_size(input_size, (kh, kw), strides, dilation)))
    shape = len(dy), C, *input_size
    dx = Depthwise(shape, kernel, common_dtype(dy, kernel), strides, dilation).backward(dy, None, need_dx=True)[2]
    return cast(np.ndarray, dx)


class Depthwise:
    """A depthwise convolution of a batch, forward and backward, a chunk of the samples at a time on all cores.

    M > 1 kernels for a channel are as many copies of it, with one each.

    Parameters
    ----------
    shape, kernel : of the images, (N, C, H, W), and (M, C, kh, kw).
    dtype : float32 or float64, to compute in.
    strides, dilation : pairs (rows, columns).
    margins : of zeros around the images, ((top, bottom), (left, right)).
    """

    def __init__(self, shape: tuple[int, ...], kernel: np.ndarray, dtype: np.dtype, strides: Pair, dilation: Pair,
                 margins: Margins = NO_MARGINS):
        self.shape, self.dtype, (self.M, C, *size) = shape, dtype, kernel.shape
        weights = kernel.transpose(2, 3, 1, 0).reshape(*size, C * self.M).astype(dtype, copy=False)
        self.weights, self.entries = layout.in_whole_vectors(np.ascontiguousarray(weights)), depthwise_entries(dtype)
        self.outputs, self.size = C * self.M, (size[0], size[1])
        self.output, self.forwards, self.backwards = runs((shape[2], shape[3]), self.size, strides, dilation, margins,
                                                          self.weights.shape[-1] * dtype.itemsize)

    def forward(self, x: np.ndarray, bias: np.ndarray, channels_last: bool = True) -> np.ndarray:
        """Return y (N, C*M, P, Q) of x (N, C, H, W) and a bias (C*M,), in memory channels last, or first."""
        images, (N, C, H, W), (P, Q), lanes = layout.images(x, self.dtype), self.shape, self.output, self.lanes
        y, of = empty((N * P * Q * self.outputs,), self.dtype), (self.outputs, 1) if channels_last else (1, P * Q)
        copies = self.blocks(H, W, needed=lanes > C)
        blocks = self.blocks(P, Q, needed=not channels_last or self.outputs < lanes)
        start = layout.in_whole_vectors(bias.astype(self.dtype))
        for_chunks(weigh_samples, N, self.chunk, self.chunk, self.entries.weigh, entries(self.dtype).copy,
                   *self.forwards, images, self.M, self.weights, start, y, P * Q, self.outputs, *of, copies, blocks)
        if channels_last:
            return layout.arrays(y.reshape(N, P, Q, self.outputs))
        return y.reshape(N, self.outputs, P, Q)

    def backward(self, dy: np.ndarray, x: np.ndarray | None, need_dx: bool
                 ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the gradients of kernel (M, C, kh, kw), bias (C*M,) and, if needed, x (otherwise None).

        Those of kernel and bias are zeros without an x.
        """
        (N, C, H, W), lanes, (P, Q) = self.shape, self.lanes, self.output
        images = empty((0, H, W, C), self.dtype) if x is None else layout.images(x, self.dtype)
        dweights = np.zeros((max(1, self.chunks), *self.weights.shape), self.dtype)
        dbias = np.zeros((max(1, self.chunks), lanes), self.dtype)
        dx, nothing = empty((N if need_dx else 0, H, W, C), self.dtype), np.zeros(lanes, self.dtype)
        memory, (of_n, _, of_q, of_f) = layout.memory_of(dy, self.dtype)
        upstream = self.blocks(P, Q, needed=of_f > 1 or self.outputs < lanes)
        copies, blocks = (self.blocks(H, W, needed=lanes > C) for _ in range(2))
        for_chunks(weigh_back_and_add, N, self.chunk, self.chunk, self.entries.weigh, entries(self.dtype).copy,
                   *self.backwards, self.entries.add_products, *self.forwards, memory, P * Q, self.outputs, of_n, of_q,
                   of_f, images, self.M, self.weights, nothing, dweights, dbias, dx, upstream, copies, blocks)
        dkernel = dweights.sum(axis=0)[..., :self.outputs].reshape(*self.size, C, self.M)
        return (np.ascontiguousarray(dkernel.transpose(3, 2, 0, 1)), dbias.sum(axis=0)[:self.outputs],
                layout.arrays(dx) if need_dx else None)

    @property
    def lanes(self) -> int:
        """How many numbers a pixel has that fills whole vectors."""
        return self.weights.shape[-1]

    @property
    def chunk(self) -> int:
        """How many samples one thread takes at a time: all where another thread is not worth it."""
        N, multiply_adds = self.shape[0], math.prod(self.output) * self.weights.size
        few = N * multiply_adds < MIN_PARALLEL and math.prod(self.shape) < FEW
        return max(1, N) if few else samples_per_chunk(N)

    @property
    def chunks(self) -> int:
        """How many chunks of the samples there are."""
        return cut(self.shape[0], self.chunk)

    def blocks(self, height: int, width: int, needed: bool) -> np.ndarray:
        """Return an image for each chunk, (chunks, height, width, lanes), if they are needed."""
        return aligned((self.chunks if needed else 0, height, width, self.lanes), self.dtype)


@lru_cache(maxsize=64)                     # a list for large images has as many numbers as an image has pixels
def runs(image: Pair, size: Pair, strides: Pair, dilation: Pair, margins: Margins, pixel: int
         ) -> tuple[Pair, Runs, Runs]:
    """Return how many outputs (P, Q) there are; how they see an image (H, W); and how its pixels see them, going back.

    A pixel has so many bytes.
    """
    padded = image[0] + sum(margins[0]), image[1] + sum(margins[1])
    output = output_size(padded, size, strides, dilation)
    seen = [sees(*each) for each in zip(image, output, size, strides, dilation, [m[0] for m in margins], strict=True)]
    seeing = [seen_by(*each) for each in zip(seen, image, strict=True)]
    return (output, listed(seen[0], seen[1], image[1], size[1], pixel, (strides[1], 1)),
            listed(seeing[0], seeing[1], output[1], size[1], pixel, (1, strides[1])))


def sees(length: int, outputs: int, window: int, stride: int, dilation: int, before: int) -> Sights:
    """Return what each output sees along an axis, through each place of its window.

    >>> sees(length=3, outputs=2, window=3, stride=1, dilation=1, before=1)
    [[(0, -1), (1, 0), (2, 1)], [(0, 0), (1, 1), (2, 2)]]
    """
    places = [[(i, stride * p + dilation * i - before) for i in range(window)] for p in range(outputs)]
    return [[(i, h if 0 <= h < length else -1) for i, h in sights] for sights in places]


def seen_by(seen: Sights, length: int) -> Sights:
    """Return which outputs see each of so many pixels, and through which place of their windows.

    >>> seen_by([[(0, -1), (1, 0), (2, 1)], [(0, 0), (1, 1), (2, 2)]], 3)
    [[(1, 0), (0, 1)], [(2, 0), (1, 1)], [(2, 1)]]
    """
    by: Sights = [[] for _ in range(length)]
    for p, sights in enumerate(seen):
        for i, h in sights:
            if h >= 0:
                by[h].append((i, p))
    return by


def listed(rows: Sights, columns: Sights, source_width: int, kw: int, pixel: int, steps: Pair) -> Runs:
    """Return the runs of a target's rows and columns, given what they see; steps are those along a run, in pixels.

    As `weigh` and `add_products` take them: a list of numbers, and how many runs there are in it. Of each, how many
    pixels of the target there are, where they begin, how many they see, and where the first one sees them and has their
    weights. Then how far it is from a pixel of a run to the next, in the source and in the target, and what is seen
    outside of the image, zeros. All distances in bytes.
    """
    source_step, target_step = steps
    found: list[list[int]] = []
    for p, of_row in enumerate(rows):
        for first in range(min(target_step, len(columns))):
            def alike(q: int) -> list[tuple[int, bool]]:
                return [(j, w >= 0) for j, w in columns[q]]
            for _, run in groupby(range(first, len(columns), target_step), key=alike):
                begin, *others = run
                taps = [((h * source_width + w) * pixel if h >= 0 and w >= 0 else OUTSIDE, (i * kw + j) * pixel)
                        for i, h in of_row for j, w in columns[begin]]
                found.append([1 + len(others), (p * len(columns) + begin) * pixel, len(taps), *chain(*taps)])
    zeros = np.zeros(AT_ONCE * source_step * pixel + VECTOR_BYTES, np.uint8)
    return np.array([*chain(*found)], np.int64), len(found), source_step * pixel, target_step * pixel, zeros
