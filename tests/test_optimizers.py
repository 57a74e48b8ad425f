"""The optimizers against their formulas, written out once more in plain float64 Python."""

import contextlib
import copy
import json
import math
import pickle

import numpy as np
import pytest

from tinynet import Sequential, kernels, load_model, optimizers
from tinynet.callbacks import LambdaCallback
from tinynet.layers import Dense
from tinynet.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    CosineDecay,
    ExponentialDecay,
    Lion,
    Nadam,
    PiecewiseConstantDecay,
    RMSprop,
)


def sgd(p, gradients, rate=0.01, momentum=0.0, nesterov=False):
    v = 0.0
    for g in gradients:
        v = momentum * v - rate * g
        p += momentum * v - rate * g if nesterov else v
    return p


def rmsprop(p, gradients, rate=0.001, rho=0.9, epsilon=1e-7):
    v = 0.0
    for g in gradients:
        v = rho * v + (1 - rho) * g ** 2
        p -= rate * g / math.sqrt(v + epsilon)
    return p


def adam(p, gradients, rate=0.001, b1=0.9, b2=0.999, epsilon=1e-7):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g ** 2
        p -= rate * math.sqrt(1 - b2 ** t) / (1 - b1 ** t) * m / (math.sqrt(v) + epsilon)
    return p


def amsgrad(p, gradients, rate, b1=0.9, b2=0.999, epsilon=1e-7):
    m = v = largest = 0.0
    for t, g in enumerate(gradients, start=1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g ** 2
        largest = max(largest, v)
        p -= rate * math.sqrt(1 - b2 ** t) / (1 - b1 ** t) * m / (math.sqrt(largest) + epsilon)
    return p


def rmsprop_with_all(p, gradients, rate, rho=0.9, mu=0.8, epsilon=1e-3, centered=True):
    v = mean = s = 0.0
    for g in gradients:
        v = rho * v + (1 - rho) * g ** 2
        mean = rho * mean + (1 - rho) * g
        s = mu * s + rate * g / math.sqrt(v - centered * mean ** 2 + epsilon)
        p -= s
    return p


def adagrad(p, gradients, rate, start=0.1, epsilon=1e-7):
    a = start
    for g in gradients:
        a += g ** 2
        p -= rate * g / math.sqrt(a + epsilon)
    return p


def adadelta(p, gradients, rate, rho=0.95, epsilon=1e-7):
    v = s = 0.0
    for g in gradients:
        v = rho * v + (1 - rho) * g ** 2
        d = math.sqrt(s + epsilon) / math.sqrt(v + epsilon) * g
        s = rho * s + (1 - rho) * d ** 2
        p -= rate * d
    return p


def nadam(p, gradients, rate, b1=0.9, b2=0.999, epsilon=1e-7):
    m = v = 0.0
    product = 1.0
    for t, g in enumerate(gradients, start=1):
        now, ahead = b1 * (1 - 0.96 ** t / 2), b1 * (1 - 0.96 ** (t + 1) / 2)
        product *= now
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g ** 2
        m_hat = ahead * m / (1 - product * ahead) + (1 - now) * g / (1 - product)
        p -= rate * m_hat / (math.sqrt(v / (1 - b2 ** t)) + epsilon)
    return p


def adamax(p, gradients, rate, b1=0.9, b2=0.999, epsilon=1e-7):
    m = u = 0.0
    for t, g in enumerate(gradients, start=1):
        m = b1 * m + (1 - b1) * g
        u = max(b2 * u, abs(g))
        p -= rate / (1 - b1 ** t) * m / (u + epsilon)
    return p


def lion(p, gradients, rate, b1=0.9, b2=0.99):
    m = 0.0
    for g in gradients:
        p -= rate * math.copysign(1, b1 * m + (1 - b1) * g)
        m = b2 * m + (1 - b2) * g
    return p


def decayed(p, gradients, rate, decay=0.004):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        p -= rate * decay * p
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g ** 2
        p -= rate * math.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t) * m / (math.sqrt(v) + 1e-7)
    return p


