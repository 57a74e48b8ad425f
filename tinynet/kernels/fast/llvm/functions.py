"""The functions of this folder, by their names: what they do, their addresses, and how compiled code calls them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cache, partial
from inspect import signature
from itertools import product
from typing import Any, NamedTuple, TypeVar

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import lower_builtin, type_callable

from tinynet.kernels.fast.compiling import CPU_FEATURES, compiled_module
from tinynet.kernels.fast.llvm.depthwise import write_add_products, write_weigh
from tinynet.kernels.fast.llvm.listed import write_multiply_listed
from tinynet.kernels.fast.llvm.multiplying import write_multiply
from tinynet.kernels.fast.llvm.pooling import write_copy, write_pool, write_unpool
from tinynet.kernels.fast.llvm.transforming import Matrix, write_transform
from tinynet.kernels.fast.llvm.waiting import CHUNKS, write_calls
from tinynet.kernels.fast.llvm.writing import BYTES, I64

AVX512 = "+avx512f" in CPU_FEATURES
VECTOR_BYTES = 64 if AVX512 else 32
MAX_ROWS, MAX_VECTORS = (12 if AVX512 else 6), 2             # of a tile: its sums fill most of the 32 or 16 registers
SIZES = [*product(range(1, MAX_ROWS + 1), range(1, MAX_VECTORS + 1))]
LISTED_ROWS, LISTED_VECTORS = MAX_ROWS // 2, 2 * MAX_VECTORS             # of one that passes over zeros
MAX_LOOPS = 6                                                # around a tile
At = np.ndarray | int                                        # an array, or the address where it begins
Function = TypeVar("Function", bound=Callable[..., None])


class Entries(NamedTuple):
    """The addresses of compiled functions for a dtype."""

    multiply: int
    pool: int
    unpool: int
    copy: int
    multiply_each: int


class DepthwiseEntries(NamedTuple):
    """Those of depthwise convolution, which most models have no use for."""

    weigh: int
    add_products: int


class WinogradEntries(NamedTuple):
    """Those of Winograd's transforms, of images, kernels and outputs, and of their gradients."""

    of_image: int
    of_kernel: int
    to_output: int
    of_output: int
    to_kernel: int
    to_image: int


@cache
def entries(dtype: np.dtype) -> Entries:
    """Return the functions for a dtype: compiled when first asked for, and kept on disk."""
    return Entries(*addresses(dtype, Entries._fields, partial(write_multiply, sizes=SIZES, loops=MAX_LOOPS),
                              write_pool, write_unpool, write_copy, write_multiply_each))


def write_multiply_each(module: ir.Module, vector: ir.VectorType, itemsize: int) -> None:
    """Write ``multiply_each``, for `threads.for_calls`: calls of `multiply`, by the addresses of loops, a, b, start, c.
    """
    multiply = module.get_global("multiply")

    def call(builder: ir.IRBuilder, numbers: list[ir.Value], more: list[ir.Value]) -> None:
        loops, *pointers = numbers
        builder.call(multiply, [builder.inttoptr(loops, I64.as_pointer()), I64(0),
                                *(builder.inttoptr(pointer, BYTES) for pointer in pointers)])
    write_calls(ir.Function(module, CHUNKS, "multiply_each"), call, width=5)


@cache
def depthwise_entries(dtype: np.dtype) -> DepthwiseEntries:
    """Return those of depthwise convolution."""
    return DepthwiseEntries(*addresses(dtype, DepthwiseEntries._fields, write_weigh, write_add_products))


@cache
def winograd_entries(dtype: np.dtype, image: Matrix, kernel: Matrix, output: Matrix) -> WinogradEntries:
    """Return those of Winograd's transforms by these matrices; gradients go back by the transposed ones."""
    matrices = image, kernel, output, *(tuple(zip(*matrix, strict=True)) for matrix in (output, kernel, image))
    return WinogradEntries(*addresses(dtype, WinogradEntries._fields, *(
        partial(write_transform, name=name, matrix=matrix, adds=name == "to_image",
                watches=name.startswith("to_"))
        for name, matrix in zip(WinogradEntries._fields, matrices, strict=True))))


@cache
def listed_entry(dtype: np.dtype) -> int:
    """Return that of products which pass over zeros."""
    return next(addresses(dtype, ("multiply_listed",), partial(write_multiply_listed, rows=LISTED_ROWS,
                                                               vectors=LISTED_VECTORS)))


