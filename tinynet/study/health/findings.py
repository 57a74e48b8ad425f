"""What a model's health says, in words: rules of thumb, each with its limit.

They are no proof: a gradient may well differ a thousandfold between layers of a model that learns, and a model with
some dead units may do well without them. They say where to look first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinynet.study.health.health import Health

DEAD = 0.05            # share of a layer's units that are dead from which on they are named
NAMED = 5              # units that are named at the most
FACTOR = 1e3           # by which the gradient may shrink or grow on its way back through the model
LARGE_UPDATE = 0.1     # share of its own length that one update may change a weight by; a usual one is 0.001


def findings(health: Health) -> list[str]:
    """Return what is conspicuous, a sentence each; nothing if all is within the limits."""
    parts: list[Any] = [*health.parameters, *health.steps]
    bad = ([p.name for p in health.parameters if not math.isfinite(p.norm)]
           or [f"the gradient of {part.name}" for part in parts if not math.isfinite(part.gradient_norm or 0)])
    if bad:
        return [f"not finite: {', '.join(bad)}. Nothing can be said of the rest."]
    return [*dead(health), *gradient(health), *updates(health)]


def dead(health: Health) -> list[str]:
    """Report the units that are 0 for all samples, of rectifying steps where they are a twentieth or more."""
    found = []
    for step in health.steps:
        if step.dead and step.dead_units and step.dead >= DEAD:
            what = "filters" if step.makes_images else "units"
            told = f"{len(step.dead_units)} of {step.units} {what} ({step.dead:.0%}) of {step.name}".replace("%", " %")
            which = (", no gradient comes through it" if step.dead == 1 else ": number " + named(step.dead_units))
            found.append(f"dead: {told}, 0 for all {health.samples} samples{which}.")
    return found


def named(numbers: list[int]) -> str:
    """Write out the first numbers, and how many more there are.

    >>> named([3, 7]), named(list(range(0, 24, 2)))
    ('3, 7', '0, 2, 4, 6, 8 and 7 more')
    """
    more = len(numbers) - NAMED
    return ", ".join(map(str, numbers[:NAMED])) + (f" and {more} more" if more > 0 else "")


def gradient(health: Health) -> list[str]:
    """Compare the gradient at each step's output with that at the last of them; what dead layers cut off is told."""
    cut = max((k for k, step in enumerate(health.steps) if step.dead == 1), default=0)
    norms = {step.name: step.gradient_norm for step in health.steps[cut:] if step.gradient_norm is not None}
    if not norms:                                                            # the model is a softmax, and no more
        return []
    last, end = list(norms.items())[-1]
    if end == 0:
        return ["the loss has no gradient: all samples are fitted, or the last step is flat."]
    small, large = min(norms, key=lambda name: norms[name]), max(norms, key=lambda name: norms[name])
    found = []
    if norms[small] < end / FACTOR:
        found.append(f"vanishing gradient: {norms[small]:.2g} at {small}, {end:.2g} at {last}.")
    if norms[large] > end * FACTOR:
        found.append(f"exploding gradient: {norms[large]:.2g} at {large}, {end:.2g} at {last}.")
    return found


def updates(health: Health) -> list[str]:
    """Report the weight that the next update changes most, if that is much; biases begin at 0, and may."""
    ratios = {p.name: p.update_ratio for p in health.parameters if len(p.shape) > 1 and p.update_ratio is not None}
    large = {name: ratio for name, ratio in ratios.items() if ratio > LARGE_UPDATE}
    if not large:
        return []
    most = max(large, key=lambda name: large[name])
    others = f"; {len(large) - 1} more by above {LARGE_UPDATE:.0%}" if len(large) > 1 else ""
    return [f"large update: the next one changes {most} by {large[most]:.0%} of its length{others}. The learning rate "
            f"may be too large."]
