"""How threads share loops: a queue of them in memory, and how a thread waits awake, outside the interpreter, for one.

    def push(place, most, function, arguments, size):        # place, function and arguments are addresses
        help(place, place.pushed - SLOTS + 1)                # until a slot is free
        slot = place.slots[place.pushed % SLOTS]
        if size: copy so many bytes of arguments into the slot
        slot.function, slot.arguments, slot.most, slot.next = function, arguments, most, 0
        slot.state = this number in the queue, nobody has come, nobody has gone
        place.pushed += 1

    def join(place):                                         # the first loop that has not ended
        slot = place.slots[place.ended % SLOTS]
        if place.ended != place.pushed and slot.state is of this number, not closed, and less than slot.most have come:
            slot.state.come += 1                             # compared and changed at once
            slot.function(slot.arguments, address of slot.next)       # takes chunks while there are any
            slot.state is closed
            slot.state.gone += 1
            if all that have come are gone: place.ended += 1

    def help(place, until):
        while place.ended < until: join(place) or pause()

    def begin(place, most, function, arguments, size, mode, counter):
        if mode is ALONE: place.owner = 1, or return counter where it is 1 already     # compared and changed at once
        push(...), with a size of 0 unless the mode is LAUNCHED
        if mode is not LAUNCHED: help(place, until it has ended)
        if mode is ALONE: place.owner = 0
        return 0

    def share(place, most, function, arguments, size, mode):          # of a function that is no numba's
        if place is 0, or begin(..., address of a counter) is not 0: function(arguments, the counter's address)

    def wait(mine, word, seen, rounds, more, place):         # mine, word and place are addresses
        mine += 1
        place.awake += 1
        for _ in range(rounds):
            if word != seen:                                 # called
                for _ in range(more):
                    pause()
                break
            every so many rounds, let another thread have the core, if one wants it
            if join(place): rounds begin again
            pause()
        place.awake -= 1
        return word != seen

A loop begins when the one before it has ended, so a later one may read what an earlier one writes. A loop's function is
written by `tinynet.kernels.fast.llvm.chunks`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from llvmlite import binding, ir

from tinynet.kernels.fast.compiling import compiled_module
from tinynet.kernels.fast.llvm.writing import BYTES, I32, I64, loop

LINE = 64                                        # bytes of a cache line, which no two numbers share that change often
PUSHED, ENDED, OWNER, AWAKE, YIELD, FIRST = (k * LINE for k in range(6))           # offsets from a place; of the slots
STATE, FUNCTION, ARGUMENTS, MOST, NEXT, COPY = 0, 8, 16, 24, LINE, 2 * LINE        # offsets from a slot
SLOTS, COPY_BYTES = 64, 2048                     # of the queue; of a slot, for a loop's arguments
SLOT_BYTES = COPY + COPY_BYTES
PLACE_BYTES = FIRST + SLOTS * SLOT_BYTES
COME, GONE, CLOSED, NUMBER = 0, 16, 32, 33       # bits of a state where how many have come, have gone, ... begin
ALONE, IN_ORDER, LAUNCHED = range(3)             # modes: a loop by itself; after those launched before; not waited for
POLITE = 256                                     # rounds of waiting, a power of 2: some microseconds
PATIENCE = 10_000                                # rounds of waiting: some 100 us
VOID, BOOL = ir.VoidType(), ir.IntType(1)
CHUNKS = ir.FunctionType(VOID, [BYTES, I64])     # a function, given its arguments and where chunks are counted
BEGIN = ir.FunctionType(I64, [I64] * 7)
PAUSES = {"x86_64": "pause", "aarch64": "isb", "arm64": "isb"}        # let others of a core go first, and save power


class Functions(NamedTuple):
    """The compiled functions: for Python, which are called without the interpreter lock, and the address of one."""

    wait: Callable[[int, int, int, int, int, int], int]
    share: Callable[[int, int, int, int, int, int], None]
    help: Callable[[int, int], None]
    claim: Callable[[int], int]
    begin: int


@cache
def functions() -> Functions:
    """Return the functions: compiled when first asked for, and kept on disk."""
    address = compiled_module(text, "wait")
    numbers = [ctypes.c_int64] * 6
    return Functions(ctypes.CFUNCTYPE(ctypes.c_int64, *numbers)(address("wait")),
                     ctypes.CFUNCTYPE(None, *numbers)(address("share")),
                     ctypes.CFUNCTYPE(None, *numbers[:2])(address("help")),
                     ctypes.CFUNCTYPE(ctypes.c_int64, *numbers[:1])(address("claim")), address("begin"))


def text() -> str:
    """Write the functions' module."""
    module = ir.Module("waiting")

    def function(name: str, result: ir.Type, arguments: int) -> ir.Function:
        return ir.Function(module, ir.FunctionType(result, [I64] * arguments), name)
    join, help_, push, claim = (function("join", BOOL, 1), function("help", VOID, 2), function("push", I64, 5),
                                function("claim", I64, 1))
    begin = ir.Function(module, BEGIN, "begin")
    write_join(join)
    write_help(help_, join)
    write_push(push, help_)
    write_claim(claim)
    write_begin(begin, claim, push, help_)
    write_share(function("share", VOID, 6), begin)
    write_wait(function("wait", I64, 6), join)
    return str(module)


