"""The recorder keeps what `health` says at each moment, changes nothing, and survives a resume."""

import numpy as np
import pytest
from health_models import blobs, stack
from sampled import sampled

from tinynet import study
from tinynet.callbacks import BackupAndRestore, Callback

X, Y = blobs()


class Kill(Callback):
    """Push the biases of a layer far below 0 after so many updates."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == self.after:
            self.model.params["dense_2/bias"][:] -= 1000


class Interrupt(Callback):
    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def fit(model, *callbacks, epochs=3):
    return model.fit(X, Y, batch_size=50, epochs=epochs, verbose=0, callbacks=callbacks)         # 4 updates an epoch


def assert_same(one, other):
    """Compare two trees of dicts, lists, arrays and numbers, exactly."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("every", "updates"), [("epoch", [0, 4, 8, 12]), (5, [0, 5, 10]), (1, list(range(13)))])
def test_records_are_taken_before_the_first_update_and_as_asked(every, updates):
    recorder = study.HealthRecorder(X[:100], Y[:100], every)
    fit(stack("relu", 2), recorder)
    assert recorder.updates == updates
    assert len(recorder.records) == len(updates)


def test_a_record_is_the_health_of_that_moment():
    model, recorder = stack("relu", 2), study.HealthRecorder(X[:100], Y[:100])
    before = study.health(model, X[:100], Y[:100])
    fit(model, recorder)
    after = study.health(model, X[:100], Y[:100])
    for record, expected in ((recorder.records[0], before), (recorder.records[-1], after)):
        assert [step.name for step in record.steps] == [step.name for step in expected.steps]
        assert gradient_norms(record) == pytest.approx(gradient_norms(expected), rel=1e-4)
        assert [p.update_ratio for p in record.parameters] == pytest.approx(
            [p.update_ratio for p in expected.parameters], rel=1e-4)
    assert gradient_norms(after) != pytest.approx(gradient_norms(before), rel=1e-2)


def gradient_norms(found):
    return [part.gradient_norm for part in found.steps[:-1] + found.parameters]


def test_recording_changes_nothing_in_the_training():
    one, other = stack("relu", 2), stack("relu", 2)
    history = fit(one), fit(other, study.HealthRecorder(X, Y, 1))
    assert history[0].history == history[1].history
    for key, array in one.params.items():
        np.testing.assert_array_equal(array, other.params[key])


@pytest.mark.parametrize(("every", "save_freq"), sampled([(3, 2), ("epoch", "epoch"), (1, 1), (1, "epoch")], every=2))
def test_an_interrupted_training_ends_with_the_records_of_the_whole_one(every, save_freq, tmp_path):
    whole = study.HealthRecorder(X[:100], Y[:100], every)
    fit(stack("relu", 2), whole)
    interrupted = 0
    while interrupted < 20:
        recorder = study.HealthRecorder(X[:100], Y[:100], every)
        try:
            fit(stack("relu", 2), recorder, BackupAndRestore(tmp_path / "backup", save_freq), Interrupt(6))
            break
        except KeyboardInterrupt:
            interrupted += 1
    assert 0 < interrupted < 20
    assert recorder.updates == whole.updates
    assert_same(recorder.get_state(), whole.get_state())
    assert recorder.records[0].steps[0].activation.counts.sum() == 100 * 32
    assert recorder.records[-1].findings == whole.records[-1].findings


def test_a_second_fit_starts_anew():
    model, recorder = stack("relu", 2), study.HealthRecorder(X, Y)
    fit(model, recorder)
    fit(model, recorder, epochs=1)
    assert recorder.updates == [12, 16]


def test_a_state_is_not_changed_by_what_is_recorded_later():
    model, recorder = stack("relu", 2), study.HealthRecorder(X, Y)
    fit(model, recorder, epochs=1)
    state = recorder.get_state()
    recorder.record()
    assert (len(state["updates"]), len(state["records"]), len(recorder.records)) == (2, 2, 3)


