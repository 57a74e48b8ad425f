"""Attributions have the properties that define them, measured against hand computations and slopes of the logits."""

import numpy as np
import pytest
from study_models import samples, twisted

from tinynet import Sequential, study
from tinynet.layers import Conv2D, Dense, Flatten, MaxPool2D


def logits(model, x):
    """Return the logits, by the last layer but its softmax."""
    return study.activations(model, x)["last"]


def bilinear():
    """Make a model whose only logit is (x0 + x1)^2, nearly: its gradient changes along the way, as a polynomial."""
    class Square(Dense):
        def linear(self, x, training=False):
            y, backward = super().linear(x, training)
            return y * y, lambda dy: backward(2 * y * dy)
    return Sequential([Square(1, kernel_initializer="ones", input_dim=2)], dtype="float64")


def test_saliency_is_the_largest_slope_over_the_channels():
    model, (x, _) = twisted(), samples()
    found = study.saliency(model, x, [2, 0, 3, 1, 1])
    assert found.shape == (5, 9, 8)
    for n, h, w, target in ((0, 4, 3, 2), (3, 0, 7, 1), (4, 8, 0, 1)):
        slopes = []
        for c in (0, 1):
            there, back = x.copy(), x.copy()
            there[n, c, h, w] += 1e-6
            back[n, c, h, w] -= 1e-6
            slopes.append((logits(model, there)[n, target] - logits(model, back)[n, target]) / 2e-6)
        assert found[n, h, w] == pytest.approx(np.abs(slopes).max(), rel=1e-5, abs=1e-8)


def test_gradient_x_input_of_a_network_without_biases_sums_to_the_logit():
    model = Sequential([Conv2D(3, 3, activation="relu", use_bias=False, input_shape=(2, 8, 8)), MaxPool2D(), Flatten(),
                        Dense(4, activation="softmax", use_bias=False, name="last")], dtype="float64", seed=0)
    x = np.random.default_rng(0).normal(size=(5, 2, 8, 8))
    found = study.gradient_x_input(model, x, 2)
    assert found.shape == x.shape
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), logits(model, x)[:, 2], rtol=1e-12)
    np.testing.assert_array_equal(found, x * study.input_gradient(model, x, 2))


