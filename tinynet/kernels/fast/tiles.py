"""The products under every fast convolution: a tile of the result at a time, held in the processor's registers.

A multiplication is quick where its numbers are in registers. So a few rows of the result, each a vector or two wide,
stay there while all their products are added up: each number of ``b`` that is fetched serves all rows, each of ``a``
a whole vector. That one loop nest, `tile`, runs at the machine's best rate; what is around it only says which numbers
it is to see. No window of an image is ever copied: ``a`` may be any strided view.
"""

from itertools import product

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic, overload
from numpy.lib.stride_tricks import as_strided

from tinynet.kernels.fast.loops import compiled, config, inlined

FEATURES = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES     # as numba decides it
WIDE = "+avx512f" in FEATURES
VECTOR_BYTES = 64 if WIDE else 32
MOST_ROWS, MOST_VECTORS = (12 if WIDE else 6), 2             # as many sums as there are registers for
MOST_IN_A_ROW = 8                                            # vectors of a row by itself: long pieces of `b`'s rows
MOST_LINES = 512                                             # of a matrix to go through before the next ones


def tile(a, b, start, c):
    """Fill c (M, N) with start (M, N) plus the sum over o and k of a[m, o, k] * b[o, k], a (M, O, K), b (O, K, N).

    M is up to `MOST_ROWS`, and N 1 to `MOST_VECTORS` whole vectors; rows of `b`, `start` and `c` lie in one piece. This
    is the meaning; numba compiles what `in_registers` writes in its place.
    """
    c[...] = start + np.einsum("mok,okn->mn", a, b)


def tile_of_one_row(a, b, start, c):
    """Do what `tile` does where M is 1, and N up to `MOST_IN_A_ROW` vectors."""
    tile(a, b, start, c)


def in_registers(sizes):
    """Write `tile` in the compiler's own language, once for each of the sizes (M, V) that it may have, V in vectors.

    In loops written in Python the sums would stay in memory: a tile of 12 x 32 reaches 107 GFLOP/s on a core where
    NumPy's product of large matrices reaches 103, and those loops, compiled, 25.
    """
    def generate(context, builder, signature, arguments):
        arrays = [context.make_array(kind)(context, builder, value)
                  for kind, value in zip(signature.args, arguments, strict=True)]
        number = context.get_value_type(signature.args[0].dtype)
        tiling = Tiling(builder, number, context.get_abi_sizeof(number), arrays)
        columns = builder.udiv(cgutils.unpack_tuple(builder, arrays[3].shape)[1], Tiling.index(tiling.lanes))
        done = builder.append_basic_block("done")
        choice = builder.switch(builder.add(builder.mul(tiling.rows, Tiling.index(MOST_IN_A_ROW + 1)), columns), done)
        for M, V in sizes:
            block = builder.append_basic_block(f"tile_{M}x{V}")
            choice.add_case(Tiling.index(M * (MOST_IN_A_ROW + 1) + V), block)
            builder.position_at_end(block)
            tiling.write(M, V)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()
    return intrinsic(lambda typing, a, b, start, c: (types.void(a, b, start, c), generate))