FORMULAS = {
    "sgd": (lambda rate: SGD(rate), lambda *a: sgd(*a)),
    "momentum": (lambda rate: SGD(rate, momentum=0.9), lambda *a: sgd(*a, 0.9)),
    "nesterov": (lambda rate: SGD(rate, momentum=0.8, nesterov=True), lambda *a: sgd(*a, 0.8, True)),
    "rmsprop": (lambda rate: RMSprop(rate), lambda *a: rmsprop(*a)),
    "rmsprop, other settings": (lambda rate: RMSprop(rate, rho=0.5, epsilon=0.1), lambda *a: rmsprop(*a, 0.5, 0.1)),
    "adam": (lambda rate: Adam(rate), lambda *a: adam(*a)),
    "rmsprop, centered with momentum": (lambda rate: RMSprop(rate, 0.9, 0.8, 1e-3, centered=True), rmsprop_with_all),
    "rmsprop, centered": (lambda rate: RMSprop(rate, 0.9, 0, 1e-3, centered=True),
                          lambda *a: rmsprop_with_all(*a, mu=0.0)),
    "rmsprop, with momentum": (lambda rate: RMSprop(rate, 0.9, 0.8, 1e-3),
                               lambda *a: rmsprop_with_all(*a, centered=False)),
    "adagrad": (lambda rate: Adagrad(rate), adagrad),
    "adadelta": (lambda rate: Adadelta(rate), adadelta),
    "nadam": (lambda rate: Nadam(rate), nadam),
    "nadam, other settings": (lambda rate: Nadam(rate, 0.5, 0.9, 0.1), lambda *a: nadam(*a, 0.5, 0.9, 0.1)),
    "adamax": (lambda rate: Adamax(rate), adamax),
    "adamax, other settings": (lambda rate: Adamax(rate, 0.5, 0.7, 0.1), lambda *a: adamax(*a, 0.5, 0.7, 0.1)),
    "lion": (lambda rate: Lion(rate), lion),
    "lion, other settings": (lambda rate: Lion(rate, 0.5, 0.7), lambda *a: lion(*a, 0.5, 0.7)),
    "adamw": (lambda rate: AdamW(rate), decayed),
    "amsgrad": (lambda rate: Adam(rate, 0.8, 0.7, 1e-3, amsgrad=True), lambda *a: amsgrad(*a, 0.8, 0.7, 1e-3)),
    "adam, other settings": (lambda rate: Adam(rate, 0.5, 0.9, 0.1), lambda *a: adam(*a, 0.5, 0.9, 0.1)),
}


@pytest.fixture(params=FORMULAS.values(), ids=FORMULAS.keys())
def formula(request):
    return request.param


@pytest.mark.parametrize("rate", [1e-6, 1e-3, 1.0, 1e3])
@pytest.mark.usefixtures("every_kernel_set")
def test_many_steps_follow_the_formula_at_any_learning_rate(formula, rate, rng):
    make, by_formula = formula
    p, gradients = rng.normal(size=(2, 2)), rng.normal(size=(200, 2, 2)) * 10.0 ** rng.integers(-6, 3, (200, 2, 2))
    expected = [[by_formula(float(p[i, j]), gradients[:, i, j].tolist(), rate) for j in range(2)] for i in range(2)]
    optimizer, params = make(rate), {"kernel": p}
    for g in gradients:
        optimizer.update(params, {"kernel": g})
    assert params["kernel"] is p
    np.testing.assert_allclose(p, expected, rtol=1e-9, atol=1e-12)


def test_float32_parameters_stay_float32_and_near_the_formula(formula, rng):
    make, by_formula = formula
    p, gradients = rng.normal(size=3).astype(np.float32), rng.normal(size=(50, 3)).astype(np.float32)
    expected = [by_formula(float(p[i]), gradients[:, i].astype(float).tolist(), 0.01) for i in range(3)]
    optimizer = make(0.01)
    for g in gradients:
        optimizer.update({"p": p}, {"p": g})
    assert p.dtype == np.float32
    assert {slot.dtype for slots in optimizer.slots.values() for slot in slots.values()} == {np.dtype("float32")}
    np.testing.assert_allclose(p, expected, rtol=2e-4, atol=2e-5)


def test_first_steps_by_hand():
    for optimizer, expected in (SGD(0.1), 0.8), (SGD(0.1, momentum=0.9), 0.8), (SGD(0.1, 0.5, nesterov=True), 0.7):
        p = np.array([1.0])
        optimizer.update({"p": p}, {"p": np.array([2.0])})
        assert p == pytest.approx(expected)
    for optimizer, expected in (RMSprop(0.1), 1 - 0.1 / math.sqrt(0.1)), (Adam(0.1), 0.9):
        p = np.array([1.0])
        optimizer.update({"p": p}, {"p": np.array([2.0])})
        assert p == pytest.approx(expected, rel=1e-5)


