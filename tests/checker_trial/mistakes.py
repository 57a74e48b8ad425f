"""The wrong ones of the trial: right functions whose gradient is off in one place, or by a little everywhere.

How far off depends on the precision that forward computes in (`WRONG_BY`). An entry is no smaller than the fraction
`LEAST` of the largest in its tensor: what is smaller may be lost in the rounding of others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle, product
from typing import NamedTuple

import numpy as np
from cases import PRECISIONS, Array, Backward, Case, of_function, of_layer, passes, right_cases, sizes_and_kinks
from functions import FUNCTIONS, normalized, products, recurrent, softmax
from layers import attention_back, batch_norm_back, convolve_back, dense_back, max_pool_back, quarters

WRONG_BY = {np.float64: 1e-3, np.float32: 1e-2, np.float16: 0.1}
LEAST = {np.float64: 1e-2, np.float32: 1e-2, np.float16: 0.3}
RANKS = ("largest", "median", "small")
DRAWS = 8                                                       # upstream gradients that say how large an entry is
Change = Callable[[Array], None]                                # writes to one gradient


class Mistake(NamedTuple):
    """A wrong backward of a right case: `spoil` makes it for the arrays that it is checked at."""

    name: str
    family: str
    case: Case
    spoil: Callable[[list[Array]], Backward]


def missed(mistake: Mistake, seed: int) -> bool:
    """Return whether a wrong gradient is called right; one that is not wrong is no trial."""
    arrays = mistake.case.arrays(seed)
    backward = mistake.spoil(arrays)
    assert difference(mistake.case, backward, arrays) > 0.9 * smallest_difference(mistake), f"{mistake.name}: is right"
    return passes(mistake.case, backward, arrays, seed)


def smallest_difference(mistake: Mistake) -> float:
    """Return how far off a gradient must be at least somewhere, as a fraction of its largest entry."""
    by = 1e-4 if mistake.family == FACTOR else WRONG_BY[mistake.case.dtype] * LEAST[mistake.case.dtype]
    return by if mistake.case.dtype != np.float64 else min(by, 1e-5)


def difference(case: Case, backward: Backward, arrays: list[Array]) -> float:
    """Return how far off the gradients usually are, at most, as a fraction of the largest entry of their tensor."""
    def off(dy: Array, *arrays: Array) -> tuple[Array, ...]:
        return tuple(wrong - right for wrong, right in zip(backward(dy, *arrays), case.backward(dy, *arrays),
                                                           strict=True))
    return max(float(usual_sizes(case, off, which, arrays).max()
                     / (usual_sizes(case, case.backward, which, arrays).max() or 1.0)) for which in range(len(arrays)))


def changed(case: Case, which: int, change: Change) -> Backward:
    """Return the backward with the gradient of one of the arrays changed."""
    def backward(dy: Array, *arrays: Array) -> tuple[Array, ...]:
        gradients = [np.array(gradient, np.float64) for gradient in case.backward(dy, *arrays)]
        change(gradients[which])
        return tuple(gradients)
    return backward


def one_entry(case: Case, which: int, rank: str, among: Callable[[Array], Array] = np.isfinite
              ) -> Callable[[list[Array]], Backward]:
    """Return what spoils the largest entry, the median or the smallest that is not negligible.

    It is the same entry under every dy, as in a real mistake: its size is that under usual ones. `among` says of an
    array which of its entries it may be.
    """
    def spoil(arrays: list[Array]) -> Backward:
        sizes = usual_sizes(case, case.backward, which, arrays) * among(arrays[which])
        candidates = np.flatnonzero(sizes >= max(LEAST[case.dtype] * sizes.max(), 1e-300))
        ordered = candidates[np.argsort(sizes.flat[candidates], kind="stable")]
        place = ordered[{"largest": -1, "median": len(ordered) // 2, "small": 0}[rank]]
        return changed(case, which, part(np.unravel_index(place, sizes.shape), 1 + WRONG_BY[case.dtype]))
    return spoil


def usual_sizes(case: Case, backward: Backward, which: int, arrays: list[Array]) -> Array:
    """Return the root mean square of a gradient's entries over several upstream gradients."""
    rng, shape = np.random.default_rng(98), case.outputs(*arrays).shape
    upstream = (rng.choice([-1, 1], shape) * rng.uniform(0.5, 1.5, shape) for _ in range(DRAWS))
    return np.sqrt(sum(backward(dy, *arrays)[which] ** 2 for dy in upstream) / DRAWS)


