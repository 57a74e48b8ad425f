"""Causes that leave out a term: of a normalisation, a softmax, a skip connection, a cross-entropy.

What subtracts a mean, or divides by a length, makes every output depend on every input of its group; the derivative
has a term for that. Each candidate adds the missing term to the analytic gradient.

Source: Ioffe and Szegedy 2015, "Batch Normalization", section 3 (the three terms of its gradient).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import EPSILONS, Evidence
from tinynet.testing.gradcheck.diagnosis.words import axes_text, some_axes


def term_of_normalisation(e: Evidence) -> str | None:
    """The terms that come from a mean, a variance or a length that forward computes."""
    value = e.values.get(e.name)
    if value is None or not e.same_shape or value.shape != e.analytic.shape:
        return None
    for axes in some_axes(value.ndim):
        if np.prod([value.shape[axis] for axis in axes]) < 2:
            continue
        for term, text in terms_of_normalisation(e.analytic, value, axes):
            if e.fits(e.analytic - term):
                return f"{text} over {axes_text(axes)}: the term of the derivative that comes from that is missing."
    return None


def terms_of_normalisation(g: np.ndarray, x: np.ndarray, axes: tuple[int, ...]) -> Iterator[tuple[np.ndarray, str]]:
    """Yield what a gradient g of x lacks if a term is missing, and what forward does there."""
    def mean(array: np.ndarray) -> np.ndarray:
        return np.asarray(array.mean(axis=axes, keepdims=True))
    centred = x - mean(x)
    variance = mean(np.square(centred))
    direction = x / np.sqrt(np.square(x).sum(axis=axes, keepdims=True) + 1e-300)
    yield np.broadcast_to(mean(g), g.shape), "forward subtracts the mean"
    for epsilon in EPSILONS:
        unit = centred / np.sqrt(variance + epsilon + 1e-300)
        projection = unit * mean(unit * g)
        yield projection, "forward divides by the standard deviation, the root of the variance,"
        yield (mean(g) + projection,
               "forward subtracts the mean and divides by the standard deviation, the root of the variance,")
    yield (direction * (direction * g).sum(axis=axes, keepdims=True),
           "forward divides by the length (it normalises)")


def term_of_softmax(e: Evidence) -> str | None:
    """The sum in the derivative of a softmax, or of its logarithm."""
    if e.y is None or e.y.size != e.analytic.size or not e.same_shape:
        return None
    y = e.y.reshape(e.analytic.shape)
    for axis in range(y.ndim):
        for p, name in ((y, "a softmax"), (np.exp(y), "the logarithm of a softmax")):
            if not np.allclose(p.sum(axis=axis), 1, rtol=1e-6, atol=0) or y.shape[axis] < 2:
                continue
            total = p * e.analytic.sum(axis=axis, keepdims=True)
            if e.fits(e.analytic - total):
                return (f"forward is {name} along axis {axis}: the term in which all of its entries meet is missing, "
                        "the sum over that axis, times the probabilities.")
            if e.fits(p * e.analytic):
                return f"forward is {name} along axis {axis}: the factor y, its output, is missing."
    return None


def skip_connection(e: Evidence) -> str | None:
    """A path from input to output that changes nothing."""
    if e.dy is None or not e.same_shape or e.dy.shape != e.analytic.shape or not e.is_input:
        return None
    if e.fits(e.analytic + e.dy):
        return ("dy itself is missing in it: forward adds its input to the result (a skip connection, an x + f(x)), or "
                "it is the 1 of a derivative such as 1 - y^2.")
    if e.fits(e.analytic - e.dy):
        return "dy itself is in it once too often: the path around (a skip connection) is counted twice."
    return None


def cross_entropy(e: Evidence) -> str | None:
    """The gradient of a cross-entropy of a softmax, (p - t) / N, without one of its parts."""
    x = e.values.get(e.name)
    if x is None or x.ndim < 2 or not e.known.all() or not e.same_shape or x.shape[-1] < 2:
        return None
    p = np.exp(x - x.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    scale = 1.0 if e.dy is None else float(e.dy.flat[0]) if e.dy.size == 1 else 0.0
    if not scale:
        return None
    for count in (p.size // p.shape[-1], 1):
        numeric, analytic = e.numeric * count / scale, e.analytic * count / scale
        t = -numeric * x                                   # that of probabilities, without a softmax
        labels = np.allclose(t.sum(axis=-1), 1, atol=1e-4) and (t > -1e-4).all()
        if labels and np.allclose(analytic, x - t, atol=1e-4):
            return ("it is p - t, the gradient of a softmax and a cross-entropy in one; forward has no softmax, and "
                    "the gradient of the cross-entropy alone is -t / p.")
        t = p - numeric
        if not (np.allclose(t.sum(axis=-1), 1, atol=1e-4) and np.allclose(np.maximum(t, 0), t, atol=1e-4)):
            continue
        for wrong, text in (
                (p, "the true labels are not subtracted from the probabilities"),
                (x - t, "it is that of the numbers before the softmax, less the labels: the softmax is missing"),
                (-t / p, "it is that of the probabilities, -t / p: the derivative of the softmax is missing"),
                (p * (p - t), "it has the softmax's output as a factor, which belongs to the softmax alone"),
                (p * (1 - p) * -t / p, "only the diagonal of the softmax's derivative is used"),
                (-t, "the probabilities are missing: it is the labels alone")):
            if np.allclose(analytic, wrong, rtol=0, atol=1e-4 * np.abs(wrong).max()):
                return f"{text}; the gradient of a cross-entropy of a softmax is p - t."
    return None
