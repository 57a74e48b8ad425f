"""check_gradients: what is right passes whatever its form, what is wrong by 0.1 % fails, arguments stay as they are."""

import numpy as np
import pytest
from sampled import sampled
from wrong_layers import Spoiled, at, change, times

from tinynet import Sequential
from tinynet.layers import (
    Activation,
    AveragePool2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    Layer,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from tinynet.losses import CategoricalCrossentropy, MeanSquaredError, SparseCategoricalCrossentropy
from tinynet.testing import GradientMismatch, check_gradients
from tinynet.testing.gradcheck.gradients import tie_free

LAYERS = [
    (lambda: Dense(5), (4,)),
    (lambda: Dense(3, activation="tanh"), (4, 5)),
    (lambda: Dense(5, activation="softmax", use_bias=False), (4,)),
    (lambda: Dense(20, activation="relu"), (30,)),                          # larger than what is measured one by one
    (lambda: Conv2D(3, (3, 2), strides=(2, 1), padding="same", activation="relu"), (2, 6, 5)),
    (lambda: Conv2D(2, (2, 3), dilation_rate=(2, 1), activation="sigmoid"), (2, 6, 5)),
    (lambda: MaxPool2D((3, 2), (1, 2), padding="same"), (2, 5, 6)),
    (lambda: AveragePool2D((3, 2), (2, 1), padding="same"), (2, 5, 6)),
    (lambda: Dropout(0.3), (4, 5)),
    (Flatten, (2, 3, 4)), (ReLU, (3, 4)), (Sigmoid, (3, 4)), (Tanh, (3, 4)), (Softmax, (7,)),
    (lambda: Activation("tanh"), (7,)),
]


def model(loss="categorical_crossentropy", **options):
    net = Sequential([Conv2D(2, (3, 3), activation="relu", input_shape=(1, 6, 6)), MaxPool2D(), Dropout(0.4), Flatten(),
                      Dense(6, activation="relu", **options), Dense(3, activation="softmax")], seed=1)
    net.compile(loss=loss)
    return net


def inputs(shape, rng):
    """Batches (N, *shape): tie-free, of any size from 1e-3 to 1e3, and with zeros, so that some lie on kinks."""
    return [tie_free((3, *shape), rng), rng.normal(size=(2, *shape)) * 10 ** rng.uniform(-3, 3),
            np.maximum(rng.normal(size=(3, *shape)), 0) * (rng.random((3, *shape)) < 0.5)]


def no_false_alarm(seed, kinds=3):
    rng = np.random.default_rng(seed)
    for make, shape in LAYERS:
        for x in inputs(shape, rng)[-kinds:]:
            check_gradients(make(), x, seed=seed)
    one_hot, weights = np.eye(5)[rng.integers(0, 5, 4)], rng.random(4)
    logits = rng.normal(size=(4, 5)) * 10 ** rng.uniform(-2, 3)
    check_gradients("mse", logits, y=one_hot, sample_weight=weights, seed=seed)
    check_gradients(CategoricalCrossentropy(), rng.dirichlet(np.ones(5), 4), y=one_hot, seed=seed)
    check_gradients(CategoricalCrossentropy(from_logits=True), logits, y=one_hot, seed=seed)
    check_gradients(SparseCategoricalCrossentropy(from_logits=True), logits, y=one_hot.argmax(axis=1), seed=seed)
    check_gradients(model(), inputs((1, 6, 6), rng)[seed % 3][:2], y=np.eye(3)[:2], seed=seed)


@pytest.mark.long
def test_no_false_alarm_on_kinks():
    no_false_alarm(seed=0, kinds=1)


@pytest.mark.parametrize(("make", "shape"), sampled(LAYERS, every=5))
@pytest.mark.slow
def test_no_false_alarm_in_two_seeds(make, shape):
    for seed in range(2):
        report = check_gradients(make(), tie_free((2, *shape), np.random.default_rng(seed)), seed=seed)
        assert all(tensor.count("skipped") == 0 for tensor in report.tensors)


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_no_false_alarm_in_200_seeds(block):
    for seed in range(20 * block, 20 * block + 20):
        no_false_alarm(seed)


# What is wrong fails.

@pytest.mark.parametrize("factor", [1.001, pytest.param(0.999, marks=pytest.mark.long)])
@pytest.mark.parametrize(("make", "shape"), sampled(LAYERS, every=5))
@pytest.mark.slow
def test_a_gradient_wrong_by_a_thousandth_fails_in_every_tensor(make, shape, factor):
    layer = make()
    layer.build(shape, np.random.default_rng(0))
    for name in ("x", *layer.params):
        report = check_gradients(Spoiled(make(), times(name, factor)), input_shape=shape, raises=False)
        assert {failure.tensor for failure in report.failures} == {name}
        assert report[name].max_relative_error == pytest.approx(0.001, rel=0.01)


@pytest.mark.parametrize(("n", "activation"), [
    (300, "tanh"), *(pytest.param(1000, activation, marks=pytest.mark.long) for activation in (None, "tanh"))])
@pytest.mark.slow
def test_one_wrong_entry_of_n_by_n_is_found(n, activation):
    layer = Spoiled(Dense(n, activation=activation), change("kernel", at((n // 2, 17), 1.01)))
    report = check_gradients(layer, tie_free((1, n), np.random.default_rng(0)), raises=False)
    assert not report.passed
    assert report["kernel"].count("wrong") == 1
    assert report["kernel"].at == (n // 2, 17)


def test_one_entry_of_a_large_kernel_that_is_off_by_three_millionths_is_found():
    layer = Spoiled(Dense(50), change("kernel", at((17, 23), 1 + 3e-6)))
    report = check_gradients(layer, input_shape=(40,), raises=False)
    assert [failure.tensor for failure in report.failures] == ["kernel"]
    assert report["kernel"].at == (17, 23)


def test_large_outputs_do_not_hide_a_slope_that_is_off_by_a_hundred_thousandth():
    class FarAway(Layer):
        def forward(self, x, training=False):
            return 1e6 + x, lambda dy: dy
    assert check_gradients(FarAway(), input_shape=(4,)).passed
    for factor in (1 + 1e-5, 1 - 1e-5):
        report = check_gradients(Spoiled(FarAway(), times("x", factor)), input_shape=(4,), raises=False)
        assert report["x"].count("wrong") == 12


def test_what_counts_as_a_mistake_is_a_matter_of_rtol():
    layer = Spoiled(Dense(3), times("kernel", 1 + 1e-5))
    assert check_gradients(layer, input_shape=(4,), rtol=1e-4).passed
    assert not check_gradients(layer, input_shape=(4,), rtol=1e-6, raises=False).passed


def test_a_small_entry_is_held_to_its_own_size():
    class Uneven(Layer):
        weights = np.array([1.0, 1e-6])

        def forward(self, x, training=False):
            return self.weights * x, lambda dy: self.weights * [1, 1.001] * dy
    report = check_gradients(Uneven(), input_shape=(2,), raises=False)
    assert report["x"].entries("wrong").tolist() == 3 * [[False, True]]


def test_errors_of_two_entries_do_not_cancel_in_a_group():
    def opposite(g):
        g = g.copy()
        g[0, 0] += 1e-2
        g[1, 1] -= 1e-2
        return g
    layer = Spoiled(Dense(20), change("kernel", opposite))
    report = check_gradients(layer, input_shape=(20,), every=0, directions=1, raises=False)
    assert [failure.tensor for failure in report.failures] == ["kernel"]
    assert report["kernel"].at in ((0, 0), (1, 1))


def test_many_small_errors_each_within_its_tolerance_are_no_mistake():
    assert check_gradients(Spoiled(Dense(50), times("kernel", 1 + 5e-7)), input_shape=(40,)).passed


def test_what_rounding_leaves_of_a_slope_of_0_is_no_mistake():
    # A bias that is the same for all that a softmax runs over cancels; of its gradient 1e-16 is left.
    x = np.arange(-1.75, 2, 0.5).reshape(2, 2, 1, 2)
    assert check_gradients(DepthwiseConv2D((1, 1), activation="softmax", input_shape=(2, 1, 2)), x).passed


def before_a_normalisation(conv, seed):
    """Bright squares on black, a convolution, and a batch normalisation, which subtracts its bias again.

    Where many pixels are equal, so are their rounding errors, and add up.
    """
    images, rng = np.zeros((6, 1, 24, 24)), np.random.default_rng(seed)
    images[:, :, 6:18, 6:18] = rng.random((6, 1, 12, 12))
    return Sequential([conv, BatchNormalization()], input_shape=(1, 24, 24), seed=seed), images


@pytest.mark.parametrize("seed", range(3))
def test_what_rounding_leaves_of_sums_over_many_equal_pixels_is_no_mistake(seed):
    report = check_gradients(*before_a_normalisation(Conv2D(3, 3), seed), training=True)
    bias = next(tensor for tensor in report.tensors if tensor.name == "conv2d_1/bias")
    assert bias.count("right") == 3
    assert 0 < np.abs(bias.analytic).max() < 1e-10


def test_a_mistake_is_told_where_forward_refuses_numbers_that_are_moved():
    class UpToOne(Layer):
        """Does not depend on its x, and says so in no backward; larger numbers than 1 are refused."""

        def forward(self, x, training=False):
            self.expect(np.abs(x).max() <= 1, "numbers from -1 to 1", x)
            return np.ones_like(x), lambda dy: 1e-9 * dy
    report = check_gradients(UpToOne(), np.array([[1.0, 0.5], [-0.5, 0.25]]), raises=False)
    assert report.failures[0].message.startswith("3 of 4 entries measured are wrong")


def test_a_billionth_is_a_mistake_where_the_slope_is_0():
    spoiled = Spoiled(Conv2D(3, 3), change("bias", lambda g: g + 1e-9))
    report = check_gradients(*before_a_normalisation(spoiled, 0), training=True, raises=False)
    assert [failure.tensor for failure in report.failures] == ["spoiled_1/bias"]


def test_a_gradient_of_what_does_not_depend_on_it_must_be_zero():
    class Constant(Layer):
        def forward(self, x, training=False):
            return np.zeros_like(x), lambda dy: 1e-12 * dy
    failure, = check_gradients(Constant(), input_shape=(3,), raises=False).failures
    assert failure.message.startswith("9 of 9 entries measured are wrong")


@pytest.mark.parametrize("wrong", [
    lambda dy: 0 * dy, lambda dy: dy * np.abs(dy), lambda dy: np.sign(dy), lambda dy: np.full_like(dy, dy.mean())],
    ids=["zero", "square", "sign", "mean"])
def test_the_upstream_gradient_is_blind_to_no_usual_mistake(wrong):
    class Identity(Layer):
        def forward(self, x, training=False):
            return 1.0 * x, wrong
    assert not check_gradients(Identity(), input_shape=(4,), raises=False).passed
    assert not check_gradients(Spoiled(Softmax(), times("x", 0)), input_shape=(5,), raises=False).passed


def test_a_mistake_that_ones_and_zeros_hide_is_found():
    """At scale 1 and shift 0 what is left out of backward makes no difference."""
    class Affine(Layer):
        def __init__(self, left_out):
            super().__init__()
            self.left_out = left_out

        def build(self, input_shape, rng):
            self.params = {"scale": np.ones(input_shape), "shift": np.zeros(input_shape)}
            return input_shape

        def forward(self, x, training=False):
            scale, shift = (array.copy() for array in self.params.values())

            def backward(dy):
                self.grads = {"scale": (dy * x * (1 if self.left_out == "shift" else 1 + shift)).sum(axis=0),
                              "shift": (dy * x * scale).sum(axis=0)}
                return dy * (1 if self.left_out == "scale" else scale) * (1 + shift)
            return scale * x * (1 + shift), backward
    assert check_gradients(Affine(None), input_shape=(3,)).passed
    for left_out, tensor in (("scale", "x"), ("shift", "scale")):
        failure, = check_gradients(Affine(left_out), input_shape=(3,), raises=False).failures
        assert failure.tensor == tensor


@pytest.mark.parametrize("n", [330, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.slow
def test_one_wrong_entry_of_a_jacobian_is_found(n):
    class Rotation(Layer):
        def __init__(self, index):
            super().__init__()
            self.matrix = np.random.default_rng(0).normal(size=(n, n)) / np.sqrt(n)
            self.mistaken = self.matrix.copy()
            self.mistaken[index] *= 1.01

        def forward(self, x, training=False):
            return np.sin(x @ self.matrix), lambda dy: (dy * np.cos(x @ self.matrix)) @ self.mistaken.T
    report = check_gradients(Rotation((270, 321)), tie_free((1, n), np.random.default_rng(1)), raises=False)
    assert report["x"].at == (0, 270)


def test_a_small_gradient_is_not_overlooked():
    """An absolute tolerance would pass anything of this size."""
    class Tiny(Layer):
        def forward(self, x, training=False):
            return 1e-9 * x ** 2, lambda dy: 1e-9 * dy * x
    assert not check_gradients(Tiny(), input_shape=(4,), raises=False).passed


# What is right passes, whatever its form.

def test_a_layer_of_the_reader_needs_no_base_class():
    class Affine:
        params = {"w": np.array([2.0, 3.0]), "b": 0.5}  # noqa: RUF012

        def __init__(self):
            self.grads = {}

        def forward(self, x, training=False):
            def backward(dy):
                self.grads = {"w": (dy * x).sum(axis=0), "b": dy.sum()}
                return dy * self.params["w"]
            return self.params["w"] * x + self.params["b"], backward
    report = check_gradients(Affine(), np.array([[1.0, 2.0], [3.0, 5.0]]))
    assert [tensor.name for tensor in report.tensors] == ["x", "w", "b"]
    assert str(report).startswith("Affine: gradients are right.")


def test_parameters_that_a_layer_also_keeps_elsewhere_move_with_it():
    class Residual(Layer):
        def build(self, input_shape, rng):
            self.inner = Dense(input_shape[-1])
            self.inner.build(input_shape, rng)
            self.params = {f"inner {key}": array for key, array in self.inner.params.items()}
            return input_shape

        def forward(self, x, training=False):
            y, inner_backward = self.inner.forward(x)

            def backward(dy):
                dx = dy + inner_backward(dy)
                self.grads = {f"inner {key}": array for key, array in self.inner.grads.items()}
                return dx
            return x + y, backward
    assert check_gradients(Residual(), input_shape=(4,))["inner kernel"].count("right") == 16


def test_a_layer_with_a_parameter_called_x_keeps_both_apart():
    class Add(Layer):
        def build(self, input_shape, rng):
            self.params["x"] = np.ones(input_shape)
            return input_shape

        def forward(self, x, training=False):
            def backward(dy):
                self.grads["x"] = dy.sum(axis=0)
                return dy
            return x + self.params["x"], backward
    assert [tensor.name for tensor in check_gradients(Add(), input_shape=(4,)).tensors] == ["input", "x"]


def test_dropout_is_replayed_in_training_and_checked_in_both_modes():
    report = check_gradients(Dropout(0.5), input_shape=(10,))
    assert [tensor.training for tensor in report.tensors] == [False, True]
    assert (report.tensors[1].analytic == 0).any()
    report = check_gradients(Dropout(0.5), input_shape=(10,), training=True)
    assert [tensor.training for tensor in report.tensors] == [True]


def test_numpys_global_random_state_is_replayed_too_and_left_as_it_was():
    class Careless(Layer):
        differs_in_training = True

        def forward(self, x, training=False):
            mask = np.random.random(x.shape) < 0.5 if training else 1.0
            return x * mask, lambda dy: dy * mask
    before = np.random.get_state()[1].copy()
    check_gradients(Careless(), input_shape=(10,))
    assert np.array_equal(np.random.get_state()[1], before)


def test_whole_numbers_are_noted_as_not_checked():
    class Embedding(Layer):
        def build(self, input_shape, rng):
            self.params["table"] = rng.normal(size=(6, 2))
            return (*input_shape, 2)

        def forward(self, x, training=False):
            def backward(dy):
                self.grads["table"] = np.zeros((6, 2))
                np.add.at(self.grads["table"], x, dy)
            return self.params["table"][x], backward
    report = check_gradients(Embedding(), np.array([[0, 3, 3], [5, 1, 0]]))
    assert report["table"].count("right") == 12
    assert "x: not checked: no slope along int64 numbers is measured" in str(report)


def test_a_layer_that_computes_in_float32_is_held_to_float32():
    class Half(Layer):
        def forward(self, x, training=False):
            return np.tanh(x.astype(np.float32)), lambda dy: dy * (1 - np.tanh(x) ** 2)
    assert "y: forward computes in float32" in str(check_gradients(Half(), input_shape=(5,)))
    assert not check_gradients(Spoiled(Half(), times("x", 1.1)), input_shape=(5,), raises=False).passed


# Losses and models.

@pytest.mark.parametrize("weights", [None, np.array([0.2, 1.0, 3.0])])
@pytest.mark.parametrize(("loss", "labels"), [
    ("mse", False), ("categorical_crossentropy", False), ("sparse_categorical_crossentropy", True),
    (CategoricalCrossentropy(from_logits=True), False), (SparseCategoricalCrossentropy(from_logits=True), True)])
def test_losses(loss, labels, weights):
    y_pred = np.random.default_rng(0).dirichlet(np.ones(4), 3)
    y = np.array([2, 0, 1]) if labels else np.eye(4)[[2, 0, 1]]
    assert check_gradients(loss, y_pred, y=y, sample_weight=weights)["y_pred"].count("right") == 12


def test_a_wrong_loss_fails():
    class Unscaled(MeanSquaredError):  # noqa: N818  (no exception)
        def losses(self, y_true, y_pred):
            values, slopes = super().losses(y_true, y_pred)
            return values, slopes / 2
    rng = np.random.default_rng(0)
    with pytest.raises(GradientMismatch, match="the 2 from the derivative of a square is"):
        check_gradients(Unscaled(), rng.normal(size=(3, 4)), y=rng.normal(size=(3, 4)))


@pytest.mark.parametrize("regularizer", [*(pytest.param(r, marks=pytest.mark.long) for r in (None, "l1")), "l2"])
@pytest.mark.slow
def test_a_model_with_its_loss_and_penalties(regularizer):
    report = check_gradients(model(kernel_regularizer=regularizer), y=np.eye(3), training=True)
    assert [tensor.name for tensor in report.tensors] == [
        "x", "conv2d_1/kernel", "conv2d_1/bias", "dense_1/kernel", "dense_1/bias", "dense_2/kernel", "dense_2/bias"]


@pytest.mark.slow
def test_a_model_without_targets_is_checked_as_a_layer():
    assert len(check_gradients(model(), training=False).tensors) == 7


@pytest.mark.long
def test_another_loss_than_the_compiled_one():
    net = model()
    assert check_gradients(net, y=[0, 2, 1], loss="sparse_categorical_crossentropy").passed
    assert isinstance(net.loss, CategoricalCrossentropy)


@pytest.mark.slow
def test_nested_models():
    inner = Sequential([Dense(4, activation="tanh"), Dense(3)])
    net = Sequential([inner, Dense(2, activation="softmax")], input_shape=(5,))
    net.compile(loss="mse")
    report = check_gradients(net, y=np.eye(2)[[0, 1, 1]])
    assert report["sequential_1/dense_1/kernel"].count("right") == 20


@pytest.mark.slow
def test_weights_of_samples_reach_the_gradient():
    assert check_gradients(model(), y=np.eye(3), sample_weight=[0.0, 1.0, 2.5], training=False).passed


class ForgetsTheWeights(MeanSquaredError):  # noqa: N818  (no exception)
    """Its value heeds the samples' weights, and its gradient does not."""

    def forward(self, y_true, y_pred, sample_weight=None):
        return super().forward(y_true, y_pred, sample_weight)[0], super().forward(y_true, y_pred)[1]


def test_a_loss_whose_gradient_forgets_the_weights_is_found_by_itself_and_in_a_model():
    rng, weights = np.random.default_rng(0), [0.5, 1.0, 3.0]
    y_pred, y = rng.normal(size=(2, 3, 4))
    assert check_gradients(ForgetsTheWeights(), y_pred, y=y).passed
    assert not check_gradients(ForgetsTheWeights(), y_pred, y=y, sample_weight=weights, raises=False).passed
    net = Sequential([Dense(4, activation="tanh", input_dim=2)], seed=0)
    net.compile(loss=ForgetsTheWeights())
    assert check_gradients(net, y=y).passed
    report = check_gradients(net, y=y, sample_weight=weights, raises=False)
    assert {failure.tensor for failure in report.failures} == {"x", "dense_1/kernel", "dense_1/bias"}
    for failure in report.failures:
        assert failure.explanation.startswith("the loss is wrong by itself: y_pred")


def test_all_wrong_layers_are_named_and_what_is_wrong_with_the_first():
    net = Sequential([Spoiled(Dense(4), times("x", -1)), Spoiled(Dense(5), times("kernel", 2))], input_shape=(3,))
    failures = check_gradients(net, raises=False).failures
    assert [failure.tensor for failure in failures] == ["x", "spoiled_2/kernel"]
    for failure in failures:
        assert failure.explanation.startswith("spoiled_1 and spoiled_2 is wrong by itself: x: the sign is wrong")


def test_penalties_of_other_parameters_are_no_explanation():
    net = Sequential([Dense(4, kernel_regularizer="l2", input_dim=3), Dense(2, kernel_regularizer="l1"),
                      Spoiled(Dense(2), times("bias", 2))], seed=0)
    net.compile(loss="mse")
    failure, = check_gradients(net, y=np.ones((3, 2)), raises=False).failures
    assert (failure.tensor, failure.cause) == ("spoiled_1/bias", "one layer")


@pytest.mark.slow
def test_a_regularizer_whose_gradient_is_wrong_is_named():
    class Wrong:
        def value(self, w):
            return float(0.1 * np.square(w).sum())

        def gradient(self, w):
            return 0.1 * w
    failure, = check_gradients(model(kernel_regularizer=Wrong()), y=np.eye(3), training=False, raises=False).failures
    assert (failure.tensor, failure.cause) == ("dense_1/kernel", "penalty")
    assert failure.explanation == "the gradient of its regularizer is left out, or it is half of what it should be."


@pytest.mark.slow
def test_the_wrong_layer_of_a_model_is_named():
    net = Sequential([Dense(4, activation="tanh", input_dim=3), Spoiled(Dense(5), times("x", -1)), Dense(2)])
    net.compile(loss="mse")
    report = check_gradients(net, y=np.zeros((3, 2)), raises=False)
    assert {failure.tensor for failure in report.failures} == {"x", "dense_1/kernel", "dense_1/bias"}
    for failure in report.failures:
        assert failure.explanation.startswith("spoiled_1 is wrong by itself: x: the sign is wrong")


def test_a_mistake_between_the_layers_is_distinguished_from_one_inside():
    class Unchained(Sequential):
        def forward(self, x, training=False):
            y, backward = super().forward(x, training)
            return y, lambda dy: np.cos(np.arange(3)) * backward(dy)
    net = Unchained([Dense(4, activation="tanh", input_dim=3), Dense(2)])
    failure, = check_gradients(net, raises=False).failures
    assert (failure.tensor, failure.cause) == ("x", "between the layers")


@pytest.mark.parametrize("n", [1, 2, 9, 10])
def test_the_drawn_batch_has_no_ties_and_no_zeros(n):
    x = tie_free((n, 3), np.random.default_rng(n))
    assert np.abs(x).min() > 0.01
    assert np.diff(np.sort(x.ravel())).min() > 0.01


# The caller's things.

@pytest.mark.slow
def test_what_the_caller_passes_stays_as_it_is():
    net = model()
    x, y = tie_free((3, 1, 6, 6), np.random.default_rng(0)).astype(np.float32), np.eye(3)
    net.train_on_batch(x, y)
    state = str(net.rng.bit_generator.state)
    arrays = [*net.params.values(), *net.grads.values(), x, y]
    copies = [array.copy() for array in arrays]
    check_gradients(net, x, y=y)
    for array, was in zip(arrays, copies, strict=True):
        assert array.dtype == was.dtype
        np.testing.assert_array_equal(array, was)
    assert [id(array) for array in net.params.values()] == [id(array) for array in arrays[:6]]
    assert str(net.rng.bit_generator.state) == state
    assert net.layer_names[0] == "conv2d_1"


def test_a_layer_that_is_not_built_is_not_built_afterwards():
    layer = Dense(3)
    check_gradients(layer, np.ones((2, 4)) * np.arange(4.0))
    assert layer.params == {}
    assert layer.output_shape is None


def test_a_layer_that_is_built_keeps_its_parameters_in_the_check():
    layer = Dense(2, kernel_initializer="ones")
    layer.build((3,), np.random.default_rng(0))
    layer.params["kernel"] *= 7
    report = check_gradients(layer, np.ones((1, 3)))
    assert np.abs(report["x"].numeric).max() > 3.5                       # dy of 0.5 to 1.5 in size, times 7


def test_a_failure_in_one_mode_says_which():
    class WrongInTraining(Layer):
        differs_in_training = True

        def forward(self, x, training=False):
            return x, lambda dy: (1 + training) * dy
    failure, = check_gradients(WrongInTraining(), input_shape=(3,), raises=False).failures
    assert failure.mode == "in training"

    class WrongInInference(WrongInTraining):
        def forward(self, x, training=False):
            return x, lambda dy: (2 - training) * dy
    other, = check_gradients(WrongInInference(), input_shape=(3,), raises=False).failures
    assert other.mode == "in inference"
    assert str(failure).startswith("  x in training: 9 of 9 entries measured are wrong, by up to 50 %; worst at [")


@pytest.mark.parametrize("options", [{"every": 0}, {"every": 0, "directions": 2}, {"every": 1000}])
def test_how_much_is_measured_can_be_chosen(options):
    report = check_gradients(Dense(3), input_shape=(4,), **options)
    assert report["kernel"].count("right") == 12
    wrong = Spoiled(Dense(3), times("kernel", 1.001))
    assert not check_gradients(wrong, input_shape=(4,), raises=False, **options).passed


def test_the_same_seed_gives_the_same_report():
    one, same, other = (str(check_gradients(Dense(3), input_shape=(2,), seed=seed)) for seed in (0, 0, 1))
    assert one == same != other


@pytest.mark.parametrize(("arguments", "options", "error", "message"), [
    ((Dense(3),), {}, ValueError, "expected x, or input_shape, for Dense"),
    ((3,), {}, ValueError, "Expected a loss"),
    (("mse", np.ones((2, 2))), {}, TypeError, "Received: no y"),
    (("mse",), {"y": np.ones((2, 2))}, TypeError, "Received: no y_pred"),
    ((Dense(3, input_dim=2),), {"y": np.ones((3, 3)), "loss": "mse"}, TypeError, "Dense is no model"),
    ((Sequential([Dense(3, input_dim=2)]),), {"y": np.ones((3, 3))}, TypeError, "Received: no loss"),
    ((Sequential([Dense(3, input_dim=2)]),), {"loss": "mse"}, TypeError, "Received: no y"),
])
def test_arguments_that_do_not_fit_are_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        check_gradients(*arguments, **options)