class Tiling:
    """Writes the instructions of tiles: addresses are in bytes, from an array's strides."""

    index = ir.IntType(64)

    def __init__(self, builder, number, size, arrays):
        self.builder, self.number, self.size, self.lanes = builder, number, size, VECTOR_BYTES // size
        self.vector = ir.VectorType(number, self.lanes)
        self.a, self.b, self.start, self.c = (builder.bitcast(x.data, ir.IntType(8).as_pointer()) for x in arrays)
        strides = [cgutils.unpack_tuple(builder, x.strides) for x in arrays]
        (self.a_m, self.a_o, self.a_k), (self.b_o, self.b_k, _), (self.start_m, _), (self.c_m, _) = strides
        self.rows, self.outer, self.inner = cgutils.unpack_tuple(builder, arrays[0].shape)

    def write(self, M, V):
        """Write one tile: M x V vectors of sums that are loaded, added to, and stored."""
        builder, index = self.builder, self.index
        cells = [(m, v) for m in range(M) for v in range(V)]
        sums = {cell: cgutils.alloca_once(builder, self.vector) for cell in cells}       # these become registers
        for m, v in cells:
            builder.store(self.load(self.cell(self.start, index(m), self.start_m, v), self.vector), sums[m, v])
        with cgutils.for_range(builder, self.outer) as o:
            a_o, b_o = self.moved(self.a, o.index, self.a_o), self.moved(self.b, o.index, self.b_o)
            with cgutils.for_range(builder, self.inner) as k:
                a_k = self.moved(a_o, k.index, self.a_k)
                row = [self.load(self.cell(b_o, k.index, self.b_k, v), self.vector) for v in range(V)]
                for m in range(M):
                    x = self.everywhere(self.load(self.moved(a_k, index(m), self.a_m), self.number))
                    for v in range(V):                     # "contract": product and sum may be one instruction
                        both = builder.fmul(x, row[v], flags=("contract",))
                        total = builder.fadd(builder.load(sums[m, v]), both, flags=("contract",))
                        builder.store(total, sums[m, v])
        for m, v in cells:
            there = builder.bitcast(self.cell(self.c, index(m), self.c_m, v), self.vector.as_pointer())
            builder.store(builder.load(sums[m, v]), there).align = self.size

    def moved(self, pointer, count, stride):
        """Return pointer + count * stride."""
        return self.builder.gep(pointer, [self.builder.mul(count, stride)])

    def cell(self, pointer, row, stride, v):
        """Return where vector v of a row lies."""
        return self.moved(self.moved(pointer, row, stride), self.index(v), self.index(VECTOR_BYTES))

    def load(self, pointer, kind):
        """Load a number or a vector, which may lie anywhere."""
        value = self.builder.load(self.builder.bitcast(pointer, kind.as_pointer()))
        value.align = self.size
        return value

    def everywhere(self, value):
        """Return a vector of one number."""
        none, half = ir.Constant(self.vector, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(none, value, half(0))
        return self.builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(half, self.lanes), [0] * self.lanes))


@compiled
def windows_of(image, kernel_size, strides, dilation):
    """View an image (H, W, C) as its windows (P, Q, S, kh, R), and the same turned to (S, kh, R, P, Q); copy nothing.

    R numbers that lie side by side in the image are one line of a window: kw * C of them, S = 1; with gaps between the
    columns only the channels of one pixel do: R = C, S = kw.
    """
    (H, W, C), (kh, kw), (s, t), (d, e) = image.shape, kernel_size, strides, dilation
    P, Q = (H - d * (kh - 1) - 1) // s + 1, (W - e * (kw - 1) - 1) // t + 1
    S, R = (1, kw * C) if e == 1 else (kw, C)
    row, pixel, number = image.strides
    return (as_strided(image, (P, Q, S, kh, R), (s * row, t * pixel, e * pixel, d * row, number)),
            as_strided(image, (S, kh, R, P, Q), (e * pixel, d * row, number, s * row, t * pixel)))


several_rows = in_registers([*product(range(1, MOST_ROWS + 1), range(1, MOST_VECTORS + 1))])
one_row = in_registers([(1, vectors) for vectors in range(1, MOST_IN_A_ROW + 1)])
overload(tile, inline="always")(lambda a, b, start, c: lambda a, b, start, c: several_rows(a, b, start, c))
overload(tile_of_one_row, inline="always")(lambda a, b, start, c: lambda a, b, start, c: one_row(a, b, start, c))