def addresses(dtype: np.dtype, names: tuple[str, ...], *writers: Callable[..., None]) -> Iterator[int]:
    """Return where the functions of these names begin, which are written by ``writer(module, vector, itemsize)``."""
    def text() -> str:
        module, scalar = ir.Module(dtype.name), ir.FloatType() if dtype == np.float32 else ir.DoubleType()
        for write in writers:
            write(module, ir.VectorType(scalar, VECTOR_BYTES // dtype.itemsize), dtype.itemsize)
        return str(module)
    return map(compiled_module(text, f"{names[0]} {dtype.name}"), names)


def in_compiled_code(function: Function) -> Function:
    """Let compiled code have a call in place of a function (entry, ...), of what stands at the entry."""
    def returned(*arguments: Any) -> types.Type:
        return types.void
    returned.__signature__ = signature(function)                 # type: ignore[attr-defined]
    type_callable(function)(lambda context: returned)
    lower_builtin(function, types.VarArg(types.Any))(write_call)
    return function


def write_call(context: Any, builder: ir.IRBuilder, types_of_call: Any, arguments: list[ir.Value]) -> ir.Value:
    """Write a call of what stands at an address into compiled code; arrays are passed as where they begin."""
    passed = [builder.ptrtoint(context.make_array(kind)(context, builder, value).data, I64)
              if isinstance(kind, types.Array) else context.cast(builder, value, kind, types.int64)
              for kind, value in zip(types_of_call.args, arguments, strict=True)]
    function = ir.FunctionType(ir.VoidType(), [I64] * (len(passed) - 1))
    builder.call(builder.inttoptr(passed[0], function.as_pointer()), passed[1:])
    return context.get_dummy_value()


def call(entry: int, *values: Any) -> None:
    """Call a function from Python, without the interpreter lock."""
    callable_of(entry, len(values))(*[each.ctypes.data if isinstance(each, np.ndarray) else each for each in values])


@cache
def callable_of(entry: int, count: int) -> Callable[..., None]:
    """Return the function at an address, of so many whole numbers, for Python."""
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * count)(entry)


@in_compiled_code
def multiply(entry: int, loops: At, count: int, a: At, b: At,
             start: At, c: At) -> None:
    """Run loops of `tiles.tile_loops`, at the entry for a dtype; each array begins where the first tile does.

    A loop that is `tiles.COUNTED` long is `count` rounds long.
    """
    call(entry, loops, count, a, b, start, c)


@in_compiled_code
def pool(entry: int, z: At, row: int, a: int, b: int, t: int, Q: int, V: int, relu: int, y: At,
         winner: At) -> None:
    """Fill y and winner (Q, V vectors) with the maxima of a row of windows a x b in z, and their places in them.

    The rows of z (a, columns, V) are `row` bytes apart, the windows t columns. With a ReLU the winner is -1 where it
    lets nothing through.
    """
    call(entry, z, row, a, b, t, Q, V, relu, y, winner)


@in_compiled_code
def unpool(entry: int, z: At, row: int, a: int, b: int, Q: int, V: int, dy: At, winner: At,
           total: At) -> None:
    """Write dy (Q, V vectors) to the winners in z, and 0 to all others; add what winners get to total (V)."""
    call(entry, z, row, a, b, Q, V, dy, winner, total)


@in_compiled_code
def copy(entry: int, x: At, x_q: int, x_f: int, y: At, y_q: int, y_f: int, Q: int, F: int
         ) -> None:
    """Copy x (Q, F) to y, given the strides of both, in bytes."""
    call(entry, x, x_q, x_f, y, y_q, y_f, Q, F)


@in_compiled_code
def weigh(entry: int, numbers: At, runs: int, V: int, source: At, source_q: int, zeros: At,
          weights: At, start: At, target: At, target_q: int) -> None:
    """Fill the pixels of target (V vectors each) with start (V) and the pixels of source that they see, weighed."""
    call(entry, numbers, runs, V, source, source_q, zeros, weights, start, target, target_q)


@in_compiled_code
def add_products(entry: int, numbers: At, runs: int, V: int, source: At, source_q: int,
                 zeros: At, target: At, target_q: int, total: At) -> None:
    """Add to total (places of the window, V) the pixels of source that each has met, times those of target."""
    call(entry, numbers, runs, V, source, source_q, zeros, target, target_q, total)


@in_compiled_code
def transform(entry: int, source: At, of_row: int, of_column: int, of_next: int, target: At, to_row: int,
              to_column: int, to_next: int, squares: int, V: int, nonfinite: At) -> None:
    """Multiply squares of pixels (V vectors each) of source by a matrix from both sides, and set target to them."""
    call(entry, source, of_row, of_column, of_next, target, to_row, to_column, to_next, squares, V, nonfinite)


@in_compiled_code
def multiply_listed(entry: int, columns: At, count: int, a: At, a_m: int, a_k: int, b: At, b_k: int, c: At, c_m: int,
                    M: int) -> None:
    """Fill c (M, `LISTED_VECTORS`) with the products of listed columns of a (M, K), and rows of b (K, ...)."""
    call(entry, columns, count, a, a_m, a_k, b, b_k, c, c_m, M)