def test_adams_step_is_counted_once_an_update_not_once_a_parameter(rng):
    gradients = rng.normal(size=(5, 3))
    optimizer, params = Adam(), {key: np.array([1.0]) for key in "abc"}
    for g in gradients:
        optimizer.update(params, {key: g[i:i + 1] for i, key in enumerate("abc")})
    assert optimizer.iterations == 5
    for i, key in enumerate("abc"):
        assert params[key] == pytest.approx(adam(1.0, gradients[:, i].tolist()), rel=1e-12)


def test_amsgrad_divides_by_the_largest_v_so_far_and_adamw_has_it_too():
    params = [np.array([1.0]), np.array([1.0])]
    optimizers = Adam(0.1, 0.0, 0.5, 0.0, True), AdamW(0.1, 0.0, 0.0, 0.5, 0.0, True)
    for p, optimizer in zip(params, optimizers, strict=True):
        for g in 2.0, 1.0:
            optimizer.update({"p": p}, {"p": np.array([g])})
        assert set(optimizer.slots["p"]) == {"m", "v", "v_max"}
    # v = 2, then 1.5: the largest is 2; rates 0.1 sqrt(1 / 2), then 0.1 sqrt(3 / 4)
    assert params[0] == params[1] == pytest.approx(1 - 0.1 * 0.5 ** 0.5 * 2 / 2 ** 0.5 - 0.1 * 0.75 ** 0.5 / 2 ** 0.5)


def test_adam_adds_epsilon_before_the_bias_correction():
    p = np.array([1.0])
    Adam(0.1, epsilon=1.0).update({"p": p}, {"p": np.array([2.0])})
    m, v = 0.1 * 2, 0.001 * 4
    assert p == pytest.approx(1 - 0.1 * math.sqrt(0.001) / 0.1 * m / (math.sqrt(v) + 1.0), rel=1e-12)


def test_adamax_divides_by_the_largest_gradient_which_it_forgets_slowly():
    p, optimizer = np.array([1.0]), Adamax(0.1, 0.0, 0.5, 0.0)
    for g in 2.0, -0.5, 0.0:
        optimizer.update({"p": p}, {"p": np.array([g])})
    assert optimizer.slots["p"]["u"] == 0.5                                          # 2, 1, 0.5
    assert p == pytest.approx(1 - 0.1 + 0.1 * 0.5 / 1, rel=1e-12)


def test_every_step_of_lion_is_as_long_as_the_rate_and_no_gradient_moves_nothing():
    p, optimizer = np.array([1.0, 1.0, 1.0]), Lion(0.1)
    optimizer.update({"p": p}, {"p": np.array([1e-9, -1e9, 0.0])})
    np.testing.assert_allclose(p, [0.9, 1.1, 1.0], rtol=1e-12)
    optimizer.update({"p": p}, {"p": np.array([0.0, 0.0, 0.0])})                       # the mean goes on
    np.testing.assert_allclose(p, [0.8, 1.2, 1.0], rtol=1e-12)


def test_every_parameter_has_running_arrays_of_its_own(formula, rng):
    make, by_formula = formula
    params, gradients = {"a": np.array([1.0]), "b": np.array([2.0])}, rng.normal(size=(10, 2)) * [1, 100]
    optimizer = make(0.01)
    for a, b in gradients:
        optimizer.update(params, {"a": np.array([a]), "b": np.array([b])})
    assert params["a"] == pytest.approx(by_formula(1.0, gradients[:, 0].tolist(), 0.01), rel=1e-9)
    assert params["b"] == pytest.approx(by_formula(2.0, gradients[:, 1].tolist(), 0.01), rel=1e-9)


@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), RMSprop(), Adam()], ids=["sgd", "rmsprop", "adam"])
def test_a_parameter_of_another_shape_under_the_same_name_has_running_arrays_of_its_own(optimizer, rng):
    fresh, g = copy.deepcopy(optimizer), rng.normal(size=(2, 4))
    with kernels.use("im2col"):                                 # the compiled kernel would read beyond the arrays
        optimizer.update({"kernel": rng.normal(size=(2, 3))}, {"kernel": rng.normal(size=(2, 3))})
        fresh.iterations = 1
        p, expected = np.ones((2, 4)), np.ones((2, 4))
        optimizer.update({"kernel": p}, {"kernel": g})
        fresh.update({"kernel": expected}, {"kernel": g})
    np.testing.assert_array_equal(p, expected)
    assert {array.shape for array in optimizer.slots["kernel"].values()} == {(2, 4)}


