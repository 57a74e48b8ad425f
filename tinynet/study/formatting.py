"""How numbers are written in tables."""

from __future__ import annotations

import math


def percent(share: float | None) -> str:
    """Write a share in percent, or a dash if it is None or NaN.

    >>> percent(0.125), percent(None)
    ('12.5', '-')
    """
    return "-" if share is None or math.isnan(share) else f"{100 * share:.1f}"


def three_digits(value: float | None) -> str:
    """Write a number with three significant digits, or a dash if it is None."""
    return "-" if value is None else f"{value:.3g}"
