"""The inner loop of all fast products: one tile of the result at a time, its sums held in the vector registers.

Multiplication is fast where the numbers are in registers. So a few rows of the result, each one or two vectors wide,
stay there while all their products are added up: each vector of ``b`` that is loaded serves all rows, each number of
``a`` a whole vector. `tile` is that one loop; the code around it only chooses what is multiplied. ``a`` may be any
strided view, so the windows of an image are multiplied without being copied.
"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config as numba_config
from numba.core import cgutils, types
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic, overload

from tinynet.kernels.fast.compiling import compiled

config: Any = numba_config                                   # its attributes are set when it is loaded
CPU_FEATURES = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES     # as numba decides it
AVX512 = "+avx512f" in CPU_FEATURES
VECTOR_BYTES = 64 if AVX512 else 32
MAX_ROWS, MAX_VECTORS = (12 if AVX512 else 6), 2             # of a tile: its sums fill most of the 32 or 16 registers
MAX_GEMV_VECTORS = 8                                         # of a tile of one row: long runs of the rows of `b`


def tile(a: np.ndarray, b: np.ndarray, start: np.ndarray, c: np.ndarray) -> None:
    """Fill c (M, N) with start (M, N) plus the sum over o and k of a[m, o, k] * b[o, k], a (M, O, K), b (O, K, N).

    M is at most `MAX_ROWS`, and N is 1 to `MAX_VECTORS` vectors; rows of `b`, `start` and `c` are contiguous. This
    body is the meaning; numba compiles the loop of `tile_intrinsic` in its place.
    """
    c[...] = start + np.einsum("mok,okn->mn", a, b)


def gemv_tile(a: np.ndarray, b: np.ndarray, start: np.ndarray, c: np.ndarray) -> None:
    """Do what `tile` does, for vector-matrix products (GEMV): M is 1, and N up to `MAX_GEMV_VECTORS` vectors."""
    tile(a, b, start, c)


def tile_intrinsic(sizes: Iterable[tuple[int, int]]) -> Callable[..., None]:
    """Return a function for compiled code: `tile` in LLVM instructions, for the sizes (M, V) listed, V in vectors.

    In loops written in Python numba would keep the sums in memory: a tile of 12 x 32 reaches 107 GFLOP/s on a core,
    those loops, compiled, 25; NumPy's product of large matrices 103. Instructions for each size are generated once,
    with the loops over m and v unrolled, so that each sum has a register of its own::

        sum[m, v] = start[m, v]                             for all m < M, v < V: M * V registers
        for o in range(O):
            for k in range(K):
                row[v] = b[o, k, v]                         for all v: V vectors are loaded
                for m in range(M):
                    x = broadcast(a[m, o, k])               one number, in all lanes of a vector
                    sum[m, v] += x * row[v]                 for all v: fused multiply-adds
        c[m, v] = sum[m, v]                                 for all m, v

    When called, it looks at the shapes of a and c and jumps to the instructions for their size.
    """
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
        arrays = [context.make_array(kind)(context, builder, value)
                  for kind, value in zip(signature.args, arguments, strict=True)]
        scalar = context.get_value_type(signature.args[0].dtype)
        writer = TileWriter(builder, scalar, context.get_abi_sizeof(scalar), arrays)
        vectors = builder.udiv(cgutils.unpack_tuple(builder, arrays[3].shape)[1], I64(writer.lanes))
        done = builder.append_basic_block("done")
        columns = MAX_GEMV_VECTORS + 1                       # more than V can be: one case for each pair (M, V)
        switch = builder.switch(builder.add(builder.mul(writer.M, I64(columns)), vectors), done)
        for M, V in sizes:
            block = builder.append_basic_block(f"tile_{M}x{V}")
            switch.add_case(I64(M * columns + V), block)
            builder.position_at_end(block)
            writer.write(M, V)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()
    return intrinsic(lambda typing, a, b, start, c: (types.void(a, b, start, c), generate))


I64, I32 = ir.IntType(64), ir.IntType(32)


class TileWriter:
    """Writes the instructions of tiles; offsets are in bytes, from the strides of the arrays."""

    def __init__(self, builder: ir.IRBuilder, scalar: ir.Type, itemsize: int, arrays: list[Any]):
        self.builder, self.scalar, self.itemsize, self.lanes = builder, scalar, itemsize, VECTOR_BYTES // itemsize
        self.vector = ir.VectorType(scalar, self.lanes)
        self.a, self.b, self.start, self.c = (builder.bitcast(x.data, ir.IntType(8).as_pointer()) for x in arrays)
        strides = [cgutils.unpack_tuple(builder, x.strides) for x in arrays]
        (self.a_m, self.a_o, self.a_k), (self.b_o, self.b_k, _), (self.start_m, _), (self.c_m, _) = strides
        self.M, self.O, self.K = cgutils.unpack_tuple(builder, arrays[0].shape)

    def write(self, M: int, V: int) -> None:
        """Write the loop of `tile_intrinsic` for one size."""
        builder = self.builder
        sums = {(m, v): cgutils.alloca_once(builder, self.vector) for m in range(M) for v in range(V)}   # registers
        for m, v in sums:
            builder.store(self.load(self.address(self.start, I64(m), self.start_m, v), self.vector), sums[m, v])
        with cgutils.for_range(builder, self.O) as o:
            a_o, b_o = self.offset(self.a, o.index, self.a_o), self.offset(self.b, o.index, self.b_o)
            with cgutils.for_range(builder, self.K) as k:
                a_k = self.offset(a_o, k.index, self.a_k)
                row = [self.load(self.address(b_o, k.index, self.b_k, v), self.vector) for v in range(V)]
                for m in range(M):
                    x = self.broadcast(self.load(self.offset(a_k, I64(m), self.a_m), self.scalar))
                    for v in range(V):
                        self.multiply_add(x, row[v], sums[m, v])
        for m, v in sums:
            target = builder.bitcast(self.address(self.c, I64(m), self.c_m, v), self.vector.as_pointer())
            builder.store(builder.load(sums[m, v]), target).align = self.itemsize

    def multiply_add(self, x: ir.Value, y: ir.Value, total: ir.Value) -> None:
        """Add x * y to a sum; "contract" allows one instruction, rounded once, and nothing else of fast math."""
        term = self.builder.fmul(x, y, flags=("contract",))
        self.builder.store(self.builder.fadd(self.builder.load(total), term, flags=("contract",)), total)

    def offset(self, pointer: ir.Value, count: ir.Value, stride: ir.Value) -> ir.Value:
        """Return pointer + count * stride."""
        return self.builder.gep(pointer, [self.builder.mul(count, stride)])

    def address(self, pointer: ir.Value, row: ir.Value, stride: ir.Value, v: int) -> ir.Value:
        """Return the address of vector v of a row."""
        return self.offset(self.offset(pointer, row, stride), I64(v), I64(VECTOR_BYTES))

    def load(self, pointer: ir.Value, kind: ir.Type) -> ir.Value:
        """Load a number or a vector, aligned to its numbers alone: a row of a view may begin anywhere."""
        value = self.builder.load(self.builder.bitcast(pointer, kind.as_pointer()))
        value.align = self.itemsize
        return value

    def broadcast(self, number: ir.Value) -> ir.Value:
        """Return a vector with the number in all lanes: inserted into the first, which a shuffle copies to all."""
        undefined, zeros = ir.Constant(self.vector, ir.Undefined), [0] * self.lanes
        first = self.builder.insert_element(undefined, number, I32(0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, self.lanes), zeros))


compiled_tile = tile_intrinsic([*product(range(1, MAX_ROWS + 1), range(1, MAX_VECTORS + 1))])
compiled_gemv_tile = tile_intrinsic([(1, vectors) for vectors in range(1, MAX_GEMV_VECTORS + 1)])
overload(tile, inline="always")(lambda a, b, start, c: lambda a, b, start, c: compiled_tile(a, b, start, c))
overload(gemv_tile, inline="always")(lambda a, b, start, c: lambda a, b, start, c: compiled_gemv_tile(a, b, start, c))


@compiled
def balanced_rows(n: int) -> int:
    """Return how many of n rows to take to a tile, so that tiles are few and of about equal height."""
    return -(-n // -(-n // MAX_ROWS))


@compiled
def tile_width(itemsize: int) -> int:
    """Return how many numbers wide the widest tile is."""
    return MAX_VECTORS * VECTOR_BYTES // itemsize


@compiled
def round_up_to_vector(n: int, itemsize: int) -> int:
    """Return the least number of numbers, n or more, that fills whole vectors."""
    lanes = VECTOR_BYTES // itemsize
    return -(-n // lanes) * lanes


def suits_tiles(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether tiles can multiply a (M, K) by b (K, N): the rows of `b` must be whole vectors."""
    return suits_compiled_loops(a, b) and b.shape[1] * b.itemsize % VECTOR_BYTES == 0


def suits_compiled_loops(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether a and b have one dtype, float32 or float64, and are aligned, and the rows of `b` contiguous."""
    return (a.dtype == b.dtype and a.dtype in (np.float32, np.float64) and b.flags.c_contiguous
            and a.flags.aligned and b.flags.aligned)
