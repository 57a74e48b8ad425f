"""Models of other losses than a cross-entropy over classes: what can be shown is, the rest is refused in words."""

import numpy as np
import pytest
from explored_models import asked, compiled, session_of

from tinynet import Sequential
from tinynet.layers import Conv2D, Dense, Flatten
from tinynet.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy

X = np.random.default_rng(0).normal(size=(60, 4))
CLASSES = np.arange(60) % 3
PIXELS = [0.5, -1.0, 0.25, 2.0]
LOSS = {"kind": "loss", "label": 1}


def shown(loss, *layers, y):
    return session_of(compiled(Sequential([*layers], input_shape=(4,), seed=2), loss), X, y)


def test_a_regression_is_explained_from_its_own_loss():
    session = shown("mse", Dense(3, activation="tanh"), Dense(1), y=X[:, 0] * 2.5)
    run = asked(session, "run", pixels=PIXELS, objective=LOSS)
    y = run["values"][-1][0]
    assert run["loss"] == pytest.approx((y - 1) ** 2, rel=1e-5)
    assert run["gradients"][-1][0] == pytest.approx(2 * (y - 1), rel=1e-5)
    assert run["probabilities"] is None
    begins = asked(session, "explainGradient", pixels=PIXELS, step=None, at=[0], objective=LOSS)
    assert (begins["form"], begins["value"]) == ("unknown", pytest.approx(2 * (y - 1), rel=1e-5))
    assert "MeanSquaredError" in begins["how"]
    description = asked(session, "describe")
    assert description["samples"]["labels"] is None
    assert "class labels" in description["can"]["accuracy"]
    assert asked(session, "train", action="step")["message"] is None
    assert [each["name"] for each in description["scenarios"]] == ["rate", "zeros", "labels"]


def test_yes_or_no_has_its_logit_before_the_sigmoid():
    session = shown("binary_crossentropy", Dense(3, activation="relu"), Dense(1, activation="sigmoid"), y=X[:, 0] > 0)
    run = asked(session, "run", pixels=PIXELS, objective=LOSS)
    p = run["values"][-1][0]
    assert asked(session, "describe")["logits"] == 3
    assert run["probabilities"].tolist() == [p]
    assert run["loss"] == pytest.approx(-np.log(p), rel=1e-5)
    assert run["gradients"][3][0] == pytest.approx(p - 1, rel=1e-5)
    assert run["gradients"][-1][0] == pytest.approx(-1 / p, rel=1e-4)
    found = asked(session, "explainGradient", pixels=PIXELS, step=3, at=[0], objective=LOSS)
    assert found["total"] == pytest.approx(found["value"], rel=1e-4)               # through the sigmoid's slope
    answer = asked(session, "accuracy")
    predicted = session.model.predict(session.data.test.x)[:, 0] > 0.5
    assert asked(session, "train", action="step")["message"] is None
    assert answer["correct"] == (predicted == session.data.test.y).sum()


@pytest.mark.parametrize(("loss", "y"), [
    (SparseCategoricalCrossentropy(from_logits=True), CLASSES), (None, CLASSES),
    (CategoricalCrossentropy(from_logits=True), np.eye(3)[CLASSES]),
], ids=["sparse", "not compiled", "one-hot"])
def test_a_model_that_ends_in_logits(loss, y):
    model = Sequential([Dense(3, input_dim=4)], seed=2)
    if loss is not None:
        compiled(model, loss)
    session = session_of(model, X, y)
    run = asked(session, "run", pixels=PIXELS, objective=LOSS)
    z = run["values"][-1].astype(np.float64)
    p = np.exp(z) / np.exp(z).sum()
    np.testing.assert_allclose(run["probabilities"], p, rtol=1e-5)
    np.testing.assert_allclose(run["gradients"][-1], p - [0, 1, 0], rtol=1e-5)
    assert run["loss"] == pytest.approx(-np.log(p[1]), rel=1e-5)
    assert asked(session, "describe")["logits"] == 1
    begins = asked(session, "explainGradient", pixels=PIXELS, step=None, at=[1], objective=LOSS)
    assert begins["total"] == pytest.approx(p[1] - 1)


def test_a_softmax_behind_its_penalty_is_found():
    session = shown("categorical_crossentropy", Dense(3, activation="softmax", activity_regularizer="l2"),
                    y=np.eye(3)[CLASSES])
    assert (asked(session, "describe")["logits"], asked(session, "describe")["softmax"]) == (1, True)
    run = asked(session, "run", pixels=PIXELS, objective=LOSS)
    np.testing.assert_allclose(run["probabilities"], run["values"][2])
    assert [gradient.shape for gradient in run["gradients"]] == [(4,), (3,), (3,), (3,)]
    for step in (0, 1, 2):
        found = asked(session, "explainGradient", pixels=PIXELS, step=step, at=[1], objective=LOSS)
        assert found["total"] == pytest.approx(found["value"], rel=1e-4)
    assert "the penalty's part" in {line["name"] for line in found["lines"]}
    begins = asked(session, "explainGradient", pixels=PIXELS, step=None, at=[1], objective=LOSS)
    assert begins["total"] == begins["value"]