def write_join(function: ir.Function) -> None:
    """Write the help with the first loop that has not ended; it returns whether there was any to give."""
    place, = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    ended = acquired(builder, number(builder, place, ENDED))
    return_if(builder, builder.icmp_signed("==", ended, acquired(builder, number(builder, place, PUSHED))), BOOL(0))
    slot = slot_of(builder, place, ended)
    state = number(builder, slot, STATE)
    seen = acquired(builder, state)
    others = builder.lshr(builder.xor(seen, builder.shl(ended, I64(NUMBER))), I64(CLOSED))
    return_if(builder, builder.icmp_signed("!=", others, I64(0)), BOOL(0))         # closed, or of another number
    is_full = builder.icmp_signed(">=", bits(builder, seen, COME), builder.load(number(builder, slot, MOST)))
    return_if(builder, is_full, BOOL(0))
    swapped = builder.cmpxchg(state, seen, builder.add(seen, I64(1 << COME)), "acquire", "monotonic")
    return_if(builder, builder.not_(builder.extract_value(swapped, 1)), BOOL(0))
    chunks, arguments = (builder.load(number(builder, slot, offset)) for offset in (FUNCTION, ARGUMENTS))
    builder.call(builder.inttoptr(chunks, CHUNKS.as_pointer()),
                 [builder.inttoptr(arguments, BYTES), builder.add(slot, I64(NEXT))])
    builder.atomic_rmw("or", state, I64(1 << CLOSED), "acq_rel")
    before = builder.atomic_rmw("add", state, I64(1 << GONE), "acq_rel")
    gone = builder.add(bits(builder, before, GONE), I64(1))
    with builder.if_then(builder.icmp_signed("==", gone, bits(builder, before, COME))):
        builder.store_atomic(builder.add(ended, I64(1)), number(builder, place, ENDED), "release", 8)
    builder.ret(BOOL(1))


def write_help(function: ir.Function, join: ir.Function) -> None:
    """Write the help with loops until so many have ended.

    Where waiting takes long, a helper may have no core: others have them all, or the caller has it.
    """
    place, until = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    begin, again, work, rest, done = builder.block, *(function.append_basic_block() for _ in range(4))
    builder.branch(again)
    builder.position_at_end(again)
    rounds = builder.phi(I64)
    rounds.add_incoming(I64(0), begin)
    ended = acquired(builder, number(builder, place, ENDED))
    builder.cbranch(builder.icmp_signed(">=", ended, until), done, work)
    builder.position_at_end(work)
    joined = builder.call(join, [place])
    rounds.add_incoming(I64(0), builder.block)
    builder.cbranch(joined, again, rest)
    builder.position_at_end(rest)
    pause(builder)
    write_yield(builder, place, builder.icmp_signed(">", rounds, I64(PATIENCE)))
    rounds.add_incoming(builder.add(rounds, I64(1)), builder.block)
    builder.branch(again)
    builder.position_at_end(done)
    builder.ret_void()


