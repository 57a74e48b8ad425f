"""Compiled loops that are shared out without the interpreter: threads take chunks of one until there are none left.

    @chunked
    def double(start: int, stop: int, x: np.ndarray, y: np.ndarray) -> None:
        for n in range(start, stop):
            y[n] = 2 * x[n]

becomes a compiled function of (loop, counter, x, y), in which this stands, with ``double`` as it was::

    counter = open_loop(loop, counter, x, y)                 # of the chunks that have been taken
    start = begin + take(counter) * size
    while start < end:
        double(start, min(start + size, end), x, y)
        start = begin + take(counter) * size
    close_loop(loop, counter)

Opening a loop lets threads help that wait awake (see `tinynet.kernels.fast.llvm.waiting`): they call the same function,
with the counter that is in use. Whoever opened it closes it, and waits until they are done. All of that takes some
microseconds; a loop in Python, whose chunks each need the interpreter lock, takes 40 to 150. Where another thread has a
loop of its own open, the caller does all chunks alone.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, cast

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinynet.kernels.fast.compiling import compiled, config
from tinynet.kernels.fast.llvm.waiting import CHUNKS, CLOSE, NEXT, OPEN
from tinynet.kernels.fast.llvm.writing import I64


class Loop(NamedTuple):
    """What a compiled loop gets of numbers: it runs from begin to end, `size` at a time.

    Attributes
    ----------
    place : the address where it is shared out; 0 where it is not.
    most : how many threads may help.
    open, close : the addresses of the functions of `tinynet.kernels.fast.llvm.waiting`.
    """

    begin: int
    end: int
    size: int
    place: int = 0
    most: int = 0
    open: int = 0
    close: int = 0


BEGIN, END, SIZE, PLACE, MOST, OPEN_AT, CLOSE_AT = range(len(Loop._fields))


def chunked(function: Callable[..., None], fastmath: AbstractSet[str] = frozenset(), source: str = "", text: str = ""
            ) -> Callable[..., None]:
    """Compile a function of (start, stop) and other arguments as a loop over chunks, which may be shared out.

    It must not return from within. See `compiled` for `fastmath` and `source`; the text is that of a function which was
    made by `exec`.
    """
    if config.DISABLE_JIT:
        return alone(function)
    written = cast(ast.FunctionDef, ast.parse(textwrap.dedent(text or inspect.getsource(function))).body[0])
    start, stop, *others = inspect.signature(function).parameters
    passed = ", ".join(f"{name}_" for name in others)
    loop = ast.parse(f"""def {function.__name__}(loop_, counter_, {passed}):
    taken_ = {function.__name__}_open_(loop_, counter_, {passed})
    begin_, end_, size_ = loop_[{BEGIN}], loop_[{END}], loop_[{SIZE}]
    {start} = begin_ + take_(taken_) * size_
    while {start} < end_:
        {stop} = {start} + size_ if {start} + size_ < end_ else end_
        {", ".join(others)}, = {passed},
        {start} = begin_ + take_(taken_) * size_
    close_(loop_, counter_, taken_)
