"""Chapter "Checking gradients": slopes, measured, and a checker that finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tinynet.exercises.exercise import Exercise, Task, Trial, mistake

Function = Callable[[np.ndarray], float]
Gradient = Callable[[np.ndarray], np.ndarray]


def numerical_gradient(f: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """Measure the slope of f at x along every entry, and return them in the shape of x. f(x) is one number.

    Nudge one entry at a time up and down by a small h, and see what f does: (f(x + h) - f(x - h)) / (2 h). An h of
    about 1e-5 is right: over a larger one f bends, and of a smaller one rounding leaves little. Do not change x itself:
    nudge a copy.

    >>> numerical_gradient(lambda x: x[0] * x[1], np.array([3.0, 5.0])).round(6)
    array([5., 3.])
    """
    slopes, h = np.zeros(x.shape), 1e-5
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        slopes[index] = (f(up) - f(down)) / (2 * h)
    return slopes


def is_gradient(f: Callable[[np.ndarray], float], gradient: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> bool:
    """Say whether gradient(x) is the gradient of f at x: True, or False if any entry is wrong.

    Compare it with measured slopes: numerical_gradient gives them, so get that right first. It should see a single
    entry that is off by a thousandth, and let through what is only rounding: slopes may be as large as 1e6 or as small
    as 1e-6, so compare with the size of the gradient, not with a fixed number. A gradient of the wrong shape is wrong.

    >>> is_gradient(lambda x: float((x ** 2).sum()), lambda x: 2 * x, np.array([1.0, 2.0]))
    True
    >>> is_gradient(lambda x: float((x ** 2).sum()), lambda x: x, np.array([1.0, 2.0]))
    False
    """
    slopes, h = np.zeros(x.shape), 1e-5
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        slopes[index] = (f(up) - f(down)) / (2 * h)
    claimed = np.asarray(gradient(x.copy()))
    if claimed.shape != x.shape:
        return False
    return bool(np.abs(claimed - slopes).max() <= 1e-5 * np.abs(slopes).max())


def cubes(x: np.ndarray) -> float:
    """Return a sum of cubes and of products of neighbours."""
    flat = x.ravel()
    return float((flat ** 3).sum() + (flat[1:] * flat[:-1]).sum())


def of_cubes(x: np.ndarray) -> np.ndarray:
    """Return the gradient of cubes."""
    flat = x.ravel()
    slopes = 3 * flat ** 2
    slopes[1:] += flat[:-1]
    slopes[:-1] += flat[1:]
    return slopes.reshape(x.shape)


def numerical_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; curved functions; a matrix; large and small numbers."""
    yield Trial("x[0] * x[1] at 3, 5", (lambda x: float(x[0] * x[1]), np.array([3.0, 5])))
    yield Trial("a sum of cubes and products", (cubes, rng.normal(size=4)))
    yield Trial("the same, of a matrix", (cubes, rng.normal(size=(2, 3))), {"shape": "x has two axes"})
    yield Trial("exp of a sum of squares", (lambda x: float(np.exp((x ** 2).sum())), rng.normal(size=3) / 2))
    yield Trial("sin at 10 places", (lambda x: float(np.sin(x).sum()), rng.normal(size=10)))


