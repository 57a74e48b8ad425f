"""Augmentation: what each layer does to an image, worked out by hand; training only; repeated with the generator."""

import numpy as np
import pytest
from oracles import assert_gradients_right

from tinynet import Sequential
from tinynet.kernels.splitmix import uniform
from tinynet.layers import (
    Conv2D,
    Flatten,
    RandomAffine,
    RandomContrast,
    RandomCrop,
    RandomElasticTransform,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from tinynet.layers.augmentation.base import Augmentation

DIGITS = np.arange(1.0, 10).reshape(1, 1, 3, 3)
EACH = [RandomAffine(0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.2), RandomTranslation(0.2, 0.3), RandomRotation(0.2),
        RandomZoom(0.3), RandomShear(0.3, 0.2), RandomElasticTransform(1.0, 2.0), RandomContrast(0.4), RandomFlip()]
each = pytest.mark.parametrize("layer", EACH, ids=[type(layer).__name__ for layer in EACH])


def augmented(layer, x, seed=0):
    """Return the output of a layer in training."""
    layer.build(x.shape[1:], np.random.default_rng(seed))
    return layer.forward(x, training=True)[0]


def by(factor):
    return factor, factor


@pytest.mark.parametrize(("layer", "expected"), [
    (RandomTranslation(by(1 / 3), by(0), "constant"), [[0, 0, 0], [1, 2, 3], [4, 5, 6]]),                     # down
    (RandomTranslation(by(0), by(1 / 3), "constant", fill_value=7.0), [[7, 1, 2], [7, 4, 5], [7, 7, 8]]),     # right
    (RandomTranslation(by(0), by(-1 / 6), "nearest"), [[1.5, 2.5, 3], [4.5, 5.5, 6], [7.5, 8.5, 9]]),   # half a pixel
    (RandomTranslation(by(2 / 3), by(0), "nearest"), [[1, 2, 3], [1, 2, 3], [1, 2, 3]]),
    (RandomTranslation(by(2 / 3), by(0), "reflect"), [[4, 5, 6], [1, 2, 3], [1, 2, 3]]),
    (RandomRotation(by(0.25)), [[3, 6, 9], [2, 5, 8], [1, 4, 7]]),                                # counterclockwise
    (RandomZoom(by(1.0), fill_mode="constant"), [[0, 0, 0], [0, 5, 0], [0, 0, 0]]),                      # half as large
    (RandomZoom(by(-0.5), by(0)), [[2.5, 3.5, 4.5], [4, 5, 6], [5.5, 6.5, 7.5]]),                        # twice as tall
    (RandomShear(by(1.0), fill_mode="constant"), [[0, 1, 2], [4, 5, 6], [8, 9, 0]]),     # the upper row to the right
    (RandomShear(0.0, by(1.0), fill_mode="constant"), [[0, 2, 6], [1, 5, 9], [4, 8, 0]]),     # the left column down
    (RandomContrast(by(1.0)), [[-3, -1, 1], [3, 5, 7], [9, 11, 13]]),
    (RandomContrast(by(-1.0)), [[5, 5, 5], [5, 5, 5], [5, 5, 5]]),
], ids=["down", "right", "half a pixel", "nearest", "reflect", "rotation", "smaller", "taller", "x shear", "y shear",
        "stronger", "grey"])
@pytest.mark.usefixtures("every_kernel_set")
def test_what_it_does_to_nine_pixels(layer, expected):
    np.testing.assert_allclose(augmented(layer, DIGITS)[0, 0], expected, atol=1e-12)


@each
def test_inference_is_the_identity(layer, rng):
    x, dy = rng.normal(size=(2, 3, 2, 5, 4))
    layer.build((2, 5, 4), rng)
    y, backward = layer.forward(x)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(backward(dy), dy)


@each
def test_every_image_is_changed_in_its_own_way_and_all_its_channels_alike(layer):
    image = np.random.default_rng(0).normal(size=(1, 1, 6, 5))
    y = augmented(layer, np.tile(image, (8, 2, 1, 1)))
    np.testing.assert_array_equal(y[:, 0], y[:, 1])
    assert len(np.unique(y[:, 0], axis=0)) > 1


@each
def test_a_sample_does_not_depend_on_those_after_it(layer):
    x = np.random.default_rng(0).normal(size=(40, 1, 6, 5))
    np.testing.assert_array_equal(augmented(layer, x)[:3], augmented(layer, x[:3]))


@each
def test_the_same_bits_for_any_number_of_threads(layer, monkeypatch):
    x = np.random.default_rng(0).normal(size=(40, 1, 6, 5)).astype(np.float32)
    results = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("TINYNET_NUM_THREADS", threads)
        results.append(augmented(layer, x))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize(("mode", "kinds"), [
    ("horizontal", {"as it was", "mirrored"}), ("vertical", {"as it was", "upside down"}),
    ("horizontal_and_vertical", {"as it was", "mirrored", "upside down", "both"})])
def test_half_of_the_images_are_flipped(mode, kinds):
    image = DIGITS[0, 0]
    names = {"as it was": image, "mirrored": image[:, ::-1], "upside down": image[::-1], "both": image[::-1, ::-1]}
    y = augmented(RandomFlip(mode), np.tile(DIGITS, (400, 1, 1, 1)))
    counts = {name: int((y[:, 0] == flipped).all(axis=(1, 2)).sum()) for name, flipped in names.items()}
    assert {name for name, count in counts.items() if count} == kinds
    assert sum(counts.values()) == 400
    assert min(counts[name] for name in kinds) > 300 / len(kinds)


def test_a_crop_is_a_window_anywhere_and_in_inference_the_middle_one():
    x = np.arange(42.0).reshape(1, 1, 6, 7)
    layer = RandomCrop(5, 4)
    y = augmented(layer, np.tile(x, (300, 1, 1, 1)))
    corners = {divmod(int(corner), 7) for corner in y[:, 0, 0, 0]}
    assert corners == {(i, j) for i in range(2) for j in range(4)}
    for crop in y:
        np.testing.assert_array_equal(crop - crop[0, 0, 0], x[:, 0, :5, :4])
    np.testing.assert_array_equal(layer(x), x[:, :, 0:5, 1:5])


def test_factors_are_drawn_evenly_between_their_ends():
    x = np.zeros((4000, 1, 1, 8))
    x[..., 4] = 1
    y = augmented(RandomTranslation(0, (0.125, 0.25), "constant"), x)                   # one to two pixels
    moved = (y[:, 0, 0] @ np.arange(8)) - 4
    assert 1 <= moved.min() < 1.01
    assert 1.99 < moved.max() <= 2
    assert moved.mean() == pytest.approx(1.5, abs=0.02)
    assert moved.std() == pytest.approx(1 / np.sqrt(12), abs=0.01)


def test_elastic_shifts_are_as_large_as_asked_and_alike_nearby():
    layer = RandomElasticTransform(alpha=2.0, sigma=3.0)
    layer.build((1, 20, 24), np.random.default_rng(0))
    rows, columns = layer.places(200, 20, 24)
    shifts = np.stack([rows - np.arange(20)[:, None], columns - np.arange(24)])
    np.testing.assert_allclose(np.sqrt((shifts ** 2).mean(axis=1)), 2, rtol=0.25)                      # at every pixel
    near, far = (np.mean(shifts[..., apart:] * shifts[..., :-apart]) / np.mean(shifts ** 2) for apart in (1, 18))
    assert near == pytest.approx(np.exp(-1 / 4 / 9), abs=0.02)                      # of two Gaussian windows, one apart
    assert abs(far) < 0.05


def test_numbers_of_a_key_are_uniform_and_those_of_other_keys_are_others():
    numbers = uniform(np.uint64(1), (1000, 100))
    assert 0 <= numbers.min() < 1e-3
    assert 1 - 1e-3 < numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.005)
    assert np.corrcoef(numbers[:, 0], numbers[:, 1])[0, 1] == pytest.approx(0, abs=0.1)
    assert len(np.unique(np.concatenate([numbers.ravel(), uniform(np.uint64(2), (100000,))]))) == 200_000


