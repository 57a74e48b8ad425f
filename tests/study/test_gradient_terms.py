"""The terms of a gradient are products of numbers that stand where they say, and sum to the engine's gradient."""

import numpy as np
import pytest
from sampled import sampled
from scipy.special import softmax
from study_models import samples, twisted

from tinynet import Sequential, study
from tinynet.layers import Dense

MODEL, (X, Y) = twisted(regularizer="l2"), samples()
FOUND = study.activations(MODEL, X)
INPUTS = {"first": X, "largest": FOUND["first/tanh"], "inner/conv2d_1": FOUND["scale_1"],
          "inner/average_pool2d_1": FOUND["inner/conv2d_1/relu"], "hidden": FOUND["flatten_1"],
          "last": FOUND["hidden/tanh"]}
ROUNDING = {"rel": 1e-12, "abs": 1e-16}               # of the sum; numbers of two runs are compared by `approx`


def approx(number):
    """Allow for the last bits of a float64, in which two runs may differ."""
    return pytest.approx(number, rel=1e-10, abs=1e-15)


def some_indices(shape, count=25):
    rng = np.random.default_rng(0)
    return [(0,) * len(shape), tuple(np.array(shape) - 1)] + [tuple(rng.integers(shape)) for _ in range(count)]


def gradients_of_outputs_and_inputs():
    """Return the engine's gradients with respect to the steps' outputs and inputs, by the name of the step."""
    trace = study.Trace(MODEL, X)
    gradients = trace.loss_gradients(Y)
    dx = {step.name: gradient for step, gradient in zip(trace.steps, gradients, strict=False)}
    return {step.name: gradient for step, gradient in zip(trace.steps, gradients[1:], strict=False)}, dx


def slope(change, step=1e-6):
    """Measure the slope of the model's loss under ``change(+-step)``, which is undone by its opposite."""
    change(step)
    above = MODEL.evaluate(X, Y, verbose=0)[0]
    change(-2 * step)
    below = MODEL.evaluate(X, Y, verbose=0)[0]
    change(step)
    return (above - below) / (2 * step)


def test_the_trace_sets_the_grads_that_objective_sets():
    MODEL.objective(X, Y)[2]()
    wanted = dict(MODEL.grads)
    study.Trace(MODEL, X).loss_gradients(Y)
    assert MODEL.grads.keys() == wanted.keys()
    for key, array in wanted.items():
        np.testing.assert_allclose(MODEL.grads[key], array, rtol=1e-12, atol=1e-17)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["first", "inner/conv2d_1"])
def test_the_terms_of_a_convolutions_weight(name):
    dy, x = gradients_of_outputs_and_inputs()[0][name], INPUTS[name]
    kernel = MODEL.params[f"{name}/kernel"]
    for f, c, i, j in some_indices(kernel.shape):
        terms = study.conv_gradient(MODEL, name, X, Y, weight=(f, c, i, j))
        assert terms.gradient == MODEL.grads[f"{name}/kernel"][f, c, i, j]
        assert terms.total == pytest.approx(terms.gradient, **ROUNDING)
        assert (terms.penalty != 0) == (name == "first")
        for left, right, *at in zip(terms.left, terms.right, terms.left_at, terms.right_at, strict=True):
            assert (left, right) == approx((dy[tuple(at[0])], x[tuple(at[1])]))
            assert at[0][0] == at[1][0]
            assert (at[0][1], at[1][1]) == (f, c)
        np.testing.assert_allclose(terms.maps["their products"].sum(),
                                   terms.terms[terms.left_at[:, 0] == 0].sum(), rtol=1e-12, atol=1e-17)


def test_a_convolutions_weight_has_one_term_for_each_window_that_it_met_a_pixel_in():
    counts = np.array([[len(study.conv_gradient(MODEL, "first", X, Y, weight=(0, 0, i, j)).terms)
                        for j in range(2)] for i in range(3)])
    # 9 rows in steps of 2, 1 of padding on each side: rows -1 1 3 5 7 for i = 0; 8 columns, 1 of padding at the end
    np.testing.assert_array_equal(counts, 5 * np.outer([4, 5, 4], [8, 7]))


def test_the_terms_agree_with_the_measured_slope_of_the_loss():
    for name, weight in (("first", (1, 1, 2, 0)), ("inner/conv2d_1", (3, 2, 0, 1))):
        array = MODEL.params[f"{name}/kernel"]

        def change(by, array=array, weight=weight):
            array[weight] += by
        total = study.conv_gradient(MODEL, name, X, Y, weight=weight).total
        assert total == pytest.approx(slope(change), rel=1e-6, abs=1e-9)
    array = MODEL.params["hidden/kernel"]

    def change_hidden(by):
        array[7, 2] += by
    assert study.dense_gradient(MODEL, "hidden", X, Y, weight=(7, 2)).total == pytest.approx(
        slope(change_hidden), rel=1e-6, abs=1e-9)

    def change_pixel(by):
        X[3, 1, 8, 7] += by
    assert study.conv_gradient(MODEL, "first", X, Y, pixel=(1, 8, 7), sample=3).total == pytest.approx(
        slope(change_pixel), rel=1e-5, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["first", "inner/conv2d_1"])
