"""Formulas of `tinynet.kernels.elementwise`, compiled: one pass over memory for all that NumPy would make passes for.

A formula is written for arrays. To compiled code its names mean the same, number by number: ``np.exp`` is that of
`tinynet.kernels.fast.loops.elementary`, and numbers are of the arrays' dtype, as NumPy takes them, too. So from

    def tanh_gradient(dy, y):
        return dy * (1 - y * y)

and the dtype of its arrays a loop is made, once for a process, and the compiled loop is kept on disk.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tinynet.kernels.buffers import axes_in_memory, empty
from tinynet.kernels.elementwise import computed, polynomial, summed
from tinynet.kernels.elementwise import elementwise as decorated
from tinynet.kernels.fast.compiling import REASSOCIATED, for_loops
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.loops.elementary import economized, functions, of_single_numbers, written_out
from tinynet.kernels.fast.loops.elementwise import MIN_CHUNK, MIN_SUMMED, numbers_per_chunk
from tinynet.kernels.fast.threads import for_chunks
from tinynet.kernels.streams import synchronize

MIN_IN_PLACE = 4096            # numbers: for fewer NumPy is as quick as a call of a compiled loop
COSTLY = re.compile(r"np\.(exp|log|tanh)|polynomial")           # what a number takes as long for as four others or ten


def elementwise(formula: Callable[..., Any], *args: np.ndarray | float, out: tuple[np.ndarray, ...] = ()) -> Any:
    """Compute a formula of arrays, and of numbers after them, in one pass over memory.

    The results lie in memory as the last of the arrays, which is the layer's own x or y: the first may be a gradient.
    What compiled loops do not know, other dtypes and several of them at once, is computed by NumPy.
    """
    arrays = [arg for arg in args if isinstance(arg, np.ndarray)]
    if (out and out[0].size < MIN_IN_PLACE) or not arrays or not of_one_kind(arrays):
        synchronize()
        return computed(formula, args, out)
    if out:
        return in_place(formula, arrays, args[len(arrays):], out)
    x, dtype = arrays[0], arrays[0].dtype
    as_one = all(each.shape == x.shape for each in arrays)
    loop, results, least = loop_of(formula, dtype, len(arrays), of_rows=not as_one)
    axes = axes_in_memory([each for each in arrays if each.shape == x.shape][-1])
    if not as_one:
        axes = [0, *(axis for axis in axes if axis)]
    row = () if as_one else (x.size // max(1, len(x)),)                                 # each row is a sample
    n = x.size if as_one else len(x)
    outputs = [empty((n, *row), dtype) for _ in range(results)]
    if x.size:
        laid = [in_order(each, axes).reshape(-1, *row) for each in arrays]
        settings = [dtype.type(number) for number in args[len(arrays):]]
        for_chunks(loop, n, -(-numbers_per_chunk(x.size, least) * n // x.size), *laid, *settings, *outputs)
    inverse, lying = sorted(range(x.ndim), key=axes.__getitem__), [x.shape[axis] for axis in axes]
    found = tuple(each.reshape(lying).transpose(inverse) for each in outputs)
    return found[0] if results == 1 else found


def in_place(formula: Callable[..., Any], arrays: list[np.ndarray], numbers: tuple[Any, ...],
             out: tuple[np.ndarray, ...]) -> None:
    """Put the results of a formula in the place of some of its arrays, with the bits of NumPy's."""
    x, places = out[0], tuple(k for each in out for k, array in enumerate(arrays) if array is each)
    if (len(places) < len(out) or any(each.shape != x.shape for each in arrays)
            or not all(each.flags.carray for each in out)):
        synchronize()
        computed(formula, (*arrays, *numbers), out)
        return
    loop = loop_of(formula, x.dtype, len(arrays), places)[0]
    flat, settings = [for_loops(each).reshape(-1) for each in arrays], [x.dtype.type(number) for number in numbers]
    for_chunks(loop, x.size, numbers_per_chunk(x.size), *flat, *settings)