NUDGES = "        up, down = x.copy(), x.copy()\n        up[index] += h\n        down[index] -= h\n"
SLOPE = "(f(up) - f(down)) / (2 * h)"
NUMERICAL = Task(numerical_gradient, numerical_trials, tolerance=2e-5, mistakes=(
    mistake("divided by h", "you divided by h. From x - h to x + h it is 2 h.", ("/ (2 * h)", "/ h")),
    mistake("not divided", "you did not divide by 2 h: that is a difference, not a slope.", (" / (2 * h)", "")),
    mistake("not copied", "up and down are x itself: what is added to one is taken off again in the other. Each "
            "needs a copy of its own, x.copy().", ("x.copy(), x.copy()", "x, x")),
    mistake("brackets", "brackets are missing: / 2 * h divides by 2 and multiplies by h.", ("/ (2 * h)", "/ 2 * h")),
    mistake("sign", "the sign is wrong: up minus down.", ("f(up) - f(down)", "f(down) - f(up)")),
    mistake("one-sided, divided by 2 h", "you nudged to one side alone, and divided by 2 h.",
            (SLOPE, "(f(up) - f(x)) / (2 * h)")),
    mistake("step too large", "the step is so large that f bends over it: take about 1e-5.", ("1e-5", "1e-1")),
    mistake("step too large", "the step is so large that f bends over it: take about 1e-5.", ("1e-5", "1e-2")),
    mistake("one-sided with a large step", "you nudged to one side alone, with a step over which f bends. Nudge "
            "both ways, by about 1e-5.", (SLOPE, "(f(up) - f(x)) / h"), ("1e-5", "1e-3")),
    mistake("one-sided with a large step", "you nudged to one side alone, with a step over which f bends. Nudge "
            "both ways, by about 1e-5.", (SLOPE, "(f(up) - f(x)) / h"), ("1e-5", "1e-2")),
    mistake("step too small", "the step is so small that rounding drowns the difference: take about 1e-5.",
            ("1e-5", "1e-15")),
    mistake("all at once", "you nudged all entries at once: that gives the sum of all slopes. Nudge one at a time.",
            ("up[index] += h", "up += h"), ("down[index] -= h", "down -= h")),
    mistake("nudges kept", "the nudges of earlier entries stay: each entry needs a fresh copy of x.",
            ("    for index", "    up, down = x.copy(), x.copy()\n    for index"),
            ("        up, down = x.copy(), x.copy()\n", "")),
    mistake("first entry", "only the first entry is measured.", ("np.ndindex(x.shape)", "[(0,) * x.ndim]")),
    mistake("last entry missing", "the last entry is left out.",
            ("np.ndindex(x.shape)", "list(np.ndindex(x.shape))[:-1]")),
    mistake("flattened", "the slopes come back in a row: they have the shape of x.",
            ("return slopes", "return slopes.ravel().copy()")),
    mistake("sum of slopes", "you return the sum of all slopes.", ("return slopes", "return slopes.sum()")),
    mistake("absolute", "the slopes have lost their sign.", (SLOPE, "abs" + SLOPE)),
))


def planted(rng: np.random.Generator) -> Iterator[Trial]:
    """Right gradients, and gradients with a bug planted in each."""
    x, large, small = rng.normal(size=6), 1e6, 1e-6
    k = int(np.abs(of_cubes(x)).argmax())
    first, last, most = (np.arange(6) == place for place in (0, 5, k))

    def trial(name: str, gradient: Gradient, f: Function = cubes, at: np.ndarray = x) -> Trial:
        bug = {} if "right" in name else {name: f"the gradient has this bug: {name}"}
        return Trial(name, (f, gradient, at), bug)
    yield trial("a right gradient", of_cubes)
    yield trial("a gradient of the wrong sign", lambda x: -of_cubes(x))
    yield trial("twice the gradient", lambda x: 2 * of_cubes(x))
    yield trial("the largest entry off by a thousandth", lambda x: of_cubes(x) * (1 + 0.001 * most))
    yield trial("the first entry off", lambda x: of_cubes(x) + 0.5 * first)
    yield trial("the last entry off", lambda x: of_cubes(x) - 0.5 * last)
    yield trial("two entries off, the sum right", lambda x: of_cubes(x) + 0.5 * first - 0.5 * last)
    yield trial("a term left out", lambda x: 3 * x ** 2)
    yield trial("a gradient of zeros", lambda x: 0 * x)
    yield trial("a right gradient with large slopes", lambda x: large * of_cubes(x), lambda x: large * cubes(x))
    yield trial("a wrong gradient with small slopes", lambda x: 2 * small * of_cubes(x), lambda x: small * cubes(x))
    yield trial("one of small slopes off by a thousandth", lambda x: small * of_cubes(x) * (1 + 0.001 * most),
                lambda x: small * cubes(x))
    yield trial("a right gradient with small slopes", lambda x: small * of_cubes(x), lambda x: small * cubes(x))
    yield trial("a right gradient of a matrix", of_cubes, at=rng.normal(size=(2, 3)))
    yield trial("the rows of a matrix exchanged", lambda x: of_cubes(x)[::-1], at=rng.normal(size=(2, 3)))


