"""A failing check names the mistake: a wrong layer for every cause."""

import numpy as np
import pytest
from sampled import sampled
from wrong_layers import Spoiled, at, change, times

from tinynet import Sequential
from tinynet.layers import AveragePool2D, Conv2D, Dense, Dropout, Layer, MaxPool2D, ReLU, Tanh
from tinynet.testing import check_gradients
from tinynet.testing.gradcheck.diagnosis import causes

N = 3
IMAGE = (2, 5, 6)


def dense(spoil):
    return Spoiled(Dense(5), spoil)


def conv(spoil):
    return Spoiled(Conv2D(4, (3, 2)), spoil)


def setting(name, function):
    """Return a `spoil` that sets a gradient to ``function(dy, x)``."""
    def spoil(gradients, dy, x):
        gradients[name] = function(dy, x)
    return spoil


def only(name, index):
    """Return a `spoil` that keeps of a gradient of Conv2D(4, (3, 2)) what ``dy[index]`` contributes to it."""
    def spoil(gradients, dy, x):
        kept = np.zeros_like(dy)
        kept[index] = dy[index]
        layer = Conv2D(4, (3, 2))
        layer.params = {"kernel": np.zeros((4, 2, 3, 2)), "bias": np.zeros(4)}
        layer.forward(x)[1](kept)
        gradients[name] = layer.grads[name]
    return spoil


def borders_wrong(g):
    g = g.copy()
    g[..., 0] *= 1.3
    g[:, :, -1] *= 0.4
    return g


WRONG = [
    ("sign", "kernel", dense(times("kernel", -1)), (4,)),
    ("batch size", "kernel", dense(times("kernel", N)), (4,)),
    ("batch size", "bias", dense(times("bias", 1 / N)), (4,)),
    ("factor 2", "x", dense(times("x", 2)), (4,)),
    ("factor 2", "x", dense(times("x", 0.5)), (4,)),
    ("constant factor", "kernel", dense(times("kernel", 1.001)), (4,)),
    ("constant factor", "x", Spoiled(AveragePool2D(3), times("x", 10)), (1, 6, 6)),
    ("all zero", "bias", dense(times("bias", 0)), (4,)),
    ("not finite", "bias", dense(times("bias", np.nan)), (4,)),
    ("not finite", "x", dense(change("x", at((0, 0), np.inf))), (4,)),
    ("transposed", "kernel", dense(change("kernel", np.transpose)), (4,)),             # (4, 5): a wrong shape
    ("transposed", "kernel", dense(change("kernel", np.transpose)), (5,)),             # (5, 5): the right one
    ("transposed", "kernel", Spoiled(Conv2D(2, (3, 3)), change("kernel", lambda g: g.swapaxes(2, 3))), (2, 5, 4)),
    ("reshaped", "kernel", conv(change("kernel", lambda g: g.reshape(4, -1))), IMAGE),
    ("flipped", "kernel", conv(change("kernel", lambda g: g[:, :, ::-1, ::-1])), IMAGE),
    ("flipped", "kernel", conv(change("kernel", lambda g: g[..., ::-1])), IMAGE),
    ("shifted", "x", conv(change("x", lambda g: np.roll(g, 1, axis=3))), IMAGE),
    ("shifted", "x", conv(change("x", lambda g: np.pad(g[:, :, 1:], ((0, 0), (0, 0), (0, 1), (0, 0))))), IMAGE),
    ("not summed", "bias", dense(setting("bias", lambda dy, x: dy)), (4,)),
    ("not summed", "bias", conv(setting("bias", lambda dy, x: dy.sum(axis=(2, 3)))), IMAGE),
    ("not summed", "bias", conv(setting("bias", lambda dy, x: dy.sum(axis=(0, 2)))), IMAGE),
    ("number of positions", "bias", conv(setting("bias", lambda dy, x: dy.mean(axis=(2, 3)).sum(axis=0))), (2, 6, 6)),
    ("part of dy", "kernel", conv(only("kernel", -1)), IMAGE),                          # the last sample
    ("part of dy", "bias", conv(only("bias", (slice(None), slice(None), 0))), IMAGE),   # the first row
    ("part of dy", "kernel", conv(only("kernel", (..., -1))), IMAGE),                   # the last column
    ("part of it", "x", dense(change("x", at(slice(0, -1), 0))), (4,)),
    ("rate", "x", Spoiled(Dropout(0.3), times("x", 0.7)), (4, 5)),
    ("rate", "x", Spoiled(Dropout(0.3), times("x", 1 / 0.7)), (4, 5)),
    ("dy passed through", "x", Spoiled(Tanh(), setting("x", lambda dy, x: dy)), (4,)),
    ("dy ignored", "x", Spoiled(Tanh(), setting("x", lambda dy, x: 1 - np.tanh(x) ** 2)), (4,)),
    ("one entry", "kernel", dense(change("kernel", at((2, 3), 1.1))), (4,)),
    ("some slices", "kernel", conv(change("kernel", at((slice(None), 1), 1.2))), IMAGE),
    ("some slices", "x", conv(change("x", at((slice(None), slice(None), 2), 1.2))), IMAGE),
    ("some slices", "bias", conv(change("bias", lambda g: g * [1, 1, 1.2, 0.7])), IMAGE),
    ("borders", "x", conv(change("x", borders_wrong)), (2, 6, 7)),
    ("part is zero", "x", dense(change("x", lambda g: np.where(np.abs(g) < 0.5, 0, g))), (6,)),
    ("should be zero", "x", Spoiled(ReLU(), setting("x", lambda dy, x: np.where(x > -1, dy, 0))), (6,)),
    ("should be zero", "x", Spoiled(MaxPool2D(), setting("x", lambda dy, x: dy.repeat(2, 2).repeat(2, 3))), (2, 4, 6)),
]


