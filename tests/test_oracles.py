"""The measured slopes must themselves notice a gradient that is a little wrong."""

import numpy as np
import pytest
from oracles import assert_gradients_right, in_layout, slope

from tinynet.layers import Layer


class Square(Layer):
    """y = scale * x^2, with a fault to order in its backward."""

    def __init__(self, factor=1.0, grad_factor=1.0):
        super().__init__()
        self.factor, self.grad_factor = factor, grad_factor
        self.params["scale"] = np.array([2.0, 3.0])

    def forward(self, x, training=False):
        scale = self.params["scale"]

        def backward(dy):
            self.grads["scale"] = self.grad_factor * (dy * x * x).sum(axis=0)
            return self.factor * dy * 2 * scale * x
        return scale * x * x, backward


def test_slope_of_a_square_is_twice_its_place():
    x = np.array([1.0, -2.0])
    np.testing.assert_allclose(slope(lambda: float((x * x).sum()), x), [2, -4], rtol=1e-8)
    assert x.tolist() == [1, -2]


def test_right_gradient_passes():
    assert_gradients_right(Square(), [[1.0, -2.0], [0.5, 3.0]])


@pytest.mark.parametrize("fault", [{"factor": 1.001}, {"grad_factor": 0.999}, {"factor": -1},
                                   {"grad_factor": 0}],
                         ids=str)
def test_gradient_wrong_by_a_thousandth_fails(fault):
    with pytest.raises(AssertionError, match="gradient of"):
        assert_gradients_right(Square(**fault), [[1.0, -2.0], [0.5, 3.0]])


@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed", "transposed"])
def test_layouts_hold_the_same_numbers_in_another_order(layout):
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    other = in_layout(x, layout)
    np.testing.assert_array_equal(other, x)
    assert other.strides != x.strides