VERDICT = "bool(np.abs(claimed - slopes).max() <= 1e-5 * np.abs(slopes).max())"
CHECKER = Task(is_gradient, planted, mistakes=(
    mistake("always True", "you always say True: no bug is found.", (VERDICT, "True")),
    mistake("the other way round", "you say True where it is wrong, and False where it is right.", ("bool(", "not (")),
    mistake("fixed tolerance", "you compare with a fixed number. Small slopes are all below it, so that a wrong "
            "gradient passes: compare with the size of the gradient.", ("<= 1e-5 * np.abs(slopes).max()", "<= 1e-5")),
    mistake("fixed tolerance", "you compare with a fixed number: rounding of large slopes exceeds it, and small "
            "slopes are all below it. Compare with the size of the gradient.",
            ("<= 1e-5 * np.abs(slopes).max()", "<= 1e-6")),
    mistake("fixed tolerance", "you compare with a fixed number. Small slopes are all below it, so that a wrong "
            "gradient passes: compare with the size of the gradient.", ("<= 1e-5 * np.abs(slopes).max()", "<= 1e-4")),
    mistake("fixed tolerance", "you compare with a fixed number: rounding of large slopes exceeds it, and small "
            "slopes are all below it. Compare with the size of the gradient.",
            ("<= 1e-5 * np.abs(slopes).max()", "<= 1e-7")),
    mistake("fixed tolerance", "np.allclose lets 1e-8 through whatever the slopes are, and of slopes of 1e-6 that is a "
            "hundredth: set atol by the size of the gradient.", (VERDICT, "bool(np.allclose(claimed, slopes))")),
    mistake("sign of the difference", "the difference may be negative: take its absolute value before you look for "
            "the largest.", ("np.abs(claimed - slopes).max()", "(claimed - slopes).max()")),
    mistake("sum of differences", "you compare sums or means: differences of opposite signs cancel. Look at the "
            "largest absolute one.", ("np.abs(claimed - slopes).max()", "np.abs((claimed - slopes).sum())")),
    mistake("too lenient", "the tolerance is so wide that an entry off by a thousandth passes.",
            ("1e-5 * np", "1e-2 * np")),
    mistake("too strict", "every gradient is called wrong, right ones, too: a measured slope is never exact. Allow for "
            "rounding, about 1e-5 of the gradient's size.", ("1e-5 * np", "1e-14 * np")),
    mistake("any in place of all", "one right entry is enough for you. All of them must be right.",
            (VERDICT, "bool((np.abs(claimed - slopes) <= 1e-5 * np.abs(slopes).max()).any())")),
    mistake("first entry", "you compare the first entry alone.",
            (VERDICT, "bool(abs(claimed - slopes).flat[0] <= 1e-5 * np.abs(slopes).max())")),
    mistake("lengths alone", "you compare the lengths of the two gradients. Two vectors of one length may point "
            "anywhere.",
            (VERDICT, "bool(abs(np.linalg.norm(claimed) - np.linalg.norm(slopes)) <= 1e-5 * np.linalg.norm(slopes))")),
    mistake("absolute values alone", "you compare absolute values: a wrong sign passes.",
            ("np.abs(claimed - slopes).max()", "np.abs(np.abs(claimed) - np.abs(slopes)).max()")),
    mistake("direction alone", "you compare directions alone: a gradient twice as long passes.",
            (VERDICT,
             "bool((claimed * slopes).sum() >= (1 - 1e-9) * np.linalg.norm(claimed) * np.linalg.norm(slopes) and "
             "claimed.any())")),
))

GRADIENT_CHECKER = Exercise("A gradient checker of your own", "gradient-checking", (NUMERICAL, CHECKER), (
    "A slope is (f(x + h) - f(x - h)) / (2 h), for one entry at a time; np.ndindex(x.shape) goes through all of them.",
    "For the verdict: the largest absolute difference between the gradient and the slopes, beside the largest slope.",
    "np.abs(claimed - slopes).max() <= 1e-5 * np.abs(slopes).max().",
), name="gradient_checker")

EXERCISES = (GRADIENT_CHECKER,)
