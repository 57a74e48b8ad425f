"""Waiting awake, outside the interpreter, until a number in memory changes.

    def wait(mine, word, seen, rounds, more):                # the first two are addresses
        mine += 1
        for _ in range(rounds):
            if word != seen:
                for _ in range(more):
                    pause()
                return 1
            pause()
        return 0
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

from llvmlite import binding, ir

from tinynet.kernels.fast.compiling import compiled_module
from tinynet.kernels.fast.llvm.writing import I64, loop

PAUSES = {"x86_64": "pause", "aarch64": "isb", "arm64": "isb"}        # let others of a core go first, and save power


@cache
def wait() -> Callable[[int, int, int, int, int], int]:
    """Return the function, for Python: it is called without the interpreter lock."""
    address = compiled_module(text, "wait")("wait")
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 5)(address)


def text() -> str:
    """Write the function's module."""
    module = ir.Module("waiting")
    function = ir.Function(module, ir.FunctionType(I64, [I64] * 5), "wait")
    builder = ir.IRBuilder(function.append_basic_block())
    mine, word = (builder.inttoptr(address, I64.as_pointer()) for address in function.args[:2])
    _, _, seen, rounds, more = function.args
    builder.store_atomic(builder.add(builder.load_atomic(mine, "monotonic", 8), I64(1)), mine, "release", 8)
    with loop(builder, rounds, [], []):
        changed = builder.icmp_signed("!=", builder.load_atomic(word, "acquire", 8), seen)
        with builder.if_then(changed):
            with loop(builder, more, [], []):
                pause(builder)
            builder.ret(I64(1))
        pause(builder)
    builder.ret(I64(0))
    return str(module)


def pause(builder: ir.IRBuilder) -> None:
    """Write the processor's instruction for a round of waiting; one that does nothing keeps the loop where it has none.
    """
    instruction = PAUSES.get(binding.get_process_triple().split("-")[0], "")
    builder.asm(ir.FunctionType(ir.VoidType(), []), instruction, "", [], side_effect=True)
