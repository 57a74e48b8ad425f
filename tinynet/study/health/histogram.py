"""Histograms: of values, and of the magnitudes of gradients, which span decades and need a logarithmic scale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

EXPONENTS = np.linspace(-16, 4, 81)                  # of 10: the bins for gradients are a quarter of a decade each


class Histogram(NamedTuple):
    """How many values lie between each two neighbouring edges.

    Attributes
    ----------
    counts : (B,).
    edges : (B + 1,).
    """

    counts: np.ndarray
    edges: np.ndarray

    def __repr__(self) -> str:
        return (f"<Histogram: {int(self.counts.sum()):,} values in {len(self.counts)} bins, "
                f"{self.edges[0]:.4g} to {self.edges[-1]:.4g}>")


def histogram(values: np.ndarray, bins: int = 40) -> Histogram:
    """Return the histogram of the finite values, from the smallest to the largest."""
    return Histogram(*np.histogram(values[np.isfinite(values)].astype(np.float64), bins))


def magnitudes(gradient: np.ndarray) -> Histogram:
    """Return the histogram of log10 of the magnitudes, without zeros; the edges are the same for all gradients.

    Magnitudes below 1e-16 are in the first bin, those above 1e4 in the last.

    >>> counts, edges = magnitudes(np.array([0.0, 2e-3, -3e-3, 50.0]))
    >>> for k in np.flatnonzero(counts):
    ...     print(f"{edges[k]} to {edges[k + 1]}: {counts[k]}")
    -2.75 to -2.5: 2
    1.5 to 1.75: 1
    """
    nonzero = np.abs(gradient[np.isfinite(gradient) & (gradient != 0)].astype(np.float64))
    return Histogram(*np.histogram(np.log10(nonzero).clip(EXPONENTS[0], EXPONENTS[-1]), EXPONENTS))
