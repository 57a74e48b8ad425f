"""What an explanation is made from: one step of a model on one sample, with the gradients if there are any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from tinynet.explore.explanations.explanation import Factor, Source
from tinynet.layers.base import Forward, Layer

AnyLayer = TypeVar("AnyLayer", bound=Layer)
NO_OBJECTIVE = "Expected an objective, the loss or a logit, to take a gradient of. Received: none."


@dataclass(frozen=True)
class StepNumbers(Generic[AnyLayer]):
    """The arrays of one step for one sample, without the batch axis.

    Attributes
    ----------
    index, name, layer : of the step, in the model's flat list.
    x, y : what it was given, and what it returned.
    dx, dy : the objective's gradients with respect to both; None without an objective.
    grads : those of the layer's parameters, penalties included.
    penalties : what the regularizers add to them.
    counted : whether the objective is the loss, in which penalties on outputs count.
    inside : whether it is a step within another, whose arrays the page does not show.
    parameter_names : the names under which the page knows the layer's parameters, where they are others.
    run : what the step runs; None: the layer's forward.
    """

    index: int
    name: str
    layer: AnyLayer
    x: np.ndarray
    y: np.ndarray
    dx: np.ndarray | None = None
    dy: np.ndarray | None = None
    grads: Mapping[str, np.ndarray] = field(default_factory=dict)
    penalties: Mapping[str, np.ndarray] = field(default_factory=dict)
    counted: bool = False
    inside: bool = False
    parameter_names: Mapping[str, str] = field(default_factory=dict)
    run: Forward | None = None

    @property
    def upstream(self) -> np.ndarray:
        """The gradient of the output."""
        if self.dy is None:
            raise ValueError(NO_OBJECTIVE)
        return self.dy

    @property
    def downstream(self) -> np.ndarray:
        """The gradient of the input."""
        if self.dx is None:
            raise ValueError(NO_OBJECTIVE)
        return self.dx

    def inputs(self, at: np.ndarray) -> Factor:
        """Take the inputs at places (T, k)."""
        return Factor.taken("x", self.x, at, None if self.inside else Source("values", self.index))

    def upstreams(self, at: np.ndarray) -> Factor:
        """Take the gradients of the output at places (T, k)."""
        return Factor.taken("dy", self.upstream, at, None if self.inside else Source("gradients", self.index + 1))

    def weights(self, key: str, at: np.ndarray) -> Factor:
        """Take numbers of a parameter at places (T, k)."""
        name = self.parameter_names.get(key, key)
        return Factor.taken(name, self.layer.params[key], at, Source("parameter", self.index, name))
