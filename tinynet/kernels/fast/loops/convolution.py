"""The compiled loops of the three convolutions: sample by sample, group by group, with tiles inside.

Images are (N, H, W, C), outputs and their gradients (N, P, Q, F). What a sample needs besides, a copy with margins or
with the filters of each group rounded up to whole vectors, is written beside it for as long as it is in the cache.
"""

import numpy as np

from tinynet.kernels.fast import tiles
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.memory import at, clear, numbers


@chunked
def convolve(start: int, stop: int, chunk: int, multiply: int, copy: int, loops: np.ndarray, images: np.ndarray,
             top: int, left: int, weights: np.ndarray, bias: np.ndarray, memory: np.ndarray, P: int, Q: int, F: int,
             channels_last: bool, stride: int, most: int, relu: bool, blocks: np.ndarray, copies: np.ndarray) -> None:
    """Fill y, which is made of `memory`, (N, P, Q, F), or (N, F, P, Q) unless channels are last, with the convolutions
    of images; cut it off below 0 if there is a ReLU.

    The weights are (groups, numbers), the bias (filters,), those of each group in whole vectors. At most so many rows
    at a time are written to the chunk's block (numbers,), if there is one, where F is fewer and for channels that are
    first, and copied while they are in the cache. Images that need margins get them in the chunk's copy (H, W, C).
    """
    (_, h, w, C), groups, filters, size_of = images.shape, len(weights), bias.size, memory.itemsize
    of_p, of_q, of_f = (Q * F, F, 1) if channels_last else (Q, 1, P * Q)
    in_place, has_margins, k = len(blocks) == 0, len(copies) > 0, start // chunk
    if has_margins:
        clear(copies, k)
    for n in range(start, stop):
        image, m = (copies, k) if has_margins else (images, n)
        for row in range(h if has_margins else 0):
            tiles.copy(copy, at(images, n, row), 0, size_of, at(copies, k, top + row, left), 0, size_of, 1, w * C)
        for p in range(0, P, most):
            rows, begin = min(most, P - p), n * P * Q * F + p * of_p
            size = (rows * Q * filters,)
            z = numbers(memory, begin, size) if in_place else numbers(blocks, k * blocks.shape[1], size)
            for g in range(groups):
                f = g * filters // groups
                tiles.multiply(multiply, loops, rows, at(image, m, p * stride, 0, g * C // groups),
                               at(weights, g), at(bias, f), at(z, f))
            for q in range(z.size if relu else 0):
                z[q] = z.dtype.type(0) if z[q] <= 0 else z[q]                                          # a NaN stays
            for g in range(0 if in_place else groups):
                tiles.copy(copy, at(z, g * filters // groups), filters * size_of, size_of,
                           at(memory, begin + g * F // groups * of_f), of_q * size_of, of_f * size_of, rows * Q,
                           F // groups)


@chunked
def add_kernel_gradients(start: int, stop: int, chunk: int, multiply: int, copy: int, loops: np.ndarray,
                         images: np.ndarray, dz: np.ndarray, blocks: np.ndarray, dweights: np.ndarray,
                         dbias: np.ndarray) -> None:
    """Fill the chunk's dweights (groups, numbers), and add to its dbias (F,), or (0,), given dz (N, P, Q, F).

    Some samples at a time, as many as there are `loops` for. If there is a block of the chunk, (pixels, lanes), their
    dz is copied to it, each group's with zeros behind it.
    """
    (_, _, _, C), (_, P, Q, F), k, groups = images.shape, dz.shape, start // chunk, dweights.shape[1]
    pieces = -(-(stop - start) // (len(loops) - 1))
    samples = -(-(stop - start) // pieces)
    if len(blocks):
        clear(blocks, k)
    clear(dweights, k)
    for n in range(start, stop, samples):
        some = min(samples, stop - n)
        for g in range(groups):
            source, sums = at(dz, n, 0, 0, g * F // groups), at(dweights, k, g)
            if len(blocks):
                block, lanes = at(blocks, k, 0, g * blocks.shape[2] // groups), blocks.shape[2]
                tiles.copy(copy, source, F * dz.itemsize, dz.itemsize, block, lanes * dz.itemsize, dz.itemsize,
                           some * P * Q, F // groups)
                source = block
            tiles.multiply(multiply, at(loops, some), 0, at(images, n, 0, 0, g * C // groups), source, sums, sums)
        pixels = numbers(dz, n * P * Q * F, (some * P * Q, F))
        for row in range(len(pixels) if dbias.size else 0):
            for f in range(F):
                dbias[k, f] += pixels[row, f]


@chunked
def add_to_windows(start: int, stop: int, chunk: int, multiply: int, copy: int, loops: np.ndarray, dy: np.ndarray,
                   weights: np.ndarray, dx: np.ndarray, top: int, left: int, padded: np.ndarray) -> None:
    """Fill dx (N, H, W, C) with upstream gradients dy, times the weights (groups, numbers), added onto their windows:
    in the chunk's image with margins (height, width, lanes), if there is one.
    """
    (_, H, W, C), (_, _, _, F), groups, size_of, k = dx.shape, dy.shape, len(weights), dx.itemsize, start // chunk
    for n in range(start, stop):
        images, m = (padded, k) if len(padded) else (dx, n)
        clear(images, m)
        for g in range(groups):
            target = at(images, m, 0, 0, g * images.shape[3] // groups)
            tiles.multiply(multiply, loops, 1, at(dy, n, 0, 0, g * F // groups), at(weights, g), target, target)
            for h in range(H if len(padded) else 0):
                tiles.copy(copy, at(padded, k, top + h, left, g * padded.shape[3] // groups), padded.strides[2],
                           size_of, at(dx, n, h, 0, g * C // groups), C * size_of, size_of, W, C // groups)

