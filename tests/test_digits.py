"""A drawing, however large, wherever its digit lies and on whatever paper, becomes a digit like MNIST's."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from digits_drawn import COLOURS, EMPTY, MORE_THAN_ONE, PAPERS, SIDE, UNEVEN, cut_close, page, photograph
from matplotlib.figure import Figure
from PIL import Image
from sampled import sampled

import tinynet.digits as digits
from tinynet import Sequential, kernels
from tinynet.datasets import mnist
from tinynet.datasets.published import find_files
from tinynet.digits.paper import without_dark_ink
from tinynet.digits.parts import labelled
from tinynet.digits.scaling import centre_of_mass, resize
from tinynet.layers import Conv2D, Dense, Flatten

EXAMPLES = Path(__file__).parent.parent / "examples"
TEST_SET = mnist._load_pair(mnist._TEST, find_files(mnist._SHIPPED, mnist._TEST), None)    # sooner there than MNIST
IMAGES, LABELS = TEST_SET[0][:300] / 255, TEST_SET[1][:300]


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


@pytest.mark.parametrize("images", [IMAGES[2:6:2], pytest.param(IMAGES[:40], marks=pytest.mark.long)], ids=["2", "40"])
@pytest.mark.parametrize("name", DRAWINGS)
def test_the_digit_comes_back(name, images):
    for image in images:
        found = digits.normalise(DRAWINGS[name](image))
        assert max(found.fitted.shape) == 20
        assert found.image.shape == (28, 28)
        assert found.image.min() == 0
        assert found.image.max() == pytest.approx(1)
        for at in centre_of_mass(found.image):
            assert abs(at - 14) <= 0.5
        off = min(np.abs(np.roll(found.image, by, (0, 1)) - image).sum() / image.sum() for by in PIXEL)
        assert off < 0.25, "of its ink; half a pixel would be as much"


@pytest.mark.slow
def test_most_digits_of_mnist_stay_as_they_are():
    off = [np.abs(digits.normalise(image).image - image).max() for image in IMAGES[:40]]
    assert np.mean(np.array(off) < 0.06) > 0.8         # FAINT, which is cut away, and a rounding


def test_scaling_takes_the_mean_of_the_area():
    image = np.arange(24.0).reshape(4, 6)
    np.testing.assert_allclose(resize(image, 2, 2), image.reshape(2, 2, 2, 3).mean(axis=(1, 3)))
    np.testing.assert_allclose(resize(image, 8, 12), np.kron(image, np.ones((2, 2))))
    assert resize(image, 3, 5).mean() == pytest.approx(image.mean())


def test_a_tall_and_a_wide_drawing_keep_their_proportions():
    drawing = np.ones((100, 100))
    drawing[10:90, 40:50] = 0
    assert digits.normalise(drawing).fitted.shape == (20, 2)
    assert digits.normalise(drawing.T).fitted.shape == (2, 20)


def test_ink_that_is_all_at_one_end_does_not_fall_off():
    drawing = np.zeros((60, 60))
    drawing[5:15, 10:20] = 1
    drawing[5:55, 14] = 0.3
    found = digits.normalise(drawing)
    assert found.image.sum() == pytest.approx(found.fitted.sum())
    assert centre_of_mass(found.image)[0] < 13.5


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


@pytest.mark.parametrize("mode", sampled([
    "RGB", "LA", "L", "light on transparent", "RGBA", "P", "16 bits", "1", "transparent"], every=3))
def test_every_kind_of_file_gives_the_same_digit(mode, tmp_path):
    drawing = on_paper((IMAGES[0] > 0.5).astype(float), corner=(30, 20))
    save(tmp_path / "drawing.png", drawing, mode)
    read = digits.read_drawing(tmp_path / "drawing.png")
    assert (read.min() >= 0, read.max()) == (True, pytest.approx(1))
    found = digits.normalise(read)
    np.testing.assert_allclose(found.image, digits.normalise(drawing).image, atol=0.01)


def test_colours_count_as_the_eye_sees_them(tmp_path):
    Image.fromarray(np.uint8([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]])).save(tmp_path / "colours.png")
    np.testing.assert_allclose(digits.read_drawing(tmp_path / "colours.png"), [[0.299, 0.587, 0.114, 1]])


def test_a_photograph_is_turned_as_it_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6                                                          # "rotate by 90 degrees to see it"
    drawing = on_paper(IMAGES[0], corner=(30, 20))
    turned = Image.fromarray(np.uint8(255 * np.rot90(drawing)))
    turned.save(tmp_path / "photo.png", exif=exif)
    assert digits.read_drawing(tmp_path / "photo.png").shape == drawing.shape
    np.testing.assert_allclose(digits.read_drawing(tmp_path / "photo.png"), drawing, atol=1 / 255)


def test_what_cannot_be_read_is_told(tmp_path):
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


def shared(one, other):
    """Return the part of their ink that two digits share, best over shifts by a pixel."""
    return max(np.minimum(np.roll(one, by, (0, 1)), other).sum() / np.maximum(np.roll(one, by, (0, 1)), other).sum()
               for by in PIXEL)


def found(picture):
    return digits.normalise(np.asarray(picture)).image


@pytest.fixture(scope="module")
def clean():
    """Return the digits of `digits_drawn` as they come from a clean page."""
    return {digit: found(page(digit)) for digit in (0, 2)}


@pytest.mark.parametrize("light", sampled(UNEVEN, every=3))
def test_uneven_light_and_a_table_around_the_sheet_change_nothing(light, clean):
    assert shared(found(photograph(UNEVEN[light])), clean[2]) > 0.7


@pytest.mark.parametrize("paper", PAPERS)
def test_lines_of_the_paper_and_frames_are_no_ink(paper, clean):
    assert shared(found(PAPERS[paper]), clean[0 if paper.startswith("a 0") else 2]) > 0.55


@pytest.mark.parametrize(("digit", "width"), [(0, 40), (1, 40), (2, 40), (4, 10), (7, 10), (7, 40)])
def test_a_digit_cut_close_is_not_read_as_its_negative(digit, width):
    whole = page(digit, paper=255, ink=0, width=width)
    expected, cut = found(whole), np.asarray(cut_close(whole))
    assert min(shared(found(cut), expected), shared(found(255 - cut), expected)) > 0.5


@pytest.mark.parametrize("colours", COLOURS)
def test_ink_that_differs_in_colour_alone_is_ink(colours, clean, tmp_path):
    paper, ink = COLOURS[colours]
    page(paper=paper, ink=ink, mode="RGB").save(tmp_path / "drawing.png")
    assert shared(found(digits.read_drawing(tmp_path / "drawing.png")), clean[2]) > 0.8


def test_coloured_ink_is_read_in_uneven_light(clean):
    colours = np.asarray(page(paper=(250, 250, 250), ink=(250, 245, 80), mode="RGB")) / 255
    assert shared(found(colours * np.linspace(1, 0.6, SIDE)[:, None]), clean[2]) > 0.8


@pytest.mark.parametrize(("name", "pixels"), [
    ("16 bits, 12 used", lambda grey: np.uint16(grey) * 16), ("16 bits, 8 used", np.uint16),
    ("32 bits", np.int32), ("floats to 1", lambda grey: np.float32(grey / 255)), ("floats to 255", np.float32),
    ("floats around 0", lambda grey: np.float32(grey / 127.5 - 1))])
def test_whatever_part_of_its_range_a_picture_uses_the_digit_is_read(name, pixels, clean, tmp_path):
    Image.fromarray(pixels(np.asarray(page()))).save(tmp_path / "drawing.tif")
    assert shared(found(digits.read_drawing(tmp_path / "drawing.tif")), clean[2]) > 0.9


@pytest.mark.parametrize("scale", [1 / 255, 257])
def test_an_array_may_have_any_range(scale, clean):
    np.testing.assert_allclose(found(np.asarray(page(), float) * scale), clean[2], atol=1e-6)


@pytest.mark.parametrize(("size", "box", "width"), [
    ((900, 700), (650, 600, 30, 40), 3), ((1200, 1500), (100, 100, 1000, 1300), 80), ((28, 28), (6, 4, 16, 20), 2)],
    ids=["small in a corner", "large", "as small as MNIST's"])
def test_small_and_large_digits_are_found(size, box, width, clean):
    assert shared(found(page(size=size, box=box, width=width)), clean[2]) > 0.45


@pytest.mark.parametrize("name", MORE_THAN_ONE)
def test_two_things_are_told_not_read_as_one(name):
    with pytest.raises(ValueError, match="two things in the picture, or more"):
        found(MORE_THAN_ONE[name])


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_drawing_is_told(name):
    with pytest.raises(ValueError, match="The drawing is empty"):
        digits.normalise(EMPTY[name])


@pytest.mark.parametrize(("drawing", "told"), [
    (np.ones((2, 2, 2)), r"brightness \(H, W\) or colours \(H, W, 3\).*shape \(2, 2, 2\)"), (np.ones(5), "shape"),
    (np.ones((0, 4)), "shape"), (np.array([["a"]]), "dtype"), ([[1.0, np.nan]], "finite"), ([[1.0, np.inf]], "finite")])
def test_what_is_no_drawing_is_told(drawing, told):
    with pytest.raises(ValueError, match=told):
        digits.normalise(drawing)


def test_a_picture_of_numbers_that_are_not_finite_is_told(tmp_path):
    Image.fromarray(np.array([[0, np.nan]], np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(ValueError, match=r"nan\.tif has pixels that are not finite"):
        digits.read_drawing(tmp_path / "nan.tif")


def test_the_steps_lead_from_the_drawing_to_the_image():
    digit = digits.normalise(np.asarray(page()))
    assert [name for name, _ in digit.steps] == ["drawing", "ink", "cropped", "fitted", "as MNIST's"]
    assert digit.steps[-1][1] is digit.image
    assert digit.steps[0][1].shape == (SIDE, SIDE)
    assert len(repr(digit)) < 150


def test_paper_is_as_bright_as_the_easiest_way_out():
    walled = np.array([[9, 9, 9, 9, 9], [9, 5, 5, 5, 9], [9, 5, 1, 5, 9], [9, 5, 5, 5, 6], [9, 9, 9, 9, 9]], float)
    np.testing.assert_array_equal(without_dark_ink(walled)[1:4, 1:4], 6)


def test_pieces_that_touch_at_corners_are_one():
    rows = ["#.#.#", "#.#.#", ".#..#", "....#", "###.#"]
    labels = labelled(np.array([[cell == "#" for cell in row] for row in rows]))
    assert labels.tolist() == [[0, -1, 0, -1, 4], [0, -1, 0, -1, 4], [-1, 0, -1, -1, 4], [-1, -1, -1, -1, 4],
                               [20, 20, 20, -1, 4]]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Save models that have learned a little, and some that have not; return their files by name."""
    (x, y), _ = mnist.load_data()
    linear = Sequential([Flatten(input_shape=(1, 28, 28)), Dense(10, activation="softmax")], seed=0)
    linear.compile("adam", "sparse_categorical_crossentropy")
    with kernels.use("im2col"):
        linear.fit(x[:3000, None] / 255, y[:3000], batch_size=50, epochs=3, verbose=0)
    folder, made = tmp_path_factory.mktemp("models"), {
        "linear": linear, "mlp": Sequential([Dense(10, activation="softmax", input_dim=784)], seed=0),
        "flat": Sequential([Flatten(input_shape=(28, 28)), Dense(10, activation="softmax")], seed=0),
        "logits": Sequential([Dense(10, input_dim=784)], seed=0),
        "letters": Sequential([Dense(26, activation="softmax", input_dim=784)], seed=0),
        "colour": Sequential([Conv2D(1, 3, input_shape=(3, 32, 32)), Flatten(), Dense(10)], seed=0)}
    for name, model in made.items():
        model.save(folder / name)
    return {name: folder / name for name in made}


