"""The compiled loops of Winograd's convolutions: some rows of squares at a time, through their transforms and products.

Images are (N, H, W, C), outputs and their gradients (N, P, Q, F), cut into squares of 2 x 2 outputs, which see 4 x 4
pixels. Of each chunk of the samples there are the transformed squares, (16, squares, C) and (16, squares, F), of as
many rows of them as there are `loops` for; and, where there are margins around images, or half a square at an edge, a
copy of one of them, with zeros around it. They are in the cache from one transform to the next.
"""

import numpy as np

from tinynet.kernels.fast import tiles
from tinynet.kernels.fast.compiling import inlined
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.functions import VECTOR_BYTES, copy, transform
from tinynet.kernels.fast.llvm.memory import at, clear, numbers

Entries = tuple[int, int, int, int, int, int, int, int]      # multiply, copy, and the transforms, see `functions`


@chunked
def transform_kernels(start: int, stop: int, entries: Entries, panels: np.ndarray, weights: np.ndarray) -> None:
    """Fill rows start to stop of weights (panels, 16, rows, width) with those of kernels (panels, 3 * 3, rows, width).
    """
    _, _, _, of_kernel, _, _, _, _ = entries
    _, _, rows, width = panels.shape
    size, plane = width * panels.itemsize, weights.shape[2] * width * panels.itemsize
    for p in range(len(panels)):
        transform(of_kernel, at(panels, p, 0, start), 3 * rows * size, rows * size, size, at(weights, p, 0, start),
                  4 * plane, plane, size, stop - start, size // VECTOR_BYTES, 0)


@chunked
def convolve_squares(start: int, stop: int, chunk: int, entries: Entries, loops: np.ndarray, images: np.ndarray,
                     top: int, left: int, copies: np.ndarray, weights: np.ndarray, bias: np.ndarray, y: np.ndarray,
                     relu: bool, inputs: np.ndarray, outputs: np.ndarray, nonfinite: np.ndarray) -> None:
    """Fill y with the convolutions of images, the weights being (panels, 16, C, width), the bias (16, F); cut it off
    below 0 if there is a ReLU.
    """
    multiply, copying, of_image, _, to_output, _, _, _ = entries
    (_, P, Q, F), k, of = y.shape, start // chunk, y.itemsize
    rows, columns, most = (P + 1) // 2, (Q + 1) // 2, len(loops) - 1
    V, plane = F * of // VECTOR_BYTES, outputs.shape[2] * F * of
    if len(copies):
        clear(copies, k)
    for first in range(start * rows, stop * rows, most):
        count = min(most, stop * rows - first)
        read_squares(copying, of_image, images, first, count, rows, columns, top, left, copies, inputs, k)
        tiles.multiply(multiply, at(loops, count), 0, at(inputs, k), weights, bias, at(outputs, k))
        for r in range(count):
            n, p = (first + r) // rows, (first + r) % rows
            to_row = Q * F * of if 2 * p + 1 < P else 0                                  # of half a square the first
            transform(to_output, at(outputs, k, 0, r * columns), 4 * plane, plane, F * of, at(y, n, 2 * p), to_row,
                      F * of, 2 * F * of, Q // 2, V, at(nonfinite, k))
            transform(to_output, at(outputs, k, 0, r * columns + Q // 2), 4 * plane, plane, F * of,
                      at(y, n, 2 * p, Q - 1), to_row, 0, 0, Q % 2, V, at(nonfinite, k))
            z = numbers(y, (n * P + 2 * p) * Q * F, (min(2, P - 2 * p) * Q * F,))
            for q in range(z.size if relu else 0):
                z[q] = z.dtype.type(0) if z[q] <= 0 else z[q]                                          # a NaN stays


@chunked
def add_square_gradients(start: int, stop: int, chunk: int, entries: Entries, loops: np.ndarray, images: np.ndarray,
                         top: int, left: int, copies: np.ndarray, dy: np.ndarray, dy_copies: np.ndarray,
                         inputs: np.ndarray, outputs: np.ndarray, sums: np.ndarray, dweights: np.ndarray,
                         dbias: np.ndarray, nonfinite: np.ndarray) -> None:
    """Fill the chunk's dweights (1, 3, 3 * C, F), from its sums (16, C, F), and add to its dbias (F,), or (0,)."""
    multiply, copying, of_image, _, _, of_output, to_kernel, _ = entries
    (_, P, Q, F), k, of = dy.shape, start // chunk, dy.itemsize
    rows, columns, most = (P + 1) // 2, (Q + 1) // 2, len(loops) - 1
    C, plane = images.shape[3], sums.shape[2] * F * of
    if len(copies):
        clear(copies, k)
    if len(dy_copies):
        clear(dy_copies, k)
    clear(sums, k)
    for first in range(start * rows, stop * rows, most):
        count = min(most, stop * rows - first)
        read_squares(copying, of_image, images, first, count, rows, columns, top, left, copies, inputs, k)
        read_squares(copying, of_output, dy, first, count, rows, columns, 0, 0, dy_copies, outputs, k)
        tiles.multiply(multiply, at(loops, count), 0, at(inputs, k), at(outputs, k), at(sums, k), at(sums, k))
    transform(to_kernel, at(sums, k), 4 * plane, plane, F * of, at(dweights, k), 3 * C * F * of, C * F * of, F * of, C,
              F * of // VECTOR_BYTES, at(nonfinite, k))
    pixels = numbers(dy, start * P * Q * F, ((stop - start) * P * Q, F))
    for row in range(len(pixels) if dbias.size else 0):
        for f in range(F):
            dbias[k, f] += pixels[row, f]


@chunked
def add_to_squares(start: int, stop: int, chunk: int, entries: Entries, loops: np.ndarray, dy: np.ndarray,
                   copies: np.ndarray, weights: np.ndarray, zeros: np.ndarray, dx: np.ndarray, top: int, left: int,
                   padded: np.ndarray, outputs: np.ndarray, inputs: np.ndarray, nonfinite: np.ndarray) -> None:
    """Fill dx (N, H, W, C) with upstream gradients dy, times the weights (panels, 16, F, width), added onto the pixels
    that they come from: in the chunk's image with margins (height, width, C), if there is one.
    """
    multiply, copying, _, _, _, of_output, _, to_image = entries
    (_, P, Q, _), (_, H, W, C), k, of = dy.shape, dx.shape, start // chunk, dx.itemsize
    rows, columns, most = (P + 1) // 2, (Q + 1) // 2, len(loops) - 1
    V, plane = C * of // VECTOR_BYTES, inputs.shape[2] * C * of
    if len(copies):
        clear(copies, k)
    for first in range(start * rows, stop * rows, most):
        count = min(most, stop * rows - first)
        read_squares(copying, of_output, dy, first, count, rows, columns, 0, 0, copies, outputs, k)
        tiles.multiply(multiply, at(loops, count), 0, at(outputs, k), weights, zeros, at(inputs, k))
        for r in range(count):
            n, p = (first + r) // rows, (first + r) % rows
            image, m = (padded, k) if len(padded) else (dx, n)
            if p == 0:
                clear(image, m)
            transform(to_image, at(inputs, k, 0, r * columns), 4 * plane, plane, C * of, at(image, m, 2 * p),
                      image.strides[1], C * of, 2 * C * of, columns, V, at(nonfinite, k))
            for h in range(H if len(padded) and p == rows - 1 else 0):
                tiles.copy(copying, at(padded, k, top + h, left), 0, of, at(dx, n, h), 0, of, 1, W * C)


@inlined
def read_squares(copying: int, entry: int, images: np.ndarray, first: int, count: int, rows: int, columns: int,
                 top: int, left: int, copies: np.ndarray, squares: np.ndarray, k: int) -> None:
    """Transform some rows of squares, two pixels apart, to those of the chunk, from the first on, counted through all
    images, which have so many each. If there are copies, an image is copied before its first row.
    """
    (_, h, w, C), of, plane = images.shape, images.itemsize, squares.shape[2] * squares.shape[3] * images.itemsize
    for r in range(count):
        n, p = (first + r) // rows, (first + r) % rows
        for row in range(h if len(copies) and p == 0 else 0):
            copy(copying, at(images, n, row), 0, of, at(copies, k, top + row, left), 0, of, 1, w * C)
        source, m = (copies, k) if len(copies) else (images, n)
        transform(entry, at(source, m, 2 * p), source.strides[1], C * of, 2 * C * of, at(squares, k, 0, r * columns),
                  4 * plane, plane, C * of, columns, C * of // VECTOR_BYTES, 0)
