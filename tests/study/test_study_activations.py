"""What `activations` and `input_gradient` return is what the engine computes."""

import subprocess
import sys

import numpy as np
import pytest
from study_models import samples, twisted

from tinynet import Sequential, kernels, study
from tinynet.layers import Activation, Conv2D, Dense, Flatten, ReLU, Softmax


def test_each_step_is_named_in_order_and_the_last_is_the_prediction():
    model, (x, _) = twisted(), samples()
    found = study.activations(model, x)
    assert list(found) == ["first", "first/tanh", "largest", "scale_1", "inner/conv2d_1", "inner/conv2d_1/relu",
                           "inner/average_pool2d_1", "dropout_1", "flatten_1", "hidden", "hidden/tanh", "last",
                           "last/softmax"]
    np.testing.assert_allclose(found["last/softmax"], model.predict(x), rtol=1e-13)
    np.testing.assert_allclose(found["first/tanh"], np.tanh(found["first"]), rtol=1e-15)
    np.testing.assert_array_equal(found["inner/conv2d_1/relu"], found["inner/conv2d_1"].clip(0))
    np.testing.assert_allclose(found["first"], model.get_layer("first").linear(x)[0])
    np.testing.assert_array_equal(found["dropout_1"], found["inner/average_pool2d_1"])


def test_an_unfused_run_of_the_fast_kernels_gives_what_the_fused_model_predicts():
    model = Sequential([Conv2D(3, 3, activation="relu", input_shape=(1, 8, 8)), Flatten(), Dense(3, activation="relu")])
    x = np.random.default_rng(0).normal(size=(4, 1, 8, 8))
    with kernels.use("fast"):
        np.testing.assert_allclose(study.activations(model, x)["dense_1/relu"], model.predict(x), rtol=1e-5, atol=1e-7)


def test_lists_and_ints_are_cast_to_the_models_dtype_and_a_model_is_built():
    model = Sequential([Dense(2), Activation("relu")])
    found = study.activations(model, [[1, 2, 3]])
    assert [array.dtype for array in found.values()] == [np.float32, np.float32]
    assert model.output_shape == (2,)


def test_an_image_without_a_batch_axis_is_an_error_that_names_the_layer():
    with pytest.raises(ValueError, match=r"Conv2D 'first': expected input \(N, 2, H, W\)"):
        study.activations(twisted(), np.zeros((2, 9, 8)))


def measured(model, x, target, at, step=1e-6):
    """Measure d logit / d one number of x, from the logits of a model cut off before its softmax."""
    cut = Sequential([*model.layers[:-1], Dense(4, name="last")], dtype="float64")
    cut.layers[-1].set_weights(model.layers[-1].get_weights())
    there, back = x.copy(), x.copy()
    there[at] += step
    back[at] -= step
    n = at[0]
    return (cut(there)[n, target[n]] - cut(back)[n, target[n]]) / (2 * step)


def test_the_input_gradient_is_the_measured_slope_of_the_logit():
    model, (x, _) = twisted(), samples()
    target = np.array([2, 0, 3, 1, 1])
    dx = study.input_gradient(model, x, target)
    assert dx.shape == x.shape
    for at in [(0, 0, 0, 0), (1, 1, 4, 3), (2, 0, 8, 7), (3, 1, 7, 0), (4, 0, 2, 5)]:
        assert dx[at] == pytest.approx(measured(model, x, target, at), rel=1e-6, abs=1e-9)


