"""The usual mistakes of a backward pass. Each is a function from the `Evidence` to a sentence, or None if it does
not fit; one of your own is one more entry of `CAUSES`::

    def degrees(e):
        if e.ratio_is(np.pi / 180):
            return "every entry is pi / 180 of what it should be: degrees where radians are meant."

    CAUSES["degrees"] = degrees
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinynet.testing.gradcheck.diagnosis import local_errors, uniform_errors
from tinynet.testing.gradcheck.diagnosis.evidence import Evidence

# The most specific come first: the first that fits is named.
CAUSES: dict[str, Callable[[Evidence], str | None]] = {
    "kink": local_errors.kink,
    "not finite": local_errors.not_finite,
    "not summed": uniform_errors.not_summed,
    "transposed": uniform_errors.transposed,
    "reshaped": uniform_errors.reshaped,
    "all zero": uniform_errors.all_zero,
    "sign": uniform_errors.sign,
    "batch size": uniform_errors.batch_size,
    "rate": uniform_errors.rate,
    "factor 2": uniform_errors.factor_two,
    "number of positions": uniform_errors.number_of_positions,
    "dy ignored": uniform_errors.dy_ignored,
    "dy passed through": uniform_errors.dy_passed_through,
    "penalty": uniform_errors.penalty,
    "constant factor": uniform_errors.constant_factor,
    "flipped": local_errors.flipped,
    "shifted": local_errors.shifted,
    "part of it": local_errors.part_of_it,
    "part of dy": local_errors.part_of_dy,
    "one entry": local_errors.one_entry,
    "some slices": local_errors.some_slices,
    "borders": local_errors.borders,
    "part is zero": local_errors.part_is_zero,
    "should be zero": local_errors.should_be_zero,
}


def likely_cause(evidence: Evidence) -> tuple[str, str] | None:
    """Return the name and the explanation of the first cause that fits, or None."""
    with np.errstate(all="ignore"):            # candidates are made from gradients that may be 0, huge or infinite
        for name, fits in CAUSES.items():
            explanation = fits(evidence)
            if explanation:
                return name, explanation
    return None
