"""The three convolutions as loops around tiles: by how much each loop moves on in memory, in bytes.

Images are (N, H, W, C), outputs and their gradients (N, P, Q, F), F whole vectors; a window is S segments of kh rows of
R numbers, see `tinynet.kernels.fast.layout`. Of several groups, these are the channels and filters of one, each group's
in whole vectors, and the next pixel lies behind those of all.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinynet.kernels.fast import layout
from tinynet.kernels.fast.threads import NUM_CHUNKS, NUM_PIECES, samples_per_chunk
from tinynet.kernels.fast.tiles import (
    COUNTED,
    MAX_VECTORS,
    VECTOR_BYTES,
    Loop,
    Tile,
    balanced_rows,
    cut,
    round_up_to_vector,
    tile_loops,
    tile_width,
)
from tinynet.kernels.geometry import Pair, output_size

WIDTH = MAX_VECTORS * VECTOR_BYTES         # of a panel, in bytes
MIN_PIXELS = 512                           # of output to a chunk, but for two: each makes a gradient of the kernel,
MIN_PRODUCTS = 1_400_000                   # and takes Python's time, in which no other one can begin
MAX_SUMS = 1 << 19                         # bytes of these gradients, up to which there are twice as many
SUMMED_SAMPLES = 10                        # at most, whose share of a gradient is added up before it is put back
KEPT_PIXELS = 100                          # of which L1 keeps the channels and gradients that a tile multiplies
MIN_BLOCK = 4096                           # numbers of output that fit L1 beside everything else


class Sizes(NamedTuple):
    """What follows from the shapes of a convolution alone.

    Attributes
    ----------
    output, pooled : of an image's output, (rows, columns), and of what pooling leaves of it.
    filters : F, those of each group rounded up to whole vectors.
    loops : those of `of_outputs`, for the columns that pooling windows reach.
    rows : of pooling windows, whose outputs are computed at a time.
    piece, chunk : how many samples one thread takes at a time, and how many where it adds up gradients of the kernel.
    """

    output: Pair
    pooled: Pair
    filters: int
    loops: np.ndarray
    rows: int
    piece: int
    chunk: int


@lru_cache(maxsize=256)                    # worked out once: for a single image it would take as long as its products
def sizes(images: tuple[int, ...], kernel: tuple[int, ...], strides: Pair, dilation: Pair, pool: Pair,
          itemsize: int) -> Sizes:
    """Return what follows from the shapes of images (N, H, W, C) and a kernel (F, C, kh, kw), and a pool's size."""
    (N, *image, _), (F, C, *size), (a, b), groups = images, kernel, pool, images[-1] // kernel[1]
    output = output_size((image[0], image[1]), (size[0], size[1]), strides, dilation)
    P, Q = output_size(output, pool, pool)
    filters, width = in_vectors(F, groups, itemsize), tile_width(itemsize)
    loops = of_outputs((image[1], C), Q * b, filters * itemsize // groups // VECTOR_BYTES, (size[0], size[1]), strides,
                       dilation, itemsize, groups)
    rows = rows_per_block(cut(F, width) * width * C * math.prod(size), filters * Q * b)
    pixels = math.prod(output)
    products = pixels * F * C * math.prod(size)                                                   # of a sample
    least = max(min(cut(MIN_PIXELS, pixels), cut(N, 2)), cut(MIN_PRODUCTS, products))
    most, sums = NUM_PIECES if groups == 1 else NUM_CHUNKS, NUM_PIECES * F * C * math.prod(size) * itemsize
    piece, chunk = (max(least, samples_per_chunk(N, number))
                    for number in (most, most if sums <= MAX_SUMS else NUM_CHUNKS))
    return Sizes(output, (P, Q), filters, loops, cut(rows, a), piece, chunk)


