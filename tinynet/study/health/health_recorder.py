"""HealthRecorder: the health of a model throughout its training, on the same samples each time."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tinynet.callbacks import Callback
from tinynet.callbacks.base import Logs
from tinynet.checks import check_int
from tinynet.models import Sequential
from tinynet.study.arguments import expect
from tinynet.study.drawing import StrPath, finish, grid
from tinynet.study.health.health import Health, ParameterHealth, StepHealth, health
from tinynet.study.health.health_figure import headline
from tinynet.study.health.histogram import Histogram
from tinynet.tables import Table, Tabular, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GUIDE = 1e-3                                        # a usual |update| / |weight|
MIN_SPAN = 1e3                                      # of a logarithmic axis, so that nearly constant curves look level

Curves = dict[str, list[Any]]                       # by name, a value for each record


class HealthRecorder(Tabular, Callback):
    """Record `health` on given samples before the first update, and then at intervals during training.

    Training itself is not affected. An exact resume keeps the records.

    Parameters
    ----------
    x, y : samples and targets, the same for each record; some hundreds.
    every : ``"epoch"``, or a number of updates.

    Attributes
    ----------
    updates : number of updates made before each record.
    records : the `Health` at each.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(2, "relu", input_dim=3), Dense(1)], seed=0)
    >>> model.compile(optimizer="sgd", loss="mse")
    >>> x, y = np.random.default_rng(0).normal(size=(40, 3)), np.ones((40, 1))
    >>> recorder = HealthRecorder(x, y, every=2)
    >>> history = model.fit(x, y, batch_size=10, epochs=2, verbose=0, callbacks=[recorder])
    >>> recorder.updates
    [0, 2, 4, 6, 8]
    """

    model: Sequential

    def __init__(self, x: ArrayLike, y: ArrayLike, every: str | int = "epoch") -> None:
        super().__init__()
        self.x, self.y = x, y
        self.every = every if every == "epoch" else check_int(every, "every: 'epoch', or a number of updates")
        self.updates: list[int] = []
        self.records: list[Health] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the records of earlier calls of `fit`, and take the first record."""
        self.updates, self.records = [], []
        self.record()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Take a record, if one is due after this update."""
        if isinstance(self.every, int) and self.model.optimizer.iterations % self.every == 0:
            self.record()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Take a record, if they are taken by epoch."""
        if self.every == "epoch":
            self.record()

    def record(self) -> None:
        """Take a record now."""
        self.updates.append(self.model.optimizer.iterations)
        self.records.append(health(self.model, self.x, self.y))

    def in_short(self) -> str:
        """Say how many records there are, and after which updates."""
        if not self.records:
            return "no records yet"
        return f"{len(self.records)} records, after {self.updates[0]:,} to {self.updates[-1]:,} updates"

    def tables(self) -> list[Table]:
        """Return a table of the records, with what was found at each."""
        rows = [[f"{updates:,}", " ".join(record.findings) or "nothing conspicuous"]
                for updates, record in zip(self.updates, self.records, strict=True)]
        return [Table(["updates", "findings"], shortened(rows))]

    def get_state(self) -> dict[str, Any]:
        """Return the records as plain dicts."""
        return {"updates": list(self.updates), "records": [asdict(record) for record in self.records]}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the records that `get_state` returned."""
        self.updates = list(state["updates"])
        self.records = [from_dict(record) for record in state["records"]]

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw over the updates: gradients by layer, dead units, and the size of the updates.

        Top: the norm of d loss / d output of each layer with parameters, the first dark, the last light. Lines
        that spread downwards are a gradient that vanishes on its way back; a cross at the bottom is a gradient of 0.
        Middle: the fraction of dead units. Bottom: ``|update| / |weight|`` of parameters of two axes or more.
        """
        expect(self.records, "at least one record", "none; train with it first", "HealthRecorder.plot")
        first = self.records[0]
        gradients = {s.name: [record.steps[k].gradient_norm for record in self.records]
                     for k, s in enumerate(first.steps) if s.weighted}
        dead = {s.name: [record.steps[k].dead for record in self.records]
                for k, s in enumerate(first.steps) if s.dead is not None}
        ratios = {p.name: [record.parameters[k].update_ratio for record in self.records]
                  for k, p in enumerate(first.parameters) if len(p.shape) > 1 and p.update_ratio is not None}
        figure, axes = grid(3, 1, (8, 9), sharex=True)
        upper, middle, lower = axes[:, 0]
        draw_logarithmic(upper, self.updates, gradients)
        upper.set_ylabel("|d loss / d output|")
        draw_curves(middle, self.updates, dead)
        middle.set_ylabel("fraction of dead units")
        top = max([0.1, *(value or 0.0 for values in dead.values() for value in values)])     # a few can still be seen
        middle.set_ylim(-0.03 * top, 1.1 * top)
        lower.axhline(GUIDE, color="black", linestyle="--", linewidth=1, label="guide: 1/1000")
        draw_logarithmic(lower, self.updates, ratios, GUIDE)
        lower.set_ylabel("|update| / |weight|")
        lower.set_xlabel("updates")
        for ax in axes[:, 0]:
            ax.grid(color="0.9")
            if ax.get_legend_handles_labels()[1]:
                ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
            else:
                ax.text(0.5, 0.5, "no such layers", transform=ax.transAxes, ha="center", va="center")
        figure.suptitle(f"the last record: {headline(self.records[-1])}", fontsize=9)
        return finish(figure, path)


