"""For every rule a layer that breaks it, as a reader might write it: `check_layer` must name the rule."""

import time

import numpy as np
import pytest
from sampled import sampled
from wrong_layers import Scale

from tinynet import kernels
from tinynet.layers import Layer
from tinynet.testing import RULES, ContractViolation, check_layer, layer_checks


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


class KeepsItsMeanOutsideState(Scale):
    def build(self, input_shape, rng):
        self.running = {"mean": np.zeros(input_shape, np.float32)}
        return super().build(input_shape, rng)

    def forward(self, x, training=False):
        if training and len(x):
            self.running["mean"] = 0.9 * self.running["mean"] + 0.1 * x.mean(axis=0)
        return super().forward(x, training)


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
        times = 2 if training else 1
        y, backward = super().forward(times * x)
        return y, lambda dy: times * backward(dy)


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
    "state_declared": KeepsItsMeanOutsideState,
    "outputs_not_overwritten": ReusesABuffer,
    "no_aliasing": LearnedConstant,
    "memory_layout": ReadsInMemoryOrder,
    "batch_independence": SubtractsTheBatchMean,
    "batch_of_one": DropsAnAxisOfOne,
    "empty_batch": CannotReshapeNothing,
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


TOO = {                             # what else breaks, of necessity: no slope can be right, or an attribute is kept
    "gradient_shapes": {"gradients"},
    "inference_repeatable": {"gradients", "state_declared", "config_round_trip"},
    "live_forwards": {"state_declared"},
    "threads": {"state_declared"},
}


def test_every_rule_has_a_layer_that_breaks_it():
    assert list(WRONG) == list(RULES)


def test_a_correct_layer_keeps_every_rule():
    assert check_layer(Scale, [(3,), (2, 3)]).passed


@pytest.mark.parametrize("rule", sampled(WRONG, every=3))
def test_the_broken_rule_is_named_and_no_other(rule):
    report = check_layer(WRONG[rule], (2, 3), raises=False)
    broken = {failure.rule for failure in report.failures}
    assert broken - TOO.get(rule, set()) == {rule}, str(report)


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


# Further ways to break a rule, each tried by that rule alone.

class WrongWhere(Scale):
    """Scale, but y is doubled where `x_is`, and dx where `dy_is` says so of the array's memory."""

    x_is = dy_is = staticmethod(lambda array: False)

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        return (1 + self.x_is(x)) * y, lambda dy: (1 + self.dy_is(dy)) * backward(dy)


class MisreadsReversedX(WrongWhere):
    x_is = staticmethod(lambda array: min(array.strides) < 0)


class MisreadsStridedX(WrongWhere):
    x_is = staticmethod(lambda array: min(array.strides) > array.itemsize)


class MisreadsFortransX(WrongWhere):
    x_is = staticmethod(lambda array: array.flags.f_contiguous and not array.flags.c_contiguous)


class MisreadsFortransDy(WrongWhere):
    dy_is = staticmethod(lambda array: array.flags.f_contiguous and not array.flags.c_contiguous)


class MisreadsFortransFloat32(WrongWhere):
    x_is = staticmethod(lambda array: array.flags.f_contiguous and array.dtype == np.float32)


class WritesToReadOnlyDy(WrongWhere):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)

        def writing(dy):
            dy += 0
            return backward(dy)
        return y, writing


class ClipsItsParameters(Scale):
    def forward(self, x, training=False):
        np.clip(self.params["scale"], 0.9, 1.1, out=self.params["scale"])
        return super().forward(x, training)


class UpdatesInBackward(Wrapped):
    def after_backward(self, x, dy, dx):
        self.params["scale"] -= 0.1 * self.grads["scale"]
        return dx


class WritesToXInBackward(Wrapped):
    def after_backward(self, x, dy, dx):
        x *= dy
        return dx


class WritesToYInBackward(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)

        def writing(dy):
            y[...] = 0
            return backward(dy)
        return y, writing


class ReusesItsOutput(Wrapped):
    def after(self, x, y, training):
        if not hasattr(self, "buffer") or self.buffer.shape != y.shape:
            self.buffer = np.empty_like(y)
        self.buffer[...] = y
        return self.buffer


class ReusesItsGradient(Wrapped):
    def after_backward(self, x, dy, dx):
        self.buffer = getattr(self, "buffer", np.empty_like(self.grads["scale"]))
        self.buffer[...] = self.grads["scale"]
        self.grads["scale"] = self.buffer
        return dx


