"""What a gradient check found: a table to read, the likely cause of what is wrong, and a picture of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import fill
from typing import Any

import numpy as np

from tinynet.testing.gradcheck.sampling import Measurement

WIDTH = 100


@dataclass
class Failure:
    """One thing that is wrong.

    Attributes
    ----------
    tensor : name of the tensor that it is about; "" if it is about the whole.
    message : what was seen.
    cause : name of the likely cause, a key of `causes.CAUSES`; None if no usual mistake fits.
    explanation : the likely cause in words.
    mode : ``"in training"`` or ``"in inference"``, where both were tried.
    """

    tensor: str
    message: str
    cause: str | None = None
    explanation: str = ""
    mode: str = ""

    def __str__(self) -> str:
        seen = ": ".join(filter(None, [" ".join(filter(None, [self.tensor, self.mode])), self.message]))
        lines = fill(seen, WIDTH, initial_indent="  ", subsequent_indent="    ")
        if self.explanation:
            lines += "\n" + fill(f"Likely cause: {self.explanation}", WIDTH,
                                 initial_indent="    ", subsequent_indent="    ")
        return lines


@dataclass
class TensorReport:
    """What was measured of one tensor.

    Attributes
    ----------
    name, shape : which tensor.
    training : the mode that it was measured in.
    analytic : the gradient that backward claims, of the tensor's shape.
    measurements : every slope that was measured.
    note : what there is to say instead of measurements.
    """

    name: str
    shape: tuple[int, ...]
    training: bool
    analytic: np.ndarray | None = None
    measurements: list[Measurement] = field(default_factory=list)
    note: str = ""

    @cached_property
    def numeric(self) -> np.ndarray:
        """The measured gradient, NaN where no coordinate was measured by itself."""
        slopes = np.full(self.shape, np.nan)
        for m in self.measurements:
            if m.single and m.verdict != "skipped":
                slopes.flat[m.where] = m.measured.value
        return slopes

    def entries(self, verdict: str) -> np.ndarray:
        """Return a mask of the coordinates with this verdict.

        What was measured by itself counts for itself; where a group is wrong because of an entry that was found, its
        other entries count as right.
        """
        found = any(m.single and m.verdict == "wrong" for m in self.measurements)
        mask = np.zeros(self.shape, bool)
        for m in sorted(self.measurements, key=lambda m: -len(m.where)):
            excused = found and not m.single and m.verdict == "wrong"
            mask.flat[m.where] = verdict == ("right" if excused else m.verdict)
        return mask

    def count(self, verdict: str) -> int:
        """Count the coordinates with this verdict."""
        return int(self.entries(verdict).sum())

    @cached_property
    def worst(self) -> Measurement | None:
        """The measurement furthest out: wrong ones first, then those with one slope, then single coordinates."""
        return max(self.settled, default=None, key=lambda m: (
            m.verdict == "wrong", m.measured.kind == "smooth", m.single,
            m.deviation if m.verdict == "wrong" else m.excess, abs(m.analytic)))

    @property
    def settled(self) -> list[Measurement]:
        """The measurements that say something."""
        return [m for m in self.measurements if m.verdict != "skipped"]

    @property
    def max_absolute_error(self) -> float:
        """The largest distance of an analytic from a measured slope."""
        return max((m.deviation for m in self.settled), default=0.0)

    @property
    def max_relative_error(self) -> float:
        """The largest such distance as a fraction of the slope, or of the tensor's largest if it is mere noise."""
        largest = max((m.magnitude for m in self.settled), default=0.0)
        return max((m.deviation / (m.magnitude if m.verdict == "wrong" else largest)
                    for m in self.settled if m.deviation), default=0.0)

    @property
    def at(self) -> tuple[int, ...] | None:
        """Index of the coordinate that is furthest out; None if it is a whole direction."""
        if self.worst is None or not self.worst.single:
            return None
        return tuple(int(i) for i in np.unravel_index(self.worst.where[0], self.shape))

    def row(self) -> dict[str, str]:
        """Return the table's cells, by column."""
        cells = {"tensor": self.name, "checked": str(self.count("right") + self.count("wrong")),
                 "on kink": str(self.count("on kink")), "skipped": str(self.count("skipped"))}
        if (m := self.worst) is None:
            return cells
        return cells | {
            "rel err": f"{self.max_relative_error:.1e}", "abs err": f"{self.max_absolute_error:.1e}",
            "worst at": f"{len(m.where)} at once" if self.at is None else str(list(self.at)).replace(" ", ""),
            "analytic": f"{m.analytic:.4g}", "numeric": f"{m.measured.nearest(m.analytic):.4g}",
            "est err": f"{m.measured.error + m.measured.rounding:.0e}", "step": f"{m.measured.step:.0e}"}


