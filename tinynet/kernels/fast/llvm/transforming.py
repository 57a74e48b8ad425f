"""The instructions of Winograd's transforms, written for LLVM as those of tiles are.

A vector is as many channels of one pixel. A transform multiplies squares of pixels by a small matrix from both sides;
most of the matrix is 0, 1 or -1, so that each of its numbers is no instruction, or an addition::

    for square in range(squares):
        for v in range(V):                                   # vectors of channels
            target[square, :, :, v] = matrix @ source[square, :, :, v] @ matrix.T
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from tinynet.kernels.fast.llvm.writing import BYTES, I64, load, loop, multiply_add, store

Matrix = Sequence[Sequence[float]]
Square = list[list[ir.Value]]


def write_transform(module: ir.Module, vector: ir.VectorType, itemsize: int, name: str, matrix: Matrix,
                    adds: bool = False, watches: bool = False) -> None:
    """Write ``name(source, row, column, next, target, row, column, next, squares, V, nonfinite)``.

    In bytes, so far it is to the next row of a square, to its next column, and to the next square. The numbers of the
    target are set from the last to the first, so that with a row or a column of 0 bytes the first ones stay. What
    `adds` adds to what is there. What `watches` adds 0 times all numbers to nonfinite (a vector): that is 0, unless one
    is infinite or NaN.
    """
    kind = ir.FunctionType(ir.VoidType(), [*[BYTES, I64, I64, I64] * 2, I64, I64, BYTES])
    function = ir.Function(module, kind, name)
    source, of_row, of_column, of_next, target, to_row, to_column, to_next, squares, V, nonfinite = function.args
    builder, size = ir.IRBuilder(function.append_basic_block()), I64(vector.count * itemsize)
    zero, sums, inner, outer = vector(None), [vector(None)], range(len(matrix[0])), range(len(matrix))

    def place(pointer: ir.Value, row: ir.Value, column: ir.Value, i: int, j: int) -> ir.Value:
        return builder.gep(pointer, [builder.add(builder.mul(row, I64(i)), builder.mul(column, I64(j)))])

    with loop(builder, squares, [source, target], [of_next, to_next], sums) as (_, square), \
            loop(builder, V, square, [size, size], sums) as (_, (a, b)):
        pixels = [[load(builder, place(a, of_row, of_column, i, j), vector, itemsize) for j in inner] for i in inner]
        pixels = turned_product(builder, matrix, turned_product(builder, matrix, pixels))
        for i, j in [(i, j) for i in reversed(outer) for j in reversed(outer)]:
            where, value = place(b, to_row, to_column, i, j), pixels[i][j]
            if adds:
                value = builder.fadd(load(builder, where, vector, itemsize), value)
            if watches:
                sums[0] = multiply_add(builder, value, zero, sums[0])
            store(builder, value, where, itemsize)
    if watches:
        store(builder, builder.fadd(load(builder, nonfinite, vector, itemsize), sums[0]), nonfinite, itemsize)
    builder.ret_void()


def turned_product(builder: ir.IRBuilder, matrix: Matrix, pixels: Square) -> Square:
    """Write (matrix @ pixels).T, and return it: done twice, that is matrix @ pixels @ matrix.T."""
    return [[weighed(builder, weights, column) for weights in matrix] for column in zip(*pixels, strict=True)]


def weighed(builder: ir.IRBuilder, weights: Sequence[float], values: Sequence[ir.Value]) -> ir.Value:
    """Write the sum of the values, weighed, without those whose weight is 0, and return it."""
    total = None
    for weight, value in zip(weights, values, strict=True):
        if abs(weight) not in (0, 1):
            value = builder.fmul(value, ir.Constant(value.type, [abs(weight)] * value.type.count))
        if weight and total is None:
            total = value if weight > 0 else builder.fneg(value)
        elif weight:
            total = (builder.fadd if weight > 0 else builder.fsub)(total, value)
    return total
