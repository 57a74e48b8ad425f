"""A failing check names the mistake: a wrong layer for every cause."""

import numpy as np
import pytest
from wrong_layers import Spoiled, at, change, times

from tinynet.layers import AveragePool2D, Conv2D, Dense, Dropout, MaxPool2D, ReLU, Tanh
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


def only(name, place):
    """Return a `spoil` that keeps of a gradient of Conv2D(4, (3, 2)) what `place` of dy contributes to it."""
    def spoil(gradients, dy, x):
        kept = np.zeros_like(dy)
        kept[place] = dy[place]
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
    ("number of places", "bias", conv(setting("bias", lambda dy, x: dy.mean(axis=(2, 3)).sum(axis=0))), (2, 6, 6)),
    ("part of dy", "kernel", conv(only("kernel", -1)), IMAGE),                          # the last sample
    ("part of dy", "bias", conv(only("bias", (slice(None), slice(None), 0))), IMAGE),   # the first row
    ("part of dy", "kernel", conv(only("kernel", (..., -1))), IMAGE),                   # the last column
    ("part of it", "x", dense(change("x", at(slice(0, -1), 0))), (4,)),
    ("rate", "x", Spoiled(Dropout(0.3), times("x", 0.7)), (4, 5)),
    ("rate", "x", Spoiled(Dropout(0.3), times("x", 1 / 0.7)), (4, 5)),
    ("dy handed on", "x", Spoiled(Tanh(), setting("x", lambda dy, x: dy)), (4,)),
    ("dy ignored", "x", Spoiled(Tanh(), setting("x", lambda dy, x: 1 - np.tanh(x) ** 2)), (4,)),
    ("one entry", "kernel", dense(change("kernel", at((2, 3), 1.1))), (4,)),
    ("some slices", "kernel", conv(change("kernel", at((slice(None), 1), 1.2))), IMAGE),
    ("some slices", "x", conv(change("x", at((slice(None), slice(None), 2), 1.2))), IMAGE),
    ("borders", "x", conv(change("x", borders_wrong)), (2, 6, 7)),
    ("part is zero", "x", dense(change("x", lambda g: np.where(np.abs(g) < 0.5, 0, g))), (6,)),
    ("should be zero", "x", Spoiled(ReLU(), setting("x", lambda dy, x: np.where(x > -1, dy, 0))), (6,)),
    ("should be zero", "x", Spoiled(MaxPool2D(), setting("x", lambda dy, x: dy.repeat(2, 2).repeat(2, 3))), (2, 4, 6)),
]


@pytest.mark.parametrize(("cause", "tensor", "layer", "shape"), WRONG)
def test_the_mistake_is_named(cause, tensor, layer, shape):
    x = np.random.default_rng(1).normal(size=(N, *shape))
    report = check_gradients(layer, x, training=True, raises=False)
    failure, = report.failures
    assert (failure.tensor, failure.cause) == (tensor, cause)
    assert f"Likely cause: {failure.explanation[:20]}" in str(report)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.slow
def test_the_name_does_not_depend_on_the_random_upstream_gradient(seed):
    for cause, _, layer, shape in WRONG[::4]:
        x = np.random.default_rng(seed).normal(size=(N, *shape))
        assert check_gradients(layer, x, training=True, seed=seed, raises=False).failures[0].cause == cause


def test_a_large_tensor_has_its_cause_told_from_a_sample():
    report = check_gradients(Spoiled(Dense(60), change("kernel", np.transpose)), input_shape=(60,), raises=False)
    assert [failure.cause for failure in report.failures] == ["transposed"]


def test_sentences_say_what_to_look_for():
    layer = Spoiled(Dense(5), times("kernel", N))
    failure, = check_gradients(layer, np.random.default_rng(0).normal(size=(N, 4)), raises=False).failures
    assert failure.explanation == ("every entry is 3 times what it should be, and the batch size is 3: a division by "
                                   "the batch size is missing (the loss is a mean over the batch).")


def test_causes_of_your_own_are_one_entry_more(monkeypatch):
    def degrees(e):
        return "degrees where radians are meant." if e.ratio_is(np.pi / 180) else None
    monkeypatch.setattr(causes, "CAUSES", {"degrees": degrees, **causes.CAUSES})
    report = check_gradients(dense(times("x", np.pi / 180)), input_shape=(4,), raises=False)
    assert report.failures[0].explanation == "degrees where radians are meant."


def test_no_cause_is_named_where_none_fits():
    rng = np.random.default_rng(0)
    noise = dense(change("kernel", lambda g: g + np.random.default_rng(0).normal(size=g.shape)))
    failure, = check_gradients(noise, rng.normal(size=(N, 4)), raises=False).failures
    assert (failure.cause, failure.explanation) == (None, "")
