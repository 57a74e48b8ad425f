"""The figure of a model's health at one moment: histograms of outputs and of gradients, a row for each step."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from tinynet.study.drawing import StrPath, finish, grid
from tinynet.study.health.findings import findings
from tinynet.study.health.histogram import EXPONENTS, Histogram
from tinynet.study.health.measures import Measures, ParameterHealth, StepHealth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_health(health: Measures, path: StrPath | None = None) -> Figure:
    """Draw `Measures`: outputs (left), their gradients (middle), and the gradients of the step's parameters (right).

    All gradients share one logarithmic axis: where they vanish, the histograms shift to the left from row to row,
    upwards. Steps that pass their input through unchanged are left out.
    """
    steps = [step for k, step in enumerate(health.steps) if not k or not passes_through(step, health.steps[k - 1])]
    figure, axes = grid(len(steps), 3, (10, 1.0 * len(steps) + 1.1))
    limits = gradient_range(health)
    for row, step in zip(axes, steps, strict=True):
        draw_output(row[0], step)
        draw_gradient(row[1], step)
        draw_parameters(row[2], parameters_of(step, health))
        for ax in row[1:]:
            ax.set_xlim(*limits)
    for ax, label in zip(axes[0], ("output", "d loss / d output", "d loss / d parameters"), strict=True):
        ax.annotate(label, (0.5, 1), (0, 16), xycoords="axes fraction", textcoords="offset points", ha="center",
                    fontsize=10, fontweight="bold")
    figure.supxlabel("left: value of the output; middle and right: log10 of the gradient's size; upwards: how many "
                     "(logarithmic)", fontsize=8)
    figure.suptitle(headline(health), fontsize=9)
    return finish(figure, path)


def draw_output(ax: Axes, step: StepHealth) -> None:
    """Draw the histogram of a step's output, with the fractions of zeros and of dead units."""
    set_count_axis(ax, step.activation)
    draw_histogram(ax, step.activation, None)
    ax.set_ylabel(step.name, rotation=0, ha="right", va="center", fontsize=9)
    ax.set_title(f"zeros {step.zeros:.0%}" + ("" if step.dead is None else f", dead units {step.dead:.0%}"),
                 fontsize=8, pad=2)


def draw_gradient(ax: Axes, step: StepHealth) -> None:
    """Draw the histogram of the gradient with respect to a step's output, if it has one."""
    if step.gradient is None or step.gradient_norm is None:
        ax.set_axis_off()
        return
    set_count_axis(ax, step.gradient)
    draw_histogram(ax, step.gradient, step.gradient_norm)
    ax.set_title(f"norm {step.gradient_norm:.2g}", fontsize=8, pad=2)


def draw_parameters(ax: Axes, parameters: list[ParameterHealth]) -> None:
    """Draw the histograms of the gradients of parameters as lines, and write their update ratios above."""
    if not parameters:
        ax.set_axis_off()
        return
    set_count_axis(ax, *(parameter.gradient for parameter in parameters))
    for parameter, style in zip(parameters, ("-", "--", ":", "-.") * len(parameters), strict=False):
        draw_histogram(ax, parameter.gradient, parameter.gradient_norm, style, parameter.name.rpartition("/")[2])
    ax.legend(fontsize=7, loc="upper left", borderpad=0.2, handlelength=1.6)
    ax.set_title("update/weight " + ", ".join(
        "frozen" if p.update_ratio is None else f"{p.update_ratio:.1g}" for p in parameters), fontsize=8, pad=2)


def headline(health: Measures) -> str:
    """Write the findings as lines that fit above a figure."""
    return "\n".join(fill(finding, 110) for finding in findings(health)) or "nothing conspicuous"


def draw_histogram(ax: Axes, histogram: Histogram, norm: float | None, style: str = "", label: str = "") -> None:
    """Draw a histogram: filled, or as a line if a style is given; if it is empty, write why."""
    if histogram.counts.any():
        ax.stairs(histogram.counts, histogram.edges, fill=not style, color="black" if style else "0.45",
                  linestyle=style or "-", label=label)
        return
    empty = "all 0" if norm == 0 else "not finite"
    ax.plot([], [], color="black", linestyle=style or "-", linewidth=1, label=f"{label}: {empty}")
    if not style:
        ax.text(0.5, 0.5, empty, transform=ax.transAxes, ha="center", va="center", fontsize=9)


def set_count_axis(ax: Axes, *histograms: Histogram) -> None:
    """Make the y axis logarithmic, from below 1 to above the largest count."""
    ax.set_ylim(0.5, max(10, *(3 * histogram.counts.max() for histogram in histograms)))
    ax.set_yscale("log")
    ax.minorticks_off()
    ax.tick_params(labelsize=7)


def passes_through(step: StepHealth, before: StepHealth) -> bool:
    """Return whether a step's output has the values of its input, as those of dropout in inference and Flatten do."""
    return (not step.weighted and step.dead is None and bool(before.activation.counts.any())
            and all(map(np.array_equal, step.activation, before.activation)))


def gradient_range(health: Measures) -> tuple[float, float]:
    """Return the exponents between which all gradients lie."""
    histograms = [step.gradient for step in health.steps if step.gradient] + [p.gradient for p in health.parameters]
    full = np.flatnonzero(np.sum([histogram.counts for histogram in histograms], axis=0))
    first, last = (full[0], full[-1]) if full.size else (0, -2)
    return float(EXPONENTS[first]), float(EXPONENTS[last + 1])


def parameters_of(step: StepHealth, health: Measures) -> list[ParameterHealth]:
    """List the parameters of a step: they are drawn beside the first step of their layer."""
    def first(parameter: ParameterHealth) -> str | None:
        owner = parameter.name.rpartition("/")[0]
        return next((s.name for s in health.steps if s.name == owner or s.name.startswith(f"{owner}/")), None)
    return [parameter for parameter in health.parameters if first(parameter) == step.name]