@pytest.mark.parametrize(("cause", "tensor", "layer", "shape"), sampled(WRONG))
def test_the_mistake_is_named(cause, tensor, layer, shape):
    x = np.random.default_rng(1).normal(size=(N, *shape))
    report = check_gradients(layer, x, training=True, raises=False)
    failure, = report.failures
    assert (failure.tensor, failure.cause) == (tensor, cause)
    assert f"Likely cause: {failure.explanation[:20]}" in str(report)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.long
def test_the_name_does_not_depend_on_the_random_upstream_gradient(seed):
    for cause, _, layer, shape in WRONG[::4]:
        x = np.random.default_rng(seed).normal(size=(N, *shape))
        assert check_gradients(layer, x, training=True, seed=seed, raises=False).failures[0].cause == cause


def test_the_cause_for_a_large_tensor_is_inferred_from_a_sample():
    report = check_gradients(Spoiled(Dense(60), change("kernel", np.transpose)), input_shape=(60,), raises=False)
    assert [failure.cause for failure in report.failures] == ["transposed"]


SENTENCES = [
    (dense(times("kernel", N)), (4,),
     "every entry is 3 times what it should be, and the batch size is 3: a division by the batch size is missing"),
    (dense(times("bias", 1 / N)), (4,),
     "every entry is 1/3 of what it should be, and the batch size is 3: a mean where there should be a sum; "),
    (dense(times("x", 2)), (4,), "every entry is twice what it should be: one factor of 2 too many"),
    (dense(times("x", 0.5)), (4,), "every entry is half of what it should be: the 2 from the derivative of a square"),
    (conv(times("bias", 1 / 40)), (2, 7, 9),
     "every entry is 1/40 of what it should be: a mean over axes 2 and 3 of dy, not a sum."),
    (conv(times("bias", 40)), (2, 7, 9),
     "every entry is 40 times what it should be: a sum over axes 2 and 3 of dy, not a mean."),
    (dense(times("kernel", 1.25)), (4,), "every entry is 1.25 times what it should be."),
    (Spoiled(Dropout(0.3), times("x", 0.7)), (4, 5), "every entry is 1 - rate = 0.7 times what it should be"),
    (Spoiled(Dropout(0.3), times("x", 1 / 0.7)), (4, 5), "every entry is 1/(1 - rate) = 1.42857 times"),
    (Spoiled(Dropout(0.3), times("x", 0.3)), (4, 5), "every entry is rate = 0.3 times what it should be"),
    (Spoiled(Dropout(0.3), times("x", 1 / 0.3)), (4, 5), "every entry is 1/rate = 3.33333 times what it should be"),
    (conv(only("kernel", -1)), IMAGE, "only the last sample of dy contributes to it: the others are overwritten"),
    (conv(only("kernel", 0)), IMAGE, "only the first sample of dy contributes to it: the sum over the others"),
    (conv(only("bias", (slice(None), slice(None), 0))), IMAGE, "only the first row of dy contributes to it"),
    (conv(only("kernel", (..., -1))), IMAGE, "only the last column of dy contributes to it"),
    (dense(change("x", at(slice(0, -1), 0))), (4,), "it is right for the samples 2, and 0 for the others"),
    (conv(change("kernel", at((slice(None), 1), 0))), (3, 5, 6), "it is right for the input channels 0, 2, and 0 for"),
    (dense(change("kernel", at((2, 3), 1.1))), (4,), "only one entry is wrong, [2, 3]; the others are right"),
    (conv(change("kernel", at((slice(None), 1), 1.2))), (3, 5, 6), "it is wrong for input channel 1 only, and right"),
    (conv(change("kernel", at(2, 1.2))), IMAGE, "it is wrong for output channel 2 only"),
    (conv(change("x", at((slice(None), slice(None), 2), 1.2))), IMAGE, "it is wrong for row 2 only"),
    (dense(change("x", at(1, 1.2))), (4,), "it is wrong for sample 1 only"),
    (dense(change("x", at((slice(None), 3), 1.2))), (4,), "it is wrong for feature 3 only"),
    (dense(change("kernel", at((slice(None), 4), 1.2))), (4,), "it is wrong for unit 4 only"),
    (conv(change("x", borders_wrong)), (2, 6, 7), "it is wrong at the borders only, at most 1 pixel from the edge"),
    (conv(change("kernel", lambda g: g[:, :, ::-1, ::-1])), IMAGE, "it is rotated by 180 degrees: convolution and"),
    (conv(change("kernel", lambda g: g[..., ::-1])), IMAGE, "it is reversed along axis 3: convolution and cross-"),
    (conv(change("x", lambda g: np.roll(g, 1, axis=3))), IMAGE, "it is shifted by one along axis 3: an index or"),
    (conv(change("x", lambda g: np.roll(g, -1, axis=2))), IMAGE, "it is shifted by one along axis 2: an index or"),
    (dense(change("kernel", np.transpose)), (5,), "it is transposed: the factors of the product"),
    (Spoiled(Conv2D(2, (3, 3)), change("kernel", lambda g: g.swapaxes(2, 3))), (2, 5, 4),
     "it is the right one with its axes in the order (0, 1, 3, 2)"),
    (conv(change("kernel", lambda g: g.reshape(4, -1))), IMAGE,
     "the numbers are right, but their shape is not: reshape it to (4, 2, 3, 2)."),
    (conv(setting("bias", lambda dy, x: dy.sum(axis=(0, 2)))), IMAGE,
     "the sum is missing: it is right once summed over axis 1."),
    (dense(change("x", at((0, 0), np.inf))), (4,), "1 of 12 entries are NaN or infinite"),
]


