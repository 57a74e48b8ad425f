"""The schedules of `tinynet.schedules`, under the name that Keras has for their module."""

from tinynet.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
    Schedule,
)

LearningRateSchedule = Schedule             # what Keras calls it

__all__ = ["CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "LearningRateSchedule",
           "OneCycle", "PiecewiseConstantDecay", "PolynomialDecay"]
