"""Causes in which one factor of the chain rule is wrong: the derivative of an activation, a scale, an inner function.

The factor by which each contribution is off is the same for all contributions of an output (what is computed last is
wrong), or for all to an entry (what is computed first). If it is a known function of the outputs, the input or
another tensor, it is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tinynet.testing.gradcheck.diagnosis.contributions import Contributions
from tinynet.testing.gradcheck.diagnosis.evidence import CLOSE, EPSILONS, Evidence
from tinynet.testing.gradcheck.diagnosis.words import alternatives, axes_text, some_axes

FEW = 3               # a function is recognised from so many numbers, at least; each must fit to a ten-thousandth


def sigmoid(z: np.ndarray) -> np.ndarray:
    """The logistic function."""
    return np.asarray(1 / (1 + np.exp(-z)))


# Derivatives as functions of the output, with the open interval of outputs; and what is written in their place.
OF_OUTPUT = {"1 - y^2, the derivative of tanh": (lambda y: 1 - y ** 2, -1, 1),
             "y (1 - y), the derivative of a sigmoid": (lambda y: y * (1 - y), 0, 1),
             "y, as of exp and softmax": (lambda y: y, -np.inf, np.inf),
             "2 sqrt(y), as of a square": (lambda y: 2 * np.sqrt(y), 0, np.inf),
             "1 - exp(-y), the derivative of softplus": (lambda y: 1 - np.exp(-y), 0, np.inf)}
IN_ITS_PLACE = {"y": lambda y: y, "1 - y": lambda y: 1 - y, "y^2": lambda y: y ** 2, "1 + y": lambda y: 1 + y,
                "1 + y^2": lambda y: 1 + y ** 2, "y (1 + y)": lambda y: y * (1 + y), "-y^2": lambda y: -y ** 2,
                "exp(-y)": lambda y: np.exp(-y),
                "the same formula with tanh(y) for y, as if y were the input": lambda y: 1 - np.tanh(y) ** 2,
                "the same formula with sigmoid(y) for y, as if y were the input":
                    lambda y: sigmoid(y) * (1 - sigmoid(y))}


def agree(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two arrays are equal, and do not happen to be constant."""
    return (one.size >= FEW and bool(np.isfinite(other).all()) and float(np.ptp(one)) > CLOSE * np.abs(one).max()
            and bool((np.abs(one - other) <= CLOSE * np.abs(one)).all()))


def factor_along(c: Contributions, axis: int) -> np.ndarray | None:
    """Return claimed / measured for each output (axis 1), or each entry (0), if it depends on that alone.

    NaN where there is nothing to divide; None if it is not so, or trivially so.
    """
    if c.missing.any() or c.extra.any() or c.right[c.there].all():
        return None
    with np.errstate(all="ignore"):
        ratio = np.where(c.there, c.claimed / c.measured, np.nan)
        least, most = np.nanmin(ratio, axis, initial=np.inf), np.nanmax(ratio, axis, initial=-np.inf)
        several = c.there.sum(axis=axis) > 1
        apart = np.abs(most - least) > CLOSE * np.maximum(np.abs(most), np.abs(least))
    if (apart & several).any() or not (several.any() or (axis == 1 and not c.elementwise)):
        return None
    return np.where(np.isfinite(least), least, np.nan)


def factor_of_outputs(e: Evidence) -> str | None:
    """A factor for each output: the derivative of an activation at the end, a scale."""
    return None if e.contributions is None else factor_of_each(e.contributions, e)


def factor_of_step(e: Evidence) -> str | None:
    """A factor for each output, seen in what the entries of its own step contribute, before anything is carried on."""
    c = e.contributions
    differ = None if c is None or not e.is_input or not len(c.shape) == len(c.out_shape) == 3 else c.differ(1)
    if c is None or differ is None or c.right[~differ].all() or not (c.there & differ).any():
        return None
    own = replace(c, measured=np.where(differ, 0, c.measured), claimed=np.where(differ, 0, c.claimed))
    found = factor_of_each(own, e)
    return None if found is None else f"within a step {found.removesuffix('.')}; so it is in what is carried on."


