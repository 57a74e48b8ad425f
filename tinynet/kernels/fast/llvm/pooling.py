"""The instructions of max pooling, written for LLVM as those of tiles are.

A vector is as many channels of one pixel. The maximum of a window, and its place, stay in registers whatever the size
of the window; numba would have to unroll the loops over it, and compile anew for each size. In a row of Q windows of
a x b pixels, t pixels apart::

    for q in range(Q):
        for v in range(V):                                   # vectors of channels
            best, where = z[0, q * t, v], 0
            for i in range(a):
                for j in range(b):
                    value = z[i, q * t + j, v]
                    if value > best, or value is NaN and best is not:        # selected, without a branch
                        best, where = value, i * b + j
            y[q, v] = 0 if relu and best <= 0 else best
            winner[q, v] = where if not relu or best > 0 else -1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from tinynet.kernels.fast.llvm.writing import BYTES, I32, I64, load, loop, splat, store

VOID, I8 = ir.VoidType(), ir.IntType(8)


class RowWriter:
    """Writes a function of a row of windows; `sizes` are row, a, b, t, Q, V, row being z's in bytes."""

    def __init__(self, function: ir.Function, vector: ir.VectorType, itemsize: int, sizes: Any):
        self.builder, self.vector, self.itemsize = ir.IRBuilder(function.append_basic_block()), vector, itemsize
        self.row, self.a, self.b, self.t, self.Q, self.V = sizes
        self.bytes, self.zero = I64(vector.count * itemsize), ir.Constant(vector, None)
        self.pixel = self.builder.mul(self.V, self.bytes)

    def for_windows(self, write: Callable[[ir.Value, ir.Value, ir.Value], None]) -> None:
        """Write a loop over vectors v of windows, two at a time where V is even.

        What it does is written by ``write(first, pooled, v)``: where the first pixel is in z, in bytes, and where it is
        in what was pooled, in vectors.
        """
        builder = self.builder
        even = builder.icmp_signed("==", builder.and_(self.V, I64(1)), I64(0))
        with builder.if_else(even) as branches:
            for at_once, branch in zip((2, 1), branches, strict=True):
                with branch, loop(builder, self.Q, [], []) as (q, _), \
                        loop(builder, builder.udiv(self.V, I64(at_once)), [], []) as (group, _):
                    for k in range(at_once):
                        v = builder.add(builder.mul(group, I64(at_once)), I64(k))
                        first = builder.add(builder.mul(builder.mul(q, self.t), self.pixel), builder.mul(v, self.bytes))
                        write(first, builder.add(builder.mul(q, self.V), v), v)

    @contextmanager
    def pixels(self, first: ir.Value, state: list[ir.Value]) -> Iterator[tuple[ir.Value, ir.Value]]:
        """Loop over the pixels of a window: its address, and its place in all lanes."""
        builder = self.builder
        with loop(builder, self.a, [first], [self.row], state) as (i, (begin,)), \
                loop(builder, self.b, [begin], [self.pixel], state) as (j, (at,)):
            place = builder.trunc(builder.add(builder.mul(i, self.b), j), I32)
            yield at, splat(builder, place, self.vector.count)

    def at(self, pointer: ir.Value, vectors: ir.Value, itemsize: int) -> ir.Value:
        """Return the address so many vectors further, of numbers of some bytes."""
        return self.builder.gep(pointer, [self.builder.mul(vectors, I64(self.vector.count * itemsize))])


