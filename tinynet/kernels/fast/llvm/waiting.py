"""How a thread waits awake, outside the interpreter, ready to take chunks of compiled loops, and how these are opened.

    def wait(mine, word, seen, rounds, more, place):         # mine, word and place are addresses
        mine += 1
        place.awake += 1
        for _ in range(rounds):
            if word != seen:                                 # called
                for _ in range(more):
                    pause()
                break
            every so many rounds, let another thread have the core, if one wants it
            if place.state is open, and not that which was helped with last, and has less than place.most helpers:
                place.state.helpers += 1                     # compared and changed at once
                place.function(place.arguments)              # takes chunks while there are any
                place.done += 1
                rounds begin again
            pause()
        place.awake -= 1
        return word != seen

    def open(place, most, function, arguments, counter):
        if place.owner:                                      # compared and changed at once
            return counter
        place.owner = 1
        place.next, place.done, place.function, place.arguments, place.most = 0, 0, function, arguments, most
        place.state = open, no helpers
        return the address of place.next

    def share(place, most, function, arguments):             # of a function that is no numba's
        arguments[0] = open(place, most, function, arguments, a counter), or, where place is 0, a counter
        function(arguments)
        close(place), if it was opened

    def close(place):
        place.state = closed
        while place.done != place.state.helpers:
            pause()
        place.owner = 0

A helper's function is written by `tinynet.kernels.fast.llvm.chunks`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from llvmlite import binding, ir

from tinynet.kernels.fast.compiling import compiled_module
from tinynet.kernels.fast.llvm.writing import BYTES, I32, I64, loop

LINE = 64                                        # bytes of a cache line, which no two numbers share that change often
STATE, FUNCTION, ARGUMENTS, MOST, YIELD, NEXT, DONE, OWNER, AWAKE = (
    0, LINE, LINE + 8, LINE + 16, LINE + 24, 2 * LINE, 3 * LINE, 4 * LINE, 5 * LINE)          # offsets from a place
PLACE_BYTES = 6 * LINE
HELPERS = 16                                     # bits of the state: how many help; above, a number that is odd if open
OPENED = 1 << HELPERS                            # what the state grows by when a loop is opened, and when it is closed
POLITE = 256                                     # rounds of waiting, a power of 2: some microseconds
PATIENCE = 10_000                                # rounds of waiting: some 100 us
BOOL = ir.IntType(1)
CHUNKS = ir.FunctionType(ir.VoidType(), [BYTES])                                   # a function, given its arguments
OPEN, CLOSE = ir.FunctionType(I64, [I64] * 5), ir.FunctionType(ir.VoidType(), [I64])
PAUSES = {"x86_64": "pause", "aarch64": "isb", "arm64": "isb"}        # let others of a core go first, and save power


class Functions(NamedTuple):
    """The compiled functions: two for Python, which are called without the interpreter lock, and addresses of two."""

    wait: Callable[[int, int, int, int, int, int], int]
    share: Callable[[int, int, int, int], None]
    open: int
    close: int


@cache
def functions() -> Functions:
    """Return the functions: compiled when first asked for, and kept on disk."""
    address = compiled_module(text, "wait")
    wait = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 6)(address("wait"))
    share = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(address("share"))
    return Functions(wait, share, address("open_loop"), address("close_loop"))


def text() -> str:
    """Write the functions' module."""
    module = ir.Module("waiting")
    write_wait(ir.Function(module, ir.FunctionType(I64, [I64] * 6), "wait"))
    open_loop, close_loop = ir.Function(module, OPEN, "open_loop"), ir.Function(module, CLOSE, "close_loop")
    write_open(open_loop)
    write_close(close_loop)
    write_share(ir.Function(module, ir.FunctionType(ir.VoidType(), [I64] * 4), "share"), open_loop, close_loop)
    return str(module)


