"""The last exercise: what is missing in a network is seen, and named, without a training."""

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.exercises.chapters import network as solved
from tinynet.exercises.chapters.network import its_chance, its_function, its_size
from tinynet.exercises.exercise import Judged

pytestmark = pytest.mark.long


class Shared(solved.Pooling):
    """All of equal pixels get dy."""

    def forward(self, x, training=False):
        y, _ = super().forward(x)
        large = y.repeat(2, axis=2).repeat(2, axis=3)
        cut = x[:, :, :large.shape[2], :large.shape[3]]

        def backward(dy):
            dx = np.zeros_like(x)
            dx[:, :, :large.shape[2], :large.shape[3]] = (cut == large) * dy.repeat(2, axis=2).repeat(2, axis=3)
            return dx
        return y, backward


class Large(solved.Linear):
    """Drawn for another number of inputs."""

    def build(self, input_shape, rng):
        shape = super().build(input_shape, rng)
        self.params["kernel"] *= 2
        return shape


class Double(solved.Rectifier):
    """Computes in float64."""

    def forward(self, x, training=False):
        y, backward = super().forward(x)
        return y.astype(float), backward


def model(relus=4, pooling=solved.Pooling, drop=(solved.Drop, 0.2), dense=solved.Linear, relu=solved.Rectifier):
    """Put a network together, with something else in it than there should be."""
    relu = [[relu()] if k < relus else [] for k in range(4)]
    return Sequential([
        solved.Convolution(30, 5), *relu[0], pooling(), solved.Convolution(15, 3), *relu[1], pooling(),
        *([drop[0](drop[1])] if drop else []), solved.Rows(), dense(128), *relu[2], dense(50), *relu[3], dense(10),
        solved.Probabilities()], input_shape=(1, 28, 28), seed=0)


def test_the_right_one_is_right():
    assert its_function(model())
    assert its_chance(model())
    assert its_size(model()) is True


@pytest.mark.parametrize(("look", "changed", "cause"), [
    (its_function, {"relus": 3}, "ReLU missing"),
    (its_function, {"pooling": Shared}, "ties"),
    (its_chance, {"drop": None}, "dropout missing"),
    (its_chance, {"drop": (solved.Drop, 0.5)}, "dropout rate"),
    (its_chance, {"dense": Large}, "size of the first weights"),
], ids=["ReLU", "ties", "no dropout", "rate", "first weights"])
def test_what_is_wrong_is_named(look, changed, cause):
    with pytest.raises(Judged) as found:
        look(model(**changed))
    assert found.value.cause == cause


def test_float64_is_right_and_gets_a_remark():
    assert its_function(model(relu=Double))
    assert "It computes in float64" in its_size(model(relu=Double))