def test_gradients_are_not_written_to(formula, rng):
    optimizer, g = formula[0](0.1), rng.normal(size=4)
    g.flags.writeable = False
    before = g.copy()
    optimizer.update({"p": rng.normal(size=4)}, {"p": g})
    np.testing.assert_array_equal(g, before)


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "strided"])
@pytest.mark.usefixtures("every_kernel_set")
def test_a_parameter_is_updated_whatever_its_layout_in_memory(formula, layout):
    p = np.arange(12.0).reshape(3, 4)
    p = {"contiguous": p, "transposed": p.T, "strided": p[:, ::2]}[layout]
    expected, g = p.copy(order="C"), np.linspace(-1, 2, p.size).reshape(p.shape)
    one, two = formula[0](0.1), formula[0](0.1)
    for _ in range(3):
        one.update({"p": p}, {"p": g})
        two.update({"p": expected}, {"p": g})
    np.testing.assert_allclose(p, expected, rtol=1e-12)


def test_large_parameters_are_updated_to_the_last_number(formula, rng):
    p, g = rng.normal(size=300_001), rng.normal(size=300_001)
    expected = p.copy()
    formula[0](0.1).update({"p": p}, {"p": g})
    with kernels.use("im2col"):
        formula[0](0.1).update({"p": expected}, {"p": g})
    np.testing.assert_allclose(p, expected, rtol=1e-10)


def test_a_nan_gradient_is_not_hidden(formula):
    p = np.array([1.0, 2.0])
    formula[0](0.1).update({"p": p}, {"p": np.array([np.nan, 1.0])})
    assert np.isnan(p).tolist() == [True, False]


def test_clipnorm_scales_each_parameters_gradient_by_itself():
    params = {"long": np.zeros(2), "short": np.zeros(2)}
    SGD(1.0, clipnorm=1.0).update(params, {"long": np.array([30.0, 40.0]), "short": np.array([0.3, -0.4])})
    np.testing.assert_allclose(params["long"], [-0.6, -0.8], rtol=1e-12)
    np.testing.assert_allclose(params["short"], [-0.3, 0.4], rtol=1e-12)


def test_clipnorm_measures_a_whole_kernel_and_leaves_the_gradient_alone():
    p, g = np.zeros((2, 2)), np.array([[1.0, 1.0], [1.0, -1.0]])
    SGD(1.0, clipnorm=1.0).update({"p": p}, {"p": g})
    np.testing.assert_allclose(p, -g / 2, rtol=1e-12)
    assert g.tolist() == [[1, 1], [1, -1]]


def test_a_clipnorm_of_zero_stops_everything():
    p = np.array([1.0, 2.0])
    SGD(1.0, clipnorm=0.0).update({"p": p}, {"p": np.array([30.0, -40.0])})
    assert p.tolist() == [1, 2]


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_clipnorm_holds_for_gradients_whose_squares_overflow():
    p = np.zeros(2, np.float32)
    SGD(1.0, clipnorm=1.0).update({"p": p}, {"p": np.array([3e25, 4e25], np.float32)})
    np.testing.assert_allclose(p, [-0.6, -0.8], rtol=1e-5)


def test_clipnorm_does_not_hide_a_nan():
    p = np.zeros(2)
    SGD(1.0, clipnorm=1.0).update({"p": p}, {"p": np.array([np.nan, 1.0])})
    assert np.isnan(p[0])


@pytest.mark.parametrize("optimizer", [RMSprop(clipnorm=0.5), Adam(clipnorm=0.5)])
def test_all_optimizers_clip(optimizer):
    p = np.zeros(2)
    optimizer.update({"p": p}, {"p": np.array([30.0, 40.0])})
    expected = np.zeros(2)
    type(optimizer)().update({"p": expected}, {"p": np.array([0.3, 0.4])})
    np.testing.assert_allclose(p, expected, rtol=1e-10)