def write_push(function: ir.Function, help_: ir.Function) -> None:
    """Write the putting of a loop into the queue; it returns how many will have ended when it has."""
    place, most, chunks, arguments, size = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    pushed = builder.load(number(builder, place, PUSHED))
    builder.call(help_, [place, builder.sub(pushed, I64(SLOTS - 1))])
    slot = slot_of(builder, place, pushed)
    copy = builder.add(slot, I64(COPY))
    with loop(builder, builder.sdiv(size, I64(8)), [builder.inttoptr(each, BYTES) for each in (arguments, copy)],
              [I64(8), I64(8)]) as (_, (source, target)):
        kind = I64.as_pointer()
        builder.store(builder.load(builder.bitcast(source, kind)), builder.bitcast(target, kind))
    kept = builder.select(builder.icmp_signed("==", size, I64(0)), arguments, copy)
    for value, offset in (chunks, FUNCTION), (kept, ARGUMENTS), (most, MOST), (I64(0), NEXT):
        builder.store(value, number(builder, slot, offset))
    builder.store_atomic(builder.shl(pushed, I64(NUMBER)), number(builder, slot, STATE), "release", 8)
    ticket = builder.add(pushed, I64(1))
    builder.store_atomic(ticket, number(builder, place, PUSHED), "release", 8)
    builder.ret(ticket)


def write_claim(function: ir.Function) -> None:
    """Write the claiming of a place: it returns 1 where no other thread has it."""
    place, = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    swapped = builder.cmpxchg(number(builder, place, OWNER), I64(0), I64(1), "acquire", "monotonic")
    builder.ret(builder.zext(builder.extract_value(swapped, 1), I64))


def write_begin(function: ir.Function, claim: ir.Function, push: ir.Function, help_: ir.Function) -> None:
    """Write the beginning of a loop: it returns where its caller counts chunks, 0 where they are taken care of."""
    place, most, chunks, arguments, size, mode, counter = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    alone = builder.icmp_signed("==", mode, I64(ALONE))
    with builder.if_then(alone):
        return_if(builder, builder.icmp_signed("==", builder.call(claim, [place]), I64(0)), counter)
    launched = builder.and_(builder.icmp_signed("==", mode, I64(LAUNCHED)),
                            builder.icmp_signed("<=", size, I64(COPY_BYTES)))
    ticket = builder.call(push, [place, most, chunks, arguments, builder.select(launched, size, I64(0))])
    with builder.if_then(builder.not_(launched)):
        builder.call(help_, [place, ticket])
    with builder.if_then(alone):
        builder.store_atomic(I64(0), number(builder, place, OWNER), "release", 8)
    builder.ret(I64(0))


def write_share(function: ir.Function, begin: ir.Function) -> None:
    """Write the sharing out of a function, which takes chunks."""
    place, most, chunks, arguments, size, mode = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    own = builder.alloca(I64)
    builder.store(I64(0), own)
    address = builder.ptrtoint(own, I64)
    with builder.if_then(builder.icmp_signed("!=", place, I64(0))):
        left = builder.call(begin, [place, most, chunks, arguments, size, mode, address])
        with builder.if_then(builder.icmp_signed("==", left, I64(0))):
            builder.ret_void()
    builder.call(builder.inttoptr(chunks, CHUNKS.as_pointer()), [builder.inttoptr(arguments, BYTES), address])
    builder.ret_void()


def write_wait(function: ir.Function, join: ir.Function) -> None:
    """Write the waiting of a thread."""
    mine, word, seen, rounds, more, place = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    left = builder.alloca(I64)
    builder.store(rounds, left)
    for count in (number(builder, mine), number(builder, place, AWAKE)):
        builder.atomic_rmw("add", count, I64(1), "release")
    again, end = (function.append_basic_block() for _ in range(2))
    builder.branch(again)
    builder.position_at_end(again)
    with builder.if_then(is_another(builder, word, seen)):
        with loop(builder, more, [], []):
            pause(builder)
        builder.branch(end)
    with builder.if_then(builder.call(join, [place])):
        builder.store(rounds, left)
    pause(builder)
    is_turn = builder.icmp_signed("==", builder.and_(builder.load(left), I64(POLITE - 1)), I64(0))
    write_yield(builder, place, is_turn)
    builder.store(builder.sub(builder.load(left), I64(1)), left)
    builder.cbranch(builder.icmp_signed(">", builder.load(left), I64(0)), again, end)
    builder.position_at_end(end)
    builder.atomic_rmw("sub", number(builder, place, AWAKE), I64(1), "release")
    builder.ret(builder.zext(is_another(builder, word, seen), I64))


