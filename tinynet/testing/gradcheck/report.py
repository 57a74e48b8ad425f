"""The result of a gradient check: a table, the likely cause of what is wrong, and a plot."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from tinynet.tables import Table, Tabular
from tinynet.testing.gradcheck.columns import WIDTH, cells_shown, table
from tinynet.testing.gradcheck.measurement import Measurement

if TYPE_CHECKING:                # matplotlib is loaded when something is plotted
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Causes: no wrong slopes; no slopes to compare with.
BROKEN_RULES = {"writes to its input", "accumulates", "stale", "not repeatable", "idle draws"}
UNMEASURED = {"nothing measured", "complex"}


@dataclass
class Failure:
    """One thing that is wrong.

    Attributes
    ----------
    tensor : name of the tensor that is wrong; "" if the failure is not about one.
    message : what was observed.
    cause : name of the likely cause, a key of `causes.CAUSES`; None if no usual mistake fits.
    explanation : the likely cause in words.
    mode : ``"in training"`` or ``"in inference"``, where both were checked.
    """

    tensor: str
    message: str
    cause: str | None = None
    explanation: str = ""
    mode: str = ""

    def __str__(self) -> str:
        observed = ": ".join(filter(None, [" ".join(filter(None, [self.tensor, self.mode])), self.message]))
        lines = fill(observed, WIDTH, initial_indent="  ", subsequent_indent="    ")
        if self.explanation:
            lines += "\n" + fill(f"Likely cause: {self.explanation}", WIDTH,
                                 initial_indent="    ", subsequent_indent="    ")
        return lines


@dataclass(repr=False)
class TensorReport(Tabular):
    """What was measured of one tensor.

    Attributes
    ----------
    name, shape : which tensor.
    training : the mode that it was measured in.
    analytic : the gradient that backward returned or set.
    measurements : every slope that was measured.
    note : a remark in place of measurements.
    """

    name: str
    shape: tuple[int, ...]
    training: bool
    analytic: np.ndarray | None = None
    measurements: list[Measurement] = field(default_factory=list)
    note: str = ""

    @cached_property
    def numeric(self) -> np.ndarray:
        """The measured gradient (the tensor's shape), NaN where no coordinate was measured by itself."""
        slopes = np.full(self.shape, np.nan)
        for m in self.measurements:
            if m.single and m.verdict != "skipped":
                slopes.reshape(-1)[m.where] = m.measured.value
        return slopes

    @cached_property
    def alone(self) -> np.ndarray:
        """Mask of the coordinates that were measured by themselves, and not only in groups (the tensor's shape)."""
        mask = np.zeros(self.shape, bool)
        for m in self.measurements:
            mask.reshape(-1)[m.where] |= m.single
        return mask

    def entries(self, verdict: str, alone: bool | None = None) -> np.ndarray:
        """Return a mask of the coordinates with this verdict.

        A coordinate that was measured by itself has its own verdict, any other that of its group; where a group is
        wrong because of an entry that was found, its other entries count as right.

        Parameters
        ----------
        verdict : ``"right"``, ``"wrong"``, ``"on kink"`` or ``"skipped"``.
        alone : True for those measured by themselves only, False for those seen only in groups; None for both.
        """
        found = any(m.single and m.verdict == "wrong" for m in self.measurements)
        mask = np.zeros(self.shape, bool)
        if verdict != "right" and not any(m.verdict == verdict for m in self.measurements):
            return mask
        for m in sorted(self.measurements, key=lambda m: -len(m.where)):
            excused = found and not m.single and m.verdict == "wrong"
            mask.reshape(-1)[m.where] = verdict == ("right" if excused else m.verdict)
        return mask if alone is None else mask & (self.alone == alone)

    def count(self, verdict: str, alone: bool | None = None) -> int:
        """Count the coordinates with this verdict; see `entries`."""
        return int(self.entries(verdict, alone).sum())

    @cached_property
    def worst(self) -> Measurement | None:
        """The measurement with the largest error: wrong ones first, then smooth ones, then single coordinates."""
        return max(self.conclusive, default=None, key=lambda m: (
            m.verdict == "wrong", m.measured.kind == "smooth", m.single,
            m.deviation if m.verdict == "wrong" else m.excess, abs(m.analytic)))

    @property
    def conclusive(self) -> list[Measurement]:
        """The measurements that say something: not skipped, and no groups that drown in their own rounding."""
        return [m for m in self.measurements if m.verdict != "skipped"
                and (m.single or m.verdict == "wrong" or m.measured.uncertainty <= m.magnitude)]

    @property
    def max_absolute_error(self) -> float:
        """The largest distance of an analytic from a measured slope."""
        return max((m.deviation for m in self.conclusive), default=0.0)

    @property
    def max_relative_error(self) -> float:
        """The largest such distance as a fraction of the slope, or of the tensor's largest if it is mere rounding."""
        largest = max((m.magnitude for m in self.conclusive), default=0.0)
        return max((m.deviation / (m.magnitude if m.verdict == "wrong" else largest)
                    for m in self.conclusive if m.deviation), default=0.0)

    @property
    def resolution(self) -> float:
        """The error of a single entry that the median measurement can see, as a fraction of the usual slope."""
        if self.analytic is None or not self.analytic.size:
            return 0.0
        usual = float(np.sqrt(np.mean(np.square(self.analytic))))
        seen = [m.measured.uncertainty + m.rounding for m in self.conclusive if m.measured.kind == "smooth"]
        return float(np.median(seen)) / usual if seen and usual and np.isfinite(usual) else 0.0

    @property
    def at(self) -> tuple[int, ...] | None:
        """Index of the coordinate with the largest error; None if that was measured along a direction."""
        if self.worst is None or not self.worst.single:
            return None
        return tuple(int(i) for i in np.unravel_index(self.worst.where[0], self.shape))

    def in_short(self) -> str:
        """Say which tensor this is, and what was found."""
        found = ", ".join(f"{self.count(verdict)} {verdict}" for verdict in ("right", "wrong", "on kink", "skipped"))
        return f"{self.name} {self.shape}, in {'training' if self.training else 'inference'}: {self.note or found}"

    def tables(self) -> list[Table]:
        """Return the row that the whole report has for this tensor."""
        row = self.row()
        return [Table(list(row), [list(row.values())])]

    def row(self) -> dict[str, str]:
        """Return the table's cells, by column; of those checked, the ones seen only in groups stand behind a +."""
        alone, in_groups = (sum(self.count(verdict, how) for verdict in ("right", "wrong")) for how in (True, False))
        cells = {"tensor": self.name, "checked": f"{alone}+{in_groups}" if in_groups else str(alone),
                 "on kink": str(self.count("on kink")), "skipped": str(self.count("skipped"))}
        if (m := self.worst) is None:
            return cells
        return cells | {
            "rel err": f"{self.max_relative_error:.1e}", "abs err": f"{self.max_absolute_error:.1e}",
            "worst at": f"{len(m.where)} at once" if self.at is None else str(list(self.at)).replace(" ", ""),
            "analytic": f"{m.analytic:.4g}", "numeric": f"{m.measured.nearest(m.analytic):.4g}",
            "est err": f"{m.measured.error + m.measured.rounding:.0e}", "step": f"{m.measured.step:.0e}"}


@dataclass(repr=False)
class GradientReport(Tabular):
    """The result of `check_gradients`; printed, it is a table.

    Attributes
    ----------
    target : what was checked.
    tensors : one `TensorReport` for each tensor and mode.
    failures : everything that is wrong; empty if the gradients are right.
    complex_convention : for complex numbers ``"gradient"``, ``"conjugate"`` or ``"either"``, whichever holds.
    """

    target: str
    tensors: list[TensorReport] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    complex_convention: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    @property
    def slopes_right(self) -> bool:
        """Whether slopes were measured and the gradients agree with them, whatever else backward does."""
        return (any(tensor.measurements for tensor in self.tensors)
                and all(failure.cause in BROKEN_RULES for failure in self.failures))

    @property
    def modes(self) -> list[bool]:
        """The values of `training` that were checked."""
        return sorted({tensor.training for tensor in self.tensors})

    def __getitem__(self, name: str) -> TensorReport:
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        raise KeyError(f"{name!r}: no such tensor. Known: {', '.join(t.name for t in self.tensors)}.")

    def in_short(self) -> str:
        """Say whether the gradients are right."""
        if self.passed:
            verdict = "gradients are right."
        elif self.slopes_right:
            verdict = "the slopes are right, but backward BREAKS A RULE."
        elif all(failure.cause in UNMEASURED for failure in self.failures):
            verdict = "GRADIENTS WERE NOT CHECKED."
        else:
            verdict = "GRADIENTS ARE WRONG."
        return f"{self.target}: {verdict}"

    def tables(self) -> list[Table]:
        """Return a table of the tensors, for each mode, with the failures below."""
        found = [cells_shown([t.row() for t in self.tensors if t.training == training and not t.note])
                 for training in self.modes]
        notes = [f"{tensor.name}: {tensor.note}" for tensor in self.tensors if tensor.note]
        return [*(Table(head, rows, "in training" if training else "in inference")
                  for training, (head, *rows) in zip(self.modes, found, strict=True)),
                *([Table([], [], "\n".join([*notes, *map(str, self.failures)]))] if notes or self.failures else [])]

    def __str__(self) -> str:
        lines = [self.in_short()]
        for training in self.modes:
            if len(self.modes) > 1:
                lines += ["", "in training:" if training else "in inference:"]
            lines += table([t.row() for t in self.tensors if t.training == training and not t.note])
        lines += [f"{tensor.name}: {tensor.note}" for tensor in self.tensors if tensor.note]
        if self.failures:
            lines += ["", *map(str, self.failures)]
        return "\n".join(lines)

    __repr__ = __str__

    def plot(self, path: str | PathLike[str] | None = None, ax: Axes | None = None) -> Figure:
        """Plot the analytic slopes against the measured ones; right ones lie on the diagonal.

        Parameters
        ----------
        path : where to save the figure; None does not save it.
        ax : axes to plot all tensors into; None makes a figure with axes for each.

        Returns
        -------
        The matplotlib figure.
        """
        from tinynet.testing.gradcheck.plotting import plot
        return plot(self.tensors, path, ax)


class GradientMismatch(AssertionError):  # noqa: N818  (a statement, as pytest shows it)
    """Raised for a wrong backward pass; ``.report`` is the `GradientReport`."""

    __module__ = "tinynet.testing"       # where users import it from, and what pytest shows

    def __init__(self, report: GradientReport):
        super().__init__(str(report))
        self.report = report
