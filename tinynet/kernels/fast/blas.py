"""The products of NumPy's BLAS, called from compiled loops: where its function for them is, and what it is given."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import numpy as np
from llvmlite import ir
from threadpoolctl import LibController

from tinynet.kernels.fast.compiling import compiled_module
from tinynet.kernels.fast.llvm.functions import VECTOR_BYTES
from tinynet.kernels.fast.llvm.waiting import CHUNKS, write_calls
from tinynet.kernels.fast.llvm.writing import I64
from tinynet.kernels.fast.threads import blas_libraries, symbol
from tinynet.kernels.geometry import Pair

WIDE = {"SkylakeX", "Cooperlake", "Sapphirerapids"}          # whose kernels in OpenBLAS have vectors of 64 bytes
ROWS, AS_IT_IS, TRANSPOSED = 101, 111, 112                   # CBLAS_ROW_MAJOR, CblasNoTrans, CblasTrans


@cache
def entry(dtype: np.dtype) -> int:
    """Return the address of ``cblas_sgemm`` or ``cblas_dgemm``; 0 where it is not found, or not known to be NumPy's."""
    library = numpys()
    function = symbol(library, f"cblas_{'s' if dtype == np.float32 else 'd'}gemm") if library else None
    return ctypes.cast(function, ctypes.c_void_p).value or 0 if function else 0


def numpys() -> LibController | None:
    """Return NumPy's BLAS library, None where it is not known which one that is."""
    libraries = blas_libraries()
    found = [each for each in libraries if Path(each.filepath).parent.name == "numpy.libs"] or libraries
    return found[0] if len(found) == 1 else None


@cache
def is_narrower() -> bool:
    """Return whether BLAS's kernels have narrower vectors than tiles, and so half of their rate.

    OpenBLAS has kernels for some processors; others run those of an older one.
    """
    library = numpys()
    return (VECTOR_BYTES == 64 and library is not None and library.internal_api == "openblas"
            and library.architecture not in WIDE)


def takes(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether BLAS multiplies numbers of this kind, and nobody wants to be told of those that are invalid: NumPy
    looks for these after it has called BLAS.
    """
    return (a.dtype == b.dtype and a.dtype.char in "fd" and a.dtype.isnative and a.flags.aligned and b.flags.aligned
            and "raise" not in np.geterr().values())


def layout(shape: Pair, strides: Pair, itemsize: int) -> tuple[int, int] | None:
    """Return how a matrix lies, and how many numbers a row or column is from the next; None if it lies otherwise."""
    (rows, columns), (of_row, of_column) = shape, strides
    for lies, near, far, length in (AS_IT_IS, of_column, of_row, columns), (TRANSPOSED, of_row, of_column, rows):
        if near == itemsize and far >= length * itemsize and far % itemsize == 0:
            return lies, far // itemsize
    return None


@cache
def gemm_each(dtype: np.dtype) -> int:
    """Return the address of a function for `threads.for_calls`, compiled when first asked for, and kept on disk.

    Of each product it gets how both matrices lie, M, N, K, and where a, b and c begin, each with the distance of its
    rows; and of all where BLAS's function is.
    """
    def text() -> str:
        module, scalar = ir.Module(dtype.name), ir.FloatType() if dtype == np.float32 else ir.DoubleType()
        kind = ir.FunctionType(ir.VoidType(), [*[I64] * 6, scalar, *[I64] * 4, scalar, *[I64] * 2])

        def call(builder: ir.IRBuilder, numbers: list[ir.Value], more: list[ir.Value]) -> None:
            sizes, (a, of_a, b, of_b, c, of_c) = numbers[:5], numbers[5:]
            builder.call(builder.inttoptr(more[0], kind.as_pointer()),
                         [I64(ROWS), *sizes, scalar(1), a, of_a, b, of_b, scalar(0), c, of_c])
        write_calls(ir.Function(module, CHUNKS, "gemm_each"), call, width=11, more=1)
        return str(module)
    return compiled_module(text, f"gemm {dtype.name}")("gemm_each")
