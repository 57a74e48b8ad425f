"""The instructions of tiles: the inner loop of all products, and the loops around it, written for LLVM.

In loops written in Python numba would keep the sums in memory: a tile of 12 x 32 reaches 107 GFLOP/s on a core, those
loops, compiled, 25; NumPy's product of large matrices 103. A function for each size (M, V) of a
tile, V in vectors, has the loops over m and v unrolled, so that each sum has a register of its own::

    sum[m, v] = start[m, v]                             for all m < M, v < V: M * V registers
    for o in range(O):
        for k in range(K):
            row[v] = b[o, k, v]                         for all v: V vectors are loaded
            for m in range(M):
                x = broadcast(a[m, o, k])               one number, in all lanes of a vector
                sum[m, v] += x * row[v]                 for all v: fused multiply-adds
    c[m, v] = sum[m, v]                                 for all m, v
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from itertools import product

from llvmlite import ir

from tinynet.kernels.fast.llvm.writing import BYTES, I64, load, loop, multiply_add, splat, store

Sizes = Iterable[tuple[int, int]]


def write_multiply(module: ir.Module, vector: ir.VectorType, itemsize: int, sizes: Sizes, loops: int) -> None:
    """Write ``multiply(numbers, count, a, b, start, c)``, see `tiles.multiply`, with so many loops around a tile.

    The sizes are (M, V) of all tiles; itemsize is that of a vector's numbers.
    """
    multiply = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64.as_pointer(), I64, *[BYTES] * 4]), "multiply")
    kind = ir.FunctionType(ir.VoidType(), [*[BYTES] * 4, I64, I64, I64.as_pointer()])
    tiles = {}
    for M, V in sizes:
        tiles[M, V] = ir.Function(module, kind, f"tile_{M}x{V}")
        tiles[M, V].linkage = "internal"
        TileWriter(tiles[M, V], vector, itemsize).write(M, V)
    write_loops(multiply, tiles, loops)


def write_loops(function: ir.Function, tiles: dict[tuple[int, int], ir.Function], loops: int) -> None:
    """Write the loops, in the order of `tiles.Loop` and `tiles.Tile`, and in the innermost the call of a tile."""
    builder, (numbers, count, *pointers) = ir.IRBuilder(function.append_basic_block()), function.args
    values = load_numbers(builder, numbers, 8 * loops)
    of_tile = builder.gep(numbers, [I64(8 * loops)])
    rows, M, V, _, K, *_, start_m, c_m, vectors, depth = load_numbers(builder, of_tile, 14)
    cut = [I64(0)] * 3                                            # where the tile begins: m, v, k
    with ExitStack() as stack:
        for number in range(loops):
            length, *steps = values[8 * number:][:8]
            length = builder.select(builder.icmp_signed("<", length, I64(0)), count, length)
            index, pointers = stack.enter_context(loop(builder, length, pointers, steps[:4]))
            cut = [builder.add(x, builder.mul(index, step)) for x, step in zip(cut, steps[4:], strict=True)]
        a, b, start, c = pointers
        further = builder.icmp_signed(">", index, I64(0))
        rows, vectors, depth = map(partial(left, builder), (rows, vectors, depth), (M, V, K), cut)
        passed = [a, b, builder.select(further, c, start), c, builder.select(further, c_m, start_m), depth, of_tile]
        done, columns = builder.append_basic_block(), max(V for _, V in tiles) + 1         # a case for each (M, V)
        switch = builder.switch(builder.add(builder.mul(rows, I64(columns)), vectors), done)
        for (height, width), tile in tiles.items():
            block = builder.append_basic_block()
            switch.add_case(I64(height * columns + width), block)
            builder.position_at_end(block)
            builder.call(tile, passed)
            builder.branch(done)
        builder.position_at_end(done)
    builder.ret_void()


def load_numbers(builder: ir.IRBuilder, numbers: ir.Value, count: int) -> list[ir.Value]:
    """Return so many of the numbers that lie at a pointer."""
    return [builder.load(builder.gep(numbers, [I64(k)])) for k in range(count)]


def left(builder: ir.IRBuilder, most: ir.Value, size: ir.Value, begin: ir.Value) -> ir.Value:
    """Return how much of a size is left for a tile, at most the most that it has."""
    rest = builder.sub(size, begin)
    return builder.select(builder.icmp_signed("<", rest, most), rest, most)


class TileWriter:
    """Writes the function of one size of tile; strides are in bytes."""

    def __init__(self, function: ir.Function, vector: ir.VectorType, itemsize: int):
        self.builder, self.arguments = ir.IRBuilder(function.append_basic_block()), function.args
        self.vector, self.itemsize, self.vector_bytes = vector, itemsize, vector.count * itemsize

    def write(self, M: int, V: int) -> None:
        """Write the loops over o and k.

        A pointer for every third row, and two offsets from it: one for each row would not fit the registers.
        """
        builder, (a, b, start, c, start_m, K, numbers) = self.builder, self.arguments
        _, _, _, length, _, a_m, a_o, a_k, b_o, b_k, _, c_m, _, _ = load_numbers(builder, numbers, 14)
        places, offsets = [*product(range(M), range(V))], [I64(0), self.opaque(a_m), self.opaque(builder.add(a_m, a_m))]
        sums = [load(builder, self.place(start, m, start_m, v), self.vector, self.itemsize) for m, v in places]
        pointers = [*(self.opaque(self.place(a, m, a_m, 0)) for m in range(0, M, 3)), b]
        with loop(builder, length, pointers, [*[a_o] * (len(pointers) - 1), b_o], sums) as (_, pointers), \
                loop(builder, K, pointers, [*[a_k] * (len(pointers) - 1), b_k], sums) as (_, (*thirds, b)):
            row = [load(builder, builder.gep(b, [I64(v * self.vector_bytes)]), self.vector, self.itemsize)
                   for v in range(V)]
            for m in range(M):
                at = builder.gep(thirds[m // 3], [offsets[m % 3]])
                x = splat(builder, load(builder, at, self.vector.element, self.itemsize), self.vector.count)
                sums[m * V:(m + 1) * V] = [multiply_add(builder, x, row[v], sums[m * V + v]) for v in range(V)]
        for (m, v), total in zip(places, sums, strict=True):
            store(builder, total, self.place(c, m, c_m, v), self.itemsize)
        builder.ret_void()

    def opaque(self, value: ir.Value) -> ir.Value:
        """Return the value, of which LLVM no longer knows how it is related to others.

        It would step from row to row by one addition after the other, and take longer for them than for the products.
        """
        return self.builder.asm(ir.FunctionType(value.type, [value.type]), "", "=r,0", [value], False)

    def place(self, pointer: ir.Value, row: int, stride: ir.Value, v: int) -> ir.Value:
        """Return the address of vector v of a row."""
        offset = self.builder.mul(stride, I64(row))
        return self.builder.gep(pointer, [self.builder.add(offset, I64(v * self.vector_bytes))])
