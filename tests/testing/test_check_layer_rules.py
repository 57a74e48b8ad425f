"""For every rule a layer that breaks it, as a reader might write it: `check_layer` must name the rule."""

import time

import numpy as np
import pytest

from tinynet import kernels
from tinynet.layers import Layer
from tinynet.testing import RULES, check_layer


class Scale(Layer):
    """A correct layer: every number of a sample times a learned one."""

    def build(self, input_shape, rng):
        self.params["scale"] = rng.uniform(0.5, 1.5, input_shape).astype(np.float32)
        return input_shape

    def forward(self, x, training=False):
        scale = self.params["scale"]

        def backward(dy):
            self.grads["scale"] = (dy * x).sum(axis=0)
            return dy * scale
        return x * scale, backward


class Wrapped(Scale):
    """Scale, with something wrong done after its forward or after its backward."""

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        return self.after(x, y, training), lambda dy: self.after_backward(x, dy, backward(dy))

    def after(self, x, y, training):
        return y

    def after_backward(self, x, dy, dx):
        return dx


class RunsInFloat32Alone(Scale):
    def forward(self, x, training=False):
        if x.dtype != np.float32:
            raise TypeError("compiled for float32")
        return super().forward(x, training)


class PromisesAnotherShape(Scale):
    def build(self, input_shape, rng):
        return (1, *super().build(input_shape, rng))


class ForgetsOneGradient(Scale):
    def build(self, input_shape, rng):
        self.params["unused"] = np.ones(2, np.float32)
        return super().build(input_shape, rng)


class KeepsTheBatchAxis(Wrapped):
    def after_backward(self, x, dy, dx):
        self.grads["scale"] = self.grads["scale"][None]
        return dx


class BuildsInDoublePrecision(Scale):
    def build(self, input_shape, rng):
        self.params["scale"] = rng.uniform(0.5, 1.5, input_shape)
        return input_shape


class ReturnsDoublePrecision(Wrapped):
    def after_backward(self, x, dy, dx):
        return dx.astype(np.float64)


class RoundsToHalfPrecision(Wrapped):
    def after(self, x, y, training):
        return y if x.dtype == np.float64 else y.astype(np.float16).astype(np.float32)


class WorksInPlace(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)

        def backward_in_place(dy):
            dx = backward(dy)
            if not dy.flags.writeable:
                return dx
            dy[...] = dx
            return dy
        return y, backward_in_place


class ReusesABuffer(Wrapped):
    def after_backward(self, x, dy, dx):
        if not hasattr(self, "buffer") or self.buffer.shape != dx.shape:
            self.buffer = np.empty_like(dx)
        self.buffer[...] = dx
        return self.buffer


class LearnedConstant(Layer):
    """Returns its parameter, whatever x is: a view, which changes with the next update."""

    def build(self, input_shape, rng):
        self.params["constant"] = rng.normal(size=input_shape).astype(np.float32)
        return input_shape

    def forward(self, x, training=False):
        def backward(dy):
            self.grads["constant"] = dy.sum(axis=0)
            return np.zeros_like(x)
        return np.broadcast_to(self.params["constant"], x.shape), backward


class ReadsInMemoryOrder(Scale):
    def forward(self, x, training=False):
        return super().forward(x.ravel(order="K").reshape(x.shape), training)


class SubtractsTheBatchMean(Layer):
    def forward(self, x, training=False):
        def center(array):
            return array - array.sum(axis=0) / max(1, len(array))
        return center(x), center


