"""The schedules under the name Keras has for their module; they are those of `tinynet.schedules`."""

from tinynet.schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay

__all__ = ["CosineDecay", "ExponentialDecay", "PiecewiseConstantDecay"]