def write_wait(function: ir.Function) -> None:
    """Write the waiting of a thread."""
    mine, word, seen, rounds, more, place = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    left, helped = builder.alloca(I64), builder.alloca(I64)
    builder.store(rounds, left)
    builder.store(I64(0), helped)
    for count in (number(builder, mine), number(builder, place, AWAKE)):
        builder.atomic_rmw("add", count, I64(1), "release")
    again, end = (function.append_basic_block() for _ in range(2))
    builder.branch(again)
    builder.position_at_end(again)
    with builder.if_then(is_another(builder, word, seen)):
        with loop(builder, more, [], []):
            pause(builder)
        builder.branch(end)
    with if_helped(builder, place, helped):
        builder.store(rounds, left)
    pause(builder)
    is_turn = builder.icmp_signed("==", builder.and_(builder.load(left), I64(POLITE - 1)), I64(0))
    write_yield(builder, place, is_turn)
    builder.store(builder.sub(builder.load(left), I64(1)), left)
    builder.cbranch(builder.icmp_signed(">", builder.load(left), I64(0)), again, end)
    builder.position_at_end(end)
    builder.atomic_rmw("sub", number(builder, place, AWAKE), I64(1), "release")
    builder.ret(builder.zext(is_another(builder, word, seen), I64))


@contextmanager
def if_helped(builder: ir.IRBuilder, place: ir.Value, helped: ir.Value) -> Iterator[None]:
    """Write the help with a loop that is open, another one than the last, and what is written meanwhile after it."""
    state, most = number(builder, place, STATE), builder.load(number(builder, place, MOST))
    seen = builder.load_atomic(state, "acquire", 8)
    which, helpers = builder.lshr(seen, I64(HELPERS)), builder.and_(seen, I64(OPENED - 1))
    is_open, fresh = builder.trunc(which, BOOL), builder.icmp_signed("!=", which, builder.load(helped))
    with builder.if_then(builder.and_(is_open, builder.and_(fresh, builder.icmp_signed("<", helpers, most)))):
        swapped = builder.cmpxchg(state, seen, builder.add(seen, I64(1)), "acquire", "monotonic")
        with builder.if_then(builder.extract_value(swapped, 1)):
            function, arguments = (builder.load(number(builder, place, offset)) for offset in (FUNCTION, ARGUMENTS))
            builder.call(builder.inttoptr(function, CHUNKS.as_pointer()), [builder.inttoptr(arguments, BYTES)])
            builder.atomic_rmw("add", number(builder, place, DONE), I64(1), "release")
            builder.store(which, helped)
            yield


def write_open(function: ir.Function) -> None:
    """Write the opening of a loop."""
    place, most, helper, arguments, counter = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    swapped = builder.cmpxchg(number(builder, place, OWNER), I64(0), I64(1), "acquire", "monotonic")
    with builder.if_then(builder.not_(builder.extract_value(swapped, 1))):
        builder.ret(counter)
    for value, offset in (I64(0), NEXT), (I64(0), DONE), (helper, FUNCTION), (arguments, ARGUMENTS), (most, MOST):
        builder.store(value, number(builder, place, offset))
    state = number(builder, place, STATE)
    last = builder.lshr(builder.load_atomic(state, "monotonic", 8), I64(HELPERS))
    builder.store_atomic(builder.shl(builder.add(last, I64(1)), I64(HELPERS)), state, "release", 8)   # no helpers yet
    builder.ret(builder.add(place, I64(NEXT)))


def write_close(function: ir.Function) -> None:
    """Write the closing of a loop.

    Where waiting takes long, a helper may have no core: others have them all, or the caller has it.
    """
    place, = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    before = builder.atomic_rmw("add", number(builder, place, STATE), I64(OPENED), "acq_rel")
    helpers = builder.and_(before, I64(OPENED - 1))
    begin, again, rest, done = builder.block, *(function.append_basic_block() for _ in range(3))
    builder.branch(again)
    builder.position_at_end(again)
    rounds = builder.phi(I64)
    rounds.add_incoming(I64(0), begin)
    finished = builder.load_atomic(number(builder, place, DONE), "acquire", 8)
    builder.cbranch(builder.icmp_signed("==", finished, helpers), done, rest)
    builder.position_at_end(rest)
    pause(builder)
    write_yield(builder, place, builder.icmp_signed(">", rounds, I64(PATIENCE)))
    rounds.add_incoming(builder.add(rounds, I64(1)), builder.block)
    builder.branch(again)
    builder.position_at_end(done)
    builder.store_atomic(I64(0), number(builder, place, OWNER), "release", 8)
    builder.ret_void()


