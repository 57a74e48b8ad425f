"""A slope of a tensor as backward returned it and as it was measured, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinynet.testing.gradcheck.slopes.line import Slope


@dataclass
class Measurement:
    """One slope of a tensor, analytic and measured.

    Attributes
    ----------
    where : flat indices (k,) of the coordinates perturbed together.
    direction : by how much each is perturbed (k,); (1.0,) for a single one.
    analytic : the slope according to the gradient that backward returned.
    measured : the slope as measured.
    tolerance : how far the two may lie apart.
    rounding : how much farther, by the rounding of backward, where that was measured.
    verdict : ``"right"``, ``"wrong"``, ``"on kink"`` (a subgradient, so right) or ``"skipped"``.
    kinked : whether a kink lies there, or coordinates are perturbed together that lie on one each.
    decided_by_layers : whether only a check of a model layer by layer could decide it.
    """

    where: np.ndarray
    direction: np.ndarray
    analytic: float
    measured: Slope
    tolerance: float
    verdict: str = ""
    kinked: bool = False
    decided_by_layers: bool = False
    rounding: float = 0.0

    def __post_init__(self) -> None:
        self.kinked |= self.measured.kind == "kink"
        if self.measured.kind in ("not converged", "lost"):
            self.verdict = "skipped"
        elif self.excess > 1:
            self.verdict = "wrong"
        else:
            self.verdict = "on kink" if self.measured.kind == "kink" else "right"

    @property
    def single(self) -> bool:
        """Whether this is one coordinate."""
        return len(self.where) == 1

    @property
    def deviation(self) -> float:
        """How far the analytic slope lies from the measured one, or on a kink from the interval of subgradients."""
        if self.decided_by_layers:
            return 0.0
        apart = abs(self.analytic - self.measured.value) - self.measured.half_width
        return np.inf if np.isnan(apart) else max(0.0, apart)

    @property
    def magnitude(self) -> float:
        """The larger of the analytic and the measured slope."""
        return max(abs(self.analytic), abs(self.measured.value) + self.measured.half_width)

    @property
    def excess(self) -> float:
        """The deviation in units of what it may be."""
        if not (allowed := self.tolerance + self.rounding):
            return np.inf if self.deviation else 0.0
        return self.deviation / allowed
