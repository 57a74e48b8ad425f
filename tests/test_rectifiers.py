"""What followed ReLU, by hand: leaky, learned, exponential, cut off at 6."""

import re

import numpy as np
import pytest
from oracles import assert_gradients_right, built

from tinynet import Sequential, load_model
from tinynet.layers import ELU, SELU, Conv2D, Dense, Flatten, HardSigmoid, LeakyReLU, PReLU, ReLU6

X, DY = np.array([[-2.0, 0.0, 3.0]]), np.array([[5.0, 7.0, 11.0]])


def run(layer, x=X, dy=DY):
    y, backward = layer.forward(x)
    return y, backward(dy)


def test_leaky_relu_by_hand_with_its_slope_at_zero():
    y, dx = run(LeakyReLU(0.25))
    assert y.tolist() == [[-0.5, 0, 3]]
    assert dx.tolist() == [[1.25, 1.75, 11]]
    assert LeakyReLU().negative_slope == 0.3


def test_elu_by_hand_and_levels_out():
    y, dx = run(ELU(2.0), np.array([[-np.log(2.0), 0.0, 3.0]]))
    np.testing.assert_allclose(y, [[-1, 0, 3]], rtol=1e-15)                       # 2 (1/2 - 1)
    np.testing.assert_allclose(dx, [[5, 14, 11]], rtol=1e-15)                     # 2 * 1/2, 2, 1
    assert ELU()(np.array([[-800.0]])).tolist() == [[-1]]


