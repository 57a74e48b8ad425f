"""A drawing, however large, wherever its digit lies and on whatever paper, becomes a digit like MNIST's."""

import doctest
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinynet.datasets import mnist

EXAMPLES = Path(__file__).parent.parent / "examples"
IMAGES = mnist.load_data()[1][0][:40] / 255


@pytest.fixture(scope="module")
def digits():
    sys.path.insert(0, str(EXAMPLES))
    import _digits
    yield _digits
    sys.path.remove(str(EXAMPLES))


def on_paper(image, factor=7, paper=1.0, ink=0.0, size=(500, 400), corner=(0, 0)):
    """Enlarge a digit and lay it on paper."""
    large = np.kron(image, np.ones((factor, factor)))
    amount = np.zeros(size)
    top, left = corner
    amount[top:top + large.shape[0], left:left + large.shape[1]] = large
    return paper + (ink - paper) * amount


def grainy(drawing):
    """Add the grain and the shade of a photograph."""
    rng = np.random.default_rng(0)
    return drawing + rng.normal(0, 0.03, drawing.shape) + np.linspace(-0.04, 0.04, drawing.shape[1])


DRAWINGS = {
    "as it was": lambda image: image,
    "dark on white": lambda image: on_paper(image),
    "light on black": lambda image: on_paper(image, paper=0, ink=1),
    "in the lower right corner": lambda image: on_paper(image, corner=(304, 204)),
    "pencil on grey": lambda image: on_paper(image, paper=0.7, ink=0.45, corner=(90, 100)),
    "small on large": lambda image: on_paper(image, factor=3, size=(900, 700), corner=(500, 20)),
    "a photograph": lambda image: grainy(on_paper(image, paper=0.85, ink=0.2, corner=(100, 60))),
}


PIXEL = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]         # a crop a little closer rounds elsewhere


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.slow
def test_the_digit_comes_back(digits, name):
    for image in IMAGES:
        found = digits.normalise(DRAWINGS[name](image))
        assert max(found.fitted.shape) == 20
        assert found.image.shape == (28, 28)
        assert found.image.min() == 0
        assert found.image.max() == pytest.approx(1)
        for at in digits.centre_of_mass(found.image):
            assert abs(at - 14) <= 0.5
        off = min(np.abs(np.roll(found.image, by, (0, 1)) - image).sum() / image.sum() for by in PIXEL)
        assert off < 0.25, "of its ink; half a pixel would be as much"


def test_the_examples_in_the_docstrings_hold(digits):
    results = doctest.testmod(digits)
    assert (results.failed, results.attempted) == (0, 2)


def test_most_digits_of_mnist_stay_as_they_are(digits):
    off = [np.abs(digits.normalise(image).image - image).max() for image in IMAGES]
    assert np.mean(np.array(off) < 0.06) > 0.8         # FAINT, which is cut away, and a rounding


def test_scaling_takes_the_mean_of_the_area(digits):
    image = np.arange(24.0).reshape(4, 6)
    np.testing.assert_allclose(digits.resize(image, 2, 2), image.reshape(2, 2, 2, 3).mean(axis=(1, 3)))
    np.testing.assert_allclose(digits.resize(image, 8, 12), np.kron(image, np.ones((2, 2))))
    assert digits.resize(image, 3, 5).mean() == pytest.approx(image.mean())


def test_a_tall_and_a_wide_drawing_keep_their_proportions(digits):
    drawing = np.ones((100, 100))
    drawing[10:90, 40:50] = 0
    assert digits.normalise(drawing).fitted.shape == (20, 2)
    assert digits.normalise(drawing.T).fitted.shape == (2, 20)


def test_ink_that_is_all_at_one_end_does_not_fall_off(digits):
    drawing = np.zeros((60, 60))
    drawing[5:15, 10:20] = 1
    drawing[5:55, 14] = 0.3
    found = digits.normalise(drawing)
    assert found.image.sum() == pytest.approx(found.fitted.sum())
    assert digits.centre_of_mass(found.image)[0] < 13.5


def save(path, brightness, mode):
    """Save a drawing (H, W) in one of Pillow's modes."""
    grey = np.uint8(np.round(255 * brightness))
    if mode == "transparent":                                                 # a dark pen on nothing
        Image.fromarray(np.dstack([np.full((*grey.shape, 3), 30, np.uint8), 255 - grey])).save(path)
    elif mode == "light on transparent":
        Image.fromarray(np.dstack([np.full((*grey.shape, 3), 255, np.uint8), 255 - grey])).save(path)
    elif mode == "16 bits":
        Image.fromarray(np.uint16(np.round(65535 * brightness))).save(path)
    else:
        Image.fromarray(grey).convert(mode).save(path)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "transparent", "light on transparent", "16 bits"])
def test_every_kind_of_file_gives_the_same_digit(digits, mode, tmp_path):
    drawing = on_paper((IMAGES[0] > 0.5).astype(float), corner=(30, 20))
    save(tmp_path / "drawing.png", drawing, mode)
    read = digits.read_drawing(tmp_path / "drawing.png")
    assert (read.min() >= 0, read.max()) == (True, pytest.approx(1))
    found = digits.normalise(read)
    np.testing.assert_allclose(found.image, digits.normalise(drawing).image, atol=0.01)