def factor_of_each(c: Contributions, e: Evidence) -> str | None:
    """Return what factor each output has too many or too few."""
    factor = factor_along(c, 1)
    if factor is None:
        return None
    known = np.isfinite(factor)
    a, y, index = factor[known], c.y[known], tuple(c.outputs[:, known])
    if np.ptp(a) <= CLOSE * np.abs(a).max():
        return None                                        # the same everywhere: see `factors`
    found = of_the_output(a, y) or of_a_tensor(a, e, index, c.out_shape)
    if found:
        return found
    if c.elementwise or len(a) < 2 * FEW:
        return None
    if (wrong := sided(a, y)):
        return (f"what comes from outputs {wrong} is multiplied by a wrong factor, the same for all entries, and what "
                "comes from the others by the right one: the derivative of the activation is wrong there.")
    if not (c.there.sum(axis=1) > 1).any():
        return None                                        # one entry for each output: any error looks like a factor
    if (np.abs(a - 1) > CLOSE).mean() < 0.6:
        return None                                        # some outputs only
    axes = [axis for axis in range(len(c.out_shape)) if depends_on_alone(a, index[axis])]
    if axes:
        return (f"what comes from an output has a factor too many or too few that depends on its index along axis "
                f"{axes[0]} alone: a scale, a weight or a standard deviation.")
    return ("what comes from an output is multiplied by a wrong factor, the same for all entries: the derivative of "
            "what is computed last, an activation, is missing or wrong.")


def factor_of_entries(e: Evidence) -> str | None:
    """A factor for each entry: a scale, a power of the entry, the number of its uses."""
    c = e.contributions
    factor = None if c is None or c.elementwise else factor_along(c, 0)
    if c is None or factor is None:
        return None
    known = np.isfinite(factor)
    a, index = factor[known], tuple(c.entries[:, known])
    if np.ptp(a) <= CLOSE * np.abs(a).max() or len(a) < 2:
        return None
    if c.complete.all():
        times = c.there.sum(axis=0)[known]
        if agree(a, 1 / times) or agree(a, times):
            how = "divided" if agree(a, 1 / times) else "multiplied"
            return (f"each entry is {how} by the number of contributions to it: a mean is taken where there should be "
                    "a sum, or a sum where there should be a mean.")
    own = e.values.get(e.name)
    found = of_a_tensor(a, e, index, c.shape)
    if not found and own is not None and own.shape == c.shape:
        found = power_of(a, own[index], e.name)
    return found


def of_the_output(a: np.ndarray, y: np.ndarray, measured: np.ndarray | None = None) -> str | None:
    """Return what a factor (claimed / measured) is as a function of the output; measured is the derivative, if known.

    Where it is not, (1 + y) / (1 - y^2), of tanh, is y / (y (1 - y)), of a sigmoid: both are named.
    """
    with np.errstate(all="ignore"):
        fitting = [(right, derivative(y)) for right, (derivative, low, high) in OF_OUTPUT.items()
                   if low < y.min() and y.max() < high]
        fitting = [(right, d) for right, d in fitting if measured is not None and agree(measured, d)] or fitting
        found = [text for right, d in fitting if (text := in_its_place(a, y, right, d))]
    return alternatives(found) if found else None


def in_its_place(a: np.ndarray, y: np.ndarray, right: str, derivative: np.ndarray) -> str | None:
    """Return what stands where a derivative belongs, if that makes up a factor (claimed / measured)."""
    if agree(a, 1 / derivative):
        return f"a factor of {right}, is missing: the derivative of the activation, from its output y."
    for wrong, function in IN_ITS_PLACE.items():
        if agree(a, function(y) / derivative) and function(y).tolist() != derivative.tolist():
            how = "evaluated at the output: it is" if "same formula" in wrong else "wrong: there stands"
            return f"the derivative of the activation is {how} {wrong}, where it should be {right}."
    return None


def of_a_tensor(a: np.ndarray, e: Evidence, index: tuple[np.ndarray, ...], shape: tuple[int, ...]) -> str | None:
    """Return which tensor, or which statistic of the input, a factor (claimed / measured) is."""
    for name, value in scales(e):
        if value.ndim > len(shape) or value.ndim == 0 or np.ptp(value) == 0:
            continue
        try:
            v = np.broadcast_to(value, shape)[index]
        except ValueError:
            continue
        if agree(a, 1 / v):
            return f"a factor of {name} is missing."
        if agree(a, v):
            return f"a factor of {name} is too much: it is multiplied by it once too often, or not divided by it."
        if agree(a, 1 / v ** 2):
            return f"it is divided by {name} where it should be multiplied, or a square of it is missing."
        if agree(a, v ** 2):
            return f"it is multiplied by {name} where it should be divided, or a square of it is too much."
    return None


