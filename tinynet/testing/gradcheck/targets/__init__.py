"""What can be checked: a layer, a loss, a model with its loss, each as a `Target`."""

from tinynet.testing.gradcheck.targets.layer import LayerTarget, floats_if_followed
from tinynet.testing.gradcheck.targets.loss import LossTarget
from tinynet.testing.gradcheck.targets.model import ModelTarget
from tinynet.testing.gradcheck.targets.target import Gradients, Target, leaves_of, random_upstream

__all__ = ["Gradients", "LayerTarget", "LossTarget", "ModelTarget", "Target", "floats_if_followed", "leaves_of",
           "random_upstream"]