def test_smoothgrad_is_the_mean_of_gradients_at_noisy_copies():
    model, (x, _) = twisted(), samples()
    target = np.array([3, 1, 2, 0, 0])
    found = study.smoothgrad(model, x, target, samples=3, noise=0.2, seed=7)
    rng, gradients = np.random.default_rng(7), []
    for _ in range(3):
        noise = rng.normal(size=x.shape)
        noisy = np.stack([image + 0.2 * np.ptp(image) * e for image, e in zip(x, noise, strict=True)])
        gradients.append(study.input_gradient(model, noisy, target))
    np.testing.assert_allclose(found, np.mean(gradients, axis=0), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(study.smoothgrad(model, x, 1, samples=2, noise=0), study.input_gradient(model, x, 1),
                               rtol=1e-10, atol=1e-14)


def test_smoothgrad_of_a_square_is_the_slope_at_the_mean_of_its_points():
    x = np.array([[1.0, 3.0]])
    noise = np.random.default_rng(5).normal(size=(400, 2)) * 0.5 * 2               # half of the range, which is 2
    expected = 2 * (x + noise.mean(axis=0)).sum()
    np.testing.assert_allclose(study.smoothgrad(bilinear(), x, samples=400, noise=0.5, seed=5), [[expected] * 2])


@pytest.mark.slow
def test_the_target_of_a_noisy_sample_is_that_of_the_clean_one():
    model, (x, _) = twisted(), samples()
    top = logits(model, x).argmax(axis=1)
    for method in (study.smoothgrad, study.saliency, study.gradient_x_input, study.occlusion):
        np.testing.assert_array_equal(method(model, x), method(model, x, top))
    np.testing.assert_array_equal(study.integrated_gradients(model, x).attributions,
                                  study.integrated_gradients(model, x, top).attributions)


@pytest.mark.parametrize("baseline", [
    pytest.param(0.0, marks=pytest.mark.rest), pytest.param(0.7, marks=pytest.mark.rest),
    pytest.param(np.random.default_rng(1).normal(size=(2, 9, 8)), marks=pytest.mark.rest),
    np.random.default_rng(2).normal(size=(5, 2, 9, 8))])
@pytest.mark.slow
def test_integrated_gradients_sum_to_the_difference_of_the_logits(baseline):
    model, (x, _) = twisted(), samples()
    target = np.array([1, 1, 0, 3, 2])
    start = np.broadcast_to(baseline, x.shape)
    difference = (logits(model, x) - logits(model, start))[np.arange(5), target]
    gaps = []
    for steps in (5, 300):
        found = study.integrated_gradients(model, x, target, baseline, steps=steps)
        np.testing.assert_allclose(found.difference, difference, rtol=1e-12)
        np.testing.assert_allclose(found.gap, found.attributions.sum(axis=(1, 2, 3)) - difference, atol=1e-13)
        gaps.append(np.abs(found.gap).max())
    assert gaps[1] < gaps[0]
    assert gaps[1] < 1e-2 * np.abs(difference).max()     # kinks: no quadrature is exact


def test_integrated_gradients_of_a_smooth_model_are_complete_to_the_rounding_of_float64():
    model = Sequential([Conv2D(3, 3, activation="tanh", input_shape=(1, 6, 6)), Flatten(), Dense(5, activation="tanh"),
                        Dense(3, activation="softmax", name="last")], dtype="float64", seed=2)
    x = np.random.default_rng(0).normal(size=(4, 1, 6, 6))
    found = study.integrated_gradients(model, x, 1)
    assert np.abs(found.gap).max() < 1e-13
    assert np.abs(found.difference).min() > 1e-3
    assert found.attributions.dtype == np.float64


def test_integrated_gradients_of_a_square_by_hand():
    found = study.integrated_gradients(bilinear(), [[1.0, 3.0]], baseline=[0.5, 0.0], steps=1)
    np.testing.assert_allclose(found.attributions, [[0.5 * 4.5, 3 * 4.5]])          # times the mean slope, (1 + 8) / 2
    assert found.difference == pytest.approx(16 - 0.25)
    assert str(found) == "sample 0: sum +15.750000, logit difference +15.750000, gap +0.0e+00"


@pytest.mark.slow
@pytest.mark.parametrize(("size", "stride", "fill"), [(3, 2, 0.5), (1, 1, 0.0), (4, 4, -1.0), (8, 1, 0.0)])
def test_occlusion_by_hand(size, stride, fill):
    model, (x, _) = twisted(), samples(2)
    found = study.occlusion(model, x, [1, 3], size=size, stride=stride, fill=fill)
    for n, target in enumerate((1, 3)):
        drops = [[[] for _ in range(8)] for _ in range(9)]
        rows, columns = ([*range(0, length - size, stride), length - size] for length in (9, 8))
        for top in rows:
            for left in columns:
                hidden = x.copy()
                hidden[n, :, top:top + size, left:left + size] = fill
                drop = logits(model, x)[n, target] - logits(model, hidden)[n, target]
                for h in range(top, top + size):
                    for w in range(left, left + size):
                        drops[h][w].append(drop)
        np.testing.assert_allclose(found[n], [[np.mean(cell) for cell in row] for row in drops], rtol=1e-9, atol=1e-12)


METHODS = [study.saliency, study.gradient_x_input, study.smoothgrad, study.integrated_gradients, study.occlusion,
           lambda model, x, target: study.grad_cam(model, x, "first", target)]


@pytest.mark.parametrize("method", METHODS)
def test_weights_grads_samples_and_generators_stay_as_they_were(method):
    model, (x, y) = twisted(), samples()
    model.objective(x, y)[2]()
    before, unchanged_x = {key: array.copy() for key, array in {**model.params, **model.grads}.items()}, x.copy()
    kept = {key: array.copy() for key, array in model.params.items()}
    state = model.rng.bit_generator.state
    method(model, x, 1)
    np.testing.assert_array_equal(x, unchanged_x)
    for key, array in model.grads.items():
        np.testing.assert_array_equal(array, before[key])
    for key, array in model.params.items():
        np.testing.assert_array_equal(array, kept[key])
    assert model.rng.bit_generator.state == state


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", [4, -1, [0, 1], 1.5])
def test_a_target_that_is_not_a_class_is_an_error_that_names_the_function(method, target):
    name = getattr(method, "__name__", "").replace("<lambda>", "grad_cam")
    with pytest.raises(ValueError, match=f"^{name}: expected target as a class from 0 to 3, or one for each of 5"):
        method(twisted(), samples()[0], target)


def test_odd_settings_are_errors():
    model, (x, _) = twisted(), samples()
    with pytest.raises(ValueError, match=r"samples from 1 and noise from 0\. Received: 0 and 0\.15"):
        study.smoothgrad(model, x, samples=0)
    with pytest.raises(ValueError, match="expected steps from 1"):
        study.integrated_gradients(model, x, steps=0)
    with pytest.raises(ValueError, match=r"a baseline that fits samples \(5, 2, 9, 8\)\. Received: \(3,\)"):
        study.integrated_gradients(model, x, baseline=[0, 1, 2])
    with pytest.raises(ValueError, match=r"a size up to 8\. Received: stride 1, size 9"):
        study.occlusion(model, x, size=9)
    with pytest.raises(ValueError, match="stride from 1 to the size"):
        study.occlusion(model, x, size=2, stride=3)
    with pytest.raises(ValueError, match=r"occlusion: expected images"):
        study.occlusion(bilinear(), [[1.0, 2.0]])