@dataclass(repr=False)
class GradientReport:
    """What `check_gradients` found; printed, it is a table.

    Attributes
    ----------
    target : what was checked.
    tensors : one `TensorReport` for each tensor and mode.
    failures : what is wrong; empty if the gradients are right.
    """

    target: str
    tensors: list[TensorReport] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    @property
    def modes(self) -> list[bool]:
        """The values of `training` that were tried."""
        return sorted({tensor.training for tensor in self.tensors})

    def __getitem__(self, name: str) -> TensorReport:
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        raise KeyError(f"{name!r}: no such tensor. Known: {', '.join(t.name for t in self.tensors)}.")

    def __str__(self) -> str:
        lines = [f"{self.target}: " + ("gradients are right." if self.passed else "GRADIENTS ARE WRONG.")]
        for training in self.modes:
            if len(self.modes) > 1:
                lines += ["", "in training:" if training else "in inference:"]
            lines += table([t.row() for t in self.tensors if t.training == training and not t.note])
        lines += [f"{tensor.name}: {tensor.note}" for tensor in self.tensors if tensor.note]
        if self.failures:
            lines += ["", *map(str, self.failures)]
        return "\n".join(lines)

    __repr__ = __str__

    def plot(self, path: Any = None, ax: Any = None) -> Any:
        """Draw the analytic slopes against the measured ones; right ones lie on the diagonal.

        Parameters
        ----------
        path : where to save the picture; None does not save it.
        ax : matplotlib axes to draw all tensors into; None makes a figure with axes for each.

        Returns the matplotlib figure.
        """
        from tinynet.testing.gradcheck.plotting import plot
        return plot(self.tensors, path, ax)


class GradientMismatch(AssertionError):  # noqa: N818  (says what was found, as pytest shows it)
    """A backward pass that is wrong; `report` is the `GradientReport`."""

    def __init__(self, report: GradientReport):
        super().__init__(str(report))
        self.report = report


# Columns, and what makes one worth its place.
COLUMNS: dict[str, Callable[[list[str]], bool]] = {
    "tensor": any, "checked": any,
    "on kink": lambda cells: bool(set(cells) - {"", "0"}), "skipped": lambda cells: bool(set(cells) - {"", "0"}),
    "rel err": any, "abs err": any, "worst at": any, "analytic": any, "numeric": any, "est err": any, "step": any}


def table(rows: list[dict[str, str]]) -> list[str]:
    """Lay rows of cells out in columns; a column that says nothing is left out.

    >>> print("\\n".join(table([{"tensor": "x", "checked": "6", "skipped": "0"}])))
    tensor  checked
    x             6
    """
    columns = []
    for name, worth_showing in COLUMNS.items():
        cells = [name, *(row.get(name, "") for row in rows)]
        if worth_showing(cells[1:]):
            width = max(map(len, cells))
            columns.append([cell.ljust(width) if name == "tensor" else cell.rjust(width) for cell in cells])
    wide = ["  ".join(cells) for cells in zip(*columns, strict=True)]
    narrow = [" ".join(cells) for cells in zip(*columns, strict=True)]
    return wide if max(map(len, wide), default=0) <= WIDTH else narrow
