"""Loops, loads and stores, written with llvmlite: offsets are in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir

I64, I32, BYTES = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()


@contextmanager
def loop(builder: ir.IRBuilder, length: ir.Value, pointers: list[ir.Value], steps: list[ir.Value],
         sums: list[ir.Value] | None = None) -> Iterator[tuple[ir.Value, list[ir.Value]]]:
    """Write a loop around what is written meanwhile: it gets the index and the pointers, which move on by steps.

    The `sums` are replaced by those of the loop, in place; what they are set to inside is what the next round has.
    """
    sums = [] if sums is None else sums
    before, head, body, after = builder.block, *(builder.append_basic_block() for _ in range(3))
    begin = [I64(0), *pointers, *sums]
    builder.branch(head)
    builder.position_at_end(head)
    phis = [builder.phi(value.type) for value in begin]
    index, moving, sums[:] = phis[0], phis[1:len(steps) + 1], phis[len(steps) + 1:]
    builder.cbranch(builder.icmp_signed("<", index, length), body, after)
    builder.position_at_end(body)
    yield index, moving
    again = [builder.add(index, I64(1)), *(builder.gep(x, [step]) for x, step in zip(moving, steps, strict=True)),
             *sums]
    for phi, value, next_value in zip(phis, begin, again, strict=True):
        phi.add_incoming(value, before)
        phi.add_incoming(next_value, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    sums[:] = phis[len(steps) + 1:]


def load(builder: ir.IRBuilder, pointer: ir.Value, kind: ir.Type, align: int) -> ir.Value:
    """Load a number or a vector, aligned to its numbers alone: a row of a view may begin anywhere."""
    value = builder.load(builder.bitcast(pointer, kind.as_pointer()))
    value.align = align
    return value


def store(builder: ir.IRBuilder, value: ir.Value, pointer: ir.Value, align: int) -> None:
    """Store a vector, aligned to its numbers alone."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer())).align = align


def splat(builder: ir.IRBuilder, number: ir.Value, lanes: int) -> ir.Value:
    """Return a vector with the number in all lanes: inserted into the first, which a shuffle copies to all."""
    undefined = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, number, I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def multiply_add(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, total: ir.Value) -> ir.Value:
    """Return x * y + total; "contract" allows one instruction, rounded once, and nothing else of fast math."""
    return builder.fadd(total, builder.fmul(x, y, flags=("contract",)), flags=("contract",))
