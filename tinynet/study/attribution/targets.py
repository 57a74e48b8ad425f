"""The target logit that an attribution explains, and the backward pass from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.steps.untouched import untouched
from tinynet.study.arguments import Target, expect
from tinynet.study.trace import Trace
from tinynet.training.model import Model


def check_target(logits: np.ndarray, target: Target, caller: str) -> np.ndarray:
    """Return the target classes, one for each sample (N,), or raise a ValueError.

    Parameters
    ----------
    logits : (N, classes).
    target : a class for all samples, or one for each (N,); None takes each sample's largest logit.
    caller : the function that the error names.

    >>> check_target(np.array([[0.0, 2.0], [3.0, 1.0]]), None, "saliency")
    array([1, 0])
    """
    expect(logits.ndim == 2, "a model with logits (N, classes)", logits.shape, caller)
    samples, classes = logits.shape
    target = logits.argmax(axis=1) if target is None else np.asarray(target)
    known = target.dtype.kind in "iu" and np.isin(target, np.arange(classes)).all()
    expect(target.shape in ((), (samples,)) and known,
           f"target as a class from 0 to {classes - 1}, or one for each of {samples} samples", target.tolist(), caller)
    return np.broadcast_to(target, samples)


def target_logits(model: Model, x: ArrayLike, target: Target, caller: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (classes, logits), each (N,): the target classes and their logits."""
    with untouched(model):
        logits = Trace(model, x).logits
    target = check_target(logits, target, caller)
    return target, logits[np.arange(len(logits)), target]


def logit_gradients(trace: Trace, target: Target, caller: str) -> list[np.ndarray]:
    """Run the backward pass from each sample's target logit; return the gradients that `Trace.backward` returns."""
    logits = trace.logits
    one_hot = np.zeros_like(logits)
    one_hot[np.arange(len(logits)), check_target(logits, target, caller)] = 1
    return trace.backward(one_hot, len(trace.steps) - trace.ends_in_probabilities)


def target_gradient(model: Model, x: ArrayLike, target: Target, caller: str) -> np.ndarray:
    """Return d logit[target] / d x for every sample, of the shape of `x`; ``grads`` are left as they were."""
    with untouched(model):
        return logit_gradients(Trace(model, x), target, caller)[0]
