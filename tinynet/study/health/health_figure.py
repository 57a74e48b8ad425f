"""The picture of a model's health at one moment: histograms of outputs and of gradients, a row for each step."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.study.drawing import Path, finish, grid
from tinynet.study.health.histogram import EXPONENTS, Histogram

if TYPE_CHECKING:
    from tinynet.study.health.health import Health, ParameterHealth, StepHealth


def plot_health(health: Health, path: Path | None = None) -> Any:
    """Draw `Health`: outputs (left), their gradients (middle), and the gradients of the step's parameters (right).

    All gradients have one logarithmic axis, so that a shift to the left from row to row, upwards, is a gradient that
    vanishes. Steps that only hand their numbers on are left out.
    """
    steps = [step for k, step in enumerate(health.steps) if not k or not hands_on(step, health.steps[k - 1])]
    figure, axes = grid(len(steps), 3, (10, 1.0 * len(steps) + 1.1))
    low, high = gradient_range(health)
    for row, step in zip(axes, steps, strict=True):
        scale(row[0], step.activation)
        draw(row[0], step.activation, None)
        row[0].set_ylabel(step.name, rotation=0, ha="right", va="center", fontsize=9)
        row[0].set_title(f"zeros {step.zeros:.0%}" + ("" if step.dead is None else f", dead units {step.dead:.0%}"),
                         fontsize=8, pad=2)
        if step.gradient is None or step.gradient_norm is None:
            row[1].set_axis_off()
        else:
            scale(row[1], step.gradient)
            draw(row[1], step.gradient, step.gradient_norm)
            row[1].set_title(f"length {step.gradient_norm:.2g}", fontsize=8, pad=2)
        parameters = parameters_of(step, health)
        if parameters:
            scale(row[2], *(parameter.gradient for parameter in parameters))
        else:
            row[2].set_axis_off()
        for parameter, style in zip(parameters, ("-", "--", ":", "-.") * len(parameters), strict=False):
            draw(row[2], parameter.gradient, parameter.gradient_norm, style, parameter.name.rpartition("/")[2])
        if parameters:
            row[2].legend(fontsize=7, loc="upper left", borderpad=0.2, handlelength=1.6)
            row[2].set_title("update/weight " + ", ".join(
                "frozen" if p.update_ratio is None else f"{p.update_ratio:.1g}" for p in parameters), fontsize=8, pad=2)
        for ax in row[1:]:
            ax.set_xlim(low, high)
    for ax, label in zip(axes[0], ("output", "d loss / d output", "d loss / d parameters"), strict=True):
        ax.annotate(label, (0.5, 1), (0, 16), xycoords="axes fraction", textcoords="offset points", ha="center",
                    fontsize=10, fontweight="bold")
    figure.supxlabel("left: value of the output; middle and right: log10 of the gradient's size; upwards: how many "
                     "(logarithmic)", fontsize=8)
    figure.suptitle(headline(health), fontsize=9)
    return finish(figure, path)


def headline(health: Health) -> str:
    """Write the findings as lines that fit above a picture."""
    return "\n".join(fill(finding, 110) for finding in health.findings) or "nothing conspicuous"


def draw(ax: Any, histogram: Histogram, norm: float | None, style: str = "", label: str = "") -> None:
    """Draw a histogram: filled, or as a line of a style; in words if it is empty."""
    if histogram.counts.any():
        ax.stairs(histogram.counts, histogram.edges, fill=not style, color="black" if style else "0.45",
                  linestyle=style or "-", label=label)
        return
    empty = "all 0" if norm == 0 else "not finite"
    ax.plot([], [], color="black", linestyle=style or "-", linewidth=1, label=f"{label}: {empty}")
    if not style:
        ax.text(0.5, 0.5, empty, transform=ax.transAxes, ha="center", va="center", fontsize=9)


def scale(ax: Any, *histograms: Histogram) -> None:
    """Make the axis upwards logarithmic, from below 1 to above the largest count."""
    ax.set_ylim(0.5, max(10, *(3 * histogram.counts.max() for histogram in histograms)))
    ax.set_yscale("log")
    ax.minorticks_off()
    ax.tick_params(labelsize=7)


def hands_on(step: StepHealth, before: StepHealth) -> bool:
    """Tell whether a step puts out the very numbers that it was given, as dropout at rest and flattening do."""
    return (not step.weighted and step.dead is None and bool(before.activation.counts.any())
            and all(map(np.array_equal, step.activation, before.activation)))


def gradient_range(health: Health) -> tuple[float, float]:
    """Return the exponents between which all gradients lie."""
    histograms = [step.gradient for step in health.steps if step.gradient] + [p.gradient for p in health.parameters]
    full = np.flatnonzero(np.sum([histogram.counts for histogram in histograms], axis=0))
    first, last = (full[0], full[-1]) if full.size else (0, -2)
    return float(EXPONENTS[first]), float(EXPONENTS[last + 1])


def parameters_of(step: StepHealth, health: Health) -> list[ParameterHealth]:
    """List the parameters of a step: they are drawn beside the first step of their layer."""
    def first(parameter: ParameterHealth) -> str | None:
        owner = parameter.name.rpartition("/")[0]
        return next((s.name for s in health.steps if s.name == owner or s.name.startswith(f"{owner}/")), None)
    return [parameter for parameter in health.parameters if first(parameter) == step.name]
