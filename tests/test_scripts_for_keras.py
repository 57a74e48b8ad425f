"""What scripts written for Keras have in other words: taken where it can be meant, told in words where it cannot."""

import numpy as np
import pytest

from tinynet import Sequential, initializers, losses, metrics, regularizers, schedules
from tinynet.layers import Conv2D, Dense, Dropout, Layer, LeakyReLU
from tinynet.optimizers import Adam, Optimizer, RMSprop

X, Y = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32), np.arange(8) % 3


def made():
    return Sequential([Dense(3, activation="softmax", input_dim=4)], seed=0)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: Adam(lr=0.1), "Adam: expected no argument 'lr'. Did you mean 'learning_rate'?"),
    (lambda: RMSprop(learning_rat=0.1), "RMSprop: expected no argument 'learning_rat'. Did you mean 'learning_rate'?"),
    (lambda: LeakyReLU(alpha=0.1), "LeakyReLU: expected no argument 'alpha'. Did you mean 'negative_slope'?"),
    (lambda: Conv2D(8, 3, border_mode="same"), "Conv2D: expected no argument 'border_mode'. Did you mean 'padding'?"),
    (lambda: Dense(8, init="he_normal"), "Dense: expected no argument 'init'. Did you mean 'kernel_initializer'?"),
    (lambda: Dense(8, qqq=1), "Dense: expected no argument 'qqq'. Known: "),
])
def test_an_argument_that_there_is_not_is_told_by_the_class_that_was_called(call, message):
    with pytest.raises(TypeError) as error:
        call()
    assert str(error.value).startswith(message)


def test_a_layer_or_loss_that_defines_call_is_told_that_nothing_calls_it():
    with pytest.raises(TypeError, match=r"MCDropout: expected forward\(x, training=False\).*Received: call"):
        class MCDropout(Dropout):
            def call(self, x, training=False):
                return super().forward(x, training=True)

    with pytest.raises(TypeError, match=r"Own: expected losses\(y_true, y_pred\).*Received: call"):
        class Own(losses.Loss):
            def call(self, y_true, y_pred):
                return y_true - y_pred

    class Both(Layer):
        def call(self, x):
            return x

        def forward(self, x, training=False):
            return self.call(x), lambda dy: dy
    assert Both()(X).shape == X.shape


@pytest.mark.parametrize(("use", "message"), [
    (lambda: losses.Loss()(Y, Y), r"Loss must define losses\(y_true, y_pred\)\."),
    (lambda: metrics.Metric()(Y, Y), r"Metric must define counts\("),
    (lambda: metrics.MeanMetric()(Y, Y), r"MeanMetric must define values\(y_true, y_pred\)\."),
    (lambda: initializers.Initializer()((3,), None), r"Initializer must define __call__\(shape, rng\)\."),
    (lambda: schedules.Schedule()(0), r"Schedule must define __call__\(step\)\."),
    (lambda: Optimizer().update({"w": X}, {"w": X}), r"Optimizer must define step\("),
])
def test_what_a_class_of_ones_own_lacks_is_told_by_its_name(use, message):
    with pytest.raises(NotImplementedError, match=message):
        use()


@pytest.mark.parametrize("use", [lambda layer: Sequential([layer]), repr, lambda layer: layer.params])
@pytest.mark.parametrize("base", [Layer, Dense, Sequential])
def test_a_constructor_that_leaves_out_the_layers_is_told(base, use):
    class Own(base):
        def __init__(self):
            self.factor = 2
    with pytest.raises(AttributeError, match=r"Own: expected super\(\).__init__\(\.\.\.\) first in its __init__"):
        use(Own())


def test_a_constructor_that_leaves_out_the_optimizers_or_the_metrics_is_told():
    def own(base):
        return type("Own", (base,), {"__init__": lambda self: None})()
    for optimizer, chosen in (own(Adam), None), ("sgd", [own(metrics.Precision)]):
        with pytest.raises(AttributeError, match=r"Own: expected super\(\)"):
            made().compile(optimizer, "mse", chosen)


def test_a_layer_that_keeps_no_generator_is_told_how():
    class Noisy(Layer):
        def forward(self, x, training=False):
            return x + self.rng.normal(size=x.shape), lambda dy: dy
    with pytest.raises(AttributeError, match=r"Noisy 'noisy_1': expected build\(input_shape, rng\) to keep its gen"):
        Sequential([Noisy()], input_shape=(4,)).predict(X)


def test_names_of_classes_are_names():
    assert initializers.get("HeNormal") == initializers.get("he_normal")
    assert regularizers.get("L2") == regularizers.get("l2")
    assert losses.get("KLDivergence") == losses.get("kl_divergence")
    assert type(Dense(1, activation="LeakyReLU").activation) is LeakyReLU
    assert metrics.get("RootMeanSquaredError")[0] == "root_mean_squared_error"
    model = made()
    model.compile("Adam", "SparseCategoricalCrossentropy", metrics=["SparseCategoricalAccuracy"])
    assert model.fit(X, Y, verbose=0).history.keys() == {"loss", "sparse_categorical_accuracy"}


def test_a_file_is_overwritten_only_if_it_may_be(tmp_path):
    model, path = made(), tmp_path / "model"
    for save in (model.save, model.save_weights):
        save(path, overwrite=True)
        with pytest.raises(FileExistsError, match="overwrite=False"):
            save(path, overwrite=False)
        path.unlink()
        save(path, overwrite=False)


def test_the_nearest_of_equally_near_names_is_the_first():
    model = Sequential([Dense(2, input_dim=4), Dense(2), Dense(2)])
    with pytest.raises(ValueError, match=r"Unknown layer 'dense'\. Did you mean 'dense_1'\?"):
        model.get_layer("dense")


def test_more_steps_than_there_are_are_told():
    model = made()
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="steps_per_epoch=40, but the data are 2 batches"):
        model.fit(X, Y, batch_size=4, steps_per_epoch=40, verbose=0)
    with pytest.warns(UserWarning, match="came to an end after 2, where there were to be 40"):
        model.evaluate(X, Y, batch_size=4, steps=40, verbose=0)