@pytest.mark.parametrize("make", [
    lambda: ExponentialDecay(-0.1, 10, 0.5), lambda: ExponentialDecay(0.1, 0, 0.5),
    lambda: ExponentialDecay(0.1, 10, np.nan), lambda: CosineDecay(np.inf, 10), lambda: CosineDecay(0.1, 10, -1),
])
def test_settings_of_no_schedule_are_refused(make):
    with pytest.raises(ValueError, match=r"Decay: expected .*, a number"):
        make()


def test_schedules_by_hand():
    decay = ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)
    np.testing.assert_allclose([decay(0), decay(5), decay(20)], [0.1, 0.1 * 0.5 ** 0.5, 0.025])
    stairs = ExponentialDecay(0.1, 10, 0.5, staircase=True)
    np.testing.assert_allclose([stairs(9), stairs(10), stairs(19)], [0.1, 0.05, 0.05])
    cosine = CosineDecay(0.2, 100)
    np.testing.assert_allclose([cosine(0), cosine(50), cosine(100), cosine(250)], [0.2, 0.1, 0, 0], atol=1e-12)
    np.testing.assert_allclose([CosineDecay(0.2, 100, alpha=0.5)(k) for k in (0, 50, 100)], [0.2, 0.15, 0.1])
    pieces = PiecewiseConstantDecay([3, 6], [1.0, 0.1, 0.01])
    assert [pieces(k) for k in (0, 3, 4, 6, 7)] == [1, 1, 0.1, 0.1, 0.01]


def test_a_schedule_is_asked_with_the_updates_made_so_far():
    asked, p = [], np.array([0.0])

    def schedule(step):
        asked.append(step)
        return 1.0 if step < 2 else 10.0
    optimizer = SGD(schedule)
    for _ in range(3):
        optimizer.update({"p": p}, {"p": np.array([1.0])})
    assert asked == [0, 1, 2]
    assert p == [-12]
    assert optimizer.current_learning_rate() == 10
    assert type(SGD(lambda step: np.float32(0.5)).current_learning_rate()) is float


@pytest.mark.parametrize("schedule", [ExponentialDecay(0.1, 10, 0.5, True), CosineDecay(0.1, 10, 0.5),
                                      PiecewiseConstantDecay([1], [0.1, 0.01]), 0.25], ids=str)
def test_a_config_makes_the_same_optimizer_again_through_json_too(schedule, formula):
    optimizer = formula[0](schedule)
    optimizer.clipnorm, optimizer.weight_decay = 2.0, 0.1
    config = {"class": type(optimizer).__name__, "config": optimizer.get_config()}
    again = optimizers.get(json.loads(json.dumps(config)))
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    one, two = np.array([1.0]), np.array([1.0])
    for _ in range(4):
        optimizer.update({"p": one}, {"p": np.array([3.0])})
        again.update({"p": two}, {"p": np.array([3.0])})
    assert one == two


