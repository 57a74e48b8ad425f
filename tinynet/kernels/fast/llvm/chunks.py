"""Compiled loops that are shared out without the interpreter: threads take chunks of one until there are none left.

    @chunked
    def double(start: int, stop: int, x: np.ndarray, y: np.ndarray) -> None:
        for n in range(start, stop):
            y[n] = 2 * x[n]

becomes a compiled function of (loop, counter, x, y), in which this stands, with ``double`` as it was::

    taken = begin_loop(loop, counter, x, y)                  # the address where chunks that have been taken are counted
    start = next_start(loop, taken)
    while start >= 0:
        double(start, min(start + size, n), x, y)
        start = next_start(loop, taken)

A loop that is to be shared out begins by being put into the queue of `tinynet.kernels.fast.llvm.waiting`, with its
arguments. Threads that wait awake, and the caller, call the same function again, with the queue's counter, and take
chunks while there are any. All of that takes some microseconds; a loop in Python, whose chunks each need the
interpreter lock, takes 40 to 150. When the caller returns all chunks are done, or, where it has launched the loop, will
be done later: whoever launches keeps the loop and its arrays in memory until then. Where another thread has the queue,
the caller does all chunks alone.
"""

from __future__ import annotations

import ast
import ctypes
import inspect
import textwrap
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinynet.kernels.fast.compiling import compiled, config
from tinynet.kernels.fast.llvm.memory import part
from tinynet.kernels.fast.llvm.waiting import BEGIN, CHUNKS, number
from tinynet.kernels.fast.llvm.writing import I32, I64


class Loop(ctypes.Structure):
    """What a compiled loop gets of numbers: it runs over range(n), `size` at a time.

    `place` is the address of the queue where it is shared out, 0 where it is not; `most` how many threads may take
    part; `begin` the address of the function of `tinynet.kernels.fast.llvm.waiting`, and `mode` one of those there.
    """

    _fields_ = tuple((name, ctypes.c_int64) for name in ("n", "size", "place", "most", "begin", "mode"))