""")
    around = next(node for node in ast.walk(loop) if isinstance(node, ast.While))
    around.body[2:2] = written.body                              # in the place of a call: half of the time to compile
    # in the function's module, where numba looks for what it calls: also for what is defined there after it
    function.__globals__.update({f"{function.__name__}_open_": opening(passed), "take_": take, "close_": close_loop})
    made: dict[str, Any] = {}
    exec(compile(ast.fix_missing_locations(loop), inspect.getfile(function), "exec"), function.__globals__, made)
    chunks = made[function.__name__]
    chunks.__qualname__ = f"{function.__qualname__}.chunks"
    return compiled(chunks, fastmath=fastmath, source=source)


def alone(function: Callable[..., None]) -> Callable[..., None]:
    """Return what does all chunks, where nothing is compiled."""
    def chunks(loop: np.ndarray, counter: int, *others: Any) -> None:
        begin, end, size, *_ = map(int, loop)
        for start in range(begin, end, size):
            function(start, min(start + size, end), *others)
    return chunks


@intrinsic
def take(typing: Any, counter: types.Type) -> Any:
    """Return how many chunks have been taken, and count one more."""
    def write(context: Any, builder: ir.IRBuilder, signature: Any, values: list[ir.Value]) -> ir.Value:
        counter = builder.inttoptr(values[0], I64.as_pointer())
        return builder.atomic_rmw("add", counter, I64(1), "monotonic")
    return types.int64(types.int64), write


def opening(others: str) -> Callable[..., int]:
    """Return the function that opens a loop, whose other arguments have these names.

    They are passed one by one: of a tuple of arrays numba would count who uses them.
    """
    scope: dict[str, Any] = {"typed": lambda *kinds: (types.int64(*kinds), write_open)}
    exec(f"def open_(typing_, loop_, counter_, {others}): return typed(loop_, counter_, {others})", scope)
    return intrinsic(scope["open_"])


def write_open(context: Any, builder: ir.IRBuilder, signature: Any, values: list[ir.Value]) -> ir.Value:
    """Write what lets others help, unless this is help, as it has a counter, or there is no place for that.

    It returns the address of the counter: the one given, one where the loop is shared out, or one of its own.
    """
    loop, counter, *_ = values
    own, taken = cgutils.alloca_once(builder, I64), cgutils.alloca_once(builder, I64)
    builder.store(I64(0), own)
    builder.store(builder.select(is_zero(builder, counter), builder.ptrtoint(own, I64), counter), taken)
    place, most, function = (loaded(context, builder, signature, loop, which) for which in (PLACE, MOST, OPEN_AT))
    with builder.if_then(builder.and_(is_zero(builder, counter), builder.not_(is_zero(builder, place)))):
        passed = [loop, builder.add(place, I64(NEXT)), *values[2:]]                                   # to a helper
        arguments = cgutils.alloca_once(builder, ir.LiteralStructType([value.type for value in passed]))
        for index, value in enumerate(passed):
            builder.store(value, cgutils.gep_inbounds(builder, arguments, 0, index))
        helper = write_helper(context, builder.module, arguments.type)
        addresses = [builder.ptrtoint(pointer, I64) for pointer in (helper, arguments, own)]
        builder.store(builder.call(builder.inttoptr(function, OPEN.as_pointer()), [place, most, *addresses]), taken)
    return builder.load(taken)


def write_helper(context: Any, module: ir.Module, pointer: ir.Type) -> ir.Function:
    """Write a function that calls the one that is being compiled, with the arguments at an address; return it."""
    kind = context.fndesc
    helper = ir.Function(module, CHUNKS, module.get_unique_name(f"{kind.qualname}.helper"))
    helper.linkage = "internal"
    for attribute in "optnone", "noinline":                      # it is called once: no second copy of the loop in it
        helper.attributes.add(attribute)
    builder = ir.IRBuilder(helper.append_basic_block())
    arguments = builder.bitcast(helper.args[0], pointer)
    values = [builder.load(cgutils.gep_inbounds(builder, arguments, 0, index))
              for index in range(len(pointer.pointee.elements))]
    function = context.declare_function(module, kind)
    context.call_conv.call_function(builder, function, kind.restype, kind.argtypes, values)
    builder.ret_void()
    return helper


@intrinsic
def close_loop(typing: Any, loop: types.Type, counter: types.Type, taken: types.Type) -> Any:
    """Let nobody help any more, and wait until those who do are done, if this call opened the loop."""
    def write(context: Any, builder: ir.IRBuilder, signature: Any, values: list[ir.Value]) -> ir.Value:
        loop, counter, taken = values
        place, function = (loaded(context, builder, signature, loop, which) for which in (PLACE, CLOSE_AT))
        is_shared = builder.icmp_signed("==", taken, builder.add(place, I64(NEXT)))
        with builder.if_then(builder.and_(is_zero(builder, counter), is_shared)):
            builder.call(builder.inttoptr(function, CLOSE.as_pointer()), [place])
        return context.get_dummy_value()
    return types.void(loop, types.int64, types.int64), write


def loaded(context: Any, builder: ir.IRBuilder, signature: Any, loop: ir.Value, which: int) -> ir.Value:
    """Return a number of a loop, the first argument."""
    data = context.make_array(signature.args[0])(context, builder, loop).data
    return builder.load(builder.gep(data, [I64(which)]))


def is_zero(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Return whether a number is 0."""
    return builder.icmp_signed("==", value, I64(0))
