"""plot_model: a box for each layer, in order, with what it was asked to say."""

import pytest

import tinynet
from tinynet import Sequential
from tinynet.layers import Conv2D, Dense, Flatten


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_plot_model_draws_a_box_for_each_layer_and_writes_it(tmp_path):
    model = Sequential([Conv2D(2, 3), Flatten(), Sequential([Dense(1)])], input_shape=(1, 4, 4))
    figure = tinynet.utils.plot_model(model, tmp_path / "model.png")
    assert texts(figure) == ["Conv2D", "Flatten", "Sequential"]
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")
    boxes = [box.get_xy() for box in figure.axes[0].patches]
    assert [y for _, y in boxes] == sorted({y for _, y in boxes})
    assert len({x for x, _ in boxes}) == 1


def test_plot_model_says_what_it_is_asked_to():
    figure = tinynet.utils.plot_model(
        Sequential([Dense(3, activation="relu", input_dim=2), Sequential([Dense(1)])]), to_file=None,
        show_shapes=True, show_dtype=True, show_layer_names=True, rankdir="LR", expand_nested=True,
        show_layer_activations=True, show_trainable=True)
    assert texts(figure)[0].splitlines() == ["dense_1 (Dense)", "activation: relu", "input: (None, 2)",
                                             "output: (None, 3)", "dtype: float32", "trainable: True"]
    assert texts(figure)[2].splitlines()[0] == "sequential_1/dense_1 (Dense)"
    boxes = [box.get_xy() for box in figure.axes[0].patches]
    assert [x for x, _ in boxes] == sorted({x for x, _ in boxes})


def test_plot_model_is_told_what_cannot_be():
    with pytest.raises(ValueError, match="rankdir 'TB' or 'LR'"):
        tinynet.utils.plot_model(Sequential([Dense(1)]), None, rankdir="BT")
    with pytest.raises(ValueError, match="a model with layers"):
        tinynet.utils.plot_model(Sequential())
