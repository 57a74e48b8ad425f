"""The schedules of `tinynet.schedules`, under the name that Keras has for their module."""

from tinynet.schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay

__all__ = ["CosineDecay", "ExponentialDecay", "PiecewiseConstantDecay"]