def test_defaults_are_those_of_keras():
    common = {"weight_decay": None, "clipnorm": None, "clipvalue": None, "global_clipnorm": None, "use_ema": False,
              "ema_momentum": 0.99, "ema_overwrite_frequency": None}
    betas = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    assert SGD().get_config() == {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False, **common}
    assert RMSprop().get_config() == {"learning_rate": 0.001, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7,
                                      "centered": False, **common}
    assert Nadam().get_config() == Adamax().get_config() == {**betas, **common}
    assert Lion().get_config() == {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.99, **common}
    assert Adam().get_config() == {**betas, **common, "amsgrad": False}
    assert AdamW().get_config() == {**betas, **common, "amsgrad": False, "weight_decay": 0.004}
    assert Adadelta().get_config() == {"learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-7, **common}
    assert Adagrad().get_config() == {"learning_rate": 0.001, "initial_accumulator_value": 0.1, "epsilon": 1e-7,
                                      **common}


@pytest.mark.parametrize("name", ["adam", "Adam", "ADAM"])
def test_names_are_read_in_any_case_and_each_model_gets_its_own(name):
    assert isinstance(optimizers.get(name), Adam)
    assert optimizers.get(name) is not optimizers.get(name)
    assert isinstance(optimizers.get(Adam), Adam)


@pytest.mark.parametrize(("make", "text"), [
    (lambda: Adam(-1), "Adam: expected learning_rate, a number at least 0"),
    (lambda: Adam(float("nan")), "Adam: expected learning_rate"),
    (lambda: SGD(momentum=1.5), "SGD: expected momentum, a number at least 0 and below 1. Received: 1.5."),
    (lambda: SGD(momentum="much"), "SGD: expected momentum"),
    (lambda: SGD(momentum=1), "SGD: expected momentum, a number at least 0 and below 1. Received: 1."),
    (lambda: SGD(True), "SGD: expected learning_rate, a number at least 0 and below inf. Received: True."),
    (lambda: Adam(float("inf")), "Adam: expected learning_rate"),
    (lambda: RMSprop(rho=-0.1), "RMSprop: expected rho"),
    (lambda: Adam(clipnorm=-1), "Adam: expected clipnorm"),
    (lambda: Adam(clipvalue="1"), "Adam: expected clipvalue"),
    (lambda: Adam(clipnorm=1, global_clipnorm=1), "Adam: expected at most one of clipnorm, clipvalue and "
                                                  "global_clipnorm. Received: 1, None and 1."),
    (lambda: Adam(weight_decay=-0.1), "Adam: expected weight_decay"),
    (lambda: AdamW(weight_decay=None), "AdamW: expected weight_decay, a number at least 0"),
    (lambda: SGD(use_ema=True, ema_momentum=1.1), "SGD: expected ema_momentum"),
    (lambda: SGD(use_ema=True, ema_overwrite_frequency=0), "SGD: ema_overwrite_frequency, a whole number from 1"),
    (lambda: Adagrad(initial_accumulator_value=-1), "Adagrad: expected initial_accumulator_value"),
    (lambda: RMSprop(momentum=1), "RMSprop: expected momentum"),
    (lambda: Adam(beta_2=2), "Adam: expected beta_2"),
    (lambda: Adam("quick"), "Unknown schedule 'quick'"),
    (lambda: PiecewiseConstantDecay([2, 1], [1, 2, 3]), "rising boundaries"),
    (lambda: PiecewiseConstantDecay([1], [1]), "one value more"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_settings_outside_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_compiling_again_starts_afresh(rng):
    model = Sequential([Dense(1, input_dim=2)])
    for _ in range(2):
        model.compile("adam", "mse")
        model.train_on_batch(rng.normal(size=(3, 2)), np.ones((3, 1)))
        assert model.optimizer.iterations == 1


def dense_model(optimizer):
    model = Sequential([Dense(1, input_dim=2)], seed=0)
    model.compile(optimizer, "mse")
    return model


def train(model):
    return model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)


@pytest.mark.parametrize("optimizer", [SGD(), SGD(momentum=0.9), RMSprop(), Adam()],
                         ids=["sgd", "momentum", "rmsprop", "adam"])
def test_an_optimizer_that_has_trained_a_model_is_refused_by_another(optimizer):
    train(dense_model(optimizer))
    with pytest.raises(ValueError, match=f"{type(optimizer).__name__}: expected an optimizer of this model alone. "
                                         r"Received: one that has trained another \(updates so far: 1\)"):
        dense_model(optimizer)


@pytest.mark.parametrize("step", [train, lambda model: model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))],
                         ids=["fit", "train_on_batch"])
def test_of_two_models_compiled_with_one_optimizer_the_first_to_be_trained_has_it(step):
    optimizer = Adam()
    first, second = dense_model(optimizer), dense_model(optimizer)
    step(first)
    before = second.get_weights()
    with pytest.raises(ValueError, match="Make one for each: Adam"):
        step(second)
    np.testing.assert_array_equal(second.get_weights()[0], before[0])
    step(first)
    assert optimizer.iterations == 2


def test_the_optimizer_of_a_loaded_model_is_refused_by_another(tmp_path):
    model = dense_model("adam")
    train(model)
    model.save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    with pytest.raises(ValueError, match="one that has trained another"):
        dense_model(loaded.optimizer)
    train(loaded)


def test_a_model_compiled_again_with_its_own_optimizer_goes_on_with_it():
    model = dense_model("adam")
    train(model)
    model.compile(model.optimizer, "mse")
    train(model)
    assert model.optimizer.iterations == 2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
                         ids=["deepcopy", "pickle"])
def test_a_copied_model_goes_on_with_its_own_copy_of_the_optimizer(copied):
    model = dense_model("adam")
    train(model)
    again = copied(model)
    train(again)
    train(model)
    np.testing.assert_array_equal(model.get_weights()[0], again.get_weights()[0])
    with pytest.raises(ValueError, match="trained another"):
        model.compile(again.optimizer, "mse")


