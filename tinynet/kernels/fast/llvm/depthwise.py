"""The instructions of depthwise convolution, written for LLVM as those of tiles are.

A vector is as many channels of one pixel. How the window meets an image is a list of numbers, made once for each size
of image by `tinynet.kernels.fast.convolutions.depthwise`: of a few pixels side by side, which all see the same places
of the window, how many there are, where they begin, and for each place where the first of them has its source and its
weight. So the same two functions serve any window, stride and dilation, and the first one both directions::

    for Q, begin, taps in runs:
        for v in range(V):                                   # vectors of channels
            for q in range(Q):                               # eight at a time, whose sums stay in registers
                target[begin + q, v] = start[v] + sum(source[at + q, v] * weights[weight, v] for at, weight in taps)

    and, of the kernel's gradient, in place of the last line

                for at, weight in taps:
                    total[weight, v] += source[at + q, v] * target[begin + q, v]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llvmlite import ir

from tinynet.kernels.fast.llvm.writing import BYTES, I64, load, loop, multiply_add, store

AT_ONCE = 8                                   # outputs, which share each weight that is loaded; then those left
OUTSIDE = -(1 << 62)                          # where a tap is that lies outside of the image: it is 0


class RunWriter:
    """Writes a function ``(numbers, runs, V, source, source_q, zeros, ...)``; distances are in bytes.

    A pixel of the source, to the next of a run, takes `source_q`; zeros are what taps outside of the image read.
    """

    def __init__(self, module: ir.Module, name: str, others: list[ir.Type], vector: ir.VectorType, itemsize: int):
        kind = ir.FunctionType(ir.VoidType(), [I64.as_pointer(), I64, I64, BYTES, I64, BYTES, *others])
        function = ir.Function(module, kind, name)
        self.numbers, self.runs, self.V, self.source, self.source_q, self.zeros, *self.others = function.args
        self.builder, self.vector, self.itemsize = ir.IRBuilder(function.append_basic_block()), vector, itemsize
        self.bytes = I64(vector.count * itemsize)

    @contextmanager
    def for_runs(self) -> Iterator[tuple[ir.Value, ir.Value, ir.Value, ir.Value, ir.Value]]:
        """Loop over runs and vectors: how many pixels, where they begin, how many taps, where these are, and v."""
        builder, state = self.builder, [self.numbers]
        with loop(builder, self.runs, [], [], state):
            Q, begin, K = (builder.load(builder.gep(state[0], [I64(k)])) for k in range(3))
            taps = builder.gep(state[0], [I64(3)])
            with loop(builder, self.V, [], []) as (v, _):
                yield Q, begin, K, taps, builder.mul(v, self.bytes)
            state[0] = builder.gep(taps, [builder.mul(K, I64(2))])
        builder.ret_void()

    def for_pixels(self, Q: ir.Value, write: Callable[[ir.Value, int], None]) -> None:
        """Write what `write(first, count)` writes for pixels of a run: `AT_ONCE` at a time, then those that are left.
        """
        builder, at_once = self.builder, I64(AT_ONCE)
        with loop(builder, builder.udiv(Q, at_once), [], []) as (block, _):
            write(builder.mul(block, at_once), AT_ONCE)
        left = builder.urem(Q, at_once)
        done, switch = builder.append_basic_block(), builder.switch(left, builder.append_basic_block())
        builder.position_at_end(switch.default)
        builder.branch(done)
        for count in range(1, AT_ONCE):
            switch.add_case(I64(count), block := builder.append_basic_block())
            builder.position_at_end(block)
            write(builder.sub(Q, left), count)
            builder.branch(done)
        builder.position_at_end(done)

    @contextmanager
    def for_taps(self, K: ir.Value, taps: ir.Value, moved: ir.Value, v: ir.Value, state: list[ir.Value]
                 ) -> Iterator[tuple[Callable[[int], ir.Value], ir.Value]]:
        """Loop over taps: a function that loads the vector of a pixel, and where the weight is in bytes.

        Their first pixel has `moved` so many bytes along the run.
        """
        builder = self.builder
        with loop(builder, K, [taps], [I64(2)], state) as (_, (tap,)):
            at, weight = (builder.load(builder.gep(tap, [I64(k)])) for k in range(2))
            inside = builder.gep(self.source, [builder.add(builder.add(at, moved), v)])
            first = builder.select(builder.icmp_signed("==", at, I64(OUTSIDE)), self.zeros, inside)
            yield lambda m: self.load(first, builder.mul(self.source_q, I64(m))), builder.add(weight, v)

    def load(self, pointer: ir.Value, offset: ir.Value) -> ir.Value:
        """Load a vector."""
        return load(self.builder, self.builder.gep(pointer, [offset]), self.vector, self.itemsize)

    def store(self, value: ir.Value, pointer: ir.Value, offset: ir.Value) -> None:
        """Store a vector."""
        store(self.builder, value, self.builder.gep(pointer, [offset]), self.itemsize)


def write_weigh(module: ir.Module, vector: ir.VectorType, itemsize: int) -> None:
    """Write ``weigh(numbers, runs, V, source, source_q, zeros, weights, start, target, target_q)``."""
    writer = RunWriter(module, "weigh", [BYTES, BYTES, BYTES, I64], vector, itemsize)
    builder, (weights, start, target, target_q) = writer.builder, writer.others
    with writer.for_runs() as (Q, begin, K, taps, v):
        def pixels(first: ir.Value, count: int) -> None:
            sums = [writer.load(start, v)] * count
            with writer.for_taps(K, taps, builder.mul(first, writer.source_q), v, sums) as (source, weight):
                factor = writer.load(weights, weight)
                sums[:] = [multiply_add(builder, source(m), factor, total) for m, total in enumerate(sums)]
            for m, total in enumerate(sums):
                place = builder.mul(builder.add(first, I64(m)), target_q)
                writer.store(total, target, builder.add(builder.add(begin, place), v))
        writer.for_pixels(Q, pixels)


def write_add_products(module: ir.Module, vector: ir.VectorType, itemsize: int) -> None:
    """Write ``add_products(numbers, runs, V, source, source_q, zeros, target, target_q, total)``."""
    writer = RunWriter(module, "add_products", [BYTES, I64, BYTES], vector, itemsize)
    builder, (target, target_q, total) = writer.builder, writer.others
    with writer.for_runs() as (Q, begin, K, taps, v):
        def pixels(first: ir.Value, count: int) -> None:
            places = [builder.mul(builder.add(first, I64(m)), target_q) for m in range(count)]
            factors = [writer.load(target, builder.add(builder.add(begin, place), v)) for place in places]
            with writer.for_taps(K, taps, builder.mul(first, writer.source_q), v, []) as (source, weight):
                added = writer.load(total, weight)
                for m, factor in enumerate(factors):
                    added = multiply_add(builder, source(m), factor, added)
                writer.store(added, total, weight)
        writer.for_pixels(Q, pixels)