def test_the_slope_of_an_elu_keeps_its_digits_where_the_function_is_level():
    _, dx = run(ELU(), np.array([[-50.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(dx, [[np.exp(-50.0)]], rtol=1e-14)                 # y + alpha would be 0


def test_an_elu_near_zero_keeps_its_digits():
    np.testing.assert_allclose(ELU()(np.array([[-1e-12]])), [[-1e-12]], rtol=1e-11)


def test_selu_by_hand_of_the_published_numbers():
    y, dx = run(SELU(), np.array([[-np.log(2.0), 1.0, 2.0]]), np.ones((1, 3)))
    np.testing.assert_allclose(y, [[-0.5 * 1.7580993408473766, 1.0507009873554805, 2.101401974710961]], rtol=1e-14)
    np.testing.assert_allclose(dx, [[0.5 * 1.7580993408473766, 1.0507009873554805, 1.0507009873554805]], rtol=1e-14)


def test_selu_keeps_mean_and_variance():
    y = SELU()(np.random.default_rng(0).normal(size=(1, 1_000_000)))
    assert abs(y.mean()) < 0.005                                                  # five standard errors
    assert abs(y.var() - 1) < 0.01


def test_relu6_and_hard_sigmoid_by_hand():
    x, dy = np.array([[-3.0, -2.0, 0.0, 1.5, 6.0, 7.0]]), np.full((1, 6), 12.0)
    y, dx = run(ReLU6(), x, dy)
    assert y.tolist() == [[0, 0, 0, 1.5, 6, 6]]
    assert dx.tolist() == [[0, 0, 0, 12, 0, 0]]
    y, dx = run(HardSigmoid(), x, dy)
    np.testing.assert_allclose(y, [[0, 1 / 6, 0.5, 0.75, 1, 1]], rtol=1e-15)
    assert dx.tolist() == [[0, 2, 2, 2, 0, 0]]


# PReLU: slopes that are learned.

def prelu(alpha, **arguments):
    layer = PReLU(**arguments)
    layer.params["alpha"] = np.array(alpha)
    return layer


def test_prelu_by_hand():
    layer = prelu([0.5, 0.25])
    y, dx = run(layer, np.array([[-2.0, 4.0], [-1.0, -8.0]]), np.array([[3.0, 5.0], [10.0, 100.0]]))
    assert y.tolist() == [[-1, 4], [-0.5, -2]]
    assert dx.tolist() == [[1.5, 5], [5, 25]]
    assert layer.grads["alpha"].tolist() == [-2 * 3 - 1 * 10, -8 * 100]


def test_axes_can_share_a_slope_as_in_keras(rng):
    x, dy = rng.normal(size=(2, 4, 3, 2, 5))
    layer = PReLU("ones", shared_axes=[2, 3])
    assert layer.build((3, 2, 5), rng) == (3, 2, 5)
    assert layer.params["alpha"].shape == (3, 1, 1)
    _, backward = layer.forward(x)
    backward(dy)
    np.testing.assert_allclose(layer.grads["alpha"].ravel(), (dy * np.minimum(x, 0)).sum(axis=(0, 2, 3)), rtol=1e-13)


@pytest.mark.parametrize("axes", [None, [1], [2, 3], [3, 1, 2]], ids=str)
def test_slopes_of_a_prelu(axes, rng):
    assert_gradients_right(built(PReLU(shared_axes=axes), (3, 2, 4)), rng.normal(size=(2, 3, 2, 4)))


def test_what_shares_a_slope_may_have_any_size(rng):
    layer = built(PReLU(shared_axes=[2, 3]), (3, 2, 4))
    assert layer(rng.normal(size=(2, 3, 5, 5))).shape == (2, 3, 5, 5)
    with pytest.raises(ValueError, match=r"PReLU: expected input \(N, 3, any, any\)\. Received: \(2, 4, 5, 5\)"):
        layer(rng.normal(size=(2, 4, 5, 5)))
    with pytest.raises(ValueError, match=r"expected input \(N, 3, any, any\)\. Received: \(2, 3\)"):
        layer(rng.normal(size=(2, 3)))
    with pytest.raises(ValueError, match="PReLU: has no weights yet"):
        PReLU()(rng.normal(size=(2, 3)))


def test_a_prelu_learns_its_slope_and_is_saved(tmp_path):
    x = np.linspace(-1, 1, 64).reshape(-1, 1)
    model = Sequential([PReLU(input_shape=(1,))], seed=0)
    model.compile("adam", "mse")
    model.optimizer.learning_rate = 0.05
    model.fit(x, np.where(x > 0, x, 0.4 * x), epochs=30, verbose=0)
    assert model.layers[0].params["alpha"] == pytest.approx(0.4, abs=0.02)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").predict(x), model.predict(x))


def test_a_prelu_follows_a_convolution():
    model = Sequential([Conv2D(3, 2, input_shape=(1, 4, 4)), PReLU("he_uniform", "l2", shared_axes=[2, 3]), Flatten(),
                        Dense(2)])
    assert model.layers[1].output_shape == (3, 3, 3)
    assert [key for key, _ in model.penalties()] == ["prelu_1/alpha"]
    assert Sequential.from_config(model.get_config()).layers[1].get_config() == model.layers[1].get_config()


MISTAKES = {
    "slope below 0": (lambda: LeakyReLU(-0.1), "LeakyReLU: expected negative_slope, a number at least 0 and below inf. "
                                               "Received: -0.1."),
    "slope of words": (lambda: LeakyReLU("0.1"), "LeakyReLU: expected negative_slope"),
    "alpha of words": (lambda: ELU("1"), "ELU: expected alpha, a number. Received: '1'."),
    "the batch axis": (lambda: PReLU(shared_axes=[0, 1]), "PReLU: expected shared_axes, whole numbers from 1 (0 is the "
                                                          "batch axis). Received: [0, 1]."),
    "axes of words": (lambda: PReLU(shared_axes="channels"), "PReLU: expected shared_axes"),
    "an axis too many": (lambda: Sequential([PReLU(shared_axes=[2, 3], input_shape=(5, 4))]),
                         "PReLU 'prelu_1': expected samples with the axes that share a slope, [2, 3]. "
                         "Received: (5, 4)."),
}


@pytest.mark.parametrize(("mistake", "text"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told(mistake, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        mistake()
