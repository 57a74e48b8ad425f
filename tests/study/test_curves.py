"""What `history.plot` draws is the history."""

import numpy as np
import pytest

from tinynet import Sequential, study
from tinynet.callbacks import History
from tinynet.layers import Dense


def trained(epochs, **validation):
    model = Sequential([Dense(2, activation="softmax", input_dim=3)], seed=0)
    model.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), np.eye(2)[rng.integers(2, size=20)]
    return model.fit(x, y, epochs=epochs, verbose=0, **validation)


def lines(figure):
    return {(ax.get_ylabel(), line.get_label()): line for ax in figure.axes for line in ax.lines}


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, 4])
def test_the_curves_are_the_figures(epochs, tmp_path):
    history = trained(epochs, validation_split=0.25)
    drawn = lines(history.plot(tmp_path / "curves.png"))
    for name in ("loss", "accuracy"):
        for key, label in ((name, "training (running mean)"), (f"val_{name}", "validation")):
            np.testing.assert_array_equal(drawn[name, label].get_xdata(), np.arange(epochs) + 1)
            np.testing.assert_array_equal(drawn[name, label].get_ydata(), history.history[key])
    assert len(drawn) == 4
    assert (tmp_path / "curves.png").exists()


def test_training_is_black_with_a_full_line_and_validation_orange_with_a_dashed_one():
    drawn = lines(study.plot_history({"loss": [3.0, 1.0], "val_loss": [4.0, 2.0]}))
    told = {label: (line.get_color(), line.get_linestyle(), line.get_marker()) for (_, label), line in drawn.items()}
    assert told == {"training (running mean)": ("black", "-", "o"), "validation": ("#D55E00", "--", "s")}


def test_without_validation_there_is_one_curve_a_figure():
    assert len(lines(trained(2).plot())) == 2


def test_a_dict_will_do():
    drawn = lines(study.plot_history({"loss": [3.0, 1.0]}))
    np.testing.assert_array_equal(drawn["loss", "training (running mean)"].get_ydata(), [3, 1])


def test_validation_that_began_later_is_drawn_at_the_last_epochs():
    drawn = lines(study.plot_history({"loss": [3.0, 2.0, 1.0], "val_loss": [5.0, 4.0]}))
    np.testing.assert_array_equal(drawn["loss", "validation"].get_xdata(), [2, 3])


def test_no_epochs_are_an_error():
    with pytest.raises(ValueError, match="a History of at least one epoch"):
        History().plot()
