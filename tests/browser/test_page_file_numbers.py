"""What programs read from a page file, opened from the disk with the network off, is what the engine computes."""

from base64 import b64decode, b64encode

import numpy as np
import pytest
from page_files import MODELS, digits, gradient, is_explained, trained

from tinynet import Sequential, study
from tinynet.layers import Conv2D, Dense, Flatten, Input, MaxPool2D

ANSWERS = """([function_, numbers, count, labels]) => {
    const all = new Float64Array(Uint8Array.from(atob(numbers), character => character.charCodeAt(0)).buffer);
    const answers = Array.from({ length: count }, (_, k) => (
        tinynet[function_](all.subarray(k * all.length / count, (k + 1) * all.length / count), labels[k])));
    const bytes = new Uint8Array(Float64Array.from(answers.flat()).buffer);
    return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
}"""


@pytest.fixture
def opened(show, tmp_path):
    """Write a model's page file, and open it from the disk."""
    def open_page(model, x=None):
        path = study.export_page(model, tmp_path / "page.html", x)
        page = show(path.as_uri(), offline=True).page
        page.evaluate("() => window.tinynet.ready")
        return page
    return open_page


def answers(page, function, x, labels=()):
    """Ask `window.tinynet` for each sample; numbers go to the page and back as bytes, whole."""
    sent = b64encode(np.ascontiguousarray(x, "<f8").tobytes()).decode()
    found = page.evaluate(ANSWERS, [function, sent, len(x), list(map(int, labels))])
    return np.frombuffer(b64decode(found), "<f8").reshape(len(x), -1)


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_are_the_engines_for_200_digits(name, opened):
    model, (x, _) = trained(name), digits(name)
    theirs = answers(opened(model, x[:20]), "forward", x)
    assert theirs.shape == (200, 10)
    np.testing.assert_allclose(theirs, model.predict(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_engines_or_a_tie_explains_them(name, opened):
    model, (x, y) = trained(name), digits(name)
    theirs = answers(opened(model), "gradient", x, y).reshape(x.shape)
    ours = np.concatenate([gradient(model, x[k:k + 1], y[k]) for k in range(len(x))])
    far = np.flatnonzero(np.abs(theirs - ours).reshape(len(x), -1).max(axis=1) > 1e-5)
    print(f"{name}: {len(x) - len(far)} of {len(x)} gradients within 1e-5")
    assert len(far) <= len(x) // 100
    for k in far:
        assert is_explained(model, x[k:k + 1], y[k], theirs[k:k + 1]), f"digit {k}"


def test_engines_gradient_is_that_of_study(opened):
    model, (x, y) = trained("larger CNN"), digits("larger CNN")
    trace = study.Trace(model, x[:1])
    np.testing.assert_allclose(gradient(model, x[:1], y[0]), trace.loss_gradients(np.eye(10)[y[:1]])[0], atol=1e-6)


def test_float64_is_computed_in_float64(opened, rng):
    model = Sequential([Conv2D(3, 3, activation="gelu", input_shape=(2, 9, 9)), Flatten(),
                        Dense(4, activation="softmax")], dtype="float64", seed=1)
    x = rng.normal(size=(3, 2, 9, 9))
    np.testing.assert_allclose(answers(opened(model), "forward", x), model.predict(x), rtol=1e-12)


def test_outputs_without_a_softmax_are_taken_as_logits(opened, rng):
    model = Sequential([Dense(4, input_shape=(5,))], seed=1)
    x = rng.normal(size=(1, 5)).astype(np.float32)
    page = opened(model)
    logits = model.predict(x)
    np.testing.assert_allclose(answers(page, "forward", x), logits, atol=1e-6)
    p = np.exp(logits) / np.exp(logits).sum()
    expected = (p - np.eye(4)[[2]]) @ model.params["dense_1/kernel"].T
    np.testing.assert_allclose(answers(page, "gradient", x, [2]), expected, atol=1e-6)


def test_an_equal_way_is_told_from_a_mistake():
    tied = Sequential([Input((1, 2, 4)), MaxPool2D(), Flatten(), Dense(2, activation="softmax")], seed=1)
    pixels = np.array([[[[1, 1 - 5e-7, 0, 0], [0, 0, 0, 2]]]], np.float32)
    other = gradient(tied, pixels, 0)[..., [1, 0, 2, 3]]                 # the gradient at the runner-up
    assert is_explained(tied, pixels, 0, other)
    assert not is_explained(tied, pixels, 0, other[..., [2, 3, 0, 1]])
    assert not is_explained(tied, pixels, 0, other + 1e-3)