@pytest.fixture
def model(models):
    return models["linear"]


@pytest.fixture
def roughly_drawn(monkeypatch):
    """Let figures be drawn small, and without the layout of their texts, which takes most of the time."""
    draw = Figure.savefig

    def roughly(figure, path, **options):
        figure.set_layout_engine("none")
        draw(figure, path, dpi=10)
    monkeypatch.setattr(Figure, "savefig", roughly)


@pytest.fixture
def nothing_drawn(monkeypatch):
    """Let figures be written without being drawn."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: Path(path).touch())


@pytest.fixture
def drawing(tmp_path):
    """Save a drawing, and return its file."""
    file = tmp_path / "drawing.png"
    save(file, on_paper(IMAGES[0], corner=(200, 150)), "L")
    return file


def predict(monkeypatch, *arguments):
    """Run the lesson; return its variables."""
    monkeypatch.setattr(sys, "argv", ["predict_digit.py", *map(str, arguments)])
    monkeypatch.syspath_prepend(EXAMPLES)
    with kernels.use("im2col"):                         # which need not be compiled
        return runpy.run_path(str(EXAMPLES / "predict_digit.py"))


@pytest.mark.rest
def test_the_lesson_predicts(model, drawing, tmp_path, monkeypatch, capsys, roughly_drawn):
    run = predict(monkeypatch, drawing, "--model", model, "--figures", tmp_path / "figures")
    probabilities = run["probabilities"]
    printed = capsys.readouterr().out
    assert f"It is a {probabilities.argmax()}." in printed
    assert "the model knows nothing else" in printed
    for label in range(10):
        assert f"{label}  {100 * probabilities[label]:6.2f} %" in printed
    np.testing.assert_array_equal(run["x"][0, 0], digits.normalise(run["drawing"]).image.astype("float32"))
    assert sorted(file.name for file in (tmp_path / "figures").iterdir()) == [
        "predict_digit_layers.png", "predict_digit_normalised.png", "predict_digit_probabilities.png"]


@pytest.mark.slow
def test_without_normalisation_the_drawing_is_only_shrunk(model, drawing, tmp_path, monkeypatch, nothing_drawn):
    run = predict(monkeypatch, drawing, "--no-normalise", "--model", model, "--figures", tmp_path)
    np.testing.assert_array_equal(run["image"], resize(run["drawing"], 28, 28))


@pytest.mark.slow
@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.long)])
@pytest.mark.rest
def test_normalisation_makes_the_difference(model, count):
    from tinynet import load_model
    linear, rng = load_model(model), np.random.default_rng(0)
    drawings = [on_paper(image, 3, 0.8, 0.1, (200, 180), rng.integers(0, 90, 2)) for image in IMAGES[:count]]

    def accuracy(images):
        with kernels.use("im2col"):
            return np.mean(linear.predict(np.array(images)[:, None]).argmax(axis=1) == LABELS[:count])
    assert accuracy([digits.normalise(drawing).image for drawing in drawings]) > accuracy(IMAGES[:count]) - 0.02 > 0.8
    assert accuracy([resize(drawing, 28, 28) for drawing in drawings]) < 0.3


@pytest.mark.parametrize("name", ["mlp", "flat", "logits"])
@pytest.mark.slow
def test_a_model_of_another_shape_is_given_the_digit_as_it_takes_it(name, models, drawing, tmp_path, monkeypatch,
                                                                    nothing_drawn, capsys):
    run = predict(monkeypatch, drawing, "--model", models[name], "--figures", tmp_path)
    assert run["x"].shape == (1, *run["model"].input_shape)
    assert run["probabilities"].sum() == pytest.approx(1, abs=1e-5)
    assert (run["probabilities"] >= 0).all()
    assert ("taken for logits" in capsys.readouterr().out) == (name == "logits")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "told"), [
    ("letters", r"does not tell ten digits apart.*outputs \(26,\)"),
    ("colour", r"expected samples of 28 x 28.*3, 32, 32")], ids=["26 letters", "colour"])
def test_a_model_that_does_not_fit_ends_in_words(name, told, models, drawing, tmp_path, monkeypatch, nothing_drawn):
    with pytest.raises(SystemExit, match=told):
        predict(monkeypatch, drawing, "--model", models[name], "--figures", tmp_path)


def test_a_file_that_is_not_there_ends_in_words(drawing, tmp_path, monkeypatch, nothing_drawn):
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
