"""The profile's counts are those of the arithmetic; its rules can be added to; nothing is changed by measuring."""

import numpy as np
import pytest
from layers_for_tests import Scale
from study_models import mnist_model, samples, twisted

from tinynet import Sequential, study
from tinynet.layers import (
    AveragePool2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool2D,
    Layer,
    MaxPool2D,
    Rescaling,
    Reshape,
    Softmax,
)


def by_name(model, batch_size=2):
    return {step.name: step for step in study.profile(model, batch_size, repeats=1).steps}


def test_the_simple_cnns_numbers():
    steps = by_name(mnist_model(larger=False))
    assert steps["conv2d_1"].multiply_adds == 460_800
    assert steps["dense_1"].multiply_adds + steps["dense_2"].multiply_adds == 591_104
    assert (steps["conv2d_1"].field, steps["max_pool2d_1"].field) == ("5", "6")
    assert sum(step.parameters for step in steps.values()) == mnist_model(larger=False).count_params() == 592_074


def test_the_larger_cnns_numbers():
    steps = by_name(mnist_model(larger=True))
    assert (steps["conv2d_1"].multiply_adds, steps["conv2d_2"].multiply_adds) == (432_000, 405_000)
    assert sum(steps[name].multiply_adds for name in ("dense_1", "dense_2", "dense_3")) == 54_900
    windowed = ("conv2d_1", "max_pool2d_1", "conv2d_2", "max_pool2d_2")
    assert [steps[name].field for name in windowed] == ["5", "6", "10", "12"]
    assert [steps[name].jump for name in windowed] == ["1", "2", "2", "4"]
    assert (steps["flatten_1"].field, steps["dense_1"].field, steps["dense_1"].jump) == ("12", "all", "-")


def test_bytes_are_those_of_the_arrays():
    model = twisted()
    x, _ = samples(3)
    steps, found = by_name(model, 3), study.activations(model, x)
    for name, array in found.items():
        assert steps[name].activation_bytes == array.nbytes
        assert steps[name].output_shape == array.shape[1:]
    for name in ("first", "inner/conv2d_1"):
        columns = study.conv_step(model, name, x, (0, 0, 0)).column_matrix
        assert steps[name].im2col_bytes == 3 * columns.nbytes
    assert steps["hidden"].im2col_bytes == 0



@pytest.mark.parametrize(("layer", "input_shape"), [
    (Dense(4), (3,)), (Dense(4, activation="relu"), (2, 3)), (Conv2D(3, (2, 3), strides=2, padding="same"), (2, 5, 6)),
    (Conv2D(2, 2, dilation_rate=(2, 1)), (1, 5, 4)), (Conv2D(4, 2, groups=2), (6, 5, 4))])
def test_multiply_adds_are_the_products_that_the_definition_forms(layer, input_shape):
    model = Sequential([layer], seed=0)
    model.build(input_shape)
    kernel = layer.params["kernel"]
    if kernel.ndim == 4:
        counted = kernel[0].size * np.prod(layer.output_shape)           # every output pixel, each weight of its filter
    else:
        counted = kernel.size * np.prod(layer.output_shape[:-1])
    assert next(iter(by_name(model).values())).multiply_adds == counted


def measured_field(model, output):
    """Find the cells of the input that move one output: the extent of a gradient that no window can hide."""
    x = np.random.default_rng(0).normal(size=(1, *model.input_shape))
    y, backward = model.forward(x)
    dy = np.zeros_like(y)
    dy[0, :, *output] = np.random.default_rng(1).uniform(1, 2, y.shape[1])
    rows, columns = np.nonzero(np.abs(backward(dy)).sum(axis=(0, 1)))
    return rows.min(), rows.max(), columns.min(), columns.max()


@pytest.mark.parametrize("layers", [
    lambda: [Conv2D(2, (3, 2)), AveragePool2D((2, 3)), Conv2D(2, 3, dilation_rate=(1, 2), activation="tanh")],
    lambda: [Conv2D(2, 3, strides=(2, 1)), AveragePool2D(3, strides=2), Sequential([Conv2D(1, 2), Conv2D(1, 2)])],
])
def test_receptive_fields_and_jumps_are_where_the_gradient_reaches(layers):
    model = Sequential(layers(), dtype="float64", seed=1)
    model.build((1, 40, 41))
    last = study.profile(model, 1, 1).steps[-1]
    top, bottom, left, right = measured_field(model, (1, 1))
    assert (bottom - top + 1, right - left + 1) == (last.fields[0][0], last.fields[1][0])
    further, _, across, _ = measured_field(model, (2, 2))
    assert (further - top, across - left) == (last.fields[0][1], last.fields[1][1])


def test_a_dense_layer_sees_all_and_on_images_a_row():
    model = Sequential([Conv2D(2, 3, input_shape=(1, 7, 7)), Dense(3), Softmax(), Flatten(), Dense(2)])
    assert [step.field for step in study.profile(model, 1, 1).steps] == ["3", "3xall", "3xall", "3xall", "all"]


def test_what_reshapes_and_what_pools_an_image_as_a_whole():
    model = Sequential([Conv2D(2, 3, input_shape=(1, 7, 7)), Reshape((1, 2, 5, 5)), Reshape((2, 5, 5)),
                        GlobalAvgPool2D(keepdims=True), Reshape((-1,)), Rescaling(2.0)])
    assert [step.field for step in study.profile(model, 1, 1).steps] == ["3", "3", "3", "all", "all", "all"]
    model = Sequential([Conv2D(2, 3, input_shape=(1, 7, 7)), Reshape((5, 10)), Dense(3)])        # rows of two channels
    assert [step.field for step in study.profile(model, 1, 1).steps] == ["3", "?", "?"]