def draw_curves(ax: Axes, updates: list[int], curves: Curves) -> None:
    """Draw curves by name, from dark to light, each with its own marker."""
    from matplotlib import colormaps

    shades = colormaps["viridis"](np.linspace(0, 0.9, max(2, len(curves))))
    for (name, values), shade, marker in zip(curves.items(), shades, "osD^v<>pPX*h" * len(curves), strict=False):
        ax.plot(updates, values, marker=marker, markersize=4, markevery=max(1, len(updates) // 12), linewidth=1.2,
                color=shade, label=name)


def draw_logarithmic(ax: Axes, updates: list[int], curves: Curves, *also: float) -> None:
    """Draw curves on a logarithmic axis whose range includes the values `also`.

    Zeros, which have no logarithm, are crosses at its lower end.
    """
    values = np.array(list(curves.values()), float).reshape(len(curves), len(updates))
    positive = np.isfinite(values) & (values > 0)
    draw_curves(ax, updates, dict(zip(curves, np.where(positive, values, np.nan).tolist(), strict=True)))
    shown = np.append(values[positive], also if also or positive.any() else GUIDE)
    low, high = shown.min(), shown.max()
    margin = max(2, (1 + 1e-9) * np.sqrt(MIN_SPAN / (high / low)))                  # rounded, the span is no less
    ax.set_ylim(low / margin, high * margin)
    ax.set_yscale("log")
    zero = values == 0
    if zero.any():
        names = [name for name, row in zip(curves, zero, strict=True) if row.any()]
        at = np.array(updates)[zero.any(axis=0)]
        ax.plot(at, np.full(len(at), 0.02), "x", color="black", transform=ax.get_xaxis_transform(),
                clip_on=False, label="exactly 0:\n" + "\n".join(names))


def from_dict(record: dict[str, Any]) -> Health:
    """Return the `Health` that ``asdict`` turned into a dict, in which a stored state has lists for tuples."""
    def arguments(part: dict[str, Any]) -> dict[str, Any]:
        histograms = {key: Histogram(*part[key]) for key in ("activation", "gradient") if part.get(key) is not None}
        return {**part, **histograms}
    return Health(record["samples"], [StepHealth(**arguments(step)) for step in record["steps"]],
                  [ParameterHealth(**{**arguments(p), "shape": tuple(p["shape"])}) for p in record["parameters"]])
