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

from tinynet.testing import factors, places
from tinynet.testing.evidence import Evidence

# The most telling come first: the first that fits is named.
CAUSES: dict[str, Callable[[Evidence], str | None]] = {
    "kink": places.kink,
    "not finite": places.not_finite,
    "not summed": factors.not_summed,
    "transposed": factors.transposed,
    "reshaped": factors.reshaped,
    "all zero": factors.all_zero,
    "sign": factors.sign,
    "batch size": factors.batch_size,
    "rate": factors.rate,
    "factor 2": factors.factor_two,
    "number of places": factors.number_of_places,
    "dy ignored": factors.dy_ignored,
    "dy handed on": factors.dy_handed_on,
    "penalty": factors.penalty,
    "constant factor": factors.constant_factor,
    "flipped": places.flipped,
    "shifted": places.shifted,
    "part of it": places.part_of_it,
    "part of dy": places.part_of_dy,
    "one entry": places.one_entry,
    "some slices": places.some_slices,
    "borders": places.borders,
    "part is zero": places.part_is_zero,
    "should be zero": places.should_be_zero,
}


def likely_cause(evidence: Evidence) -> tuple[str, str] | None:
    """Return name and sentence of the first cause that fits, or None."""
    with np.errstate(all="ignore"):
        for name, fits in CAUSES.items():
            sentence = fits(evidence)
            if sentence:
                return name, sentence
    return None