def curves(ax):
    return {line.get_label(): line for line in ax.lines}


@pytest.mark.slow
def test_the_curves_are_the_records(tmp_path):
    recorder = study.HealthRecorder(X, Y, 2)
    fit(stack("relu", 2), recorder)
    upper, middle, lower = recorder.plot(tmp_path / "recorded.png").axes
    gradients, dead, ratios = curves(upper), curves(middle), curves(lower)
    assert list(gradients) == ["dense_1", "dense_2", "dense_3"]
    assert list(dead) == ["dense_1/relu", "dense_2/relu"]
    assert list(ratios) == ["guide: 1/1000", "dense_1/kernel", "dense_2/kernel", "dense_3/kernel"]
    assert [ax.get_ylabel() for ax in (upper, middle, lower)] == ["|d loss / d output|", "fraction of dead units",
                                                                  "|update| / |weight|"]
    light = [sum(gradients[name].get_color()[:3]) for name in gradients]
    assert sorted(light) == light                                          # the first layer is the darkest
    assert upper.get_yscale() == lower.get_yscale() == "log"
    np.testing.assert_array_equal(ratios["guide: 1/1000"].get_ydata(), [0.001, 0.001])
    for k, record in enumerate(recorder.records):
        for step in record.steps:
            if step.name in gradients:
                assert gradients[step.name].get_ydata()[k] == step.gradient_norm
            if step.name in dead:
                assert dead[step.name].get_ydata()[k] == step.dead
        for p in record.parameters:
            if p.name in ratios:
                assert ratios[p.name].get_ydata()[k] == p.update_ratio
    np.testing.assert_array_equal(gradients["dense_1"].get_xdata(), recorder.updates)
    low, high = upper.get_ylim()
    assert high / low >= 1000                                              # so that level lines look level
    low, high = lower.get_ylim()
    assert low < 0.001 < high


@pytest.mark.slow
def test_a_gradient_that_is_0_all_the_time_can_be_drawn(tmp_path):
    model, recorder = stack("relu", 2), study.HealthRecorder(X, Y)
    for name in ("dense_1", "dense_2", "dense_3"):
        model.params[f"{name}/kernel"][:] = 0
    fit(model, recorder, epochs=1)
    _, _, lower = recorder.plot(tmp_path / "zero.png").axes
    assert "exactly 0:\ndense_1/kernel\ndense_2/kernel\ndense_3/kernel" in curves(lower)


@pytest.mark.slow
def test_units_are_dead_from_the_record_on_in_which_they_died():
    recorder = study.HealthRecorder(X, Y, 2)
    fit(stack("relu", 2), Kill(6), recorder)
    upper, middle, _ = recorder.plot().axes
    np.testing.assert_array_equal(curves(middle)["dense_2/relu"].get_ydata() == 1, [False] * 3 + [True] * 4)
    zero = curves(upper)["exactly 0:\ndense_1\ndense_2"]
    np.testing.assert_array_equal(zero.get_xdata(), [6, 8, 10, 12])
    assert max(zero.get_ydata()) < 0.1                                     # of the axis: at its lower end
    assert "no gradient comes through it." in upper.figure.get_suptitle()


@pytest.mark.slow
def test_a_vanishing_gradient_spreads_the_lines():
    recorder = study.HealthRecorder(X, Y)
    fit(stack("sigmoid", 8), recorder, epochs=1)
    upper, middle, _ = recorder.plot().axes
    ends = [curves(upper)[f"dense_{k}"].get_ydata()[-1] for k in range(1, 10)]
    assert sorted(ends) == ends
    assert ends[-1] > 1000 * ends[0]
    assert middle.texts[0].get_text() == "no such layers"


def test_odd_arguments_and_a_plot_before_the_training_are_errors():
    with pytest.raises(ValueError, match="every: 'epoch', or a number of updates, a whole number from 1"):
        study.HealthRecorder(X, Y, 0)
    with pytest.raises(ValueError, match="at least one record"):
        study.HealthRecorder(X, Y).plot()