def in_vectors(n: int, groups: int, itemsize: int) -> int:
    """Return how many numbers there are for n, those of each group rounded up to whole vectors."""
    return groups * round_up_to_vector(n // groups, itemsize)


def rows_per_block(weights: int, row: int) -> int:
    """Return how many rows of outputs to compute at a time: a block about as large as the kernels shares their cache.

    A larger one would push them out, a smaller one would read them more often than it must.
    """
    return max(1, max(weights, MIN_BLOCK) // max(1, row))


@lru_cache(maxsize=256)
def of_outputs(image: tuple[int, int], Q: int, V: int, size: Pair, strides: Pair, dilation: Pair, itemsize: int,
               groups: int = 1) -> np.ndarray:
    """Return the loops that fill so many rows of outputs (rows, Q, F), F being V vectors, of an image (W, C).

    The bias (F,), plus windows (Q, S, kh, R) times weights (panels, S, kh, R, width); a panel has as many filters as a
    tile is wide.
    """
    (W, C), (kh, kw), (s, t), (d, e) = image, size, strides, dilation
    (S, R), pixel = layout.row_segments(kw, C, e == groups == 1), groups * C * itemsize
    row, rows, z_pixel, segment = W * pixel, balanced_rows(Q), groups * V * VECTOR_BYTES, kh * R * WIDTH
    return tile_loops(Tile(rows, Q, V, kh, R, (t * pixel, d * row, itemsize), (R * WIDTH, WIDTH), 0, z_pixel),
                      Loop(cut(V, MAX_VECTORS), b=S * segment, start=WIDTH, c=WIDTH, v=MAX_VECTORS),
                      Loop(COUNTED, a=s * row, c=Q * z_pixel),
                      Loop(cut(Q, rows), a=rows * t * pixel, c=rows * z_pixel, m=rows),
                      Loop(S, a=e * pixel, b=segment))


@lru_cache(maxsize=256)
def of_kernel_gradient(images: tuple[int, ...], outputs: tuple[int, int, int], F: int, size: Pair, strides: Pair,
                       dilation: Pair, itemsize: int, groups: int = 1) -> np.ndarray:
    """Return the loops that add to dweights (S, kh, R, F) images (N, H, W, C) times dz (N, P, Q, lanes), given
    (P, Q, lanes), of which F numbers count.

    One factor is a window's numbers in K x L rows of windows: the L are rows of an image and the K images, or the other
    way round, whichever makes L larger.
    """
    (N, H, W, C), (P, Q, lanes), (kh, kw), (s, t), (d, e) = images, outputs, size, strides, dilation
    (S, R), pixel, weight = layout.row_segments(kw, C, e == groups == 1), groups * C * itemsize, F * itemsize
    row, rows, V, z_pixel = W * pixel, balanced_rows(R), weight // VECTOR_BYTES, lanes * itemsize
    of_image, of_row = (N, H * row, P * Q * z_pixel), (P, s * row, Q * z_pixel)         # number, steps in both
    (K, a_k, b_k), (L, a_l, b_l) = (of_image, of_row) if P >= N else (of_row, of_image)
    few = rows_at_a_time(L, Q, KEPT_PIXELS if pixel % layout.FEW_SETS else KEPT_PIXELS // 2)
    places = [Loop(L // few, a=few * a_l, b=few * b_l),
              Loop(S, a=e * pixel, start=kh * R * weight, c=kh * R * weight),
              Loop(kh, a=d * row, start=R * weight, c=R * weight),
              Loop(cut(R, rows), a=rows * itemsize, start=rows * weight, c=rows * weight, m=rows)]
    return tile_loops(Tile(rows, R, V, few, Q, (itemsize, a_l, t * pixel), (b_l, z_pixel), weight, weight),
                      Loop(cut(V, MAX_VECTORS), b=WIDTH, start=WIDTH, c=WIDTH, v=MAX_VECTORS), Loop(K, a=a_k, b=b_k),
                      *places)


@lru_cache(maxsize=256)
def of_kernel_gradients(images: tuple[int, ...], outputs: tuple[int, int, int], F: int, size: Pair, strides: Pair,
                        dilation: Pair, itemsize: int, groups: int) -> np.ndarray:
    """Return the loops of `of_kernel_gradient` of a group for no, one, two, ... `SUMMED_SAMPLES` images."""
    _, H, W, C = images
    return np.stack([of_kernel_gradient((n, H, W, C // groups), outputs, F, size, strides, dilation, itemsize, groups)
                     for n in range(SUMMED_SAMPLES + 1)])


def rows_at_a_time(L: int, Q: int, kept: int) -> int:
    """Return how many of L rows of Q pixels to multiply at a time, such that L1 has `kept` them when the tiles change.

    All of them where no number of rows divides L that is neither too large nor, as for primes, too small.
    """
    few = max(n for n in range(1, L + 1) if L % n == 0 and (n == 1 or n * Q <= kept))
    return few if few * Q > kept // 3 else L


@lru_cache(maxsize=256)
def of_input_gradient(outputs: tuple[int, int, int], F: int, images: tuple[int, ...], size: Pair, strides: Pair,
                      dilation: Pair, itemsize: int, groups: int = 1) -> np.ndarray:
    """Return the loops that add dz (n, P, Q, lanes), given (P, Q, lanes), of which F numbers count, times weights
    (panels, kh, kw, F, width) onto the windows of images (n, H, W, C), given (H, W, C), C whole vectors.

    One product for each place (i, j) of the window, so that all Q windows of a row take part: the pixels that they
    have there are t columns apart, and no two windows share one.
    """
    (P, Q, lanes), (H, W, C), (kh, kw), (s, t), (d, e) = outputs, images, size, strides, dilation
    V, place, rows = C * itemsize // VECTOR_BYTES, F * WIDTH, balanced_rows(Q)
    pixel, z_pixel = groups * C * itemsize, groups * lanes * itemsize
    row = W * pixel
    return tile_loops(Tile(rows, Q, V, 1, F, (z_pixel, 0, itemsize), (0, WIDTH), t * pixel, t * pixel),
                      Loop(COUNTED, a=P * Q * z_pixel, start=H * row, c=H * row),
                      Loop(cut(V, MAX_VECTORS), b=kh * kw * place, start=WIDTH, c=WIDTH, v=MAX_VECTORS),
                      Loop(P, a=Q * z_pixel, start=s * row, c=s * row),
                      Loop(kh, b=kw * place, start=d * row, c=d * row),
                      Loop(kw, b=place, start=e * pixel, c=e * pixel),
                      Loop(cut(Q, rows), a=rows * z_pixel, start=rows * t * pixel, c=rows * t * pixel, m=rows))