@inlined
def convolve(windows, weights, bias, z):
    """Fill z (P, Q, F) with bias (M, F), its rows all the same, plus windows (P, Q, S, kh, R) times weights.

    Weights are (panels, S, kh, R, width), as many filters to a panel as a tile is wide.
    """
    P, Q, F = z.shape
    panels, S, _, _, width = weights.shape
    rows = even(Q)
    for panel in range(panels):
        f = panel * width
        filters, weight = slice(f, min(f + width, F)), weights[panel, :, :, :, :min(width, F - f)]
        for p in range(P):
            for q in range(0, Q, rows):
                some = slice(q, min(q + rows, Q))
                c = z[p, some, filters]
                for s in range(S):
                    tile(windows[p, some, s], weight[s], bias[:len(c), filters] if s == 0 else c, c)


@inlined
def add_kernel_gradient(turned, dz, dweights):
    """Add to dweights (S, kh, R, F) the turned windows (S, kh, R, P, Q) times dz (P, Q, F)."""
    S, kh, R, F = dweights.shape
    rows, wide = even(R), tile_width(dz.itemsize)
    for f in range(0, F, wide):
        upstream = dz[:, :, f:f + wide]
        for s, i in np.ndindex((S, kh)):
            for r in range(0, R, rows):
                c = dweights[s, i, r:r + rows, f:f + wide]
                tile(turned[s, i, r:r + rows], upstream, c, c)


@inlined
def add_input_gradient(dz, weights, image, strides, dilation):
    """Add to image (H, W, C) what dz (P, Q, F) sends back through weights (panels, kh, kw, 1, F, width)."""
    P, Q, lanes = dz.shape
    rows_of_one = dz.reshape(P, Q, 1, lanes)
    C = image.shape[2]
    panels, kh, kw, _, F, width = weights.shape
    rows = even(Q)
    for panel in range(panels):
        c0 = panel * width
        channels = slice(c0, min(c0 + width, C))
        for p, i, j in np.ndindex((P, kh, kw)):
            line = image[p * strides[0] + i * dilation[0], j * dilation[1]:, channels]
            seen = line[::strides[1]]                                             # the q-th is seen by window q
            weight = weights[panel, i, j, :, :, :min(width, C - c0)]
            for q in range(0, Q, rows):
                c = seen[q:min(q + rows, Q)]
                tile(rows_of_one[p, q:q + rows, :, :F], weight, c, c)


@compiled
def multiply(a, b, y):
    """Fill y (M, N) with a (M, K) times b (K, N), N whole vectors and rows of b and y in one piece.

    So many rows of b at a time that they stay in the second cache while all rows of a pass.
    """
    (M, K), N = a.shape, b.shape[1]
    rows, wide = even(M), tile_width(y.itemsize)
    y[...] = 0
    for k in range(0, K, MOST_LINES):
        for m in range(0, M, rows):
            for n in range(0, N, wide):
                c = y[m:m + rows, n:n + wide]
                tile(a[m:m + rows, None, k:k + MOST_LINES], b[None, k:k + MOST_LINES, n:n + wide], c, c)


@compiled
def multiply_row(a, b, y):
    """Fill y (1, N) with a (1, K) times b (K, N), as `multiply` does: b is read once, in pieces as long as can be."""
    wide = MOST_IN_A_ROW * VECTOR_BYTES // y.itemsize
    y[...] = 0
    for n in range(0, b.shape[1], wide):
        c = y[:, n:n + wide]
        tile_of_one_row(a[:, None], b[None, :, n:n + wide], c, c)


@compiled
def even(n):
    """Return how many of n rows to take to a tile, so that tiles are few and about equal."""
    return -(-n // -(-n // MOST_ROWS))


@compiled
def tile_width(itemsize):
    """Return how many numbers wide the widest tile is."""
    return MOST_VECTORS * VECTOR_BYTES // itemsize


def can_multiply(a, b):
    """Tell whether `multiply` can: rows of `b` must be whole vectors."""
    return in_rows(a, b) and b.shape[1] * b.itemsize % VECTOR_BYTES == 0


def in_rows(a, b):
    """Tell whether a and b are of one dtype that compiled products know, and rows of `b` lie in one piece."""
    return a.dtype == b.dtype and a.dtype in (np.float32, np.float64) and b.flags.c_contiguous
