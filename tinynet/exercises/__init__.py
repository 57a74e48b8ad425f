"""Exercises along the book: what a learner fills in, and what marks it; ``python -m tinynet exercises``."""

from tinynet.exercises.check import check

__all__ = ["check"]