def test_two_trainings_with_one_seed_are_the_same_and_another_seed_is_not():
    x = np.random.default_rng(0).normal(size=(20, 1, 6, 6)).astype(np.float32)
    weights = []
    for seed in (1, 1, 2):
        model = Sequential([RandomAffine(0.1, 0.1), RandomElasticTransform(), Conv2D(2, 3), Flatten()],
                           input_shape=(1, 6, 6), seed=seed)
        model.set_weights([np.full(array.shape, 0.1) for array in model.get_weights()])
        model.compile("sgd", "mse")
        model.fit(x, np.zeros((20, 32)), epochs=2, verbose=0, shuffle=False)
        weights.append(model.get_weights()[0])
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize("make", [
    lambda seed: RandomAffine(0.1, seed=seed), lambda seed: RandomTranslation(0.2, 0.2, seed=seed),
    lambda seed: RandomRotation(0.2, seed=seed), lambda seed: RandomZoom(0.3, seed=seed),
    lambda seed: RandomShear(0.3, seed=seed), lambda seed: RandomElasticTransform(1.0, seed=seed),
    lambda seed: RandomContrast(0.4, seed=seed), lambda seed: RandomFlip("horizontal", seed),
    lambda seed: RandomCrop(4, 4, seed),
], ids=["affine", "translation", "rotation", "zoom", "shear", "elastic", "contrast", "flip", "crop"])
def test_a_seed_gives_a_layer_a_generator_of_its_own(make):
    x = np.random.default_rng(0).normal(size=(40, 1, 6, 6)).astype(np.float32)
    drawn = {}
    for seed, of_model in ((7, 0), (7, 1), (8, 0), (None, 0)):
        model = Sequential([make(seed)], input_shape=(1, 6, 6), seed=of_model)
        before = model.rng.bit_generator.state
        drawn[seed, of_model] = model.forward(x, training=True)[0]
        assert (model.rng.bit_generator.state == before) == (seed is not None)
        assert (model.forward(x, training=True)[0] != drawn[seed, of_model]).any()
        assert model.get_config()["layers"][0]["config"]["seed"] == seed
    np.testing.assert_array_equal(drawn[7, 0], drawn[7, 1])
    assert (drawn[7, 0] != drawn[8, 0]).any()