def test_the_terms_of_a_pixel(name):
    (dy, dx), kernel = gradients_of_outputs_and_inputs(), MODEL.params[f"{name}/kernel"]
    for n, c, h, w in some_indices(INPUTS[name].shape):
        terms = study.conv_gradient(MODEL, name, X, Y, pixel=(c, h, w), sample=n)
        assert terms.gradient == approx(dx[name][n, c, h, w])
        assert terms.total == pytest.approx(terms.gradient, **ROUNDING)
        for left, right, *at in zip(terms.left, terms.right, terms.left_at, terms.right_at, strict=True):
            assert (left, right) == approx((dy[name][tuple(at[0])], kernel[tuple(at[1])]))
            assert at[0][0] == n
            assert at[0][1] == at[1][0]
            assert at[1][1] == c


@pytest.mark.slow
@pytest.mark.parametrize("name", ["largest", "inner/average_pool2d_1"])
def test_the_terms_of_a_pixel_that_is_pooled(name):
    dy, dx = gradients_of_outputs_and_inputs()
    for n, c, h, w in some_indices(INPUTS[name].shape):
        terms = study.pool_gradient(MODEL, name, X, Y, pixel=(c, h, w), sample=n)
        assert terms.gradient == approx(dx[name][n, c, h, w])
        assert terms.total == pytest.approx(terms.gradient, **ROUNDING)
        for left, right, at, (i, j) in zip(terms.left, terms.right, terms.left_at, terms.right_at, strict=True):
            step = study.pool_step(MODEL, name, X, at[1:], at[0])
            assert (left, right) == approx((dy[name][tuple(at)], step.shares[i, j]))
            assert (step.rows[i], step.columns[j]) == (h, w)


def test_a_frozen_layers_penalty_is_no_term():
    model = twisted(regularizer="l2")
    model.get_layer("hidden").trainable = False
    terms = study.dense_gradient(model, "hidden", X, Y, weight=(0, 0))
    assert terms.penalty == 0
    assert terms.total == pytest.approx(terms.gradient, **ROUNDING)


def test_the_terms_of_a_dense_layer():
    (dy, dx), kernel = gradients_of_outputs_and_inputs(), MODEL.params["hidden/kernel"]
    for i, u in some_indices(kernel.shape):
        terms = study.dense_gradient(MODEL, "hidden", X, Y, weight=(i, u))
        assert terms.gradient == MODEL.grads["hidden/kernel"][i, u]
        assert terms.total == pytest.approx(terms.gradient, **ROUNDING)
        np.testing.assert_allclose(terms.left, dy["hidden"][:, u], rtol=1e-10, atol=1e-16)
        np.testing.assert_allclose(terms.right, INPUTS["hidden"][:, i], rtol=1e-12)
        np.testing.assert_array_equal(terms.left_at, [(n, u) for n in range(len(X))])
        np.testing.assert_array_equal(terms.right_at, [(n, i) for n in range(len(X))])
        assert terms.penalty == pytest.approx(0.02 * kernel[i, u])                     # l2: 0.01 w^2
    for n, i in some_indices(INPUTS["hidden"].shape):
        terms = study.dense_gradient(MODEL, "hidden", X, Y, unit=i, sample=n)
        assert terms.gradient == approx(dx["hidden"][n, i])
        assert terms.total == pytest.approx(terms.gradient, **ROUNDING)
        np.testing.assert_allclose(terms.left, dy["hidden"][n], rtol=1e-10, atol=1e-16)
        np.testing.assert_array_equal(terms.right, kernel[i])


def test_a_dense_layer_on_more_axes():
    model = Sequential([Dense(2, input_shape=(3, 4))], dtype="float64", seed=2)
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 2))
    terms = study.dense_gradient(model, "dense_1", x, weight=(3, 1), upstream=dy)
    assert len(terms.terms) == 6
    for number, at in zip(terms.right, terms.right_at, strict=True):
        assert number == x[tuple(at)]
    assert terms.total == pytest.approx((dy[..., 1] * x[..., 3]).sum()) == pytest.approx(terms.gradient)
    terms = study.dense_gradient(model, "dense_1", x, unit=(2, 3), sample=1, upstream=dy)
    assert terms.total == pytest.approx(dy[1, 2] @ model.params["dense_1/kernel"][3]) == pytest.approx(terms.gradient)


