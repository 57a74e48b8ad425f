"""The compiled loops of depthwise convolution, sample by sample.

Images are (N, H, W, C), and what they are weighed in, and what comes of it, has `lanes` numbers to a pixel: each
channel M times, rounded up to whole vectors. Where that is not how the images lie, a sample is copied to one of the
chunk, and from one of the chunk, while it is in the cache.
"""

import numpy as np

from tinynet.kernels.fast.compiling import inlined
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.functions import VECTOR_BYTES, add_products, copy, weigh
from tinynet.kernels.fast.llvm.memory import at, clear, numbers
from tinynet.kernels.fast.loops.channels import add_rows


@chunked
def weigh_samples(start: int, stop: int, chunk: int, entry: int, copying: int, runs: np.ndarray, count: int,
                  source_q: int, target_q: int, zeros: np.ndarray, x: np.ndarray, M: int, weights: np.ndarray,
                  bias: np.ndarray, y: np.ndarray, size: int, outputs: int, of_q: int, of_f: int, copies: np.ndarray,
                  blocks: np.ndarray) -> None:
    """Fill y, `size` pixels of outputs to a sample, so far from each other, with the bias (lanes,) and what each pixel
    sees of x, weighed.

    There are copies (chunks, H, W, lanes), and blocks (chunks, P, Q, lanes), or none.
    """
    k, pixel, of = start // chunk, bias.size * y.itemsize, y.itemsize
    if len(copies):
        clear(copies, k)
    for n in range(start, stop):
        if len(copies):
            copy_channels(copying, x, n, M, copies, k)
        source, target = at(copies, k) if len(copies) else at(x, n), at(y, n * size * outputs)
        z = at(blocks, k) if len(blocks) else target
        weigh(entry, runs, count, pixel // VECTOR_BYTES, source, source_q, zeros, weights, bias, z, target_q)
        if len(blocks):
            copy(copying, z, pixel, of, target, of_q * of, of_f * of, size, outputs)


@chunked
def weigh_back_and_add(start: int, stop: int, chunk: int, entry: int, copying: int, runs: np.ndarray, count: int,
                       source_q: int, target_q: int, zeros: np.ndarray, add_entry: int, add_runs: np.ndarray,
                       add_count: int, add_source_q: int, add_target_q: int, add_zeros: np.ndarray, dy: np.ndarray,
                       size: int, outputs: int, of_n: int, of_q: int, of_f: int, x: np.ndarray, M: int,
                       weights: np.ndarray, nothing: np.ndarray, dweights: np.ndarray, dbias: np.ndarray,
                       dx: np.ndarray, upstream: np.ndarray, copies: np.ndarray, blocks: np.ndarray) -> None:
    """Add to the chunk's dweights (kh, kw, lanes) the products of x and dy, to its dbias (lanes,) dy itself; and fill
    dx with what its pixels see of dy, weighed. There may be no x, or no dx.

    One sample after the other: both need its dy, `size` pixels of outputs, so far from each other, which stay in L2.
    """
    k, lanes, of = start // chunk, weights.shape[2], dy.itemsize
    V = lanes * of // VECTOR_BYTES
    if len(upstream):
        clear(upstream, k)
    if len(copies):
        clear(copies, k)
    for n in range(start, stop):
        if len(upstream):
            copy(copying, at(dy, n * of_n), of_q * of, of_f * of, at(upstream, k), lanes * of, of, size, outputs)
        pixels = (numbers(upstream, k * size * lanes, (size, lanes)) if len(upstream)
                  else numbers(dy, n * of_n, (size, lanes)))
        if len(x):
            if len(copies):
                copy_channels(copying, x, n, M, copies, k)
            source = at(copies, k) if len(copies) else at(x, n)
            add_products(add_entry, add_runs, add_count, V, source, add_source_q, add_zeros, pixels, add_target_q,
                         at(dweights, k))
            add_rows(pixels, dbias[k])
        if len(dx):
            z = at(blocks, k) if len(blocks) else at(dx, n)
            weigh(entry, runs, count, V, pixels, source_q, zeros, weights, nothing, z, target_q)
            if len(blocks):
                add_copies(blocks, k, M, dx, n)


@inlined
def copy_channels(copying: int, x: np.ndarray, n: int, M: int, copies: np.ndarray, k: int) -> None:
    """Copy a sample of x (N, H, W, C) to copies[k] (H, W, lanes), each channel M times."""
    _, H, W, C = x.shape
    for m in range(M):
        copy(copying, at(x, n), C * x.itemsize, x.itemsize, at(copies, k) + m * x.itemsize,
             copies.shape[3] * x.itemsize, M * x.itemsize, H * W, C)


@inlined
def add_copies(blocks: np.ndarray, k: int, M: int, dx: np.ndarray, n: int) -> None:
    """Fill a sample of dx (N, H, W, C) with the sums of what each channel's M copies in blocks[k] (H, W, lanes) got."""
    _, H, W, C = dx.shape
    lanes = blocks.shape[3]
    rows, sums = numbers(blocks, k * H * W * lanes, (H * W, lanes)), numbers(dx, n * H * W * C, (H * W, C))
    for pixel in range(H * W):
        for c in range(C):
            total = rows[pixel, c * M]
            for m in range(1, M):
                total += rows[pixel, c * M + m]
            sums[pixel, c] = total