@pytest.mark.parametrize("layer", [
    RandomAffine(0.1, 0.2, x_shear=0.1, height_shift=0.2), RandomTranslation(0.3, 0.2, "constant", fill_value=2.0),
    RandomContrast(0.4), RandomFlip(), RandomCrop(2, 3)], ids=lambda layer: type(layer).__name__)
def test_gradients_are_slopes_in_training(layer, rng):
    layer.build((2, 4, 4), rng)
    before = rng.bit_generator.state

    def forward(x, training):
        rng.bit_generator.state = before                               # the same draws at each call
        return layer.forward(x, training)
    assert_gradients_right(layer, np.random.default_rng(1).normal(size=(3, 2, 4, 4)), training=True, forward=forward)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: RandomRotation("much"), "rotation, a number or a pair"),
    (lambda: RandomZoom((0.2, -0.2)), r"height_zoom as \(lowest, highest\)"),
    (lambda: RandomContrast((-1.5, 0)), "factor as .*, from -1"),
    (lambda: RandomTranslation(0.1, 0.1, "mirror"), "fill_mode"),
    (lambda: RandomFlip("diagonal"), "mode"),
    (lambda: RandomElasticTransform(0), "alpha, a number above 0"),
    (lambda: RandomCrop(0, 3), "height, a whole number from 1"),
    (lambda: RandomCrop(4, 3).build((1, 3, 9), np.random.default_rng(0)), r"of at least 4 x 3. Received: \(3, 9\)"),
    (lambda: RandomFlip().build((5,), np.random.default_rng(0)), "RandomFlip"),
    (lambda: RandomFlip().forward(np.zeros((2, 5))), r"expected input \(N, C, H, W\). Received: \(2, 5\)"),
    (lambda: RandomFlip().forward(np.zeros((2, 1, 5, 5)), training=True), "no random generator yet"),
])
def test_what_cannot_be_is_told(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("layer", [*EACH, RandomCrop(3, 2)], ids=lambda layer: type(layer).__name__)
def test_a_config_makes_the_layer_again(layer):
    assert isinstance(layer, Augmentation)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