def test_parameters_of_a_layer_of_two_steps_are_counted_once():
    class Twice(Scale):
        def parts(self):
            return [("", self.forward), ("again", self.forward)]
    profile = study.profile(Sequential([Twice(input_shape=(3,))]), 1, 1)
    assert [(step.name, step.parameters) for step in profile.steps] == [("twice_1", 3), ("twice_1/again", 0)]


def test_vectors_have_no_receptive_field():
    assert {step.field for step in study.profile(Sequential([Dense(2, input_dim=3)]), 1, 1).steps} == {"?"}


def test_a_layer_of_ones_own_is_not_guessed_and_can_be_given_rules():
    class Mine(Scale):
        pass
    model = Sequential([Conv2D(2, 3, input_shape=(1, 8, 8)), Mine(), MaxPool2D()])
    profile = study.profile(model, 1, 1)
    assert [(step.multiply_adds, step.field) for step in profile.steps] == [(2 * 9 * 36, "3"), (None, "?"), (0, "?")]
    assert f"{2 * 9 * 36}+?" in str(profile).splitlines()[-2]
    study.multiply_adds.register(Mine, lambda layer, input_shape, output_shape: layer.count_params())
    study.reach.register(Mine, study.elementwise)
    found = study.profile(model, 1, 1).steps
    assert [(step.multiply_adds, step.field) for step in found] == [(2 * 9 * 36, "3"), (72, "3"), (0, "4")]


def test_measuring_changes_nothing():
    model, (x, y) = twisted(), samples()
    model.objective(x, y)[2]()
    weights, grads, state = model.get_weights(), dict(model.grads), model.rng.bit_generator.state
    study.profile(model, 2, 1)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert all(model.grads[key] is array for key, array in grads.items())
    assert model.rng.bit_generator.state == state


class Slow(Layer):
    """Sleeps for given times."""

    def __init__(self, forward_ms, backward_ms):
        super().__init__()
        self.ms = forward_ms, backward_ms

    def forward(self, x, training=False):
        from time import sleep
        sleep(self.ms[0] / 1000)

        def backward(dy):
            sleep(self.ms[1] / 1000)
            return dy
        return x, backward


def test_times_are_medians_of_the_steps_own():
    model = Sequential([Dense(2, input_dim=2), Slow(20, 5), Slow(5, 30)])
    profile = study.profile(model, 1, repeats=3)
    _, one, other = profile.steps
    found = [one.forward_ms, one.backward_ms, other.forward_ms, other.backward_ms]
    for slept, milliseconds in zip((20, 5, 5, 30), found, strict=True):
        assert slept <= milliseconds < slept + 200                       # whatever else the machine does meanwhile
    assert sum(profile.share(step) for step in profile.steps) == pytest.approx(1)
    assert profile.share(other) == pytest.approx((other.forward_ms + other.backward_ms) / profile.milliseconds)


def test_steps_before_the_first_weights_are_not_run_backward():
    model = Sequential([Slow(1, 500), Dense(2)])
    model.build((2,))
    assert study.profile(model, 1, 1).steps[0].backward_ms == 0


def test_nobody_is_asked_for_the_gradient_of_the_input():
    calls = []

    class Asked(Scale):
        def forward(self, x, training=False):
            y, back = super().forward(x)

            def backward(dy, *, need_dx=True):
                calls.append((self.number, need_dx))
                return back(dy)
            return y, backward
    layers = [Asked(), Asked()]
    for number, layer in enumerate(layers):
        layer.number = number
    study.profile(Sequential(layers, input_shape=(3,)), 1, 1)
    assert set(calls) == {(0, False), (1, True)}


def test_the_table_has_a_line_for_each_step_and_the_totals():
    profile = study.profile(mnist_model(larger=True), 2, 1)
    lines = str(profile).splitlines()
    assert "batches of 2" in lines[0]
    rows = [line.split() for line in lines[3:-3]]
    assert [row[0] for row in rows] == [step.name for step in profile.steps]
    assert rows[3][:6] == ["conv2d_2", "15x10x10", "4,065", "405,000", "10", "2"]
    assert rows[3][8] == f"{profile.steps[3].forward_ms:.3f}"
    assert lines[-2].split()[:3] == ["total", "59,933", "891,900"]
    assert lines[-1] == (f"Each step by itself: {profile.milliseconds:.3f} ms. As planned, some in one pass: "
                         f"{profile.planned_ms:.3f} ms")
    assert max(map(len, lines)) <= 120


@pytest.mark.slow
def test_the_bars_are_the_profiles(tmp_path):
    profile = study.profile(twisted(), 2, 1)
    figure = profile.plot(tmp_path / "profile.png")
    work, times = ([bar.get_width() for bar in ax.patches] for ax in figure.axes)
    assert [bars.get_label() for bars in figure.axes[1].containers] == ["forward", "backward"]
    assert figure.axes[0].get_xlabel() == "multiply-adds for one sample"
    assert work == [step.multiply_adds or 0 for step in profile.steps]
    assert times == [step.forward_ms for step in profile.steps] + [step.backward_ms for step in profile.steps]
    assert [bar.get_x() for bar in figure.axes[1].patches] == [0] * len(profile.steps) + times[:len(profile.steps)]


def test_a_model_must_know_its_input():
    with pytest.raises(ValueError, match="a model whose input shape is known"):
        study.profile(Sequential([Dense(2)]))
    with pytest.raises(ValueError, match=r"profile: expected batch_size, a whole number from 1\. Received: 0\."):
        study.profile(Sequential([Dense(2, input_dim=2)]), 0)