def test_smoothed_labels_are_those_of_the_loss():
    session = shown(CategoricalCrossentropy(label_smoothing=0.1), Dense(3, activation="softmax"), y=np.eye(3)[CLASSES])
    run = asked(session, "run", pixels=PIXELS, objective=LOSS)
    p, t = run["values"][-1], np.array([0.1 / 3, 0.9 + 0.1 / 3, 0.1 / 3])
    np.testing.assert_allclose(run["gradients"][1], p - t, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(run["gradients"][2], -t / p, rtol=1e-5)
    for k in range(3):
        found = asked(session, "explainGradient", pixels=PIXELS, step=None, at=[k], objective=LOSS)
        assert found["total"] == pytest.approx(found["value"], rel=1e-4, abs=1e-7)


def test_images_that_come_out_have_no_label():
    session = session_of(compiled(Sequential([Conv2D(1, 3, padding="same", input_shape=(1, 4, 4))]), "mse"),
                         np.ones((20, 1, 4, 4)), np.ones((20, 1, 4, 4)))
    pixels = [0.5] * 16
    with pytest.raises(ValueError, match="where the output is a vector"):
        asked(session, "run", pixels=pixels, objective=LOSS)
    run = asked(session, "run", pixels=pixels, objective={"kind": "logit", "index": 5})
    assert run["gradients"][-1].ravel().tolist() == [0.0] * 5 + [1.0] + [0.0] * 10
    description = asked(session, "describe")
    assert (description["logits"], description["can"]["train"]) == (None, None)
    assert "vector" in description["can"]["nextStep"]
    assert asked(session, "train", action="step")["message"] is None


def test_pixels_may_be_sent_as_bytes():
    import base64
    session = shown("mse", Dense(1), y=X[:, 0])
    sent = base64.b64encode(np.array(PIXELS, "<f4").tobytes()).decode()
    np.testing.assert_array_equal(asked(session, "run", pixels=sent)["values"][-1],
                                  asked(session, "run", pixels=PIXELS)["values"][-1])


def test_a_drawing_becomes_a_digit_and_an_empty_one_words():
    from tinynet.digits import from_ink
    session = session_of(Sequential([Flatten(input_shape=(1, 28, 28))]), np.zeros((2, 1, 28, 28)))
    ink = np.zeros((112, 112), np.uint8)
    ink[20:90, 50:60] = 255
    answer = asked(session, "draw", width=112, height=112, pixels=ink.ravel().tolist())
    np.testing.assert_allclose(answer["image"], from_ink(ink / 255.0).image, rtol=1e-6)
    assert [step["name"] for step in answer["steps"]] == ["ink", "cropped", "fitted", "as MNIST's"]
    assert answer["message"] is None
    np.testing.assert_array_equal(answer["run"]["values"][-1], answer["image"].ravel())
    enlarged = np.kron(ink[:100, :100], np.ones((6, 6))).ravel().tolist()
    large = asked(session, "draw", width=600, height=600, pixels=enlarged)
    assert large["steps"][0]["pixels"].shape == (200, 200)                                 # it is only to be seen
    np.testing.assert_allclose(large["image"], answer["image"], atol=1e-6)
    empty = asked(session, "draw", width=2, height=2, pixels=[0] * 4)
    assert (empty["image"], empty["steps"], empty["run"]) == (None, [], None)
    assert "nothing is drawn" in empty["message"]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 6, 8), (1, 6, 8)], ids=["digit", "colour", "grey"])
def test_a_picture_that_is_dropped_becomes_an_input(shape):
    import base64
    import io

    from PIL import Image
    session = session_of(Sequential([Flatten(input_shape=shape)]), np.zeros((2, *shape)))
    picture, file = np.full((60, 80, 3), 255, np.uint8), io.BytesIO()
    picture[10:50, 30:40] = (0, 0, 200)
    Image.fromarray(picture).save(file, "PNG")
    answer = asked(session, "picture", name="a.png", base64=base64.b64encode(file.getvalue()).decode())
    assert answer["message"] is None
    if shape == (1, 28, 28):
        assert answer["image"].shape == (28, 28)
        assert answer["image"].max() == 1
    else:
        blocks = picture.reshape(6, 10, 8, 10, 3).mean(axis=(1, 3)) / 255                       # (H, W, 3)
        grey = blocks @ [0.299, 0.587, 0.114]                                                   # to the eye
        expected = np.moveaxis(blocks, 2, 0) if shape[0] == 3 else grey[None]
        np.testing.assert_allclose(answer["image"], expected, atol=0.005)