def test_a_layer_put_in_the_place_of_another_begins_with_running_arrays_of_its_own():
    model = dense_model(SGD(0.1, momentum=0.9))
    train(model)
    model.pop()
    model.add(Dense(1, kernel_initializer="zeros"))
    train(model)
    np.testing.assert_allclose(model.params["dense_1/kernel"], 0.2)         # rate * 2 (1 - 0), from a velocity of 0


# Clipping by value and by the norm of all, weight decay, and running means of the weights.

def test_clipvalue_cuts_every_entry_by_itself():
    p, g = np.zeros(3), np.array([5.0, -0.25, -3.0])
    SGD(1.0, clipvalue=0.5).update({"p": p}, {"p": g})
    assert p.tolist() == [-0.5, 0.25, 0.5]
    assert g.tolist() == [5, -0.25, -3]


def test_global_clipnorm_scales_all_gradients_by_one_factor():
    params = {"a": np.zeros(2), "b": np.zeros(1)}
    grads = {"a": np.array([3.0, 0.0]), "b": np.array([-4.0]), "frozen": np.array([1e9])}
    SGD(1.0, global_clipnorm=1.0).update(params, grads)                        # of those that are trained
    np.testing.assert_allclose(np.concatenate([params["a"], params["b"]]), [-0.6, 0, 0.8], rtol=1e-12)
    SGD(1.0, global_clipnorm=50.0).update(params, grads)                       # short enough
    np.testing.assert_allclose(np.concatenate([params["a"], params["b"]]), [-3.6, 0, 4.8], rtol=1e-12)


def test_weight_decay_shrinks_every_weight_in_proportion_before_the_step():
    p, q = np.array([2.0, -4.0]), np.array([2.0])
    SGD(0.5, weight_decay=0.1).update({"p": p}, {"p": np.array([0.0, 1.0])})
    np.testing.assert_allclose(p, [1.9, -4 + 0.2 - 0.5], rtol=1e-12)
    RMSprop(0.5, weight_decay=0.1).update({"q": q}, {"q": np.array([0.0])})
    np.testing.assert_allclose(q, [1.9], rtol=1e-12)


def test_weight_decay_goes_with_the_rate_of_the_schedule():
    p = np.array([1.0])
    optimizer = SGD(PiecewiseConstantDecay([0], [0.5, 0.0]), weight_decay=0.5)
    for expected in 0.75, 0.75:
        optimizer.update({"p": p}, {"p": np.array([0.0])})
        assert p == expected


def test_the_running_mean_of_a_weight_begins_as_the_weight_after_the_first_update():
    optimizer, p = SGD(1.0, use_ema=True, ema_momentum=0.75), np.array([0.0])
    for mean in 4.0, 5.0, 6.75:                                # 4; 3/4 4 + 1/4 8; 3/4 5 + 1/4 12
        optimizer.update({"p": p}, {"p": np.array([-4.0])})
        assert optimizer.slots["p"]["average"] == mean
    assert p == 12
    optimizer.finalize_variable_values({"p": p, "of a layer that was never trained": np.array([1.0])})
    assert p == 6.75


def test_running_means_take_the_weights_places_every_so_many_updates():
    optimizer, p = SGD(1.0, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2), np.array([0.0])
    for expected in 4, (4 + 8) / 2, 10, (8 + 14) / 2:          # the mean of 6 and 10, in between, is 8
        optimizer.update({"p": p}, {"p": np.array([-4.0])})
        assert p == expected


@pytest.mark.parametrize("interrupted", [False, True], ids=["whole", "interrupted"])
def test_fit_ends_with_the_running_means_unless_it_is_interrupted(interrupted):
    model, plain = (dense_model(SGD(0.1, use_ema=use, ema_momentum=0.5)) for use in (True, False))

    def stop(epoch, logs):
        if epoch == 1 and interrupted:
            raise KeyboardInterrupt
    found = []
    for each in plain, model:
        watch = LambdaCallback(on_epoch_end=lambda epoch, logs, each=each: found.append(each.get_weights()[0]))
        with contextlib.suppress(KeyboardInterrupt):
            each.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0,
                     callbacks=[watch, LambdaCallback(on_epoch_end=stop)])
    first, second = found[:2]
    np.testing.assert_array_equal(found[2:], [first, second])                # until then nothing is different
    np.testing.assert_allclose(model.get_weights()[0], second if interrupted else (first + second) / 2, rtol=1e-6)