def test_colours_count_as_the_eye_sees_them(digits, tmp_path):
    Image.fromarray(np.uint8([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]])).save(tmp_path / "colours.png")
    np.testing.assert_allclose(digits.read_drawing(tmp_path / "colours.png"), [[0.299, 0.587, 0.114, 1]])


def test_a_photograph_is_turned_as_it_says(digits, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6                                                          # "rotate by 90 degrees to see it"
    drawing = on_paper(IMAGES[0], corner=(30, 20))
    turned = Image.fromarray(np.uint8(255 * np.rot90(drawing)))
    turned.save(tmp_path / "photo.png", exif=exif)
    assert digits.read_drawing(tmp_path / "photo.png").shape == drawing.shape
    np.testing.assert_allclose(digits.read_drawing(tmp_path / "photo.png"), drawing, atol=1 / 255)


def test_what_cannot_be_read_is_told(digits, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*none\.png"):
        digits.read_drawing(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ValueError, match=r"text\.png is not an image"):
        digits.read_drawing(tmp_path / "text.png")
    save(tmp_path / "whole.png", on_paper(IMAGES[0]), "L")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ValueError, match=r"half\.png cannot be read"):
        digits.read_drawing(tmp_path / "half.png")
    with pytest.raises(ValueError, match="cannot be read"):
        digits.read_drawing(tmp_path)


@pytest.mark.parametrize("drawing", [np.ones((50, 60)), np.zeros((3, 3)), np.full((9, 9), 0.5),
                                     grainy(np.full((200, 200), 0.9))])
def test_an_empty_drawing_is_told(digits, drawing):
    with pytest.raises(ValueError, match="The drawing is empty"):
        digits.normalise(drawing)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Save a small model that has learned a little, and return its file."""
    from tinynet import Sequential
    from tinynet.layers import Conv2D, Dense, Flatten, MaxPool2D
    (x, y), _ = mnist.load_data()
    small = Sequential([Conv2D(4, 5, activation="relu", input_shape=(1, 28, 28)), MaxPool2D(), Flatten(),
                        Dense(10, activation="softmax")], seed=0)
    small.compile("adam", "sparse_categorical_crossentropy")
    small.fit(x[:3000, None] / 255, y[:3000], batch_size=50, epochs=2, verbose=0)
    file = tmp_path_factory.mktemp("model") / "small.safetensors"
    small.save(file)
    return file


@pytest.fixture
def drawing(tmp_path):
    """Save a drawing, and return its file."""
    file = tmp_path / "drawing.png"
    save(file, on_paper(IMAGES[0], corner=(200, 150)), "L")
    return file


def predict(monkeypatch, *arguments):
    """Run the lesson; return its variables."""
    monkeypatch.setattr(sys, "argv", ["predict_digit.py", *map(str, arguments)])
    return runpy.run_path(str(EXAMPLES / "predict_digit.py"))


@pytest.mark.slow
def test_the_lesson_predicts(digits, model, drawing, tmp_path, monkeypatch, capsys):
    run = predict(monkeypatch, drawing, "--model", model, "--figures", tmp_path / "figures")
    probabilities = run["model"].predict(digits.normalise(run["drawing"]).image[None, None])[0]
    printed = capsys.readouterr().out
    assert f"It is a {probabilities.argmax()}." in printed
    for label in range(10):
        assert f"{label}  {100 * probabilities[label]:6.2f} %" in printed
    np.testing.assert_array_equal(run["x"][0, 0], digits.normalise(run["drawing"]).image.astype("float32"))
    assert sorted(file.name for file in (tmp_path / "figures").iterdir()) == [
        "predict_digit_layers.png", "predict_digit_normalised.png", "predict_digit_probabilities.png"]


@pytest.mark.slow
def test_without_normalisation_the_drawing_is_only_shrunk(digits, model, drawing, tmp_path, monkeypatch):
    run = predict(monkeypatch, drawing, "--no-normalise", "--model", model, "--figures", tmp_path)
    np.testing.assert_array_equal(run["image"], digits.resize(run["drawing"], 28, 28))


@pytest.mark.slow
def test_normalisation_makes_the_difference(digits, model):
    from tinynet import load_model
    small, (_, (images, labels)) = load_model(model), mnist.load_data()
    rng = np.random.default_rng(0)
    images, labels = images[:300] / 255, labels[:300]
    drawings = [on_paper(image, 3, 0.8, 0.1, (200, 180), rng.integers(0, 90, 2)) for image in images]

    def accuracy(images):
        return np.mean(small.predict(np.array(images)[:, None]).argmax(axis=1) == labels)
    assert accuracy([digits.normalise(drawing).image for drawing in drawings]) > accuracy(images) - 0.02 > 0.8
    assert accuracy([digits.resize(drawing, 28, 28) for drawing in drawings]) < 0.3


def test_a_file_that_is_not_there_ends_in_words(drawing, tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match=r"There is no file nowhere\.png"):
        predict(monkeypatch, "nowhere.png", "--figures", tmp_path)
    with pytest.raises(SystemExit, match=r"The model cannot be loaded.*nowhere\.safetensors"):
        predict(monkeypatch, drawing, "--model", "nowhere.safetensors", "--figures", tmp_path)


def test_without_a_drawing_the_usage_is_shown(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        predict(monkeypatch)
    told = capsys.readouterr().err
    assert told.startswith("usage: predict_digit.py")
    assert told.rstrip().endswith("required: DRAWING")