def write_yield(builder: ir.IRBuilder, place: ir.Value, condition: ir.Value) -> None:
    """Write what lets another thread have the core on a condition, if the system has a function for that."""
    leave = builder.load(number(builder, place, YIELD))
    with builder.if_then(builder.and_(condition, builder.icmp_signed("!=", leave, I64(0)))):
        builder.call(builder.inttoptr(leave, ir.FunctionType(I32, []).as_pointer()), [])


def write_share(function: ir.Function, open_loop: ir.Function, close_loop: ir.Function) -> None:
    """Write the sharing out of a function, which takes chunks, counted where its first argument says."""
    place, most, chunks, arguments = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    own, counter = builder.alloca(I64), number(builder, arguments)
    builder.store(I64(0), own)
    address = builder.ptrtoint(own, I64)
    builder.store(builder.add(place, I64(NEXT)), counter)                                             # for helpers
    with builder.if_else(builder.icmp_signed("!=", place, I64(0))) as (then, otherwise):
        with then:
            opened = builder.call(open_loop, [place, most, chunks, arguments, address])
            begin = builder.block
        with otherwise:
            alone = builder.block
    taken = builder.phi(I64)
    taken.add_incoming(opened, begin)
    taken.add_incoming(address, alone)
    builder.store(taken, counter)
    builder.call(builder.inttoptr(chunks, CHUNKS.as_pointer()), [builder.inttoptr(arguments, BYTES)])
    with builder.if_then(builder.icmp_signed("!=", taken, address)):
        builder.call(close_loop, [place])
    builder.ret_void()


def write_calls(function: ir.Function, call: Callable[[ir.IRBuilder, list[ir.Value], list[ir.Value]], None],
                width: int, more: int = 0) -> None:
    """Write a function of type `CHUNKS`, to be shared out: it takes calls, while there are any.

    Its arguments are where they are counted, how many there are, where their numbers begin, so many of each, and some
    `more` that all have. ``call(builder, numbers, more)`` writes a call.
    """
    builder = ir.IRBuilder(function.append_basic_block())
    arguments = builder.bitcast(function.args[0], I64.as_pointer())
    counter, length, begin, *others = (builder.load(builder.gep(arguments, [I64(k)])) for k in range(3 + more))
    again, do, done = (function.append_basic_block() for _ in range(3))
    builder.branch(again)
    builder.position_at_end(again)
    which = builder.atomic_rmw("add", number(builder, counter), I64(1), "monotonic")
    builder.cbranch(builder.icmp_signed("<", which, length), do, done)
    builder.position_at_end(do)
    row = number(builder, builder.add(begin, builder.mul(which, I64(8 * width))))
    call(builder, [builder.load(builder.gep(row, [I64(k)])) for k in range(width)], others)
    builder.branch(again)
    builder.position_at_end(done)
    builder.ret_void()


def number(builder: ir.IRBuilder, address: ir.Value, offset: int = 0) -> ir.Value:
    """Return a pointer to a number, at an address and so many bytes after it."""
    return builder.inttoptr(builder.add(address, I64(offset)), I64.as_pointer())


def is_another(builder: ir.IRBuilder, word: ir.Value, seen: ir.Value) -> ir.Value:
    """Return whether the number at an address is not the one that was seen."""
    return builder.icmp_signed("!=", builder.load_atomic(number(builder, word), "acquire", 8), seen)


def pause(builder: ir.IRBuilder) -> None:
    """Write the processor's instruction for a round of waiting; one that does nothing keeps the loop where it has none.
    """
    instruction = PAUSES.get(binding.get_process_triple().split("-")[0], "")
    builder.asm(ir.FunctionType(ir.VoidType(), []), instruction, "", [], side_effect=True)
