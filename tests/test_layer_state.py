"""What a layer learns without gradients: `Layer.state`, and everything that carries it."""

import copy

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, load_model, study
from tinynet.callbacks import BackupAndRestore, Callback, EarlyStopping, ModelCheckpoint
from tinynet.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Layer
from tinynet.testing import check_gradients, check_layer


class BatchNorm(Layer):
    """Batch normalisation over all axes but the channels' (axis 1), its running statistics in `state`."""

    differs_in_training = True
    momentum, epsilon = 0.9, 1e-3

    def build(self, input_shape, rng):
        C = input_shape[0]
        self.params = {"gamma": np.ones(C, np.float32), "beta": np.zeros(C, np.float32)}
        self.state = {"moving_mean": np.zeros(C), "moving_variance": np.ones(C), "batches": np.array(0)}
        return input_shape

    def forward(self, x, training=False):
        training = training and len(x) > 0                             # an empty batch has no mean
        along = (1, -1, *[1] * (x.ndim - 2))                           # (C,) -> (1, C, 1, 1)
        axes = (0, *range(2, x.ndim))
        gamma = self.params["gamma"].reshape(along)
        mean, variance = self.statistics(x, axes, training)
        root = np.sqrt(variance + self.epsilon).reshape(along).astype(x.dtype)
        normal = (x - mean.reshape(along).astype(x.dtype)) / root      # (N, C, ...)

        def backward(dy):
            self.grads["gamma"], self.grads["beta"] = (dy * normal).sum(axis=axes), dy.sum(axis=axes)
            d = dy * gamma
            if training:                                               # mean and variance depend on x too
                d = d - d.mean(axis=axes, keepdims=True) - normal * (d * normal).mean(axis=axes, keepdims=True)
            return d / root
        return gamma * normal + self.params["beta"].reshape(along), backward

    def statistics(self, x, axes, training):
        if not training:
            return self.state["moving_mean"], self.state["moving_variance"]
        mean, variance = x.mean(axis=axes, dtype=np.float64), x.var(axis=axes, dtype=np.float64)
        self.state["moving_mean"] = self.momentum * self.state["moving_mean"] + (1 - self.momentum) * mean    # replaced
        self.state["moving_variance"] *= self.momentum                                                   # written into
        self.state["moving_variance"] += (1 - self.momentum) * variance
        self.state["batches"] = self.state["batches"] + 1
        return mean, variance


class Forgetful(BatchNorm):
    """The same, written the obvious way: its statistics are attributes."""

    def build(self, input_shape, rng):
        super().build(input_shape, rng)
        self.state = {}
        self.moving_mean, self.moving_variance = np.zeros(input_shape[0]), np.ones(input_shape[0])
        return input_shape

    def statistics(self, x, axes, training):
        if not training:
            return self.moving_mean, self.moving_variance
        mean, variance = x.mean(axis=axes), x.var(axis=axes)
        self.moving_mean = self.momentum * self.moving_mean + (1 - self.momentum) * mean
        self.moving_variance = self.momentum * self.moving_variance + (1 - self.momentum) * variance
        return mean, variance


def made(seed=0, dtype="float32"):
    model = Sequential([Conv2D(3, 2, activation="relu", input_shape=(1, 5, 5)), BatchNorm(), Dropout(0.2), Flatten(),
                        Dense(2, activation="softmax")], seed=seed, dtype=dtype)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    return model


def samples(n=24):
    rng = np.random.default_rng(1)
    return 3 + 2 * rng.random((n, 1, 5, 5)).astype(np.float32), np.eye(2)[rng.integers(2, size=n)]


def trained(**options):
    model = made(**options)
    model.fit(*samples(), epochs=2, batch_size=8, verbose=0)
    return model


def kept(model):
    return {name: np.copy(array) for name, array in {**model.params, **model.state}.items()}


def assert_same(model, before):
    now = kept(model)
    assert now.keys() == before.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(now[name], array, err_msg=name, strict=True)


