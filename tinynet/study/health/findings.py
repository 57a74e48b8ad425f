"""Likely problems of a training, in words: rules of thumb, each with its threshold.

They are not proofs: gradients may differ a thousandfold between layers of a model that learns, and a model may do well
without its dead units. They say where to look first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinynet.study.health.measures import Measures, ParameterHealth, StepHealth

MIN_DEAD = 0.05        # fraction of a layer's units from which on dead ones are reported
MAX_LISTED = 5         # indices of dead units that are written out
MAX_FACTOR = 1e3       # by which the gradient may shrink or grow on its way back through the model
MAX_UPDATE = 0.1       # of |update| / |weight|; about 0.001 is usual


def findings(health: Measures) -> list[str]:
    """Return a sentence for each likely problem; an empty list if all is within the thresholds."""
    parts: Sequence[ParameterHealth | StepHealth] = [*health.parameters, *health.steps]
    bad = ([p.name for p in health.parameters if not math.isfinite(p.norm)]
           or [f"the gradient of {part.name}" for part in parts if not math.isfinite(part.gradient_norm or 0)])
    if bad:
        return [f"not finite: {', '.join(bad)}. Nothing can be said of the rest."]
    return [*dead(health), *gradient(health), *updates(health)]


def dead(health: Measures) -> list[str]:
    """Report the units that are 0 for all samples, of rectifying steps with a twentieth or more of them."""
    found = []
    for step in health.steps:
        if step.dead and step.dead_units and step.dead >= MIN_DEAD:
            what = "filters" if step.makes_images else "units"
            count = f"{len(step.dead_units)} of {step.units} {what} ({step.dead:.0%}) of {step.name}".replace("%", " %")
            which = (", no gradient comes through it" if step.dead == 1 else ": number " + listed(step.dead_units))
            found.append(f"dead: {count}, 0 for all {health.samples} samples{which}.")
    return found


def listed(indices: list[int]) -> str:
    """Write out the first indices, and how many more there are.

    >>> listed([3, 7]), listed(list(range(0, 24, 2)))
    ('3, 7', '0, 2, 4, 6, 8 and 7 more')
    """
    more = len(indices) - MAX_LISTED
    return ", ".join(map(str, indices[:MAX_LISTED])) + (f" and {more} more" if more > 0 else "")


def gradient(health: Measures) -> list[str]:
    """Report gradients much smaller or larger than that at the last step's output."""
    # In front of a layer that is all dead the gradient is 0, which `dead` reports.
    start = max((k for k, step in enumerate(health.steps) if step.dead == 1), default=0)
    norms = {step.name: step.gradient_norm for step in health.steps[start:] if step.gradient_norm is not None}
    if not norms:                                                            # the model is a softmax alone
        return []
    last, end = list(norms.items())[-1]
    if end == 0:
        return ["the loss has no gradient: all samples are fitted, or the last step is flat."]
    small, large = min(norms, key=lambda name: norms[name]), max(norms, key=lambda name: norms[name])
    found = []
    if norms[small] < end / MAX_FACTOR:
        found.append(f"vanishing gradient: {norms[small]:.2g} at {small}, {end:.2g} at {last}.")
    if norms[large] > end * MAX_FACTOR:
        found.append(f"exploding gradient: {norms[large]:.2g} at {large}, {end:.2g} at {last}.")
    return found


def updates(health: Measures) -> list[str]:
    """Report the weight with the largest relative update, if that is above the threshold.

    Biases are left out: they start at 0, so that their first updates are large beside them.
    """
    ratios = {p.name: p.update_ratio for p in health.parameters if len(p.shape) > 1 and p.update_ratio is not None}
    large = {name: ratio for name, ratio in ratios.items() if ratio > MAX_UPDATE}
    if not large:
        return []
    most = max(large, key=lambda name: large[name])
    others = f"; {len(large) - 1} more by above {MAX_UPDATE:.0%}" if len(large) > 1 else ""
    return [f"large update: the next one changes {most} by {large[most]:.0%} of its length{others}. The learning rate "
            f"may be too large."]