def write_pool(module: ir.Module, vector: ir.VectorType, itemsize: int) -> None:
    """Write ``pool(z, row, a, b, t, Q, V, relu, y, winner)``."""
    function = ir.Function(module, ir.FunctionType(VOID, [BYTES, *[I64] * 7, BYTES, BYTES]), "pool")
    z, *sizes, relu, y, winner = function.args
    writer = RowWriter(function, vector, itemsize, sizes)
    builder, lanes = writer.builder, vector.count
    cuts = splat(builder, builder.icmp_signed("!=", relu, I64(0)), lanes)
    none = ir.Constant(ir.VectorType(I32, lanes), [-1] * lanes)

    def pool_window(first: ir.Value, pooled: ir.Value, v: ir.Value) -> None:
        first = builder.gep(z, [first])
        state = [load(builder, first, vector, itemsize), ir.Constant(ir.VectorType(I32, lanes), None)]
        with writer.pixels(first, state) as (at, place):
            value, (best, where) = load(builder, at, vector, itemsize), state
            appears = builder.and_(builder.fcmp_unordered("uno", value, value), builder.fcmp_ordered("ord", best, best))
            better = builder.or_(builder.fcmp_ordered(">", value, best), appears)
            state[:] = builder.select(better, value, best), builder.select(better, place, where)
        best, where = state
        passes = builder.or_(builder.fcmp_ordered(">", best, writer.zero), builder.not_(cuts))
        won = builder.trunc(builder.select(passes, where, none), ir.VectorType(I8, lanes))
        store(builder, won, writer.at(winner, pooled, 1), 1)
        below = builder.and_(builder.fcmp_ordered("<=", best, writer.zero), cuts)
        store(builder, builder.select(below, writer.zero, best), writer.at(y, pooled, itemsize), itemsize)
    writer.for_windows(pool_window)
    builder.ret_void()


def write_unpool(module: ir.Module, vector: ir.VectorType, itemsize: int) -> None:
    """Write ``unpool(z, row, a, b, Q, V, dy, winner, total)``: dy (Q, V) to the winners in z, and 0 to all others.

    Windows lie side by side. What the winners get is added to total (V,).
    """
    function = ir.Function(module, ir.FunctionType(VOID, [BYTES, *[I64] * 5, BYTES, BYTES, BYTES]), "unpool")
    z, row, a, b, Q, V, dy, winner, total = function.args
    writer = RowWriter(function, vector, itemsize, (row, a, b, b, Q, V))
    builder, lanes = writer.builder, vector.count
    none = ir.Constant(ir.VectorType(I8, lanes), [-1] * lanes)
    with writer.pixels(z, []) as (at, place):
        def unpool_window(first: ir.Value, pooled: ir.Value, v: ir.Value) -> None:
            upstream = load(builder, writer.at(dy, pooled, itemsize), vector, itemsize)
            won = builder.sext(load(builder, writer.at(winner, pooled, 1), none.type, 1), place.type)
            share = builder.select(builder.icmp_signed("==", won, place), upstream, writer.zero)
            store(builder, share, builder.gep(at, [first]), itemsize)
        writer.for_windows(unpool_window)

    def add_window(first: ir.Value, pooled: ir.Value, v: ir.Value) -> None:
        upstream = load(builder, writer.at(dy, pooled, itemsize), vector, itemsize)
        won, sums = load(builder, writer.at(winner, pooled, 1), none.type, 1), writer.at(total, v, itemsize)
        share = builder.select(builder.icmp_signed(">", won, none), upstream, writer.zero)
        store(builder, builder.fadd(load(builder, sums, vector, itemsize), share), sums, itemsize)
    writer.for_windows(add_window)
    builder.ret_void()