def test_training_changes_the_state_and_inference_does_not():
    model, fresh = trained(), made()
    assert list(model.state) == [f"batch_norm_1/{key}" for key in ("moving_mean", "moving_variance", "batches")]
    assert model.state["batch_norm_1/batches"] == 6
    assert not np.allclose(model.state["batch_norm_1/moving_mean"], fresh.state["batch_norm_1/moving_mean"])
    before = kept(model)
    model.predict(samples()[0])
    model.evaluate(*samples(), verbose=0)
    assert_same(model, before)


def test_state_has_the_dtype_of_the_model_and_whole_numbers_stay():
    for dtype in "float32", "float64":
        for model in (made(dtype=dtype), trained(dtype=dtype)):
            assert model.state["batch_norm_1/moving_mean"].dtype == dtype
            assert model.state["batch_norm_1/moving_variance"].dtype == dtype
            assert model.state["batch_norm_1/batches"].dtype.kind == "i"


def test_weights_are_a_layers_params_then_its_state_layer_by_layer():
    model = trained()
    shapes = [array.shape for array in model.get_weights()]
    assert shapes == [(3, 1, 2, 2), (3,), (3,), (3,), (3,), (3,), (), (48, 2), (2,)]
    other = made(seed=5)
    other.set_weights(model.get_weights())
    assert_same(other, kept(model))
    before = kept(model)
    model.set_weights(model.get_weights())
    assert_same(model, before)
    with pytest.raises(ValueError, match="expected weights of shapes"):
        model.set_weights([array for array in model.get_weights() if array.shape])


def test_state_counts_as_not_trainable():
    lines = []
    model = made()
    model.summary(print_fn=lines.append)
    assert model.count_params() == 15 + 6 + 7 + 98
    assert "Total params: 126" in lines[0]
    assert "Trainable params: 119\n" in lines[0]
    assert "Non-trainable params: 7\n" in lines[0]


@pytest.mark.parametrize("whole", [True, False])
def test_state_survives_files(tmp_path, whole):
    model = trained()
    if whole:
        model.save(tmp_path / "m.safetensors")
        again = load_model(tmp_path / "m.safetensors", custom_layers={"BatchNorm": BatchNorm})
    else:
        model.save_weights(tmp_path / "m.safetensors")
        again = made(seed=3)
        again.load_weights(tmp_path / "m.safetensors")
    assert_same(again, kept(model))
    np.testing.assert_array_equal(again.predict(samples()[0]), model.predict(samples()[0]))


def test_a_weights_file_without_the_state_is_refused_by_name_and_changes_nothing(tmp_path):
    class Stateless(BatchNorm):
        def build(self, input_shape, rng):
            super().build(input_shape, rng)
            self.state = {}
            return input_shape

    def model_with(kind):
        return Sequential([kind(name="norm", input_shape=(2, 3))])
    model_with(Stateless).save_weights(tmp_path / "without.safetensors")
    model = model_with(BatchNorm)
    before = kept(model)
    with pytest.raises(ValueError, match=r"expected state 'norm/moving_mean', float32 \(2,\)\. Found: no such state\."):
        model.load_weights(tmp_path / "without.safetensors")
    assert_same(model, before)
    model.save_weights(tmp_path / "with.safetensors")
    with pytest.raises(ValueError, match="state 'norm/batches' as well"):
        model_with(Stateless).load_weights(tmp_path / "with.safetensors")


class Killed(Exception):  # noqa: N818
    pass


class KillAfter(Callback):
    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise Killed


def test_state_survives_a_kill_and_a_resume_to_the_bit(tmp_path):
    whole = made()
    whole.fit(*samples(), epochs=4, batch_size=8, verbose=0)
    backup = BackupAndRestore(tmp_path, save_freq=2)
    with pytest.raises(Killed):
        made().fit(*samples(), epochs=4, batch_size=8, verbose=0, callbacks=[KillAfter(7), backup])
    again = made(seed=9)
    again.fit(*samples(), epochs=4, batch_size=8, verbose=0, callbacks=[BackupAndRestore(tmp_path, save_freq=2)])
    assert_same(again, kept(whole))


