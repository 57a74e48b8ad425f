"""What a model's health says, in words: rules of thumb, each with its limit.

They are no proof: a gradient may well differ a thousandfold between layers of a model that learns, and half of a
layer's units may rest. They say where to look first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinynet.study.health import Health

DEAD = 0.5             # share of a layer's units from which on it is reported
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
    """Report rectifying steps of which many units are 0 for all samples."""
    return [f"dead: {round(step.dead * step.units)} of the {step.units} units of {step.name}, 0 for all "
            f"{health.samples} samples." + (" No gradient comes through it." if step.dead == 1 else "")
            for step in health.steps if step.dead is not None and step.dead >= DEAD]


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