def part(where: tuple[int | slice, ...], factor: float) -> Change:
    """Return what multiplies a part of a gradient by a factor."""
    def change(gradient: Array) -> None:
        gradient[where] *= factor
    return change


# The families.

BESIDE, BORDER, CHANNEL, ENTRY, FACTOR, SAMPLE, TERM, MILLION = (
    "one entry beside kinks", "at a border", "one channel", "one entry", "a factor 1.0001", "one sample",
    "a term left out", "one entry of 1000 x 1000")


def beside_kinks() -> Iterator[Mistake]:
    """One entry of a large tensor, half of which is 0 or tied, and this entry is not."""
    pairs = {name: FUNCTIONS[name] for name in ("relu", "absolute", "leaky", "pairwise maximum", "sort", "maximum")}
    for name, dtype, rank, shape in product(pairs, PRECISIONS, RANKS, ((10, 24), (40, 50))):
        if shape == (10, 24) and rank != "small":
            continue
        function = pairs[name]

        def draw(rng: np.random.Generator, shape: tuple[int, int] = shape) -> list[Array]:
            zeros = (rng.random(shape) < 0.4) | (rng.random((shape[0], 1)) < 0.2)
            return [np.where(zeros, 0, sizes_and_kinks(1.0, shape, True, rng))]
        case = Case(f"{name} {shape}, {dtype.__name__}", BESIDE, dtype, function.forward,
                    lambda dy, x, function=function: (function.backward(x, dy),), draw)
        yield Mistake(f"{case.name}, {rank}", BESIDE, case, one_entry(case, 0, rank, lambda x: x != 0))


def at_borders() -> Iterator[Mistake]:
    """The first or the last row or column of an image, off by a little or lost."""
    everything, names = slice(None), ("convolution", "average pooling", "padding with zeros", "padding with edges")
    rows = {"first row": (..., 0, everything), "last row": (..., -1, everything), "first column": (..., 0),
            "last column": (..., -1)}
    for (name, dtype), (where, index) in product(product(names, PRECISIONS), rows.items()):
        case = of_layer(name, 1.0, dtype, False)
        factor = 0.0 if where == "last row" else 1 + WRONG_BY[dtype]
        yield whole(case, BORDER, 0, part(index, factor), f"{where} times {factor}")


def one_channel() -> Iterator[Mistake]:
    """One channel of the input, of the kernel or of a normalisation's parameters."""
    places = [("convolution", 0, (slice(None), 1), "input"), ("convolution", 1, (slice(None), 2), "kernel"),
              ("convolution", 1, (3,), "filter"), ("strided convolution", 1, (slice(None), 1), "kernel"),
              ("batch normalization", 0, (slice(None), 1), "input"), ("batch normalization", 1, (2,), "gamma"),
              ("batch normalization", 2, (0,), "beta"), ("scale by channel", 0, (slice(None), 2), "input"),
              ("scale by channel", 1, (1,), "scale"), ("max pooling", 0, (slice(None), 1), "input")]
    for (name, which, index, where), dtype in product(places, PRECISIONS):
        yield whole(of_layer(name, 1.0, dtype, False), CHANNEL, which, part(index, 1 + WRONG_BY[dtype]), where)


def whole(case: Case, family: str, which: int, change: Change, how: str) -> Mistake:
    """Return a mistake that does not depend on where it is checked."""
    return Mistake(f"{case.name}, {how}", family, case, lambda arrays: changed(case, which, change))


def in_the_small() -> Iterator[Mistake]:
    """One entry, everything by a factor, one sample: of the right ones, in turn."""
    cases = [case for case in right_cases() if case.family != "on kinks" and "on kinks" not in case.name]
    ranks = cycle(RANKS)
    for case in cases[::4]:
        rank = next(ranks)
        yield Mistake(f"{case.name}, {rank}", ENTRY, case, one_entry(case, -1, rank))
    for case in [case for case in cases if case.dtype == np.float64][1::4]:
        yield whole(case, FACTOR, 0, part((...,), 1.0001), "times 1.0001")
    for case in [case for case in cases if case.family != "layers" and "index" not in case.name][1::6]:
        yield whole(case, SAMPLE, 0, part((2,), 1 + WRONG_BY[case.dtype]), "the last sample")


