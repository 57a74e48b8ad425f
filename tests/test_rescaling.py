"""Rescaling: a fixed factor and a fixed offset, for images as they are loaded."""

import re
import warnings

import numpy as np
import pytest

from tinynet import Sequential, load_model
from tinynet.layers import Dense, Flatten, Rescaling


def test_by_hand():
    y, backward = Rescaling(2.0, offset=-1.0).forward(np.array([[0.0, 3.0]]))
    assert y.tolist() == [[-1, 5]]
    assert backward(np.array([[5.0, 7.0]])).tolist() == [[10, 14]]


def test_an_array_goes_along_the_channels():
    x, dy = np.full((1, 2, 2, 3), 10.0), np.ones((1, 2, 2, 3))
    y, backward = Rescaling([1.0, 2.0], offset=[5.0, 0.0]).forward(x)
    assert y[0].tolist() == [[[15, 15, 15]] * 2, [[20, 20, 20]] * 2]
    assert backward(dy)[0, :, 0, 0].tolist() == [1, 2]
    np.testing.assert_array_equal(Rescaling([1.0, 2.0])(x), x * np.array([1, 2]).reshape(2, 1, 1))   # and one number


def test_an_array_of_a_whole_sample_is_taken_as_it_is(rng):
    x, scale = rng.normal(size=(4, 2, 3)), rng.normal(size=(2, 3))
    np.testing.assert_array_equal(Rescaling(scale)(x), x * scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    y, backward = Rescaling(1 / 255, [0.5, 0.25]).forward(np.ones((1, 2), dtype))
    assert y.dtype == backward(y).dtype == dtype


def test_a_model_takes_images_as_they_are_loaded(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 6, 6), np.uint8)
    model = Sequential([Rescaling(1 / 255, input_shape=(1, 6, 6)), Flatten(), Dense(2, activation="softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")                               # no word of pixels from 0 to 255
        model.fit(images, images[:, 0, 0, 0] % 2, verbose=0)
    rest = Sequential(model.layers[1:])
    np.testing.assert_allclose(model.predict(images), rest.predict(images / 255), rtol=1e-5)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").predict(images), model.predict(images))


@pytest.mark.parametrize("arguments", [{"scale": "1/255"}, {"scale": None}, {"scale": np.nan}, {"scale": [[1], [1, 2]]},
                                       {"scale": 1, "offset": np.inf}], ids=str)
def test_settings_that_are_no_numbers_are_refused(arguments):
    with pytest.raises(ValueError, match=r"Rescaling: expected (scale|offset), a number or an array of numbers"):
        Rescaling(**arguments)


@pytest.mark.parametrize("arguments", [{"scale": [1, 2, 3]}, {"scale": 1, "offset": np.ones((2, 4, 4, 1))}], ids=str)
def test_arrays_that_do_not_fit_the_samples_are_refused(arguments):
    setting = "scale, (3,)" if "offset" not in arguments else "offset, (2, 4, 4, 1)"
    text = f"expected samples whose first axes are those of its {setting}. Received: (2, 4, 4)."
    with pytest.raises(ValueError, match=re.escape(f"Rescaling 'rescaling_1': {text}")):
        Sequential([Rescaling(**arguments, input_shape=(2, 4, 4))])
    with pytest.raises(ValueError, match=re.escape(text)):
        Rescaling(**arguments)(np.ones((1, 2, 4, 4)))