def chunked(function: Callable[..., None], fastmath: AbstractSet[str] = frozenset(), source: str = "", text: str = ""
            ) -> Callable[..., None]:
    """Compile a function of (start, stop) and other arguments as a loop over chunks, which may be shared out.

    The compiled function takes a `Loop` by its address. The one given must not return from within. See `compiled` for
    `fastmath` and `source`; the text is that of a function which was made by `exec`.
    """
    if config.DISABLE_JIT:
        return alone(function)
    written = cast(ast.FunctionDef, ast.parse(textwrap.dedent(text or inspect.getsource(function))).body[0])
    start, stop, *others = inspect.signature(function).parameters
    names = {node.id for node in ast.walk(written) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    changed = [name for name in others if name in names]         # in each chunk they begin as they came
    passed = ", ".join(f"{name}_" if name in changed else name for name in others)
    loop = ast.parse(f"""def {function.__name__}(loop_, counter_, {passed}):
    taken_ = {function.__name__}_begin_(loop_, counter_, {passed})
    {start} = next_start_(loop_, taken_)
    while {start} >= 0:
        {stop} = stop_(loop_, {start})
        {start} = next_start_(loop_, taken_)
""")
    around = next(node for node in ast.walk(loop) if isinstance(node, ast.While))
    copies = ast.parse("\n".join(f"{name} = {name}_" for name in changed)).body
    body = Views(start, stop).visit(written).body
    around.body[1:1] = copies + body                             # in the place of a call: half of the time to compile
    # in the function's module, where numba looks for what it calls: also for what is defined there after it
    function.__globals__.update({f"{function.__name__}_begin_": beginning(passed), "next_start_": next_start,
                                 "stop_": stop_of, "part_": part})
    made: dict[str, Any] = {}
    exec(compile(ast.fix_missing_locations(loop), inspect.getfile(function), "exec"), function.__globals__, made)
    chunks = made[function.__name__]
    chunks.__qualname__ = f"{function.__qualname__}.chunks"
    return compiled(chunks, fastmath=fastmath, source=source)


class Views(ast.NodeTransformer):
    """Writes `part` for x[start:stop]."""

    def __init__(self, start: str, stop: str):
        self.slice = f"{start}:{stop}"

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Take an index."""
        if ast.unparse(node.slice) != self.slice or not isinstance(node.ctx, ast.Load):
            return self.generic_visit(node)
        return ast.copy_location(ast.parse(f"part_({ast.unparse(node.value)}, {self.slice.replace(':', ', ')})",
                                           mode="eval").body, node)


def alone(function: Callable[..., None]) -> Callable[..., None]:
    """Return what does all chunks, where nothing is compiled."""
    def chunks(loop: int, counter: int, *others: Any) -> None:
        numbers: Any = Loop.from_address(loop)
        for start in range(0, numbers.n, numbers.size):
            function(start, min(start + numbers.size, numbers.n), *others)
    return chunks


@intrinsic
def next_start(typing: Any, loop: types.Type, taken: types.Type) -> Any:
    """Take a chunk, and return where it starts; -1 if there are none left."""
    def write(context: Any, builder: ir.IRBuilder, signature: Any, values: list[ir.Value]) -> ir.Value:
        loop, taken = values
        chunk = builder.atomic_rmw("add", number(builder, taken), I64(1), "monotonic")
        start = builder.mul(chunk, loaded(builder, loop, "size"))
        return builder.select(builder.icmp_signed("<", start, loaded(builder, loop, "n")), start, I64(-1))
    return types.int64(types.int64, types.int64), write


@intrinsic
def stop_of(typing: Any, loop: types.Type, start: types.Type) -> Any:
    """Return where a chunk stops that starts there."""
    def write(context: Any, builder: ir.IRBuilder, signature: Any, values: list[ir.Value]) -> ir.Value:
        loop, start = values
        stop, n = builder.add(start, loaded(builder, loop, "size")), loaded(builder, loop, "n")
        return builder.select(builder.icmp_signed("<", stop, n), stop, n)
    return types.int64(types.int64, types.int64), write


def beginning(others: str) -> Callable[..., int]:
    """Return the function that begins a loop, whose other arguments have these names.

    They are passed one by one: of a tuple of arrays numba would count who uses them.
    """
    scope: dict[str, Any] = {"typed": lambda *kinds: (types.int64(*kinds), write_begin)}
    exec(f"def begin_(typing_, loop_, counter_, {others}): return typed(loop_, counter_, {others})", scope)
    return intrinsic(scope["begin_"])


def write_begin(context: Any, builder: ir.IRBuilder, signature: Any, values: list[ir.Value]) -> ir.Value:
    """Write what shares a loop out, unless this is help, as it has a counter, or there is no place for that.

    It returns the address of the counter: the one given, one of its own, or one that has no chunks left.
    """
    loop, counter, *_ = values
    own, none_left = (cgutils.alloca_once_value(builder, value) for value in (I64(0), loaded(builder, loop, "n")))
    taken = cgutils.alloca_once(builder, I64)
    builder.store(builder.select(is_zero(builder, counter), builder.ptrtoint(own, I64), counter), taken)
    place, most, function, mode = (loaded(builder, loop, which) for which in ("place", "most", "begin", "mode"))
    with builder.if_then(builder.and_(is_zero(builder, counter), builder.not_(is_zero(builder, place)))):
        passed = [borrowed(builder, kind, value) for kind, value in zip(signature.args[2:], values[2:], strict=True)]
        arguments = cgutils.alloca_once(builder, ir.LiteralStructType([value.type for value in (loop, *passed)]))
        for index, value in enumerate((loop, *passed)):
            builder.store(value, cgutils.gep_inbounds(builder, arguments, 0, index))
        helper = write_helper(context, builder.module, arguments.type)
        first, after, chunks, count = (builder.ptrtoint(pointer, I64) for pointer in (
            arguments, builder.gep(arguments, [I32(1)]), helper, own))
        left = builder.call(builder.inttoptr(function, BEGIN.as_pointer()), [
            place, most, chunks, first, builder.sub(after, first), mode, count])
        builder.store(builder.select(is_zero(builder, left), builder.ptrtoint(none_left, I64), left), taken)
    return builder.load(taken)


def borrowed(builder: ir.IRBuilder, kind: types.Type, value: ir.Value) -> ir.Value:
    """Return an argument, an array without what numba counts users by: that is gone when the caller has returned."""
    if isinstance(kind, types.Array):
        for field in range(2):                                       # "meminfo" and "parent"
            value = builder.insert_value(value, ir.Constant(value.type.elements[field], None), field)
    return value


def write_helper(context: Any, module: ir.Module, pointer: ir.Type) -> ir.Function:
    """Write a function that calls the one that is being compiled, with arguments at an address; return it."""
    kind = context.fndesc
    helper = ir.Function(module, CHUNKS, module.get_unique_name(f"{kind.qualname}.helper"))
    helper.linkage = "internal"
    for attribute in "optnone", "noinline":                      # it is called once: no second copy of the loop in it
        helper.attributes.add(attribute)
    builder = ir.IRBuilder(helper.append_basic_block())
    arguments = builder.bitcast(helper.args[0], pointer)
    loop, *values = (builder.load(cgutils.gep_inbounds(builder, arguments, 0, index))
                     for index in range(len(pointer.pointee.elements)))
    function = context.declare_function(module, kind)
    context.call_conv.call_function(builder, function, kind.restype, kind.argtypes, [loop, helper.args[1], *values])
    builder.ret_void()
    return helper


def loaded(builder: ir.IRBuilder, loop: ir.Value, which: str) -> ir.Value:
    """Return a number of a loop, given its address."""
    return builder.load(number(builder, loop, getattr(Loop, which).offset))


def is_zero(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Return whether a number is 0."""
    return builder.icmp_signed("==", value, I64(0))
