"""The surface is the loss at other weights, computed by hand here; the model's own come back to the bit."""

import numpy as np
import pytest
from study_models import samples, twisted

from tinynet import Sequential, study
from tinynet.layers import Dense


def test_each_number_is_the_loss_of_a_model_with_those_weights():
    model, (x, y) = twisted(regularizer="l2"), samples()
    surface = study.loss_surface(model, x, y, span=0.7, points=5, seed=2)
    np.testing.assert_allclose(surface.a, [-0.7, -0.35, 0, 0.35, 0.7])
    other = twisted(regularizer="l2")
    own = dict(model.params)
    for i, j in np.ndindex(5, 5):
        for key, array in own.items():
            other.params[key] = array + surface.a[i] * surface.first[key] + surface.b[j] * surface.second[key]
        assert surface.losses[i, j] == pytest.approx(other.evaluate(x, y, verbose=0)[0], rel=1e-12)
    assert surface.losses[2, 2] == pytest.approx(surface.centre) == pytest.approx(model.evaluate(x, y, verbose=0)[0])


def test_directions_are_as_long_as_the_filters_and_leave_biases_alone():
    model = twisted()
    surface = study.loss_surface(model, *samples(), points=2)
    axes = {"first/kernel": (1, 2, 3), "inner/conv2d_1/kernel": (1, 2, 3), "hidden/kernel": 0, "last/kernel": 0,
            "scale_1/scale": None}
    for direction in (surface.first, surface.second):
        assert direction.keys() == model.params.keys()
        for key, array in direction.items():
            if key in axes:
                lengths = [np.sqrt((numbers ** 2).sum(axis=axes[key])) for numbers in (array, model.params[key])]
                np.testing.assert_allclose(*lengths)
            else:
                assert not array.any()
    assert abs((surface.first["hidden/kernel"] * surface.second["hidden/kernel"]).sum()) < \
        0.5 * (surface.first["hidden/kernel"] ** 2).sum()


def test_a_readers_own_layer_can_have_a_rule_for_its_filters():
    class Mine(Dense):
        pass
    study.filter_axes.register(Mine, lambda layer, key: (1,))                      # a filter is a row, not a column
    model = Sequential([Mine(3, input_dim=4)], dtype="float64", seed=0)
    model.compile(loss="mse")
    first = study.loss_surface(model, np.ones((1, 4)), np.ones((1, 3)), points=2).first["mine_1/kernel"]
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), np.linalg.norm(model.params["mine_1/kernel"], axis=1))


def test_the_scale_of_a_filter_does_not_change_the_picture():
    def model(factor):
        scaled = Sequential([Dense(8, activation="relu", input_dim=3), Dense(2)], dtype="float64", seed=0)
        scaled.params["dense_1/kernel"] = scaled.params["dense_1/kernel"] * factor
        scaled.params["dense_2/kernel"] = scaled.params["dense_2/kernel"] / factor
        scaled.compile(loss="mse")
        return scaled
    rng = np.random.default_rng(0)
    data = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    one, other = (study.loss_surface(model(factor), *data, points=3).losses for factor in (1, 8))
    np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("fails_after", [None, 4])
def test_the_parameters_are_the_same_arrays_with_the_same_bits(monkeypatch, fails_after):
    model, (x, y) = twisted("float32"), samples()
    before, bits = dict(model.params), {key: array.tobytes() for key, array in model.params.items()}
    calls, evaluate = [], model.evaluate

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) == fails_after:
            raise KeyboardInterrupt
        return evaluate(*args, **kwargs)
    monkeypatch.setattr(model, "evaluate", failing)
    if fails_after:
        with pytest.raises(KeyboardInterrupt):
            study.loss_surface(model, x, y, points=3)
    else:
        study.loss_surface(model, x, y, points=3)
    assert len(calls) == (fails_after or 10)
    for key, array in model.params.items():
        assert array is before[key]
        assert array.tobytes() == bits[key]


def test_a_seed_repeats():
    model, data = twisted(), samples()
    one, same, other = (study.loss_surface(model, *data, points=2, seed=seed).losses for seed in (1, 1, 2))
    np.testing.assert_allclose(one, same, rtol=1e-12)
    assert not np.allclose(one, other)


@pytest.mark.parametrize("span", [1.0, pytest.param(0.001, marks=pytest.mark.long), 50.0])
@pytest.mark.slow
def test_contours_are_drawn_of_gentle_and_of_steep_losses(span, tmp_path):
    surface = study.loss_surface(twisted("float32"), *samples(), span=span, points=5)
    figure = surface.plot(path=tmp_path / "surface.png")
    ax, bar = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("along the first direction", "along the second direction")
    assert f"{surface.centre:.4g}" in ax.get_title()
    finite = surface.losses[np.isfinite(surface.losses)]
    assert bar.get_ylabel() == ("loss (logarithmic)" if finite.max() > 10 * finite.min() else "loss")
    cross, = ax.lines
    assert (cross.get_xydata().tolist(), cross.get_marker()) == ([[0, 0]], "+")


@pytest.mark.slow
def test_a_flat_loss_and_an_infinite_one_can_be_drawn(tmp_path):
    a = np.linspace(-1, 1, 3)
    flat = study.LossSurface(a, a, np.ones((3, 3)), 1.0, {}, {}).plot(path=tmp_path / "flat.png").axes[0]
    assert flat.get_title() == "loss around the weights (+): 1 there"
    assert [[float(value) for value in contours.get_clim()] for contours in flat.collections[:1]] == [[0, 2]]
    losses = np.arange(9.0).reshape(3, 3)
    losses[2, 2] = np.inf                                                    # at the upper right
    steep = study.LossSurface(a, a, losses, 4.0, {}, {}).plot(path=tmp_path / "infinite.png").axes[0]
    filled, lines = steep.collections[:2]
    assert (filled.levels[0], filled.levels[-1]) == (0, 7)                   # of the finite ones
    np.testing.assert_allclose(lines.levels, filled.levels[1:-1:2])
    drawn = np.concatenate([path.vertices for path in filled.get_paths()])
    assert drawn.min() == -1
    assert drawn.sum(axis=1).max() == pytest.approx(1)                       # its corner is cut off
    assert {path.name for path in tmp_path.iterdir()} == {"flat.png", "infinite.png"}


def test_the_first_direction_runs_to_the_right():
    a = np.linspace(-1, 1, 3)
    surface = study.LossSurface(a, a, np.repeat([[1.0], [2], [3]], 3, axis=1), 2.0, {}, {})      # grows along a
    contours = surface.plot().axes[0].collections[0]
    drawn = [path for path in contours.get_paths() if len(path.vertices)]
    low, high = drawn[0].vertices, drawn[-1].vertices
    assert low[:, 0].max() < high[:, 0].min()


def test_odd_arguments_and_a_model_without_a_loss_are_errors():
    with pytest.raises(ValueError, match="points from 2, and a span above 0"):
        study.loss_surface(twisted(), *samples(), points=1)
    with pytest.raises(ValueError, match="not compiled yet"):
        study.loss_surface(Sequential([Dense(2, input_dim=2)]), [[1, 2]], [[1, 2]])
