"""Compiled loops that are shared out without the interpreter: threads take chunks of one until there are none left.

    @chunked
    def double(start: int, stop: int, x: np.ndarray, y: np.ndarray) -> None:
        for n in range(start, stop):
            y[n] = 2 * x[n]

becomes a compiled function of (loop, counter, x, y), in which this stands, with ``double`` as it was::

    taken = open_loop(loop, counter, x, y)                   # the address where chunks that have been taken are counted
    start = next_start(loop, taken)
    while start >= 0:
        double(start, min(start + size, n), x, y)
        start = next_start(loop, taken)
    close_loop(loop, counter, taken)

Opening a loop lets threads help that wait awake (see `tinynet.kernels.fast.llvm.waiting`): they call the same function,
with the counter that is in use. Whoever opened it closes it, and waits until they are done. All of that takes some
microseconds; a loop in Python, whose chunks each need the interpreter lock, takes 40 to 150. Where another thread has a
loop of its own open, the caller does all chunks alone.
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
from tinynet.kernels.fast.llvm.waiting import CHUNKS, CLOSE, NEXT, OPEN, number
from tinynet.kernels.fast.llvm.writing import I64


class Loop(ctypes.Structure):
    """What a compiled loop gets of numbers: it runs over range(n), `size` at a time.

    `place` is the address where it is shared out, 0 where it is not; `most` how many threads may help; `open` and
    `close` are the addresses of the functions of `tinynet.kernels.fast.llvm.waiting`.
    """

    _fields_ = tuple((name, ctypes.c_int64) for name in ("n", "size", "place", "most", "open", "close"))


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
    taken_ = {function.__name__}_open_(loop_, counter_, {passed})
    {start} = next_start_(loop_, taken_)
    while {start} >= 0:
        {stop} = stop_(loop_, {start})
        {start} = next_start_(loop_, taken_)
    close_(loop_, counter_, taken_)
""")
    around = next(node for node in ast.walk(loop) if isinstance(node, ast.While))
    copies = ast.parse("\n".join(f"{name} = {name}_" for name in changed)).body
    body = Views(start, stop).visit(written).body
    around.body[1:1] = copies + body                             # in the place of a call: half of the time to compile
    # in the function's module, where numba looks for what it calls: also for what is defined there after it
    function.__globals__.update({f"{function.__name__}_open_": opening(passed), "next_start_": next_start,
                                 "stop_": stop_of, "close_": close_loop, "part_": part})
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
    place, most, function = (loaded(builder, loop, which) for which in ("place", "most", "open"))
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
        place, function = (loaded(builder, loop, which) for which in ("place", "close"))
        is_shared = builder.icmp_signed("==", taken, builder.add(place, I64(NEXT)))
        with builder.if_then(builder.and_(is_zero(builder, counter), is_shared)):
            builder.call(builder.inttoptr(function, CLOSE.as_pointer()), [place])
        return context.get_dummy_value()
    return types.void(types.int64, types.int64, types.int64), write


def loaded(builder: ir.IRBuilder, loop: ir.Value, which: str) -> ir.Value:
    """Return a number of a loop, given its address."""
    return builder.load(number(builder, loop, getattr(Loop, which).offset))


def is_zero(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Return whether a number is 0."""
    return builder.icmp_signed("==", value, I64(0))