def write_calls(function: ir.Function, call: Callable[[ir.IRBuilder, list[ir.Value], list[ir.Value]], None],
                width: int, more: int = 0) -> None:
    """Write a function of type `CHUNKS`, to be shared out: it takes calls, while there are any.

    Its arguments are how many there are, where their numbers begin, so many of each, and some `more` that all have.
    ``call(builder, numbers, more)`` writes a call.
    """
    builder = ir.IRBuilder(function.append_basic_block())
    arguments, counter = builder.bitcast(function.args[0], I64.as_pointer()), number(builder, function.args[1])
    length, begin, *others = (builder.load(builder.gep(arguments, [I64(k)])) for k in range(2 + more))
    again, do, done = (function.append_basic_block() for _ in range(3))
    builder.branch(again)
    builder.position_at_end(again)
    which = builder.atomic_rmw("add", counter, I64(1), "monotonic")
    builder.cbranch(builder.icmp_signed("<", which, length), do, done)
    builder.position_at_end(do)
    row = number(builder, builder.add(begin, builder.mul(which, I64(8 * width))))
    call(builder, [builder.load(builder.gep(row, [I64(k)])) for k in range(width)], others)
    builder.branch(again)
    builder.position_at_end(done)
    builder.ret_void()


def write_yield(builder: ir.IRBuilder, place: ir.Value, condition: ir.Value) -> None:
    """Write what lets another thread have the core on a condition, if the system has a function for that."""
    leave = builder.load(number(builder, place, YIELD))
    with builder.if_then(builder.and_(condition, builder.icmp_signed("!=", leave, I64(0)))):
        builder.call(builder.inttoptr(leave, ir.FunctionType(I32, []).as_pointer()), [])


def return_if(builder: ir.IRBuilder, condition: ir.Value, value: ir.Value) -> None:
    """Write the return of a value on a condition."""
    with builder.if_then(condition):
        builder.ret(value)


def slot_of(builder: ir.IRBuilder, place: ir.Value, number_in_queue: ir.Value) -> ir.Value:
    """Return the address of the slot of a loop, by its number in the queue."""
    index = builder.and_(number_in_queue, I64(SLOTS - 1))
    return builder.add(place, builder.add(I64(FIRST), builder.mul(index, I64(SLOT_BYTES))))


def bits(builder: ir.IRBuilder, state: ir.Value, first: int) -> ir.Value:
    """Return the number of 16 bits in a state that begins at a bit."""
    return builder.and_(builder.lshr(state, I64(first)), I64((1 << 16) - 1))


def acquired(builder: ir.IRBuilder, pointer: ir.Value) -> ir.Value:
    """Return a number, and all that was written before it."""
    return builder.load_atomic(pointer, "acquire", 8)


def number(builder: ir.IRBuilder, address: ir.Value, offset: int = 0) -> ir.Value:
    """Return a pointer to a number, at an address and so many bytes after it."""
    return builder.inttoptr(builder.add(address, I64(offset)), I64.as_pointer())


def is_another(builder: ir.IRBuilder, word: ir.Value, seen: ir.Value) -> ir.Value:
    """Return whether the number at an address is not the one that was seen."""
    return builder.icmp_signed("!=", acquired(builder, number(builder, word)), seen)


def pause(builder: ir.IRBuilder) -> None:
    """Write the processor's instruction for a round of waiting; one that does nothing keeps the loop where it has none.
    """
    instruction = PAUSES.get(binding.get_process_triple().split("-")[0], "")
    builder.asm(ir.FunctionType(VOID, []), instruction, "", [], side_effect=True)
