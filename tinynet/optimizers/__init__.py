"""How gradients change parameters, in order of increasing complexity: SGD, RMSprop, Adam.

Throughout: p a parameter, g its gradient, t the number of updates including this one.
"""

from __future__ import annotations

from typing import Any

from tinynet.optimizers.adam import Adam
from tinynet.optimizers.base import Optimizer
from tinynet.optimizers.rmsprop import RMSprop
from tinynet.optimizers.sgd import SGD
from tinynet.registry import resolve
from tinynet.schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay

__all__ = ["SGD", "Adam", "CosineDecay", "ExponentialDecay", "Optimizer", "PiecewiseConstantDecay", "RMSprop", "get"]


KNOWN: dict[str, type] = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam}


def get(identifier: Any) -> Optimizer:
    """Return an optimizer for a name, a config, a class or an object; upper case is as good as lower."""
    name = identifier.lower() if isinstance(identifier, str) else identifier
    optimizer = resolve("optimizer", name, KNOWN)
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"Expected an optimizer: a name or an Optimizer. Received: {identifier!r}.")
    return optimizer
