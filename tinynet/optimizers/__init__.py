"""How gradients change parameters, in order of increasing complexity: SGD, Lion, Adagrad, RMSprop,
Adadelta, Adam, AdamW, Adamax, Nadam.

Throughout: p a parameter, g its gradient, t the number of updates including this one.
"""

from __future__ import annotations

from tinynet.checks import invalid
from tinynet.optimizers import schedules
from tinynet.optimizers.adadelta import Adadelta
from tinynet.optimizers.adagrad import Adagrad
from tinynet.optimizers.adam import Adam
from tinynet.optimizers.adamax import Adamax
from tinynet.optimizers.adamw import AdamW
from tinynet.optimizers.base import Optimizer
from tinynet.optimizers.nadam import Nadam
from tinynet.optimizers.rmsprop import RMSprop
from tinynet.optimizers.sgd import SGD, Lion
from tinynet.registry import Identifier, resolve
from tinynet.schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "CosineDecay", "ExponentialDecay", "Lion", "Nadam",
           "Optimizer", "PiecewiseConstantDecay", "RMSprop", "get", "schedules"]

KNOWN: dict[str, type] = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW, "nadam": Nadam,
                          "adagrad": Adagrad, "adadelta": Adadelta, "adamax": Adamax, "lion": Lion}


def get(identifier: Identifier | Optimizer) -> Optimizer:
    """Return an optimizer for a name (case-insensitive), a config, a class or an object."""
    name = identifier.lower() if isinstance(identifier, str) else identifier
    optimizer = resolve("optimizer", name, KNOWN)
    if not isinstance(optimizer, Optimizer):
        raise invalid(None, "an optimizer: a name or an Optimizer", repr(identifier))
    return optimizer