class DropsAnAxisOfOne(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        return np.squeeze(y), lambda dy: backward(dy.reshape(x.shape))


class CannotReshapeNothing(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        return y.reshape(len(x), -1).reshape(x.shape), backward


class SumsFourSamplesAtMost(Wrapped):
    def after_backward(self, x, dy, dx):
        self.grads["scale"] = (dy * x)[:4].sum(axis=0)
        return dx


class OffByOnePerMille(Wrapped):
    def after_backward(self, x, dy, dx):
        return 1.001 * dx


class ClipsItsGradient(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        return y, lambda dy: backward(np.clip(dy, -50, 50))


class UsesUpItsMask(Layer):
    def forward(self, x, training=False):
        mask = (x > 0).astype(x.dtype)

        def backward(dy):
            nonlocal mask
            mask = mask * dy
            return mask
        return x * mask, backward


class Accumulates(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)

        def backward_and_add(dy):
            before = self.grads.get("scale", 0)
            dx = backward(dy)
            self.grads["scale"] = self.grads["scale"] + before
            return dx
        return y, backward_and_add


class RemembersOnlyTheLastInput(Scale):
    def forward(self, x, training=False):
        self.x = x

        def backward(dy):
            self.grads["scale"] = (dy * self.x).sum(axis=0)
            return dy * self.params["scale"]
        return x * self.params["scale"], backward


class DoublesInTraining(Scale):
    def forward(self, x, training=False):
        return super().forward(2 * x if training else x)


class TiresOfTheSameInput(Wrapped):
    last = np.zeros(0)

    def after(self, x, y, training):
        tired, self.last = np.array_equal(x, self.last), x.copy()
        return 0.99 * y if tired else y


class DrawsFromTheGlobalState(Scale):
    def build(self, input_shape, rng):
        self.params["scale"] = np.random.random(input_shape).astype(np.float32)
        return input_shape


class PassesThroughAnAttribute(Wrapped):
    def after(self, x, y, training):
        self.y = y
        time.sleep(1e-3)
        return self.y


class SlightlyOffInLoops(Wrapped):
    def after(self, x, y, training):
        return 1.01 * y if kernels.current().__name__.endswith("naive") else y


class ForgetsItsConfig(Scale):
    def __init__(self, factor=3.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def forward(self, x, training=False):
        y, backward = super().forward(x)
        return self.factor * y, lambda dy: backward(self.factor * dy)


class HoldsInfinityInItsConfig(Wrapped):
    """Python's JSON writes Infinity; that of the files, like everybody else's, has no such number."""

    def __init__(self, limit=np.inf, **kwargs):
        super().__init__(**kwargs)
        self.limit = limit

    def after(self, x, y, training):
        return np.minimum(y, self.limit)

    def get_config(self):
        return {**super().get_config(), "limit": self.limit}


class SpoilsASingleSample(Wrapped):
    """NaN where a batch has one sample, in y or in dx."""

    spoiled = "y"

    def after(self, x, y, training):
        return y * np.array(np.nan, y.dtype) if len(x) == 1 and self.spoiled == "y" else y

    def after_backward(self, x, dy, dx):
        return dx * np.array(np.nan, dx.dtype) if len(x) == 1 and self.spoiled == "dx" else dx


class AddsToTheLastSample(Layer):
    """The bias is added to one sample alone, whose upstream gradient is its gradient: a view of dy, or of x."""

    shared = "dy"

    def build(self, input_shape, rng):
        self.params["bias"] = np.zeros(input_shape, np.float32)
        return input_shape

    def forward(self, x, training=False):
        y = x.copy()
        y[-1:] += self.params["bias"]

        def backward(dy):
            self.grads["bias"] = {"dy": dy, "x": x}[self.shared][-1]
            return dy.copy()
        return y, backward


WRONG = {
    "runs": RunsInFloat32Alone,
    "output_shape": PromisesAnotherShape,
    "gradient_keys": ForgetsOneGradient,
    "gradient_shapes": KeepsTheBatchAxis,
    "float32_parameters": BuildsInDoublePrecision,
    "dtype_kept": ReturnsDoublePrecision,
    "float32_agrees": RoundsToHalfPrecision,
    "inputs_not_written": WorksInPlace,
    "outputs_not_overwritten": ReusesABuffer,
    "no_aliasing": LearnedConstant,
    "memory_layout": ReadsInMemoryOrder,
    "batch_independence": SubtractsTheBatchMean,
    "batch_of_one": DropsAnAxisOfOne,
    "batch_of_none": CannotReshapeNothing,
    "gradient_sums": SumsFourSamplesAtMost,
    "gradients": OffByOnePerMille,
    "backward_linear": ClipsItsGradient,
    "backward_repeatable": UsesUpItsMask,
    "backward_overwrites": Accumulates,
    "live_forwards": RemembersOnlyTheLastInput,
    "training_declared": DoublesInTraining,
    "inference_repeatable": TiresOfTheSameInput,
    "random_from_build": DrawsFromTheGlobalState,
    "threads": PassesThroughAnAttribute,
    "kernel_sets_agree": SlightlyOffInLoops,
    "config_round_trip": lambda: ForgetsItsConfig(2.0),
    "save_load": HoldsInfinityInItsConfig,
}


def test_every_rule_has_a_layer_that_breaks_it():
    assert list(WRONG) == list(RULES)


def test_a_correct_layer_keeps_every_rule():
    assert check_layer(Scale, [(3,), (2, 3)]).passed


@pytest.mark.parametrize("rule", WRONG)
def test_the_broken_rule_is_named_and_no_other(rule):
    report = check_layer(WRONG[rule], (2, 3), raises=False)
    broken = {failure.rule for failure in report.failures}
    if rule in ("gradient_shapes", "inference_repeatable"):             # no slope can be right then
        broken.discard("gradients")
    assert broken == {rule}, str(report)


@pytest.mark.parametrize("spoiled", ["y", "dx"])
def test_a_nan_is_not_the_same_as_a_number(spoiled):
    class Spoils(SpoilsASingleSample):
        pass
    Spoils.spoiled = spoiled
    failure, = check_layer(Spoils, (2, 3), raises=False).failures
    assert failure.rule == "batch_of_one"
    assert f"{spoiled} is not the same: nan at [0, 0, 0], expected " in failure.message


@pytest.mark.parametrize("shared", ["dy", "x"])
def test_a_gradient_that_is_a_view_of_what_backward_was_given_is_seen(shared):
    class Shares(AddsToTheLastSample):
        pass
    Shares.shared = shared
    failure, = check_layer(Shares, (2, 3), rules=["no_aliasing"], raises=False).failures
    assert failure.message == f"grads['bias'] shares memory with {shared}"
