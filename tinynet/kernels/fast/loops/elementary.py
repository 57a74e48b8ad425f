"""NumPy's elementary functions for single numbers, such that a compiled loop over them becomes vector instructions.

numba calls the C library for each exponential, one number after the other. Here it is arithmetic alone: x is n ln 2 + r
with a whole n and a small r, so that e^x = 2^n e^r; 2^n is made of the bits of n, and e^r - 1 of the first terms of its
series. NaN and infinity come out as NumPy's do, and all else within rounding.
"""

from __future__ import annotations

import math
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numba import njit
from numpy.polynomial.chebyshev import cheb2poly, poly2cheb

Number = Any                                     # a float32 or a float64, as the module is for
TERMS = {4: 7, 8: 13}                            # of e^r - 1, for |r| <= ln(2) / 2; by the bytes of a number
LOG_TERMS = {4: 5, 8: 11}                        # of artanh(s) / s, in s^2, for |s| <= 0.172
LN2 = {4: (0.693359375, -2.12194440e-4), 8: (6.93147180369123816490e-01, 1.90821492927058770002e-10)}       # in two
MANTISSA = {4: 23, 8: 52}                        # its bits
BIAS = {4: 127, 8: 1023}                         # of the exponent
RANGE = {4: (-104.0, 89.0), 8: (-746.0, 710.0)}  # of x: below e^x is 0, above it is infinite


def of_single_numbers(function: Any, contract: bool = True) -> Any:
    """Compile a function into the loops that call it; to `contract` is to add products that were not rounded (FMA)."""
    fastmath = {"contract"} if contract else set()
    return njit(nogil=True, error_model="numpy", forceinline=True, fastmath=fastmath)(function)


def written_out(terms: list[Number]) -> Any:
    """Return a compiled polynomial with these terms, the highest first, written out: a loop would keep vectors away."""
    text = "t0"
    for k in range(1, len(terms)):
        text = f"({text}) * x + t{k}"
    scope = {"__name__": __name__, **{f"t{k}": term for k, term in enumerate(terms)}}
    return of_single_numbers(eval(f"lambda x: {text}", scope))


def economized(terms: tuple[float, ...], dtype: np.dtype) -> list[Number]:
    """Return the terms of a polynomial of x in -1..1, the highest first, as few as give all digits of a dtype.

    Its Chebyshev series ends where it is less than rounding: in float32 one of 24 terms is one of 13.
    """
    series = poly2cheb(terms[::-1])
    needed = 1 + np.flatnonzero(abs(series) > np.finfo(dtype).eps / 10)[-1]
    return [dtype.type(term) for term in (terms if needed == len(terms) else cheb2poly(series[:needed])[::-1])]


@cache
def functions(dtype: np.dtype) -> ModuleType:
    """Return a module that has, under NumPy's names, the functions of numbers of one dtype, for compiled code."""
    number, whole, size = dtype.type, np.dtype(f"i{dtype.itemsize}").type, dtype.itemsize
    zero, one, two = number(0), number(1), number(2)
    (low, high), large = map(number, RANGE[size]), number(50)              # e^50 - 1 is e^50
    high_part, low_part = map(number, LN2[size])
    per_ln2, bits, bias = number(1 / math.log(2)), whole(MANTISSA[size]), whole(BIAS[size])
    rounds = number(1.5 * 2.0 ** MANTISSA[size])             # added, it leaves no bits behind the point: x is rounded
    rounds_bits = rounds.view(whole)
    infinity, nan, root_half = number(math.inf), number(math.nan), number(math.sqrt(0.5)).view(whole)
    taylor = written_out([number(1 / math.factorial(k)) for k in range(TERMS[size], 1, -1)])
    artanh = written_out([number(1 / (2 * k + 1)) for k in range(LOG_TERMS[size] - 1, -1, -1)])
    module = ModuleType(f"elementary_{dtype.name}")
    module.__getattr__ = lambda name: getattr(np, name)        # type: ignore[method-assign]   # others: number by number

    def compiled(function: Any) -> Any:
        dispatcher = of_single_numbers(function)
        setattr(module, function.__name__, dispatcher)
        return dispatcher

    @compiled
    def power_of_2(n: Number) -> Number:
        """Return 2^n for a whole number from those that an exponent has."""
        return number(whole(whole(n + bias) << bits).view(number))

    @compiled
    def parts(x: Number) -> tuple[Number, Number, Number]:
        """Return (p, a, b) with e^x = a b (1 + p): two powers, as one is too large, or too small, near the ends."""
        x = low if x < low else x                            # a NaN stays
        x = high if x > high else x
        shifted = x * per_ln2 + rounds
        n = shifted - rounds
        r = (x - n * high_part) - n * low_part
        exponent = whole(number(shifted).view(whole) - rounds_bits)
        half = whole(exponent >> whole(1))
        return taylor(r) * r * r + r, power_of_2(half), power_of_2(whole(exponent - half))

    @compiled
    def exp(x: Number) -> Number:
        """Return e^x."""
        p, a, b = parts(x)
        return (a + a * p) * b

    @compiled
    def expm1(x: Number) -> Number:
        """Return e^x - 1, with all digits near 0."""
        p, a, b = parts(x)
        y = (a * p) * b + (a * b - one) if x < large else (a + a * p) * b       # where a b overflows, e^x may not
        return y if x != zero else x                         # 0 keeps its sign

    @compiled
    def log1p(x: Number) -> Number:
        """Return log(1 + x): 1 + x is m 2^n with m about 1, and log m is 2 artanh(s), with s = (m - 1) / (m + 1)."""
        u = one + x                                          # rounded: what was lost is added at the end
        n = whole(whole(number(u).view(whole) - root_half) >> bits)
        m = whole(number(u).view(whole) - whole(n << bits)).view(number)
        s = (m - one) / (m + one)
        y = number(n) * high_part + (two * s * artanh(s * s) + (number(n) * low_part + (x - (u - one)) / u))
        y = y if u > zero else nan
        y = -infinity if u == zero else y
        return y if (abs(x) < infinity) & (x != zero) | (u < zero) else x

    @compiled
    def tanh(x: Number) -> Number:
        """Return the hyperbolic tangent."""
        e = expm1(-two * abs(x))
        y = -e / (e + two)
        y = -y if x < zero else y
        return y if x != zero else x                         # 0 keeps its sign

    @compiled
    def where(condition: bool, x: Number, y: Number) -> Number:
        """Return x if the condition holds, else y."""
        return x if condition else y

    @compiled
    def maximum(x: Number, y: Number) -> Number:
        """Return the larger one, or a NaN if there is one."""
        return x if (x > y) | (x != x) else y

    @compiled
    def minimum(x: Number, y: Number) -> Number:
        """Return the smaller one, or a NaN if there is one."""
        return x if (x < y) | (x != x) else y

    @compiled
    def clip(x: Number, least: Number, most: Number) -> Number:
        """Return x, or the end of a range that it lies beyond."""
        x = least if x < least else x
        return most if x > most else x

    @compiled
    def rint(x: Number) -> Number:
        """Return the nearest whole number, for x that are not so large as to be whole numbers all."""
        return (x + rounds) - rounds

    @compiled
    def abs(x: Number) -> Number:
        """Return x without its sign."""
        return math.fabs(x)

    return module