def test_the_terms_of_a_logit():
    p = softmax(FOUND["last"], axis=1)
    for n, j in np.ndindex(len(X), 4):
        terms = study.softmax_gradient(MODEL, X, Y, j, n)
        assert terms.total == pytest.approx(terms.gradient, rel=1e-12, abs=1e-16)
        assert terms.gradient == pytest.approx((p[n, j] - Y[n, j]) / len(X), rel=1e-12, abs=1e-16)
        assert np.count_nonzero(terms.terms) == 1


def test_a_probability_that_underflows_is_an_error():
    model = Sequential([Dense(2, activation="softmax", input_dim=1, kernel_initializer="ones")])
    model.params["dense_1/kernel"] = np.array([[0, 1000]], np.float32)
    model.compile(loss="categorical_crossentropy")
    with pytest.raises(ValueError, match="a probability above 0 for the true class"):
        study.softmax_gradient(model, [[1]], [[1, 0]], 0)
    np.testing.assert_array_equal(study.softmax_step(model, [[1]], [[1, 0]]).gradient, [-1, 1])


def test_an_upstream_gradient_goes_through_the_softmax():
    dy = np.random.default_rng(1).normal(size=(5, 4))
    _, backward = MODEL.forward(X)
    dx = backward(dy)
    wanted = MODEL.grads["first/kernel"]
    terms = study.conv_gradient(MODEL, "first", X, weight=(0, 1, 1, 0), upstream=dy)
    assert terms.total - terms.penalty == pytest.approx(wanted[0, 1, 1, 0], rel=1e-10)
    terms = study.conv_gradient(MODEL, "first", X, pixel=(1, 3, 4), sample=2, upstream=dy)
    assert terms.total == pytest.approx(dx[2, 1, 3, 4], rel=1e-10)


def test_float32_sums_to_the_gradient_within_its_rounding():
    model = twisted("float32")
    terms = study.conv_gradient(model, "first", X, Y, weight=(0, 1, 1, 0))
    assert model.grads["first/kernel"].dtype == np.float32
    assert terms.total == pytest.approx(terms.gradient, rel=1e-5)


def test_the_text_has_the_largest_terms_and_the_sum_of_the_others():
    terms = study.conv_gradient(MODEL, "first", X, Y, weight=(0, 1, 1, 0))
    lines = str(terms).splitlines()
    order = np.argsort(-np.abs(terms.terms))
    assert lines[0] == f"d loss / d first/kernel[0, 1, 1, 0] is the sum of {len(terms.terms)} terms dy * x, " \
                       f"{np.count_nonzero(terms.terms)} of them not 0:"
    for k, line in zip(order[:12], lines[1:], strict=False):
        left, right = terms.left_at[k].tolist(), terms.right_at[k].tolist()
        assert line.startswith(f"  dy{left} * x{right}")
        assert line.endswith(f"{terms.terms[k]:+.6e}")
    assert lines[13].endswith(f"{terms.terms[order[12:]].sum():+.6e}")
    assert lines[14].endswith(f"{terms.penalty:+.6e}")
    assert "regularizer" in lines[14]
    assert lines[15].endswith(f"{terms.gradient:+.6e}")
    assert lines[16].endswith(f"{terms.gradient:+.6e}")


@pytest.mark.slow
@pytest.mark.parametrize("variable", sampled([{"weight": (0, 1, 1, 0)}, {"pixel": (1, 3, 4)}], every=2))
def test_the_bars_add_up(variable, tmp_path):
    terms = study.conv_gradient(MODEL, "first", X, Y, **variable)
    figure = terms.plot(tmp_path / "terms.png")
    bars, = ([bar.get_width() for bar in ax.patches] for ax in figure.axes if ax.patches and not ax.images)
    assert sum(bars[:-1]) == pytest.approx(bars[-1]) == pytest.approx(terms.total)
    images = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    for image, wanted in zip(images, terms.maps.values(), strict=True):
        np.testing.assert_array_equal(image, wanted)


@pytest.mark.parametrize("gradient", [study.conv_gradient, study.dense_gradient])
def test_one_thing_at_a_time(gradient):
    name = "first" if gradient is study.conv_gradient else "hidden"
    with pytest.raises(ValueError, match=r"Expected either weight=.* Received: neither"):
        gradient(MODEL, name, X, Y)
    weight = (0, 0, 0, 0) if name == "first" else (0, 0)
    with pytest.raises(ValueError, match=r"Expected either targets y.* Received: neither"):
        gradient(MODEL, name, X, weight=weight)
    with pytest.raises(ValueError, match="Received: both"):
        gradient(MODEL, name, X, Y, weight=weight, upstream=np.ones((5, 4)))
    with pytest.raises(ValueError, match=r"upstream of the output's shape, \(5, 4\). Received: \(5, 3\)"):
        gradient(MODEL, name, X, weight=weight, upstream=np.zeros((5, 3)))