@pytest.mark.parametrize("make", [
    lambda: AdamW(0.01, use_ema=True, ema_momentum=0.9), lambda: Nadam(0.01, global_clipnorm=0.1),
    lambda: Adagrad(0.1, clipvalue=0.01), lambda: RMSprop(0.01, momentum=0.5, centered=True, weight_decay=0.1),
], ids=["adamw", "nadam", "adagrad", "rmsprop"])
def test_a_training_goes_on_from_a_file_to_the_bit(make, tmp_path, rng):
    x, y = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    model = dense_model(make())
    for _ in range(3):
        model.train_on_batch(x, y)
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for each in model, again:
        each.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], again.get_weights()[0])
    assert model.optimizer.slots["dense_1/kernel"].keys() == set(model.optimizer.slot_names)


def test_a_centered_mean_square_is_never_negative():
    p, optimizer = np.array([1.0], np.float32), RMSprop(0.001, centered=True)
    for _ in range(300):                                       # the variance of a number that stays the same is 0
        optimizer.update({"p": p}, {"p": np.array([12345.678], np.float32)})
        assert np.isfinite(p)


def test_nadam_counts_its_momentum_anew_where_its_count_was_set_back():
    optimizer, again = Nadam(0.1), Nadam(0.1)
    params = {"p": np.array([1.0])}
    for _ in range(5):
        optimizer.update(params, {"p": np.array([2.0])})
    optimizer.iterations, optimizer.slots = 0, {}
    one, two = {"p": np.array([1.0])}, {"p": np.array([1.0])}
    for _ in range(3):
        optimizer.update(one, {"p": np.array([2.0])})
        again.update(two, {"p": np.array([2.0])})
    assert one["p"] == two["p"]


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.rest)])
@pytest.mark.parametrize("make", [
    lambda: SGD(momentum=0.9, use_ema=True), lambda: SGD(momentum=0.9, nesterov=True), Lion, RMSprop,
    lambda: RMSprop(momentum=0.5), lambda: RMSprop(centered=True),
    lambda: RMSprop(momentum=0.5, centered=True, weight_decay=0.1), Nadam, Adamax, Adagrad, Adadelta, Adam,
    lambda: Adam(amsgrad=True), lambda: AdamW(use_ema=True, clipvalue=0.5)],
    ids=["sgd", "nesterov", "lion", "rmsprop", "with_momentum", "centered", "centered_with_momentum", "nadam", "adamax",
         "adagrad", "adadelta", "adam", "amsgrad", "adamw"])
def test_compiled_updates_have_the_bits_of_numpys(make, dtype, rng):
    """In pieces on all cores, in one, by NumPy where there are few numbers, and where they lie in another order."""
    params = {name: np.asarray(rng.normal(size=shape), dtype, order=order) for name, shape, order in (
        ("large", (2, 130_000), "C"), ("one piece", (5000,), "C"), ("few", (33,), "C"),
        ("transposed", (70, 80), "F"))}
    sizes = 10.0 ** np.arange(-6, 3)
    gradients = [{name: (rng.normal(size=p.shape) * rng.choice(sizes, p.shape)).astype(dtype)
                  for name, p in params.items()} for _ in range(3)]
    found = []
    for name in "fast", "im2col":
        with kernels.use(name):
            optimizer, changed = make(), {key: p.copy(order="K") for key, p in params.items()}
            for g in gradients:
                optimizer.update(changed, g)
            found.append({**changed, **{f"{slot} of {key}": array for key, slots in optimizer.slots.items()
                                        for slot, array in slots.items()}})
    assert found[0].keys() == found[1].keys()
    for name, array in found[0].items():
        np.testing.assert_array_equal(array, found[1][name], err_msg=name)


def test_a_step_of_ones_own_gets_whole_parameters():
    class ByNorm(SGD):
        def step(self, p, g, slots, learning_rate):
            p -= learning_rate * g / np.linalg.norm(g)
    params = {"w": np.zeros(160_000)}
    ByNorm(1.0).update(params, {"w": np.ones(160_000)})
    np.testing.assert_allclose(params["w"], -1 / 400)