def test_the_best_weights_are_restored_with_their_state(tmp_path):
    class Best(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.kept = kept(self.model)
    best = Best()
    model = made()
    checkpoint = ModelCheckpoint(tmp_path / "first.safetensors", save_best_only=True, monitor="loss", mode="max")
    model.fit(*samples(), epochs=3, batch_size=8, verbose=0, callbacks=[
        best, checkpoint, EarlyStopping("loss", mode="max", patience=9, restore_best_weights=True)])
    assert_same(model, best.kept)
    again = load_model(tmp_path / "first.safetensors", custom_layers={"BatchNorm": BatchNorm})
    assert_same(again, best.kept)


LOOKS = {
    "profile": lambda model, x, y: study.profile(model, batch_size=4, repeats=2),
    "trace in training": lambda model, x, y: study.Trace(model, x, training=True),
    "health": lambda model, x, y: study.health(model, x, y),
    "activations": lambda model, x, y: study.activations(model, x),
    "saliency": lambda model, x, y: study.saliency(model, x),
    "gradients": lambda model, x, y: check_gradients(model, x, y=y, training=True),
    "a layer's gradients": lambda model, x, y: check_gradients(model.layers[1], input_shape=(3, 4, 4), training=True),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_looking_and_checking_leave_the_state_as_it_was(look):
    model = trained()
    x, y = samples(6)
    before, arrays, predictions = kept(model), dict(model.state), model.predict(x)
    look(model, x, y)
    assert_same(model, before)
    assert all(model.state[name] is array for name, array in arrays.items())
    np.testing.assert_array_equal(model.predict(x), predictions)


class Warming(Layer):
    """Multiplies by 1, 2, 3, ... in training: what a forward returns depends on the state, and on how often it ran."""

    differs_in_training = True

    def build(self, input_shape, rng):
        self.params["scale"] = np.ones(input_shape, np.float32)
        self.state["runs"] = np.array(0)
        return input_shape

    def forward(self, x, training=False):
        if training:
            self.state["runs"] += 1
        factor, scale = max(1, int(self.state["runs"])), self.params["scale"]

        def backward(dy):
            self.grads["scale"] = factor * (dy * x).sum(axis=0)
            return factor * dy * scale
        return factor * x * scale, backward


def test_slopes_are_measured_from_the_same_state_each_time():
    layer = Warming()
    layer.build((3,), np.random.default_rng(0))
    layer.forward(np.ones((1, 3)), True)
    assert check_gradients(layer, input_shape=(3,), training=True).passed
    model = Sequential([Warming(), Dense(2)], input_shape=(3,))
    model.compile("adam", "mse")
    assert check_gradients(model, np.ones((2, 3)), y=np.ones((2, 2)), training=True).passed


def test_a_loss_that_is_not_finite_leaves_the_state_of_before():
    model = trained()
    before = kept(model)
    x, y = samples(8)
    model.params["dense_1/kernel"][...] = np.nan
    with np.errstate(all="ignore"):
        model.train_on_batch(x, y)
        with pytest.raises(tinynet.TrainingDiverged):
            model.fit(x, y, verbose=0)
    for name in model.state:
        np.testing.assert_array_equal(model.state[name], before[name])


def test_copies_have_a_state_of_their_own():
    model = trained()
    before, other = kept(model), copy.deepcopy(model)
    other.fit(*samples(), verbose=0)
    assert_same(model, before)
    assert other.state["batch_norm_1/batches"] == 7


def test_a_key_is_either_a_parameter_or_state():
    class Both(BatchNorm):
        def build(self, input_shape, rng):
            super().build(input_shape, rng)
            self.state["gamma"] = np.zeros(2)
            return input_shape
    with pytest.raises(ValueError, match=r"expected other keys in state than in params. Received: \['gamma'\]"):
        Sequential([Both(input_shape=(2, 3))])


def test_the_contract_holds_a_layer_that_keeps_its_state_in_state():
    assert check_layer(BatchNorm, [(3, 4, 5), (2,)]).not_tried == {}


def test_the_contract_holds_a_model_whose_layers_do():
    assert check_layer(lambda: Sequential([BatchNorm()]), (2,), rules=["state_declared"]).passed
    report = check_layer(lambda: Sequential([Forgetful()]), (2,), rules=["state_declared"], raises=False)
    assert "changed the attribute layers[0].moving_mean" in str(report)


def test_the_contract_names_what_a_layer_keeps_elsewhere():
    report = check_layer(Forgetful, (3, 4, 5), raises=False)
    messages = {failure.rule: failure.message for failure in report.failures}
    assert messages.keys() == {"state_declared", "config_round_trip"}
    assert "changed the attribute moving_mean" in messages["state_declared"]
    assert "belongs in self.state" in messages["state_declared"]


def test_a_training_forward_that_changes_state_in_inference_is_named():
    class Restless(BatchNorm):
        def statistics(self, x, axes, training):
            found = super().statistics(x, axes, training)
            self.state["batches"] = self.state["batches"] + 1
            return found
    report = check_layer(Restless, (3,), raises=False, rules=["inputs_not_written"])
    assert "forward wrote to state['batches'] in inference" in str(report)


# The layer of ours that has a state.

def normalised(seed=0, dtype="float32"):
    model = Sequential([Conv2D(3, 2, use_bias=False, input_shape=(1, 5, 5)), BatchNormalization(momentum=0.8),
                        Dropout(0.2), Flatten(), Dense(2, activation="softmax")], seed=seed, dtype=dtype)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    return model


def fitted(model, *callbacks, epochs=2):
    model.fit(*samples(), epochs=epochs, batch_size=8, verbose=0, callbacks=callbacks)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_statistics_come_back_from_a_file_and_training_goes_on_to_the_bit(tmp_path, dtype):
    model = fitted(normalised(dtype=dtype))
    assert not np.allclose(model.state["batch_normalization_1/moving_mean"], 0)
    assert {array.dtype for array in model.get_weights()} == {np.dtype(dtype)}
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert_same(again, kept(model))
    assert_same(fitted(again), kept(fitted(model)))
    model.set_weights(model.get_weights())
    assert_same(again, kept(model))


def test_running_statistics_survive_a_kill_and_a_resume_to_the_bit(tmp_path):
    whole = fitted(normalised(), epochs=4)
    with pytest.raises(Killed):
        fitted(normalised(), KillAfter(7), BackupAndRestore(tmp_path, save_freq=2), epochs=4)
    assert_same(fitted(normalised(seed=9), BackupAndRestore(tmp_path, save_freq=2), epochs=4), kept(whole))


def test_the_best_running_statistics_are_restored_and_counted_as_not_trainable():
    model, lines = normalised(), []
    fitted(model, EarlyStopping("loss", mode="max", patience=9, restore_best_weights=True), epochs=3)     # the first's
    assert_same(model, kept(fitted(normalised(), epochs=1)))
    model.summary(print_fn=lines.append)
    assert "Total params: 122" in lines[0]                                           # 12 + 4 * 3 + 98
    assert "Non-trainable params: 6\n" in lines[0]


@pytest.mark.parametrize("look", ["profile", "trace in training", "a layer's gradients"])
def test_looking_and_checking_leave_running_statistics_as_they_were(look):
    model = fitted(normalised())
    x, y = samples(6)
    before, arrays = kept(model), dict(model.state)
    LOOKS[look](model, x, y)
    assert_same(model, before)
    assert all(model.state[name] is array for name, array in arrays.items())


def test_frozen_a_model_trains_around_its_running_statistics():
    model = fitted(normalised())
    model.layers[1].trainable = False
    before = kept(model)
    fitted(model)
    now = kept(model)
    unchanged = {name for name, array in before.items() if np.array_equal(now[name], array)}
    assert unchanged == {f"batch_normalization_1/{key}" for key in ("gamma", "beta", "moving_mean", "moving_variance")}
