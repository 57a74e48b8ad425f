"""Which logit is to be explained, and the way back from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.steps.untouched import untouched
from tinynet.study.trace import Trace


def check_target(logits: np.ndarray, target: Any, asker: str) -> np.ndarray:
    """Return the classes asked for, one for each sample (N,), or raise `asker`'s ValueError.

    Parameters
    ----------
    logits : (N, classes).
    target : a class for all samples, or one for each (N,); None takes each sample's largest logit.

    >>> check_target(np.array([[0.0, 2.0], [3.0, 1.0]]), None, "saliency")
    array([1, 0])
    """
    if logits.ndim != 2:
        raise ValueError(f"{asker}: expected a model with logits (N, classes). Received: {logits.shape}.")
    samples, classes = logits.shape
    target = logits.argmax(axis=1) if target is None else np.asarray(target)
    known = target.dtype.kind in "iu" and np.isin(target, np.arange(classes)).all()
    if target.shape not in ((), (samples,)) or not known:
        raise ValueError(f"{asker}: expected target as a class from 0 to {classes - 1}, or one for each of "
                         f"{samples} samples. Received: {target.tolist()!r}.")
    return np.broadcast_to(target, samples)


def target_logits(model: Any, x: np.ndarray, target: Any, asker: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (classes, logits), each (N,): the classes asked for, and what the model gives them."""
    with untouched(model):
        logits = Trace(model, x).logits
    target = check_target(logits, target, asker)
    return target, logits[np.arange(len(logits)), target]


def logit_gradients(trace: Trace, target: Any, asker: str) -> list[np.ndarray]:
    """Run back from each sample's target logit; return the gradients that `Trace.backward` returns."""
    logits = trace.logits
    one_hot = np.zeros_like(logits)
    one_hot[np.arange(len(logits)), check_target(logits, target, asker)] = 1
    return trace.backward(one_hot, len(trace.steps) - trace.ends_in_probabilities)


def slope(model: Any, x: Any, target: Any, asker: str) -> np.ndarray:
    """Return d logit[target] / d x for every sample, of the shape of `x`; ``grads`` stay as they were."""
    with untouched(model):
        return logit_gradients(Trace(model, x), target, asker)[0]
