"""AdamW: Adam, with weights that decay."""

from __future__ import annotations

from typing import Unpack

from tinynet.optimizers.adam import Adam
from tinynet.optimizers.base import LearningRate, OtherOptions


class AdamW(Adam):
    """Adam with weight decay: ``p -= learning_rate * weight_decay * p`` before each of its steps.

    The decay is not part of the gradient, as that of an L2 penalty is, which Adam would divide by the root of v: all
    weights decay at one rate. Biases too, as in Keras. Source: Loshchilov & Hutter 2019, algorithm 2.
    """

    def __init__(self, learning_rate: LearningRate = 0.001, weight_decay: float = 0.004, beta_1: float = 0.9,
                 beta_2: float = 0.999, epsilon: float = 1e-7, amsgrad: bool = False, **kwargs: Unpack[OtherOptions]):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **kwargs)
        self.weight_decay = self.check_nonnegative("weight_decay", weight_decay)
