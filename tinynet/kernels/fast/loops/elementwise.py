"""Elementwise work in one pass over memory each, where NumPy would make a pass for every operation."""

import numpy as np

from tinynet.kernels import im2col
from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.compiling import for_loops, inlined
from tinynet.kernels.fast.layout import arrays, common_dtype, images, lies_channels_last
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.memory import numbers, part
from tinynet.kernels.fast.products import matmul
from tinynet.kernels.fast.threads import NUM_PIECES, for_chunks
from tinynet.kernels.part import place
from tinynet.kernels.splitmix import FACTORS, GAMMA, NUMBERS_PER_WORD, SHIFTS
from tinynet.kernels.streams import synchronize

MIN_CHUNK = 1 << 14            # numbers that are worth another thread, one that is awake: 2 to 5 us
MIN_SUMMED = 100_000           # numbers of a chunk that has sums of its own
WORDS = 256                    # drawn at a time: 2 KiB, which stay in L1


def adam(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray,
         rate: float, beta_1: float, beta_2: float, epsilon: float) -> None:
    """Update p, m and v in one pass over memory instead of NumPy's eleven."""
    arrays = [for_loops(array, p.dtype) for array in (p, m, v, g)]
    if not (arrays[0] is p and arrays[1] is m and arrays[2] is v):        # copies of them would be updated
        synchronize()
        im2col.adam(p, g, m, v, rate, beta_1, beta_2, epsilon)
        return
    p, m, v, g = [array.reshape(-1) for array in arrays]

    for_chunks(adam_loop, p.size, numbers_per_chunk(p.size), p, g, m, v, rate, beta_1, beta_2, epsilon)


