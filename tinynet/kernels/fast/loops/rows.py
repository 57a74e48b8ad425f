"""Work on rows, each by itself, a few at a time: softmax, cross-entropy, normalisation to mean 0 and deviation 1."""

from functools import partial

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.compiling import REASSOCIATED, compiled, for_loops, reassociated
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.loops.elementwise import MIN_CHUNK, MIN_SUMMED, numbers_per_chunk
from tinynet.kernels.fast.loops.formulas import for_dtype
from tinynet.kernels.fast.threads import for_chunks

BLOCK = 1 << 13                # numbers that go through all of a loop's passes before the next: 32 KB of float32
MIN_ROWS = 16                  # of a chunk that has sums of its own: they cost what two rows do, or three
FEW = 1 << 11                  # numbers for which vectors save less time than it takes to compile their loops


def softmax(x: np.ndarray) -> np.ndarray:
    """Return e^x of rows (R, K), each divided by its sum."""
    x = for_loops(x)
    y = empty(x.shape, x.dtype)
    for_chunks(for_dtype(softmax_loop, x.dtype), len(x), rows_per_chunk(x, MIN_CHUNK // 4), x, y)
    return y


def cross_entropy(y_true: np.ndarray, z: np.ndarray, count: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return -sum of y_true log p (R,), its gradient with respect to the logits z (R, K) over a count, and p =
    softmax(z) (R, K).

    y_true has probabilities (R, K), or labels (R,), each of which has all of its row.
    """
    z = for_loops(z)
    y_true = for_loops(one_hot(y_true, z) if y_true.ndim == 1 else y_true, z.dtype)
    losses, slopes, p = np.empty(len(z), z.dtype), empty(z.shape, z.dtype), empty(z.shape, z.dtype)
    loop = few_losses_loop if z.size <= FEW else for_dtype(cross_entropy_loop, z.dtype)
    for_chunks(loop, len(z), rows_per_chunk(z, MIN_CHUNK // 4), y_true, z, z.dtype.type(count), p, losses, slopes)
    return losses, slopes, p


def one_hot(labels: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return labels (R,) as the probabilities (R, K) for logits z (R, K)."""
    rows = np.zeros(z.shape, z.dtype)
    rows[np.arange(len(z)), labels] = 1
    return rows


def softmax_gradient(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return y (dy - sum of dy y), row by row."""
    dy, y = for_loops(dy, y.dtype), for_loops(y)
    dx = empty(y.shape, y.dtype)
    for_chunks(softmax_gradient_loop, len(y), rows_per_chunk(y), dy, y, dx)
    return dx


def normalize_rows(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float
                   ) -> tuple[np.ndarray, np.ndarray]:
    """Return gamma (x - mean) / std + beta of rows (R, K), and the statistics (R, 2): the mean, and 1 / std."""
    x, gamma, beta = for_loops(x), for_loops(gamma, x.dtype), for_loops(beta, x.dtype)
    y, statistics = empty(x.shape, x.dtype), np.empty((len(x), 2))
    for_chunks(normalize_loop, len(x), rows_per_chunk(x), x, gamma, beta, epsilon, y, statistics)
    return y, statistics


def normalize_rows_gradient(dy: np.ndarray, x: np.ndarray, statistics: np.ndarray, gamma: np.ndarray
                            ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (dx, dgamma, dbeta) of `normalize_rows`; sums over rows are those of each chunk, added in order."""
    dy, x, gamma = for_loops(dy, x.dtype), for_loops(x), for_loops(gamma, x.dtype)
    dx, size = empty(x.shape, x.dtype), max(MIN_ROWS, rows_per_chunk(x, MIN_SUMMED))
    sums = np.zeros((max(1, -(-len(x) // size)), 2, x.shape[1]), x.dtype)
    for_chunks(normalize_gradient_loop, len(x), size, size, dy, x, statistics, gamma, dx, sums)
    dgamma, dbeta = sums.sum(axis=0)
    return dx, dgamma, dbeta


def rows_per_chunk(x: np.ndarray, least: int = MIN_CHUNK) -> int:
    """Return how many rows of x (R, K) one thread takes at a time, given the least numbers that are worth it."""
    return -(-numbers_per_chunk(x.size, least) // max(1, x.shape[1]))


def softmax_loop(first: int, last: int, x: np.ndarray, y: np.ndarray) -> None:
    """Fill y with e^x, each row divided by its sum, from first to last; compiled by `for_dtype`."""
    x, y, rows = x[first:last], y[first:last], max(1, BLOCK // max(1, x.shape[1]))
    for start in range(0, len(x), rows):
        block = y[start:start + rows]
        less_maximum_loop(x[start:start + rows], block)
        flat = block.reshape(-1)                                          # as one row: theirs may be short
        for k in range(flat.size):
            flat[k] = np.exp(flat[k])
        divide_by_sum_loop(block)


@compiled
def less_maximum_loop(x: np.ndarray, y: np.ndarray) -> None:
    """Fill y with x less its row's maximum; a NaN makes its row's sum of exponentials a NaN, later."""
    for n in range(len(x)):
        row, out = x[n], y[n]
        a = b = c = d = x.dtype.type(-np.inf)                            # four maxima, so that none waits for the last
        whole = row.size // 4 * 4
        for k in range(0, whole, 4):
            a = row[k] if row[k] > a else a
            b = row[k + 1] if row[k + 1] > b else b
            c = row[k + 2] if row[k + 2] > c else c
            d = row[k + 3] if row[k + 3] > d else d
        for k in range(whole, row.size):
            a = row[k] if row[k] > a else a
        a, c = max(a, b), max(c, d)
        largest = max(a, c)
        for k in range(row.size):
            out[k] = row[k] - largest


@reassociated
def divide_by_sum_loop(y: np.ndarray) -> None:
    """Divide each row by its sum."""
    for n in range(len(y)):
        row, total = y[n], y.dtype.type(0)
        for k in range(row.size):
            total += row[k]
        for k in range(row.size):
            row[k] = row[k] / total


def cross_entropy_loop(first: int, last: int, y_true: np.ndarray, z: np.ndarray, count: float, p: np.ndarray,
                       losses: np.ndarray, slopes: np.ndarray) -> None:
    """Fill p with the softmax of z, and losses and slopes, from first to last; compiled by `for_dtype`."""
    y_true, z, p = y_true[first:last], z[first:last], p[first:last]
    losses, slopes, rows = losses[first:last], slopes[first:last], max(1, BLOCK // max(1, z.shape[1]))
    logits = np.empty((rows, z.shape[1]), z.dtype)                        # less their maximum
    for start in range(0, len(z), rows):
        piece = slice(start, start + rows)
        block, less = p[piece], logits[:len(p[piece])]
        less_maximum_loop(z[piece], less)
        flat, exponents = block.reshape(-1), less.reshape(-1)
        for k in range(flat.size):
            flat[k] = np.exp(exponents[k])
        losses_loop(y_true[piece], less, count, block, losses[piece], slopes[piece])


@chunked
def few_losses_loop(start: int, stop: int, y_true: np.ndarray, z: np.ndarray, count: float, p: np.ndarray,
                    losses: np.ndarray, slopes: np.ndarray) -> None:
    """Do what `cross_entropy_loop` does, number by number: compiled in 0.4 s in place of 1.0, and as fast for few.

    The sums are float64: one after the other, in float32 a thousand terms would lose digits.
    """
    for n in range(start, stop):
        largest, total, all_targets, loss, number = -np.inf, 0.0, 0.0, 0.0, z.dtype.type
        for k in range(z.shape[1]):
            largest = max(largest, z[n, k])
        for k in range(z.shape[1]):
            p[n, k] = np.exp(z[n, k] - number(largest))
            total += p[n, k]
            all_targets += y_true[n, k]                                      # 1 where the targets are one-hot
        log_sum = np.log(total)
        for k in range(z.shape[1]):
            if y_true[n, k] != 0:                                            # 0 * inf is 0 here
                loss += y_true[n, k] * (log_sum - (z[n, k] - number(largest)))
            p[n, k] = p[n, k] / total
            slopes[n, k] = (p[n, k] * number(all_targets) - y_true[n, k]) / count
        losses[n] = loss


@reassociated
def losses_loop(y_true: np.ndarray, z: np.ndarray, count: float, p: np.ndarray, losses: np.ndarray, slopes: np.ndarray
                ) -> None:
    """Fill losses and slopes, and divide p, the exponentials of z, by their sums, row by row."""
    for n in range(len(p)):
        row, logits, target, out, zero = p[n], z[n], y_true[n], slopes[n], p.dtype.type(0)
        total = all_targets = loss = zero
        for k in range(row.size):
            total += row[k]
            all_targets += target[k]                                         # 1 where the targets are one-hot
        log_sum = np.log(total)
        for k in range(row.size):
            loss += zero if target[k] == 0 else target[k] * (log_sum - logits[k])           # 0 * inf is 0 here
            row[k] = row[k] / total
            out[k] = (row[k] * all_targets - target[k]) / count
        losses[n] = loss


@partial(chunked, fastmath=REASSOCIATED)
def softmax_gradient_loop(start: int, stop: int, dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
    """Fill rows start to stop of dx with y (dy - sum of dy y)."""
    for n in range(start, stop):
        upstream, row, out, total = dy[n], y[n], dx[n], y.dtype.type(0)
        for k in range(row.size):
            total += upstream[k] * row[k]
        for k in range(row.size):
            out[k] = row[k] * (upstream[k] - total)


@partial(chunked, fastmath=REASSOCIATED)
def normalize_loop(start: int, stop: int, x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float,
                   y: np.ndarray, statistics: np.ndarray) -> None:
    """Fill rows start to stop of y, and their statistics; the squares are of distances from the mean, so they do not
    cancel.
    """
    K = x.shape[1]
    for n in range(start, stop):
        row, out, total, squares = x[n], y[n], 0.0, 0.0
        for k in range(K):
            total += row[k]
        mean = total / K
        for k in range(K):
            squares += (row[k] - mean) * (row[k] - mean)
        scale = 1 / np.sqrt(squares / K + epsilon)
        statistics[n, 0], statistics[n, 1] = mean, scale
        middle, factor = x.dtype.type(mean), x.dtype.type(scale)
        for k in range(K):
            out[k] = (row[k] - middle) * factor * gamma[k] + beta[k]


@partial(chunked, fastmath=REASSOCIATED)
def normalize_gradient_loop(start: int, stop: int, size: int, dy: np.ndarray, x: np.ndarray, statistics: np.ndarray,
                            gamma: np.ndarray, dx: np.ndarray, sums: np.ndarray) -> None:
    """Fill rows start to stop of dx = (dh - mean(dh) - h mean(dh h)) / std, with dh = dy gamma; add dy h and dy to the
    chunk's sums (2, K).
    """
    K, number, k_th = x.shape[1], x.dtype.type, start // size
    dgamma, dbeta = sums[k_th, 0], sums[k_th, 1]                         # unpacked, they would be no contiguous rows
    for n in range(start, stop):
        row, upstream, out, total, products = x[n], dy[n], dx[n], 0.0, 0.0
        middle, factor = number(statistics[n, 0]), number(statistics[n, 1])
        for k in range(K):
            h = (row[k] - middle) * factor
            dgamma[k] += upstream[k] * h
            dbeta[k] += upstream[k]
        for k in range(K):
            h, dh = (row[k] - middle) * factor, upstream[k] * gamma[k]
            total += dh
            products += dh * h
        mean, slope = number(total / K), number(products / K)
        for k in range(K):
            h, dh = (row[k] - middle) * factor, upstream[k] * gamma[k]
            out[k] = (dh - mean - h * slope) * factor