class SharesOneGradient(Scale):
    """Two scales, x (a + b), whose gradients are one array."""

    def build(self, input_shape, rng):
        self.params["other"] = rng.uniform(0.5, 1.5, input_shape).astype(np.float32)
        return super().build(input_shape, rng)

    def forward(self, x, training=False):
        scale = self.params["scale"] + self.params["other"]

        def backward(dy):
            self.grads["scale"] = self.grads["other"] = (dy * x).sum(axis=0)
            return dy * scale
        return x * scale, backward


class GradientOfTheOutput(Wrapped):
    """Its gradient lies in the array that was handed out as y."""

    def after(self, x, y, training):
        self.y = y
        return y

    def after_backward(self, x, dy, dx):
        self.grads["scale"] = self.y[0]
        return dx


class DropsEverySecondSample(Wrapped):
    def after(self, x, y, training):
        y[1::2] = 0
        return y


class NormalisesDxOverTheBatch(Wrapped):
    def after_backward(self, x, dy, dx):
        return dx - dx.sum(axis=0) / max(1, len(dx))


class ForgetsItsGradientsWithoutSamples(Wrapped):
    def after_backward(self, x, dy, dx):
        if not len(x):
            del self.grads["scale"]
        return dx


class LeavesOnesWithoutSamples(Wrapped):
    def after_backward(self, x, dy, dx):
        if not len(x):
            self.grads["scale"] += 1
        return dx


class InTraining(Wrapped):
    """Something that goes wrong in training alone, where the layer says that it differs."""

    differs_in_training = True


class RaisesWithoutSamplesInTraining(InTraining):
    def after(self, x, y, training):
        return y / (y[0, 0, 0] != np.inf) if training else y


class RemembersTheLastInputInTraining(InTraining):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        if training:
            self.x = x

        def backward_of_the_last(dy):
            dx = backward(dy)
            if training:
                self.grads["scale"] = (dy * self.x).sum(axis=0)
            return dx
        return y, backward_of_the_last


class KeepsTheBatchAxisInTraining(InTraining):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        return y, lambda dy: backward(dy)[None] if training else backward(dy)


class DividesByZero(Wrapped):
    def after_backward(self, x, dy, dx):
        dx[0, 0, 0] = np.inf
        return dx


class AddsNoise(Wrapped):
    def after_backward(self, x, dy, dx):
        return dx + np.random.default_rng(0).normal(size=dx.shape)


class LeavesOutMoreThanDx(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)

        def shortened(dy, *, need_dx=True):
            dx = backward(dy)
            if not need_dx:
                self.grads["scale"] = 0 * self.grads["scale"]
            return dx
        return y, shortened


class DrawsInBackward(Scale):
    def build(self, input_shape, rng):
        self.rng = rng
        return super().build(input_shape, rng)

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)

        def drawing(dy):
            self.rng.random()
            return backward(dy)
        return y, drawing


class ClipsItsParametersGradient(Wrapped):
    def after_backward(self, x, dy, dx):
        self.grads["scale"] = np.clip(self.grads["scale"], -50, 50)
        return dx


class SmoothsWithTheLastDy(Scale):
    """The same dy twice gives the same; another one between them shows."""

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        last = None

        def smooth(dy):
            nonlocal last
            before, last = dy if last is None else last, dy.copy()
            return backward(0.9 * dy + 0.1 * before)
        return y, smooth


class AddsUpItsParametersGradient(Scale):
    """Each backward of one forward adds to the gradients of the one before; dx is right."""

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        total = 0

        def adding(dy):
            nonlocal total
            dx = backward(dy)
            total = self.grads["scale"] = total + self.grads["scale"]
            return dx
        return y, adding


class DoublesItsSecondGradient(Scale):
    """The second backward of a forward sets the double of what the first did; the third is right again."""

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        runs = 0

        def doubling(dy):
            nonlocal runs
            runs += 1
            dx = backward(dy)
            self.grads["scale"] = (2 if runs == 2 else 1) * self.grads["scale"]
            return dx
        return y, doubling


class TransposesDx(Wrapped):
    def after_backward(self, x, dy, dx):
        return dx.swapaxes(1, 2)


class SetsOneGradientMore(Wrapped):
    def after_backward(self, x, dy, dx):
        self.grads["bias"] = dy.sum(axis=0)
        return dx


class GradientsInDoublePrecision(Wrapped):
    def after_backward(self, x, dy, dx):
        self.grads["scale"] = self.grads["scale"].astype(np.float64)
        return dx