def scales(e: Evidence) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors that may be a factor, with their names, and statistics of those with several axes."""
    for name, value in e.values.items():
        if name != e.name:
            yield name, value
    for name, value in e.values.items():
        for axes in some_axes(value.ndim) if value.ndim > 1 else ():
            if np.prod([value.shape[axis] for axis in axes]) > 1:
                length = np.sqrt(np.square(value).sum(axis=axes, keepdims=True))
                yield f"the length (norm) of {name} along {axes_text(axes)}", length
                for epsilon in EPSILONS:
                    std = np.sqrt(value.var(axis=axes, keepdims=True) + epsilon)
                    yield f"the standard deviation of {name} over {axes_text(axes)}", std
                    yield (f"{name} normalised over {axes_text(axes)} (less its mean, divided by its standard "
                           "deviation)", (value - value.mean(axis=axes, keepdims=True)) / std)
                    if value.ndim - len(axes) == 1:
                        yield f"the standard deviation of {name} over {axes_text(axes)}", std.ravel()


def normalised_input(e: Evidence) -> str | None:
    """The gradient of a scale that multiplies the normalised input, made from the input itself."""
    c, x = e.contributions, e.values.get("x")
    if c is None or x is None or x.shape != c.out_shape or (c.there.sum(axis=1) > 1).any() or c.missing.any():
        return None
    rows = c.there.any(axis=1)
    if not rows.any():
        return None
    index = tuple(c.outputs[:, rows])
    claimed, measured = c.claimed[rows].sum(axis=1), c.measured[rows].sum(axis=1)
    for axes in some_axes(x.ndim):
        centred = x - x.mean(axis=axes, keepdims=True)
        unit = centred / np.sqrt(np.square(centred).mean(axis=axes, keepdims=True) + 1e-300)
        if np.abs(measured - unit[index]).max() <= 10 * CLOSE * np.abs(measured).max() and agree(claimed, x[index]):
            return (f"x itself stands where the normalised x belongs: less its mean over {axes_text(axes)}, divided by "
                    "its standard deviation.")
    return None


def depends_on_alone(a: np.ndarray, index: np.ndarray) -> bool:
    """Return whether numbers are the same wherever an index is, and the index repeats."""
    kinds = np.unique(index)
    return len(kinds) < len(a) / 2 and len(kinds) > 1 and all(
        np.ptp(a[index == k]) <= CLOSE * np.abs(a).max() for k in kinds)


def sided(a: np.ndarray, values: np.ndarray) -> str | None:
    """Return on which side of 0 a factor is not 1, if it is 1 on the other."""
    wrong = np.abs(a - 1) > CLOSE
    for side, text in ((values < 0, "below 0"), (values > 0, "above 0")):
        if wrong[side].all() and side.sum() >= 3 and (~side).sum() >= 3 and not wrong[~side].any():
            return text
    return None


def power_of(a: np.ndarray, v: np.ndarray, name: str) -> str | None:
    """Return which power of a tensor's own values is missing, or too much, if claimed / measured is one."""
    for power, text in ((1, name), (2, f"{name}^2"), (0.5, f"sqrt({name})"), (3, f"{name}^3")):
        with np.errstate(all="ignore"):
            for exponent, how in ((-power, "is missing"), (power, "is too much, or should be divided by")):
                constant = a / v ** exponent
                usable = np.isfinite(constant) & (constant != 0)                  # not where the tensor is 0
                if a.size > FEW and usable.all() and np.ptp(constant) <= CLOSE * np.abs(constant).max():
                    times = 1 / constant[0] if exponent < 0 else constant[0]
                    factor = "" if abs(times - 1) < CLOSE else f"{times:.4g} "
                    inner = " (the derivative of an inner function?)" if exponent < 0 else ""
                    return f"a factor of {factor}{text} {how}{inner}."
    return None