def test_the_target_is_one_for_all_or_the_largest_logit():
    model, (x, _) = twisted(), samples()
    dx = study.input_gradient
    np.testing.assert_allclose(dx(model, x, 2), dx(model, x, [2] * 5), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(dx(model, x), dx(model, x, model(x).argmax(1)), rtol=1e-9, atol=1e-13)


def test_a_confident_model_still_has_a_gradient():
    model = Sequential([Dense(2, activation="softmax", input_dim=2, use_bias=False)], dtype="float64")
    model.params["dense_1/kernel"] = np.array([[3000.0, 0], [0, 1]])
    assert study.input_gradient(model, [[1.0, 0.0]], 0).tolist() == [[3000, 0]]


def test_a_softmax_layer_of_its_own_is_left_out_too():
    model = Sequential([Dense(2, input_dim=2, kernel_initializer="ones"), Softmax()])
    assert study.input_gradient(model, [[1, 5]], 1).tolist() == [[1, 1]]


def test_grads_and_generators_stay_as_they_were():
    model, (x, y) = twisted(), samples()
    model.objective(x, y)[2]()
    before = {key: array.copy() for key, array in model.grads.items()}
    state = model.rng.bit_generator.state
    study.input_gradient(model, x, 1)
    assert model.grads.keys() == before.keys()
    for key, array in before.items():
        np.testing.assert_array_equal(model.grads[key], array)
    assert model.rng.bit_generator.state == state


@pytest.mark.parametrize("target", [4, -1, [0, 1], 1.5, [0, 1, 2, 3, 4]])
def test_a_target_that_is_not_a_class_is_an_error(target):
    with pytest.raises(ValueError, match="expected target as a class from 0 to 3, or one for each of 5 samples"):
        study.input_gradient(twisted(), samples()[0], target)


def test_images_at_the_end_have_no_logits():
    with pytest.raises(ValueError, match=r"logits \(N, classes\)"):
        study.input_gradient(Sequential([ReLU(input_shape=(1, 3, 3))]), np.zeros((1, 1, 3, 3)), 0)


def test_the_maps_are_drawn_to_one_scale(tmp_path):
    maps = study.activations(twisted(), samples()[0])["first"][0]
    figure = study.plot_feature_maps(maps, "first", tmp_path / "maps.png")
    images = [ax.images[0] for ax in figure.axes if ax.images]
    assert len(images) == len(maps)
    for image, one in zip(images, maps, strict=True):
        np.testing.assert_allclose(image.get_array(), one)
        assert image.get_clim() == (-np.abs(maps).max(), np.abs(maps).max())
    assert [image.axes.get_title() for image in images] == [str(number) for number in range(len(maps))]
    assert (tmp_path / "maps.png").exists()


def test_maps_without_negative_numbers_are_drawn_from_0():
    maps = np.arange(8.0).reshape(2, 2, 2)
    assert [ax.images[0].get_clim() for ax in study.plot_feature_maps(maps).axes if ax.images] == [(0, 7), (0, 7)]


@pytest.mark.slow
def test_the_activations_of_a_model_have_a_row_for_each_step_that_changes_a_number():
    model, (x, _) = twisted(), samples()
    figure = study.plot_activations(model, x, sample=1)
    rows = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    assert [ax.get_ylabel().split("\n")[0] for ax in rows] == [
        "input", "first", "first/tanh", "largest", "scale_1", "inner/conv2d_1", "inner/conv2d_1/relu",
        "inner/average_pool2d_1", "hidden", "hidden/tanh", "last", "probability"]
    np.testing.assert_allclose([bar.get_height() for bar in rows[-1].patches], model(x)[1], rtol=1e-12)
    drawn = rows[1].images[0].get_array()
    np.testing.assert_allclose(drawn[:, 9:17], study.activations(model, x)["first"][1, 1])


def test_numbers_that_are_no_probabilities_are_not_called_so():
    figure = study.plot_activations(Sequential([Dense(2, input_dim=3, name="last")], seed=0), np.ones((1, 3)))
    inputs, last = (ax for ax in figure.axes if ax.get_label() != "<colorbar>")
    assert inputs.get_ylabel() == "input\nunits: 3"
    assert (last.get_ylabel(), last.get_xlabel()) == ("output", "unit of last")


@pytest.mark.parametrize("maps", [np.zeros((3, 3)), np.zeros((0, 3, 3))])
def test_maps_of_the_wrong_shape_are_an_error(maps):
    with pytest.raises(ValueError, match="the maps of one sample"):
        study.plot_feature_maps(maps)


def test_importing_study_loads_no_matplotlib():
    code = "import sys, tinynet.study; print(*(name for name in sys.modules if name.startswith('matplotlib')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
