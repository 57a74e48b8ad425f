"""The optimizers against their formulas, written out once more in plain float64 Python."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

from tinynet import Sequential, kernels, load_model, optimizers
from tinynet.layers import Dense
from tinynet.optimizers import SGD, Adam, CosineDecay, ExponentialDecay, PiecewiseConstantDecay, RMSprop


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


FORMULAS = {
    "sgd": (lambda rate: SGD(rate), lambda *a: sgd(*a)),
    "momentum": (lambda rate: SGD(rate, momentum=0.9), lambda *a: sgd(*a, 0.9)),
    "nesterov": (lambda rate: SGD(rate, momentum=0.8, nesterov=True), lambda *a: sgd(*a, 0.8, True)),
    "rmsprop": (lambda rate: RMSprop(rate), lambda *a: rmsprop(*a)),
    "rmsprop, other settings": (lambda rate: RMSprop(rate, rho=0.5, epsilon=0.1), lambda *a: rmsprop(*a, 0.5, 0.1)),
    "adam": (lambda rate: Adam(rate), lambda *a: adam(*a)),
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


def test_adam_adds_epsilon_before_the_bias_correction():
    p = np.array([1.0])
    Adam(0.1, epsilon=1.0).update({"p": p}, {"p": np.array([2.0])})
    m, v = 0.1 * 2, 0.001 * 4
    assert p == pytest.approx(1 - 0.1 * math.sqrt(0.001) / 0.1 * m / (math.sqrt(v) + 1.0), rel=1e-12)


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
    optimizer.clipnorm = 2.0
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
    assert SGD().get_config() == {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False, "clipnorm": None}
    assert RMSprop().get_config() == {"learning_rate": 0.001, "rho": 0.9, "epsilon": 1e-7, "clipnorm": None}
    assert Adam().get_config() == {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7,
                                   "clipnorm": None}


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
