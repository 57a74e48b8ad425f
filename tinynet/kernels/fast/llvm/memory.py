"""Addresses, views and zeros of C-contiguous arrays in compiled loops, quick to compile.

What numba makes of ``x[start:stop]`` or ``x.reshape(-1)`` is counted, checked, and may go backwards: hundreds of
instructions, or up to seconds where arrays are assigned. These are a few. Nothing is checked: a view must lie within
its array, and not outlive it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import lower_builtin, type_callable
from numba.np.arrayobj import populate_array

from tinynet.kernels.fast.llvm.writing import BYTES, I64


def at(array: np.ndarray, i: int = 0, j: int = 0, k: int = 0, last: int = 0) -> int:
    """Return the address of array[i, j, k, last], with as many indices as it has, or fewer."""
    return int(array.ctypes.data + np.dot(array.strides[:4], (i, j, k, last)[:array.ndim]))


def numbers(array: np.ndarray, first: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return a view of an array's numbers, as they lie in memory, from the first on, in another shape.

    >>> numbers(np.arange(10).reshape(2, 5), 3, (2, 3))
    array([[3, 4, 5],
           [6, 7, 8]])
    """
    return array.reshape(-1)[first:first + math.prod(shape)].reshape(shape)


def part(array: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return array[start:stop]."""
    return array[start:stop]


def clear(array: np.ndarray, k: int) -> None:
    """Set the numbers of array[k] to 0."""
    array[k] = 0


@type_callable(at)
def type_of_at(context: Any) -> Callable[..., types.Type]:
    """Tell numba what `at` returns."""
    return lambda array, i=0, j=0, k=0, last=0: types.int64


@type_callable(numbers)
def type_of_numbers(context: Any) -> Callable[..., types.Type]:
    """Tell numba what `numbers` returns."""
    return lambda array, first, shape: types.Array(array.dtype, len(shape), "C")


@type_callable(part)
def type_of_part(context: Any) -> Callable[..., types.Type]:
    """Tell numba what `part` returns."""
    return lambda array, start, stop: types.Array(array.dtype, array.ndim, "C")


@type_callable(clear)
def type_of_clear(context: Any) -> Callable[..., types.Type]:
    """Tell numba what `clear` returns."""
    return lambda array, k: types.void


@lower_builtin(at, types.Array, types.VarArg(types.Any))
def write_at(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
    """Write `at` into compiled code."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    where = builder.ptrtoint(array.data, I64)
    strides = cgutils.unpack_tuple(builder, array.strides)
    for index, kind, stride in zip(arguments[1:], signature.args[1:], strides, strict=False):
        where = builder.add(where, builder.mul(context.cast(builder, index, kind, types.int64), stride))
    return where


@lower_builtin(numbers, types.Array, types.Integer, types.BaseTuple)
def write_numbers(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
    """Write `numbers` into compiled code."""
    first, lengths = arguments[1], cgutils.unpack_tuple(builder, arguments[2])
    shape = [context.cast(builder, n, kind, types.int64) for n, kind in zip(lengths, signature.args[2], strict=True)]
    return write_view(context, builder, signature, arguments[0], first, shape)


@lower_builtin(part, types.Array, types.Integer, types.Integer)
def write_part(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
    """Write `part` into compiled code."""
    array, start, stop = arguments
    _, *row = cgutils.unpack_tuple(builder, context.make_array(signature.args[0])(context, builder, array).shape)
    first = product(builder, [start, *row])
    return write_view(context, builder, signature, array, first, [builder.sub(stop, start), *row])


@lower_builtin(clear, types.Array, types.Integer)
def write_clear(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
    """Write `clear` into compiled code."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    size = product(builder, [array.itemsize, *cgutils.unpack_tuple(builder, array.shape)[1:]])
    begin = builder.inttoptr(builder.add(builder.ptrtoint(array.data, I64), builder.mul(arguments[1], size)), BYTES)
    cgutils.memset(builder, begin, size, 0)
    return context.get_dummy_value()


def write_view(context: Any, builder: ir.IRBuilder, signature: Any, array: ir.Value, first: ir.Value,
               shape: list[ir.Value]) -> ir.Value:
    """Write a view of an array that does not count as a use of it, and return it."""
    whole = context.make_array(signature.args[0])(context, builder, array)
    view = context.make_array(signature.return_type)(context, builder)
    strides = [product(builder, [whole.itemsize, *shape[axis + 1:]]) for axis in range(len(shape))]
    populate_array(view, builder.gep(whole.data, [first]), shape, strides, whole.itemsize,
                   cgutils.get_null_value(whole.meminfo.type))
    return view._getvalue()


def product(builder: ir.IRBuilder, factors: list[ir.Value]) -> ir.Value:
    """Write a product, and return it."""
    return reduce(builder.mul, factors)
