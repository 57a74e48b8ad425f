"""Data sets: MNIST, whose files ship inside the package, and the IDX format they are stored in."""

from tinynet.datasets import idx, mnist

__all__ = ["idx", "mnist"]