class ReturnsSinglePrecision(Wrapped):
    def after(self, x, y, training):
        return y.astype(np.float32)


class SlightlyOffInLoopsInDoublePrecision(Wrapped):
    def after(self, x, y, training):
        naive = kernels.current().__name__.endswith("naive")
        return (1 + 1e-7) * y if naive and y.dtype == np.float64 else y


class DoublesDxInTraining(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        return y, lambda dy: (1 + training) * backward(dy)


class DriftsInTheLastDigits(Wrapped):
    calls = 0

    def after(self, x, y, training):
        self.calls += 1
        return y * (1 + 1e-14 * self.calls)


class DrawsFromTheGlobalStateInVain(Wrapped):
    def after(self, x, y, training):
        np.random.random()
        return y


class ForgetsANote(Scale):
    """Does the same after the round trip; only its config is another one."""

    def __init__(self, note="none", **kwargs):
        super().__init__(**kwargs)
        self.note = note

    def get_config(self):
        return {**super().get_config(), **({"note": self.note} if self.note == "none" else {})}


BROKEN = [
    ("memory_layout", MisreadsReversedX, "with float64 x and dy with negative strides: y is not the same"),
    ("memory_layout", MisreadsStridedX, "with float64 x and dy every other number of a larger array: y is not"),
    ("memory_layout", MisreadsFortransX, "with float64 x and dy Fortran-ordered: y is not the same"),
    ("memory_layout", MisreadsFortransDy, "with float64 x and dy Fortran-ordered: dx is not the same"),
    ("memory_layout", MisreadsFortransFloat32, "with float32 x and dy Fortran-ordered: y is not the same"),
    ("memory_layout", WritesToReadOnlyDy, "with float64 x and dy read-only: raised ValueError"),
    ("inputs_not_written", ClipsItsParameters, "forward wrote to params['scale']"),
    ("inputs_not_written", UpdatesInBackward, "backward wrote to params['scale']"),
    ("inputs_not_written", WritesToXInBackward, "backward wrote to x"),
    ("outputs_not_overwritten", WritesToYInBackward, "y is not the same after the backward, or another run"),
    ("outputs_not_overwritten", ReusesItsOutput, "y is not the same after the backward, or another run"),
    ("outputs_not_overwritten", ReusesItsGradient, "grads['scale'] is not the same after the backward"),
    ("no_aliasing", SharesOneGradient, "grads['scale'] shares memory with grads['other']"),
    ("no_aliasing", GradientOfTheOutput, "grads['scale'] shares memory with y"),
    ("batch_independence", DropsEverySecondSample, "in the batch turned by one place: y is not the same"),
    ("batch_independence", NormalisesDxOverTheBatch, "in the batch cut to two: dx is not the same"),
    ("empty_batch", ForgetsItsGradientsWithoutSamples, "in an empty batch: grads['scale'] is missing"),
    ("empty_batch", LeavesOnesWithoutSamples, "in an empty batch: grads['scale'] is not the same: 1 at [0, 0]"),
    ("empty_batch", RaisesWithoutSamplesInTraining, "in an empty batch: raised IndexError"),
    ("live_forwards", RemembersTheLastInputInTraining, "grads['scale'] is not the same when another forward ran"),
    ("gradient_shapes", TransposesDx, "dx has the shape (5, 3, 2), x has (5, 2, 3)"),
    ("gradient_shapes", KeepsTheBatchAxisInTraining, "dx has the shape (1, 5, 2, 3), x has (5, 2, 3)"),
    ("gradient_keys", SetsOneGradientMore, "params has the keys ['scale'], grads has ['bias', 'scale']"),
    ("gradients", DividesByZero, "1 of 18 entries are NaN or infinite"),
    ("gradients", AddsNoise, "18 of 18 entries measured are wrong"),
    ("gradients", LeavesOutMoreThanDx, "it is different with need_dx=False"),
    ("gradients", DrawsInBackward, "backward draws random numbers"),
    ("backward_linear", ClipsItsParametersGradient, "grads['scale'](1000 dy1 - dy2) is not 1000 grads['scale'](dy1)"),
    ("backward_repeatable", SmoothsWithTheLastDy, "dx is not the same when backward runs again"),
    ("backward_repeatable", AddsUpItsParametersGradient, "grads['scale'] is not the same when backward runs again"),
    ("backward_repeatable", DoublesItsSecondGradient, "grads['scale'] is not the same when backward runs again"),
    ("backward_repeatable", Accumulates, "grads['scale'] is not the same when backward runs again"),
    ("dtype_kept", GradientsInDoublePrecision, "grads['scale'] is float64 where x and params are float32"),
    ("dtype_kept", ReturnsSinglePrecision, "y is float32 where x and params are float64"),
    ("kernel_sets_agree", SlightlyOffInLoopsInDoublePrecision, "with the kernel set 'naive', in float64: y is not"),
    ("training_declared", DoublesDxInTraining, "dx is not the same in training as in inference"),
    ("inference_repeatable", DriftsInTheLastDigits, "y is not the same when the same x comes again"),
    ("random_from_build", DrawsFromTheGlobalStateInVain, "NumPy's global random state was used"),
    ("config_round_trip", lambda: ForgetsANote("mine"), "get_config() was {}, and after the round trip is {'note'"),
]


@pytest.mark.parametrize(("rule", "make", "seen"), BROKEN, ids=[f"{rule}-{getattr(make, '__name__', '')}"
                                                               for rule, make, _ in BROKEN])
def test_a_rule_is_broken_in_more_than_one_way(rule, make, seen):
    failure, = check_layer(make, (2, 3), rules=[rule], raises=False).failures
    assert failure.rule == rule
    assert seen in " ".join(failure.message.split())


# A finding is left out only where another rule of the report tells it.

class TiresOfItsBackward(Scale):
    """Right at first; each backward makes the gradients of later forwards smaller. Its own repeats itself."""

    strength = 1.0

    def forward(self, x, training=False):
        (y, backward), strength = super().forward(x, training), self.strength

        def tiring(dy):
            dx = backward(dy)
            self.grads["scale"] = strength * self.grads["scale"]
            self.strength = 0.5 * strength
            return dx
        return y, tiring


class TiresInTraining(InTraining):
    """Right at first; another training forward of the same layer gives less."""

    strength = 1.0

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        strength = self.strength
        if training:
            self.strength = 0.5 * strength
        return strength * y, backward


def test_gradients_that_no_other_rule_finds_wrong_break_their_rule():
    failure, = check_layer(TiresOfItsBackward, (2, 3), raises=False).failures
    assert failure.rule == "gradients"
    assert "a second backward gives another result than the first" in failure.message


def test_a_forward_whose_slopes_cannot_be_measured_breaks_the_rule_where_no_other_says_why():
    report = check_layer(TiresInTraining, (2, 3), raises=False)
    assert "gradients" not in report.not_tried
    assert "forward is not deterministic" in {failure.rule: failure.message for failure in report.failures}["gradients"]


@pytest.mark.parametrize(("rule", "make", "seen"), [
    ("gradients", Accumulates, "a second backward adds to the first"),
    ("gradients", RemembersOnlyTheLastInput, "backward is wrong if another forward runs before it"),
    ("gradients", ForgetsOneGradient, "backward sets no grads for it"),
    ("gradients", WritesToXInBackward, "backward writes to it"),
    ("gradient_shapes", ForgetsOneGradient, "grads has no 'unused'"),
    ("save_load", lambda: ForgetsItsConfig(2.0), "config_round_trip is broken: in inference, after the round trip: y"),
])
def test_a_rule_tried_alone_leaves_nothing_to_rules_that_are_not_tried(rule, make, seen):
    failure, = check_layer(make, (2, 3), rules=[rule], raises=False).failures
    assert failure.rule == rule
    assert seen in " ".join(failure.message.split())


class AccumulatesAndForgetsInTraining(InTraining, Accumulates):
    """Two faults of the same rule: one that another rule tells, and dx, which in training is right once."""

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        runs = 0

        def forgetting(dy):
            nonlocal runs
            runs += 1
            return backward(dy) * (runs == 1 or not training)
        return y, forgetting


class ForgetsOneGradientAndTransposesDx(ForgetsOneGradient, TransposesDx):
    pass


class ForgetsOneGradientAndReshapesTheOther(ForgetsOneGradient, KeepsTheBatchAxis):
    pass


@pytest.mark.parametrize(("make", "rules"), [
    (AccumulatesAndForgetsInTraining, {"backward_overwrites", "backward_repeatable"}),
    (ForgetsOneGradientAndTransposesDx, {"gradient_keys", "gradient_shapes"}),
    (ForgetsOneGradientAndReshapesTheOther, {"gradient_keys", "gradient_shapes"}),
])
def test_what_is_left_to_another_rule_hides_nothing_else_of_its_own(make, rules):
    broken = {failure.rule for failure in check_layer(make, (2, 3), raises=False).failures}
    assert rules <= broken


def test_a_layer_that_does_not_run_breaks_that_rule_whatever_rules_are_named():
    report = check_layer(Layer, (2, 3), rules=["dtype_kept", "threads"], raises=False)
    assert [failure.rule for failure in report.failures] == ["runs"]
    assert list(report.not_tried) == ["dtype_kept", "threads"]


def test_as_tests_of_their_own_rules_leave_to_each_other_what_one_of_them_tells():
    checks = layer_checks(Accumulates, (2, 3))
    checks["gradients"]()
    with pytest.raises(ContractViolation):
        checks["backward_overwrites"]()
    with pytest.raises(ContractViolation, match="a second backward gives another result"):
        layer_checks(TiresOfItsBackward, (2, 3))["gradients"]()


def test_parameter_gradients_that_change_with_the_second_backward_are_named_by_one_rule():
    for make in AddsUpItsParametersGradient, DoublesItsSecondGradient:
        assert [failure.rule for failure in check_layer(make, (2, 3), raises=False).failures] == ["backward_repeatable"]


# NumPy's global random state: said once, and in nobody's way.

class GlobalDropout(InTraining):
    """A right dropout but for the generator that it draws from, which is everybody's."""

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        mask = (np.random.rand(*x.shape) < 0.5).astype(x.dtype) * 2 if training else np.ones_like(x)
        return y * mask, lambda dy: backward(dy * mask)


class GlobalDropoutOffByOnePerMille(GlobalDropout):
    def after_backward(self, x, dy, dx):
        return 1.001 * dx


class GlobalDropoutWithoutItsLastInput(GlobalDropout):
    """Its backward uses what the latest training forward has left on the layer."""

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        if not training:
            return y, backward
        self.notes = {"backward": backward}
        return y, lambda dy: self.notes["backward"](dy)


class GlobalDropoutWithOneMask(InTraining):
    """Its backward uses the mask that the latest forward has left on the layer."""

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        self.mask = [m.item() for m in (np.random.rand(x.size) < 0.5) * 2.0] if training else [1.0] * x.size

        def mask():
            return np.reshape(self.mask, x.shape).astype(x.dtype)
        return y * mask(), lambda dy: backward(dy * mask())


class GlobalDropoutOfAnotherMask(InTraining):
    """Backward draws a mask of its own."""

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)

        def mask():
            return (np.random.rand(*x.shape) < 0.5).astype(x.dtype) * 2 if training else np.ones_like(x)
        return y * mask(), lambda dy: backward(dy * mask())