def elementwise_sum(formula: Callable[..., Any], *args: np.ndarray | float) -> float:
    """Add up a formula in one pass over memory: each piece of the arrays by itself, then the pieces, in order."""
    arrays = [arg for arg in args if isinstance(arg, np.ndarray)]
    x = arrays[0]
    if x.size < MIN_IN_PLACE or not of_one_kind(arrays) or any(each.shape != x.shape for each in arrays):
        synchronize()
        return summed(formula, args)
    loop, axes = sum_loop_of(formula, x.dtype, len(arrays)), axes_in_memory(x)
    rows, numbers = [in_order(each, axes).reshape(-1) for each in arrays], [float(each) for each in args[len(arrays):]]
    size = numbers_per_chunk(x.size, 4 * MIN_SUMMED)
    sums = np.zeros(-(-x.size // max(1, size)))
    for_chunks(loop, x.size, size, *rows, *numbers, size, sums)
    synchronize()
    return float(sums.sum())


def of_one_kind(arrays: list[np.ndarray]) -> bool:
    """Return whether arrays are of one dtype that loops know, and of one shape, or of that of one sample."""
    x, dtype = arrays[0], arrays[0].dtype
    return dtype.char in "fd" and dtype.isnative and all(
        each.dtype == dtype and each.shape in (x.shape, x.shape[1:]) for each in arrays)


def in_order(array: np.ndarray, axes: list[int]) -> np.ndarray:
    """Return an array with its axes in an order, contiguous: a view where it lies so; of one sample, without axis 0."""
    return for_loops(array.transpose(axes if array.ndim == len(axes) else [axis - 1 for axis in axes[1:]]))


@cache
def loop_of(formula: Callable[..., Any], dtype: np.dtype, arrays: int, places: tuple[int, ...] = (),
            of_rows: bool = False) -> tuple[Callable[..., None], int, int]:
    """Compile the loop of a formula of some arrays, and of numbers after them, of one dtype.

    The arrays are flat, or `of_rows`, each a sample; one with a single row has the same for all samples.
    The results take the `places` of some of the arrays, or else are in arrays after all arguments. In place they are
    rounded as NumPy's: an optimizer's are the same bits in each kernel set. Also return how many results the formula
    has, and of how many numbers a chunk is worth a thread.
    """
    sources, names = [str(dtype)], list(inspect.signature(formula).parameters)
    compiled_formula, results = of_numbers(formula, dtype, sources, contract=not places)
    outputs = [] if places else [f"output_{k}" for k in range(results)]
    written = [names[k] for k in places] or outputs
    read = [f"{name}_row[k]" for name in names[:arrays]] + names[arrays:]
    index = "n if len({0}) > 1 else 0" if of_rows else "start:stop"
    body = [*(f"{name}_row = {name}[{index.format(name)}]" for name in names[:arrays] + outputs),
            f"for k in range({written[0]}_row.size):",
            f"    {', '.join(f'{name}_row[k]' for name in written)} = formula({', '.join(read)})"]
    if of_rows:
        body = ["for n in range(start, stop):", *(f"    {line}" for line in body)]
    text = [f"def loop(start, stop, {', '.join(names + outputs)}):", *(f"    {line}" for line in body)]
    loop = defined("loop", ast.parse("\n".join(text)), {"formula": compiled_formula, "__name__": __name__})
    loop.__qualname__ = loop.__name__ = "_".join(
        [f"{formula.__module__}.{formula.__qualname__}.{dtype.name}".replace(".", "_"), *written[:len(places)]])
    least = MIN_CHUNK // 4 if COSTLY.search("".join(sources)) else MIN_CHUNK
    return chunked(loop, source="".join(sources), text="\n".join(text)), results, least


@cache
def sum_loop_of(formula: Callable[..., Any], dtype: np.dtype, arrays: int) -> Callable[..., None]:
    """Compile the loop of a formula's sums, one of each chunk, of some arrays, and of numbers after them, as float64.
    """
    sources, names = [str(dtype)], list(inspect.signature(formula).parameters)
    numbers = [f"np.float64({name}[k])" for name in names[:arrays]] + names[arrays:]
    text = [f"def loop(start, stop, {', '.join(names)}, size, sums):",
            *(f"    {name} = {name}[start:stop]" for name in names[:arrays]),
            "    total = 0.0",
            f"    for k in range({names[0]}.size):",
            f"        total += formula({', '.join(numbers)})",
            "    sums[start // size] = total"]
    of_float64 = of_numbers(formula, np.dtype(np.float64), sources, contract=True)[0]
    loop = defined("loop", ast.parse("\n".join(text)), {"formula": of_float64, "np": np, "__name__": __name__})
    loop.__qualname__ = loop.__name__ = f"{formula.__module__}.{formula.__qualname__}.sum.{dtype}".replace(".", "_")
    return chunked(loop, fastmath=REASSOCIATED, source="".join(sources), text="\n".join(text))


@cache
def for_dtype(loop: Callable[..., None], dtype: np.dtype) -> Callable[..., None]:
    """Compile a loop over chunks in which the functions of ``np`` are those of numbers of one dtype."""
    source = textwrap.dedent(inspect.getsource(loop))
    copy = defined(loop.__name__, ast.parse(source), {**loop.__globals__, "np": functions(dtype)})
    copy.__qualname__ = copy.__name__ = f"{loop.__name__}_{dtype.name}"
    return chunked(copy, fastmath=REASSOCIATED, source=f"{dtype} {source}", text=source)


def of_numbers(function: Callable[..., Any], dtype: np.dtype, sources: list[str], contract: bool
               ) -> tuple[Callable[..., Any], int]:
    """Compile a formula, or a function that it calls, as one of single numbers, and count its results.

    What was read of other files is added to `sources`.
    """
    source = textwrap.dedent(inspect.getsource(function))
    sources.append(source)
    tree = Undecorated().visit(ast.parse(source))
    scope: dict[str, Any] = {"__name__": __name__}
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {*function.__code__.co_varnames}
    for name in sorted(read & {*function.__globals__}):
        value = function.__globals__[name]
        value = value.formula if isinstance(value, decorated) else value
        if value is polynomial:
            continue                                           # see Literals
        if value is np:
            scope[name] = functions(dtype)
        elif inspect.isfunction(value):
            scope[name] = of_numbers(value, dtype, sources, contract)[0]
        else:
            scope[name] = value if isinstance(value, tuple) else dtype.type(value)
            sources.append(f"{name} = {value}")
    returned = next(node.value for node in ast.walk(tree) if isinstance(node, ast.Return))
    results = len(returned.elts) if isinstance(returned, ast.Tuple) else 1
    return of_single_numbers(defined(function.__name__, Literals(dtype, scope).visit(tree), scope), contract), results


class Undecorated(ast.NodeTransformer):
    """Takes functions without their decorators, and without types."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Take a function."""
        node.decorator_list, node.returns = [], None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Take an argument."""
        node.annotation = None
        return node


class Literals(ast.NodeTransformer):
    """Gives the numbers written in a formula a name each, as which they are of the arrays' dtype."""

    def __init__(self, dtype: np.dtype, scope: dict[str, Any]):
        self.dtype, self.scope = dtype, scope

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Write a polynomial out: its terms are known, and a loop over them would keep vectors away."""
        if isinstance(node.func, ast.Name) and node.func.id == polynomial.__name__:
            node.func = node.args.pop(0)
            name = ast.unparse(node.func)
            self.scope[name] = written_out(economized(self.scope[name], self.dtype))
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Return a name in place of a number."""
        if isinstance(node.value, str):
            return node
        name = f"literal_{len(self.scope)}"
        self.scope[name] = self.dtype.type(node.value)
        return ast.copy_location(ast.Name(name, ast.Load()), node)


def defined(name: str, tree: ast.Module, scope: dict[str, Any]) -> Any:
    """Run the definition of a function, and return it."""
    exec(compile(tree, __file__, "exec"), scope)
    return scope[name]
