"""How a training fares, measured now and then: accuracy on test samples, dead units, and the size of an update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tinynet.study.health.health import l2_norm, rectifies
from tinynet.study.trace import Trace
from tinynet.training.model import Model


class Moment(NamedTuple):
    """A model at one step of its training: its weights, and what was measured of it."""

    weights: list[np.ndarray]
    accuracy: float | None
    dead: list[dict[str, Any]]
    ratios: list[dict[str, Any]]


def accuracy(model: Model, x: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    """Return of how many samples the largest output is the right one's, and how many there are."""
    output = model.predict(x)
    if output.shape[1:] == (1,):
        answers = (output[:, 0] > 0.5).astype(int)                       # the probability of a yes
    else:
        answers = output.argmax(axis=1)
    return int((answers == labels).sum()), len(labels)


def dead_units(model: Model, x: np.ndarray) -> list[dict[str, Any]]:
    """Return of each step that rectifies the share of its units that are 0 for all samples."""
    with np.errstate(all="ignore"):
        trace = Trace(model, x)
    found = []
    for step, output in zip(trace.steps, trace.outputs, strict=True):
        if rectifies(step.layer):
            unit = 1 if output.ndim == 4 else output.ndim - 1                # of (N, C, H, W) or (N, ..., units)
            dead = (output == 0).all(axis=tuple(axis for axis in range(output.ndim) if axis != unit))
            found.append({"step": step.name, "share": float(dead.mean())})
    return found


def update_ratios(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return of each parameter how long its last update was, beside its own length; None for one that was 0."""
    with np.errstate(all="ignore"):
        return [{"param": name, "ratio": l2_norm(after[name] - value) / norm if (norm := l2_norm(value)) else None}
                for name, value in before.items()]