@pytest.mark.parametrize(("layer", "shape", "sentence"), sampled(SENTENCES))
def test_sentences_say_what_is_wrong_and_what_to_look_for(layer, shape, sentence):
    x = np.random.default_rng(1).normal(size=(N, *shape))
    failure, = check_gradients(layer, x, training=True, raises=False).failures
    assert failure.explanation.startswith(sentence), failure.explanation


def test_a_factor_that_is_near_a_usual_one_is_not_taken_for_it():
    for factor in (2.9, 2.01, 0.51, 1 / 2.9, -1.01):
        report = check_gradients(dense(times("kernel", factor)), input_shape=(4,), raises=False)
        assert report.failures[0].explanation == f"every entry is {factor:.6g} times what it should be."


def test_a_setting_of_two_is_not_taken_for_a_rate():
    layer = dense(times("x", 2))
    layer.temperature = 2.0
    assert check_gradients(layer, input_shape=(4,), raises=False).failures[0].cause == "factor 2"


def test_a_small_error_of_one_entry_is_not_explained_by_a_turn_that_changes_nothing():
    class Sum(Layer):
        """Every entry of a sample has the same slope."""

        def forward(self, x, training=False):
            return x.sum(axis=1, keepdims=True), lambda dy: dy * np.ones_like(x)
    report = check_gradients(Spoiled(Sum(), change("x", at((1, 2), 1 + 1e-5))), input_shape=(5,), raises=False)
    assert [failure.cause for failure in report.failures] == ["one entry"]


class Penalised(Sequential):
    """A model that adds the gradient of its penalty once more, `again` times."""

    again = 0.0

    def objective(self, *args, **kwargs):
        value, y, backward = super().objective(*args, **kwargs)

        def with_more():
            backward()
            for key, term in self.penalties():
                self.grads[key] = self.grads[key] + self.again * term.gradient(self.params[key])
        return value, y, with_more


class HalfOrTwice:
    """0.1 w^2, whose gradient is off by a factor."""

    def __init__(self, factor):
        self.factor = factor

    def value(self, w):
        return float(0.1 * np.square(w).sum())

    def gradient(self, w):
        return self.factor * 0.2 * w


@pytest.mark.parametrize(("factor", "again", "sentence"), [
    (1, -1, "is left out, or it is half of what it should be"), (1, -2, "has the wrong sign"), (1, 1, "is added twice"),
    (0.5, 0, "is left out, or it is half of what it should be"), (2, 0, "is twice what it should be")])
def test_what_is_wrong_with_a_penalty_is_told(factor, again, sentence):
    model = Penalised([Dense(4, activation="tanh", kernel_regularizer=HalfOrTwice(factor), input_dim=3), Dense(2)],
                      seed=0)
    model.again = again
    model.compile(loss="mse")
    failure, = check_gradients(model, np.random.default_rng(0).normal(size=(N, 3)), y=np.ones((N, 2)),
                               raises=False).failures
    assert (failure.tensor, failure.cause) == ("dense_1/kernel", "penalty")
    assert failure.explanation == f"the gradient of its regularizer {sentence}."


def test_causes_of_your_own_are_one_entry_more(monkeypatch):
    def degrees(e):
        return "degrees where radians are meant." if e.ratio_is(np.pi / 180) else None
    monkeypatch.setattr(causes, "CAUSES", {"degrees": degrees, **causes.CAUSES})
    report = check_gradients(dense(times("x", np.pi / 180)), input_shape=(4,), raises=False)
    assert report.failures[0].explanation == "degrees where radians are meant."


def test_no_cause_is_named_where_none_fits():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(20, 20))
    mixed = dense(change("kernel", lambda g: (mixing @ g.ravel()).reshape(g.shape)))
    failure, = check_gradients(mixed, rng.normal(size=(N, 4)), raises=False).failures
    assert (failure.cause, failure.explanation) == (None, "")