def dropout(x: np.ndarray, key: np.uint64, threshold: int, scale: float) -> np.ndarray:
    """Return x * scale where the number's `splitmix.random_bits` reach the threshold, x * 0 elsewhere.

    The bits are generated while multiplying, so no mask is stored: the gradient is ``dropout(dy, ...)``, same key.
    """
    own, x = x.dtype, for_loops(x, common_dtype(x))
    y, factor = empty(x.shape, x.dtype), x.dtype.type(scale)
    first = place(len(x)) * (x.size // max(1, len(x)))                            # of the batch's numbers
    words = -(-numbers_per_chunk(x.size) // NUMBERS_PER_WORD)                     # chunks begin with a word

    size = words * NUMBERS_PER_WORD
    blocks = np.empty((-(-x.size // max(1, size)), WORDS), np.uint64)
    for_chunks(dropout_loop, x.size, size, size, x.reshape(-1), key, first, threshold, factor, y.reshape(-1), blocks,
               blocks.view(np.uint16))
    return as_dtype(y, own)


def scale_channels(x: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return images (N, C, H, W) times a factor (N, C) for each of their channels, lying as they lie."""
    if x.dtype.char not in "fd" or x.dtype != factors.dtype:
        return x * factors[:, :, None, None]
    (N, C, H, W), last = x.shape, lies_channels_last(x, x.dtype)
    x = images(x, x.dtype).reshape(N, H * W, C) if last else for_loops(x).reshape(N, C, H * W)
    y, loop = empty(x.shape, x.dtype), scale_columns_loop if last else scale_rows_loop
    for_chunks(loop, N, -(-numbers_per_chunk(x.size) // max(1, C * H * W)), x, for_loops(factors), y)
    return arrays(y.reshape(N, H, W, C)) if last else y.reshape(N, C, H, W)


def dense_relu(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Multiply (N, I) by (I, U); add the bias and apply ReLU in one pass, in place."""
    y = matmul(x, kernel)
    for_chunks(bias_relu_loop, len(y), -(-numbers_per_chunk(y.size) // max(1, y.shape[1])), y, for_loops(bias))
    return y


def dense(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """Multiply (N, I) by (I, U); add the bias, if there is one, in place."""
    y = matmul(x, kernel)
    if bias is not None:
        for_chunks(bias_loop, len(y), -(-numbers_per_chunk(y.size) // max(1, y.shape[1])), y, for_loops(bias))
    return y


def relu_gradient(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy where y, such as the output of a ReLU, is above 0, and 0 elsewhere."""
    own, dtype = dy.dtype, common_dtype(dy, y)
    dy, y = for_loops(dy, dtype), for_loops(y, dtype)
    dz = empty(y.shape, dtype)
    for_chunks(relu_gradient_loop, y.size, numbers_per_chunk(y.size), dy.reshape(-1), y.reshape(-1), dz.reshape(-1))
    return as_dtype(dz, own)


def as_dtype(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return an array that loops have filled as one of a dtype: itself, nearly always."""
    if array.dtype != dtype:
        synchronize()
    return array.astype(dtype, copy=False)


def numbers_per_chunk(n: int, least: int = MIN_CHUNK) -> int:
    """Return how many of n numbers one thread takes at a time: a half, a quarter, down to a sixteenth, unless that is
    less than the least that is worth it.

    >>> numbers_per_chunk(32_767), numbers_per_chunk(32_769), numbers_per_chunk(5_000_000)
    (32767, 16385, 312500)
    """
    pieces = 1
    while pieces < NUM_PIECES and n >= 2 * pieces * least:
        pieces *= 2
    return max(1, -(-n // pieces))


@chunked
def adam_loop(start: int, stop: int, p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray,
              rate: float, beta_1: float, beta_2: float, epsilon: float) -> None:
    """Update p, m and v, all (N,), in their own precision, from start to stop."""
    p, g, m, v = p[start:stop], g[start:stop], m[start:stop], v[start:stop]
    one_minus_beta_1, one_minus_beta_2 = p.dtype.type(1 - beta_1), p.dtype.type(1 - beta_2)
    step, eps = p.dtype.type(rate), p.dtype.type(epsilon)
    for k in range(p.size):
        m[k] += one_minus_beta_1 * (g[k] - m[k])
        v[k] += one_minus_beta_2 * (g[k] * g[k] - v[k])
        p[k] -= step * m[k] / (np.sqrt(v[k]) + eps)


@chunked
def dropout_loop(start: int, stop: int, size: int, x: np.ndarray, key: np.uint64, first: int, threshold: int,
                 scale: float, y: np.ndarray, blocks: np.ndarray, block_bits: np.ndarray) -> None:
    """Fill y (N,) from x (N,), number `first` and those after it of a longer array, from start to stop.

    The blocks (chunks, words) are for random words, block_bits the same memory as numbers of 16 bits.
    """
    chunk, (_, n), (_, drawn) = start // size, blocks.shape, block_bits.shape
    skipped = (first + start) % NUMBERS_PER_WORD                          # of the first word, in each block
    words, bits = numbers(blocks, chunk * n, (n,)), numbers(block_bits, chunk * drawn + skipped, (drawn - skipped,))
    block = bits.size if skipped == 0 else bits.size - bits.size % NUMBERS_PER_WORD
    for begin in range(start, stop, block):
        random_words(key, (first + begin) // NUMBERS_PER_WORD, words)
        end = min(begin + block, stop)
        x_block, y_block = part(x, begin, end), part(y, begin, end)
        for k in range(x_block.size):
            y_block[k] = x_block[k] * (scale if bits[k] >= threshold else x.dtype.type(0))


@chunked
def scale_rows_loop(start: int, stop: int, x: np.ndarray, factors: np.ndarray, y: np.ndarray) -> None:
    """Fill y (N, C, M) with x times factors (N, C), from start to stop."""
    for n in range(start, stop):
        for c in range(x.shape[1]):
            row, out, factor = x[n, c], y[n, c], factors[n, c]
            for m in range(row.size):
                out[m] = row[m] * factor


@chunked
def scale_columns_loop(start: int, stop: int, x: np.ndarray, factors: np.ndarray, y: np.ndarray) -> None:
    """Fill y (N, M, C) with x times factors (N, C), from start to stop."""
    for n in range(start, stop):
        shares = factors[n]
        for m in range(x.shape[1]):
            row, out = x[n, m], y[n, m]
            for c in range(row.size):
                out[c] = row[c] * shares[c]


@inlined
def random_words(key: np.uint64, start: int, words: np.ndarray) -> None:
    """Fill words with those of SplitMix64 from number `start` on, the bits of `splitmix.random_bits`."""
    for i in range(words.size):
        z = key + GAMMA * np.uint64(start + i + 1)
        z = (z ^ (z >> SHIFTS[0])) * FACTORS[0]
        z = (z ^ (z >> SHIFTS[1])) * FACTORS[1]
        words[i] = z ^ (z >> SHIFTS[2])


@chunked
def bias_loop(start: int, stop: int, y: np.ndarray, bias: np.ndarray) -> None:
    """Add the bias (U,) to rows start to stop of y (N, U), in place."""
    for n in range(start, stop):
        row = y[n]
        for u in range(row.size):
            row[u] += bias[u]


@chunked
def bias_relu_loop(start: int, stop: int, y: np.ndarray, bias: np.ndarray) -> None:
    """Add the bias (U,) to rows start to stop of y (N, U) and apply ReLU, in place."""
    for n in range(start, stop):
        row = y[n]
        for u in range(row.size):
            value = row[u] + bias[u]
            row[u] = y.dtype.type(0) if value <= 0 else value                 # a NaN stays


@chunked
def relu_gradient_loop(start: int, stop: int, dy: np.ndarray, y: np.ndarray, dz: np.ndarray) -> None:
    """Fill dz with dy where y, the output of a ReLU, is above 0, and with 0 elsewhere, all (N,), from start to stop."""
    dy, y, dz = dy[start:stop], y[start:stop], dz[start:stop]
    for k in range(y.size):
        dz[k] = dy[k] if y[k] > 0 else y.dtype.type(0)
