"""What a model must have, to be written to a file and restored from one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from tinynet.layers.base import Layer
from tinynet.optimizers import Optimizer
from tinynet.registry import Config


class HasGenerator(Protocol):
    """What draws random numbers: a model, a layer such as dropout."""

    rng: np.random.Generator


class Saveable(HasGenerator, Protocol):
    """A model, as this room sees it; `tinynet.training.model.Model` is one."""

    @property
    def dtype(self) -> np.dtype:
        """Of the parameters."""

    @property
    def output_shape(self) -> tuple[int, ...] | None:
        """None as long as there are no parameters."""

    @property
    def params(self) -> dict[str, np.ndarray]:
        """The parameters, under ``layer/key``."""

    @property
    def state(self) -> dict[str, np.ndarray]:
        """What layers have learned without gradients, under ``layer/key``."""

    @property
    def optimizer(self) -> Optimizer | None:
        """None as long as the model is not compiled; so are ``loss`` and ``metrics``."""

    @property
    def loss(self) -> object:
        """The compiled loss."""

    @property
    def metrics(self) -> Mapping[str, object]:
        """The compiled metrics, by name."""

    @property
    def weighted_metrics(self) -> Mapping[str, object]:
        """Those that heed sample weights."""

    def leaves(self) -> Sequence[Layer]:
        """List the layers, and the models among them."""

    def expect(self, condition: bool, expected: str, received: object) -> None:
        """Raise a ValueError that names the model, unless `condition` holds."""

    def get_config(self) -> Config:
        """Return what the model is made of."""
