"""The functions of this folder, by their names: what they do, their addresses, and how compiled code calls them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import lower_builtin, type_callable

from tinynet.kernels.fast.compiling import CPU_FEATURES, compiled_module
from tinynet.kernels.fast.llvm.multiplying import write_multiply
from tinynet.kernels.fast.llvm.pooling import write_copy, write_pool, write_unpool
from tinynet.kernels.fast.llvm.writing import I64

AVX512 = "+avx512f" in CPU_FEATURES
VECTOR_BYTES = 64 if AVX512 else 32
MAX_ROWS, MAX_VECTORS = (12 if AVX512 else 6), 2             # of a tile: its sums fill most of the 32 or 16 registers
SIZES = [*product(range(1, MAX_ROWS + 1), range(1, MAX_VECTORS + 1))]
MAX_LOOPS = 6                                                # around a tile


class Entries(NamedTuple):
    """The addresses of compiled functions for a dtype."""

    multiply: int
    pool: int
    unpool: int
    copy: int


@cache
def entries(dtype: np.dtype) -> Entries:
    """Return the functions for a dtype: compiled when first asked for, and kept on disk."""
    def text() -> str:
        module, scalar = ir.Module(dtype.name), ir.FloatType() if dtype == np.float32 else ir.DoubleType()
        vector = ir.VectorType(scalar, VECTOR_BYTES // dtype.itemsize)
        write_multiply(module, vector, dtype.itemsize, SIZES, MAX_LOOPS)
        write_pool(module, vector, dtype.itemsize)
        write_unpool(module, vector, dtype.itemsize)
        write_copy(module, vector, dtype.itemsize)
        return str(module)
    return Entries(*map(compiled_module(text, dtype.name), Entries._fields))


def multiply(entry: int, loops: np.ndarray, count: int, a: np.ndarray, b: np.ndarray, start: np.ndarray,
             c: np.ndarray) -> None:
    """Run loops of `tiles.tile_loops`, at the entry for a dtype; each array begins where the first tile does.

    A loop that is `tiles.COUNTED` long is `count` rounds long. Compiled code has a call in place of this.
    """
    call(entry, loops, count, a, b, start, c)


def pool(entry: int, z: np.ndarray, row: int, a: int, b: int, Q: int, V: int, relu: int, y: np.ndarray,
         winner: np.ndarray) -> None:
    """Fill y and winner (Q, V vectors) with the maxima of a row of windows a x b in z, and their places in them.

    The rows of z (a, Q * b, V) are `row` bytes apart. With a ReLU the winner is -1 where it lets nothing through.
    """
    call(entry, z, row, a, b, Q, V, relu, y, winner)


def unpool(entry: int, z: np.ndarray, row: int, a: int, b: int, Q: int, V: int, dy: np.ndarray, winner: np.ndarray,
           total: np.ndarray) -> None:
    """Write dy (Q, V vectors) to the winners in z, and 0 to all others; add what winners get to total (V)."""
    call(entry, z, row, a, b, Q, V, dy, winner, total)


def copy(entry: int, x: np.ndarray, x_q: int, x_f: int, y: np.ndarray, y_q: int, y_f: int, Q: int, F: int) -> None:
    """Copy x (Q, F) to y, given the strides of both, in bytes."""
    call(entry, x, x_q, x_f, y, y_q, y_f, Q, F)


def call(entry: int, *values: Any) -> None:
    """Call a function from Python, without the interpreter lock."""
    numbers = [each.ctypes.data if isinstance(each, np.ndarray) else int(each) for each in values]
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(numbers))(entry)(*numbers)


@type_callable(multiply)
def type_of_multiply(context: Any) -> Callable[..., Any]:
    """Tell numba that `multiply` returns nothing."""
    return lambda entry, loops, count, a, b, start, c: types.void


@type_callable(pool)
def type_of_pool(context: Any) -> Callable[..., Any]:
    """Tell numba that `pool` returns nothing."""
    return lambda entry, z, row, a, b, Q, V, relu, y, winner: types.void


@type_callable(unpool)
def type_of_unpool(context: Any) -> Callable[..., Any]:
    """Tell numba that `unpool` returns nothing."""
    return lambda entry, z, row, a, b, Q, V, dy, winner, total: types.void


@type_callable(copy)
def type_of_copy(context: Any) -> Callable[..., Any]:
    """Tell numba that `copy` returns nothing."""
    return lambda entry, x, x_q, x_f, y, y_q, y_f, Q, F: types.void


@lower_builtin(copy, types.VarArg(types.Any))
@lower_builtin(multiply, types.VarArg(types.Any))
@lower_builtin(pool, types.VarArg(types.Any))
@lower_builtin(unpool, types.VarArg(types.Any))
def write_call(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
    """Write a call of what stands at an address into compiled code; arrays are passed as where they begin."""
    passed = [builder.ptrtoint(context.make_array(kind)(context, builder, value).data, I64)
              if isinstance(kind, types.Array) else context.cast(builder, value, kind, types.int64)
              for kind, value in zip(signature.args, arguments, strict=True)]
    function = ir.FunctionType(ir.VoidType(), [I64] * (len(passed) - 1))
    builder.call(builder.inttoptr(passed[0], function.as_pointer()), passed[1:])
    return context.get_dummy_value()