def write_copy(module: ir.Module, vector: ir.VectorType, itemsize: int) -> None:
    """Write ``copy(x, x_q, x_f, y, y_q, y_f, Q, F)``: x (Q, F) to y, given the strides of both, in bytes.

    Where numbers are neighbours along one axis in x and along one in y, a vector of them at a time, or half of one, or
    a quarter; or, if these are not the same axis, a square as wide as a vector, turned. The last vectors begin a little
    earlier, to end where the axis does.
    """
    function = ir.Function(module, ir.FunctionType(VOID, [BYTES, I64, I64, BYTES, *[I64] * 4]), "copy")
    x, x_q, x_f, y, y_q, y_f, Q, F = function.args
    builder, lanes = ir.IRBuilder(function.append_basic_block()), vector.count

    def close(*strides: ir.Value) -> ir.Value:
        return builder.and_(*(builder.icmp_signed("==", stride, I64(itemsize)) for stride in strides))

    def starts(length: ir.Value, index: ir.Value, width: int = lanes) -> ir.Value:
        begin, last = builder.mul(index, I64(width)), builder.sub(length, I64(width))
        return builder.select(builder.icmp_signed("<", begin, last), begin, last)

    def pieces(length: ir.Value, width: int = lanes) -> ir.Value:
        return builder.udiv(builder.add(length, I64(width - 1)), I64(width))

    def place(pointer: ir.Value, q: ir.Value, of_q: ir.Value, f: ir.Value, of_f: ir.Value) -> ir.Value:
        return builder.gep(pointer, [builder.add(builder.mul(q, of_q), builder.mul(f, of_f))])

    def copy_rows(width: int, *narrower: int) -> None:
        with builder.if_else(builder.icmp_signed(">=", F, I64(width))) as (then, otherwise):
            with then, loop(builder, Q, [x, y], [x_q, y_q]) as (_, rows), \
                    loop(builder, pieces(F, width), [], []) as (index, _):
                source, target = (builder.gep(row, [builder.mul(starts(F, index, width), I64(itemsize))])
                                  for row in rows)
                store(builder, load(builder, source, ir.VectorType(vector.element, width), itemsize), target, itemsize)
            with otherwise:
                if narrower:
                    copy_rows(*narrower)

    x_q, x_f, y_q, y_f, Q, F = swapped(builder, close(x_q, y_f), (x_q, x_f), (y_q, y_f), (Q, F))
    widths = [lanes // part for part in (1, 2, 4) if lanes >= part]
    wide, high, enough = (builder.icmp_signed(">=", length, I64(least))
                          for length, least in ((F, lanes), (Q, lanes), (F, widths[-1])))
    with builder.if_else(builder.and_(close(x_f, y_f), enough)) as (then, otherwise):
        with then:
            copy_rows(*widths)
        with otherwise, builder.if_else(builder.and_(close(x_f, y_q), builder.and_(wide, high))) as (then, otherwise):
            with then, loop(builder, pieces(Q), [], []) as (i, _), loop(builder, pieces(F), [], []) as (j, _):
                q, f = starts(Q, i), starts(F, j)
                square = [load(builder, place(x, builder.add(q, I64(k)), x_q, f, x_f), vector, itemsize)
                          for k in range(lanes)]
                for k, turned in enumerate(transposed(builder, square)):
                    store(builder, turned, place(y, q, y_q, builder.add(f, I64(k)), y_f), itemsize)
            with otherwise, loop(builder, Q, [x, y], [x_q, y_q]) as (_, rows), \
                    loop(builder, F, rows, [x_f, y_f]) as (_, (source, target)):
                store(builder, load(builder, source, vector.element, itemsize), target, itemsize)
    builder.ret_void()


def swapped(builder: ir.IRBuilder, condition: ir.Value, *pairs: tuple[ir.Value, ir.Value]) -> list[ir.Value]:
    """Return the values of all pairs, those of each exchanged where the condition holds."""
    return [builder.select(condition, other, one) for pair in pairs
            for one, other in (pair, pair[::-1])]


def transposed(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """Return the columns of a square of vectors: of 2 x 2 blocks the off-diagonal ones exchanged, of size 1, 2, 4, ...

    A processor does so in one or two instructions, as no number but those of the largest blocks leaves its half.
    """
    lanes, size = len(rows), 1
    while size < lanes:
        rows = [builder.shuffle_vector(rows[i & ~size], rows[i | size], ir.Constant(ir.VectorType(I32, lanes), [
                    (k & ~size) + (i & size) + lanes * bool(k & size) for k in range(lanes)]))
                for i in range(lanes)]
        size *= 2
    return rows