class GlobalWeights(Scale):
    def build(self, input_shape, rng):
        self.params["scale"] = np.random.uniform(0.5, 1.5, input_shape).astype(np.float32)
        return input_shape


class GlobalNoiseInInference(Wrapped):
    def after(self, x, y, training):
        return y + np.random.normal(size=y.shape).astype(y.dtype)


@pytest.mark.parametrize(("make", "where"), [(GlobalDropout, "forward drew from np.random in training"),
                                             (GlobalWeights, "build drew from np.random")])
def test_numpys_global_random_state_breaks_one_rule_that_says_what_to_do(make, where):
    failure, = check_layer(make, (2, 3), raises=False).failures
    assert failure.rule == "random_from_build"
    assert where in failure.message
    assert "self.rng = rng" in failure.message


@pytest.mark.parametrize(("make", "others"), [
    (GlobalDropoutOffByOnePerMille, {"gradients"}),
    (GlobalDropoutWithoutItsLastInput, {"live_forwards"}),
    (GlobalDropoutWithOneMask, {"live_forwards"}),
    (GlobalDropoutOfAnotherMask, {"gradients", "backward_repeatable", "live_forwards"}),
])
def test_what_is_wrong_besides_the_global_random_state_is_seen(make, others):
    report = check_layer(make, (2, 3), raises=False)
    assert {failure.rule for failure in report.failures} == {"random_from_build"} | others


def test_noise_in_inference_breaks_the_rules_that_it_would_with_a_generator_of_its_own():
    broken = {failure.rule for failure in check_layer(GlobalNoiseInInference, (2, 3), raises=False).failures}
    assert {"random_from_build", "inference_repeatable", "batch_independence"} <= broken


def test_a_check_leaves_numpys_global_random_state_as_it_was():
    np.random.seed(7)
    expected = np.random.RandomState(7).random(3)
    check_layer(GlobalDropout, (2, 3), raises=False)
    np.testing.assert_array_equal(np.random.random(3), expected)
