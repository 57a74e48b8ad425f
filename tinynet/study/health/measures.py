"""What is measured of a model's health: of each step, of each parameter, and all of it together."""

from __future__ import annotations

from dataclasses import dataclass

from tinynet.study.formatting import percent, three_digits
from tinynet.study.health.histogram import Histogram
from tinynet.tables import Tabular


@dataclass(frozen=True, repr=False)
class StepHealth(Tabular):
    """The output of a step, and the gradient of the loss with respect to it.

    Attributes
    ----------
    name : of the step: ``"conv2d_1"``, ``"conv2d_1/relu"``.
    weighted : whether the step's layer has parameters.
    units : number of channels if the output is images, else the size of its last axis.
    makes_images : whether the output is images, so that its units are filters.
    zeros : fraction of the output that is 0.
    dead_units : the units that are 0 for every sample, so that no gradient passes through them; None for a step that
        does not rectify.
    activation : `Histogram` of the output.
    gradient, gradient_norm : `Histogram` and L2 norm of d loss / d output, over the whole batch; None for a softmax
        that the loss bypasses.
    """

    name: str
    weighted: bool
    units: int
    makes_images: bool
    zeros: float
    dead_units: list[int] | None
    activation: Histogram
    gradient: Histogram | None
    gradient_norm: float | None

    @property
    def dead(self) -> float | None:
        """Fraction of the units that are dead; None for a step that does not rectify."""
        return None if self.dead_units is None else len(self.dead_units) / self.units

    def in_short(self) -> str:
        """Say which step this is, and what was measured in one number each."""
        norm = three_digits(self.gradient_norm)
        return f"{self.name}, {percent(self.zeros)} % zeros, {percent(self.dead)} % dead units, |gradient| {norm}"


@dataclass(frozen=True)
class ParameterHealth:
    """The gradient of a parameter, and the size of its next update.

    Attributes
    ----------
    name, shape : of the parameter, as in ``model.params``.
    norm : L2 norm of the parameter.
    gradient, gradient_norm : `Histogram` and L2 norm of d loss / d parameter.
    update_ratio : ``|update| / |parameter|``; infinite for a parameter of zeros, None for a frozen one.
    """

    name: str
    shape: tuple[int, ...]
    norm: float
    gradient: Histogram
    gradient_norm: float
    update_ratio: float | None


@dataclass(frozen=True, repr=False)
class Measures(Tabular):
    """What was measured on some samples.

    Attributes
    ----------
    samples : number of samples.
    steps : one `StepHealth` each.
    parameters : one `ParameterHealth` each.
    """

    samples: int
    steps: list[StepHealth]
    parameters: list[ParameterHealth]

    def in_short(self) -> str:
        """Say on how much it was measured."""
        return f"{self.samples:,} samples, {len(self.steps)} steps, {len(self.parameters)} parameters"