TERMS: list[tuple[str, Backward]] = [
    ("cube", lambda dy, x: (x ** 2 * dy,)),
    ("sigmoid", lambda dy, x: (dy / (1 + np.exp(-x)),)),
    ("norm", lambda dy, x: (dy * x,)),
    ("product", lambda dy, x: (dy * products(x) * (np.arange(6) > 0),)),
    ("cumulative sum", lambda dy, x: (np.cumsum(dy, axis=1),)),
    ("outer product", lambda dy, x: (x @ dy.T,)),
    ("outer product", lambda dy, x: (2 * x @ dy,)),
    ("softmax", lambda dy, x: (softmax(x) * dy,)),
    ("softmax", lambda dy, x: (softmax(x) * (1 - softmax(x)) * dy,)),
    ("log-sum-exp", lambda dy, x: (dy * np.exp(x),)),
    ("share", lambda dy, x: (dy / x.sum(axis=1, keepdims=True),)),
    ("normalization", lambda dy, x: (dy / x.std(axis=1, keepdims=True),)),
    ("normalization", lambda dy, x: ((dy - dy.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True),)),
    ("normalization", lambda dy, x: ((dy - normalized(x) * (dy * normalized(x)).mean(axis=1, keepdims=True))
                                     / x.std(axis=1, keepdims=True),)),
    ("recurrent", lambda dy, x: (dy * (1 - recurrent(x) ** 2),)),
    ("index", lambda dy, x: (np.stack([dy[:, 0], 0 * dy[:, 0], dy[:, 2], 0 * dy[:, 0], 0 * dy[:, 0], dy[:, 3]], 1),)),
    ("convolution", lambda dy, x: (np.pad(dy, ((0, 0), (0, 2))) * 0.5,)),
    ("layer dense with tanh", lambda dy, x, w, b: dense_back(dy / (1 - np.tanh(x @ w + b) ** 2), x, w, b)),
    ("layer dense with tanh", lambda dy, x, w, b: (*dense_back(dy, x, w, b)[:2], dy.sum(axis=0))),
    ("layer convolution", lambda dy, x, w: (convolve_back(dy, x, w)[0], convolve_back(dy[:1], x[:1], w)[1])),
    ("layer convolution", lambda dy, x, w: convolve_back(dy, x, w * (np.arange(3) < 2))),
    ("layer max pooling", lambda dy, x: max_pool_back(dy / (1 + (quarters(x).argmax(axis=-1) == 3)), x)),
    ("layer batch normalization", lambda dy, x, g, b: batch_norm_back(dy, x, g, b, mean=0)),
    ("layer batch normalization", lambda dy, x, g, b: batch_norm_back(dy, x, g, b, variance=0)),
    ("layer attention", lambda dy, q, k, v: attention_back(dy, q, k, v, normalised=0)),
    ("layer attention", lambda dy, q, k, v: attention_back(dy, q, k, v, scale=1)),
]


def terms_left_out() -> Iterator[Mistake]:
    """A mistake of the formula, in each precision that suits the function."""
    for i, (name, backward) in enumerate(TERMS):
        layer = name.startswith("layer ")
        least = np.float16 if layer else FUNCTIONS[name].least
        for dtype in PRECISIONS[::2 if np.finfo(least).eps > 1e-4 and i % 2 else 1][:2]:
            case = of_layer(name[6:], 1.0, dtype, False) if layer else of_function(name, 1.0, dtype, False)
            yield Mistake(f"{case.name}, {i}", TERM, case, lambda arrays, backward=backward: backward)


def of_a_million() -> Iterator[Mistake]:
    """One entry of 1000 x 1000: of an elementwise function, and of the kernel of a dense layer."""
    pairs = {"tanh": (np.tanh, lambda dy, x: (dy * (1 - np.tanh(x) ** 2),), [(1000, 1000)]),
             "dense": (np.matmul, lambda dy, x, w: (dy @ w.T, x.T @ dy), [(4, 1000), (1000, 1000)])}
    for (name, (forward, backward, shapes)), dtype, rank in product(pairs.items(), PRECISIONS, ("largest", "median")):
        def draw(rng: np.random.Generator, shapes: list[tuple[int, int]] = shapes) -> list[Array]:
            return [sizes_and_kinks(0.5 if i == 0 else 0.03, shape, True, rng) for i, shape in enumerate(shapes)]
        case = Case(f"{name}, {dtype.__name__}", MILLION, dtype, forward, backward, draw)
        yield Mistake(f"{case.name}, {rank}", MILLION, case, one_entry(case, -1, rank))


def mistakes() -> list[Mistake]:
    """List all wrong ones."""
    return [*beside_kinks(), *at_borders(), *one_channel(), *in_the_small(), *terms_left_out(), *of_a_million()]
