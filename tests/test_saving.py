"""One file a model: what is saved comes back, the same model gives the same bytes, any safetensors reader opens it."""

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from forge import X, Y, taken_apart, trained
from layers_for_tests import Times
from safetensors import safe_open
from safetensors.numpy import load_file

import tinynet
from tinynet import Sequential, load_model, models
from tinynet.files import safefile
from tinynet.initializers import Initializer
from tinynet.layers import Activation, AveragePool2D, Conv2D, Dense, Dropout, Flatten, Input, Layer, MaxPool2D
from tinynet.losses import Loss
from tinynet.optimizers import SGD, Adam, ExponentialDecay


class Scale(Layer):
    """y = factor * scale * x, a reader's own layer."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape, rng):
        self.params["scale"] = np.ones(input_shape, np.float32)
        return input_shape

    def forward(self, x, training=False):
        scale = self.params["scale"]

        def backward(dy):
            self.grads["scale"] = (dy * x).sum(axis=0) * self.factor
            return dy * scale * self.factor
        return x * scale * self.factor, backward

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def go_on(model):
    """Train a little more; return the history and all weights."""
    history = model.fit(X, Y, batch_size=5, epochs=2, verbose=0, validation_split=0.25).history
    return history, model.get_weights()


def assert_same_future(one, two):
    (history, weights), (other_history, other_weights) = go_on(one), go_on(two)
    assert list(history.items()) == list(other_history.items())
    for a, b in zip(weights, other_weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", SGD(0.1, momentum=0.9, nesterov=True),
                                       Adam(ExponentialDecay(0.01, 10, 0.5), clipnorm=1.0)],
                         ids=["sgd", "rmsprop", "adam", "momentum", "schedule"])
def test_a_loaded_model_trains_on_as_the_saved_one_to_the_bit(tmp_path, optimizer):
    model = trained(optimizer=optimizer)
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.optimizer.iterations == model.optimizer.iterations == 3
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    assert_same_future(model, again)


def test_saving_changes_nothing(tmp_path):
    model, other = trained(), trained()
    model.save(tmp_path / "m")
    assert_same_future(model, other)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    trained().save(tmp_path / "a")
    trained().save(tmp_path / "b")
    load_model(tmp_path / "a").save(tmp_path / "c")
    trained(seed=1).save(tmp_path / "d")
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b") == sha256(tmp_path / "c") != sha256(tmp_path / "d")


@pytest.mark.rest
def test_the_same_model_gives_the_same_bytes_in_every_process(tmp_path):
    code = "import sys\nfrom forge import trained\ntrained().save(sys.argv[1])"
    for hash_seed in "1", "2":
        subprocess.run([sys.executable, "-c", code, tmp_path / hash_seed], check=True, cwd=Path(__file__).parent,
                       env={**os.environ, "PYTHONHASHSEED": hash_seed})
    assert sha256(tmp_path / "1") == sha256(tmp_path / "2")


def test_any_safetensors_reader_opens_the_file(tmp_path):
    model = trained()
    model.save(tmp_path / "m.safetensors")
    arrays = load_file(tmp_path / "m.safetensors")
    for name, array in model.params.items():
        np.testing.assert_array_equal(arrays[name], array)
    np.testing.assert_array_equal(arrays["state/optimizer/slots/dense_1/kernel/m"],
                                  model.optimizer.slots["dense_1/kernel"]["m"])
    with safe_open(tmp_path / "m.safetensors", "numpy") as file:
        assert file.metadata().keys() == {"tinynet"}
        told = json.loads(file.metadata()["tinynet"])
    assert told["format"] == 1
    assert told["contents"]["model"]["config"]["layers"][0]["class"] == "Conv2D"
    assert json.dumps(told, sort_keys=True, separators=(",", ":")) == raw_metadata(tmp_path / "m.safetensors")


def raw_metadata(path):
    raw = path.read_bytes()
    return json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])["__metadata__"]["tinynet"]


def test_arrays_lie_aligned_where_their_numbers_are_wide(tmp_path):
    trained().save(tmp_path / "m")
    header, _, _ = taken_apart((tmp_path / "m").read_bytes())
    assert int.from_bytes((tmp_path / "m").read_bytes()[:8], "little") % 8 == 0
    assert all(entry["data_offsets"][0] % 4 == 0 for entry in header.values())


def test_wide_numbers_lie_aligned_behind_narrow_ones(tmp_path):
    arrays = {"a": np.arange(3, dtype=np.int8), "b": np.arange(5, dtype=np.float16), "c": np.arange(2.0),
              "d": np.array([True]), "e": np.arange(3, dtype=np.float32)}
    safefile.write(tmp_path / "f", None, arrays)
    header, _, _ = taken_apart((tmp_path / "f").read_bytes())
    for name, array in arrays.items():
        assert header[name]["data_offsets"][0] % array.itemsize == 0, name
        np.testing.assert_array_equal(safefile.read(tmp_path / "f").arrays[name], array)


@pytest.mark.parametrize("array", [
    np.arange(6, dtype=">f4").reshape(2, 3), np.arange(3, dtype=">i8"), np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(12.0)[::-2], np.array(7, np.uint16), np.array([True, False])], ids=lambda array: array.dtype.str)
def test_numbers_of_any_byte_order_and_layout_come_back(tmp_path, array):
    safefile.write(tmp_path / "f", None, {"a": array})
    file = safefile.read(tmp_path / "f")
    file.verify()
    np.testing.assert_array_equal(file.arrays["a"], array)
    assert file.arrays["a"].dtype == array.dtype.newbyteorder("<")


@pytest.mark.parametrize("arrays", [
    {"a": np.zeros(2, np.float32), "b": np.zeros(0)}, {"a": np.zeros(0), "b": np.zeros((0, 3), np.float32)},
    {"a": np.zeros(0, np.int8), "b": np.ones(1, np.int8), "c": np.zeros((2, 0), np.int8)}, {}])
def test_empty_arrays_come_back_in_their_shapes(tmp_path, arrays):
    safefile.write(tmp_path / "f", None, arrays)
    file = safefile.read(tmp_path / "f")
    file.verify()
    assert file.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (file.arrays[name].shape, file.arrays[name].dtype) == (array.shape, array.dtype)


@pytest.mark.parametrize("layers", [
    [Input((1, 6, 6)), Flatten(), Dense(3)],
    [Conv2D(2, (2, 3), strides=(1, 2), padding="same", dilation_rate=2, activation="tanh", input_shape=(1, 6, 6)),
     AveragePool2D(2, strides=1), Flatten(), Dense(3, use_bias=False), Activation("softmax")],
    [Dense(4, name="first", kernel_initializer="he_normal", input_shape=(1, 6, 6), trainable=False), Flatten(),
     Dense(3, kernel_regularizer="l1", bias_initializer="ones")],
    [Sequential([Conv2D(2, 3), MaxPool2D()], name="eye"),
     Sequential([Flatten(), Sequential([Dropout(0.5), Dense(3)])])],
], ids=["input", "windows", "names", "nested"])
def test_every_setting_of_the_layers_comes_back(tmp_path, layers):
    model = Sequential(layers, input_shape=(1, 6, 6), name="mine", seed=3)
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.get_config() == model.get_config()
    assert list(again.params) == list(model.params)
    assert list(again.trainable_params()) == list(model.trainable_params())
    assert_same_future(model, again)


def test_running_arrays_of_what_was_taken_off_are_not_saved(tmp_path):
    model = Sequential([Dense(4, input_dim=2), Dense(3)], seed=0)
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 2)), np.ones((2, 3)))
    model.pop()
    model.save(tmp_path / "shorter")
    assert load_model(tmp_path / "shorter").optimizer.slots.keys() == {"dense_1/kernel", "dense_1/bias"}
    model.add(Dense(5))                                            # dense_2 again, of another shape
    model.save(tmp_path / "other")
    again = load_model(tmp_path / "other")
    assert again.optimizer.slots.keys() == {"dense_1/kernel", "dense_1/bias"}
    again.train_on_batch(np.ones((2, 2)), np.ones((2, 5)))
    assert again.optimizer.slots["dense_2/kernel"]["m"].shape == (4, 5)


def test_layers_frozen_later_stay_frozen(tmp_path):
    model = trained()
    model.layers[0].trainable = False
    model.save(tmp_path / "m")
    assert list(load_model(tmp_path / "m").trainable_params()) == ["dense_1/kernel", "dense_1/bias"]


def test_dropout_that_came_with_a_generator_of_its_own_keeps_it(tmp_path):
    inner = Sequential([Dropout(0.5, input_shape=(1, 6, 6))], seed=1)
    model = Sequential([inner, Flatten(), Dropout(0.5), Dense(3)], seed=2)
    model.compile("sgd", "mse")
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.layers[2].rng is again.rng
    assert again.layers[0].layers[0].rng is not again.rng
    assert_same_future(model, again)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_come_back(tmp_path, dtype):
    model = Sequential([Dense(2, input_dim=3)], dtype=dtype)
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.dtype == dtype == again.get_weights()[0].dtype
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


def test_a_model_that_was_never_compiled_or_built_comes_back_so(tmp_path):
    Sequential([Dense(2), Dense(3)]).save(tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.loss is again.optimizer is again.output_shape is None
    assert again.get_config() == Sequential([Dense(2), Dense(3)]).get_config()
    again.build((4,))
    assert again.count_params() == 4 * 2 + 2 + 2 * 3 + 3


def test_layers_of_your_own_are_named_when_the_model_is_loaded(tmp_path):
    model = Sequential([Sequential([Scale(2.0, input_shape=(4,))]), Dense(3, activation=Double())], seed=0)
    model.compile("adam", "mse")
    model.fit(X.reshape(-1, 4)[:12], Y, verbose=0)
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"Unknown layer 'Scale'.* custom_layers=\{'Scale': \.\.\.\}"):
        load_model(tmp_path / "m")
    with pytest.raises(ValueError, match="Unknown layer 'Double'"):
        load_model(tmp_path / "m", custom_layers={"Scale": Scale})
    again = load_model(tmp_path / "m", custom_layers={"Scale": Scale, "Double": Double})
    np.testing.assert_array_equal(again.predict(X.reshape(-1, 4)), model.predict(X.reshape(-1, 4)))
    assert again.layers[0].layers[0].factor == 2.0


class Double(Layer):
    def forward(self, x, training=False):
        return 2 * x, lambda dy: 2 * dy


class Absolute(Loss):
    def losses(self, y_true, y_pred):
        return np.abs(y_pred - y_true).mean(axis=-1), np.sign(y_pred - y_true) / y_pred.shape[-1]


class Half(Initializer):
    def __call__(self, shape, rng):
        return np.full(shape, 0.5, np.float32)


def largest(y_true, y_pred):
    return np.abs(y_pred - y_true).max(axis=-1)


def test_losses_metrics_and_initializers_of_your_own_too(tmp_path):
    model = Sequential([Flatten(input_shape=(1, 6, 6)), Dense(3, kernel_initializer=Half())], seed=0)
    model.compile(SGD(0.01), Absolute(), metrics=["mae", largest])
    model.save(tmp_path / "m")
    for missing in "Half", "Absolute", "largest":
        own = {"Half": Half, "Absolute": Absolute, "largest": largest}
        own.pop(missing)
        with pytest.raises(ValueError, match=f"Unknown (layer|metric) '{missing}'"):
            load_model(tmp_path / "m", custom_layers=own)
    again = load_model(tmp_path / "m", custom_layers={"Half": Half, "Absolute": Absolute, "largest": largest})
    assert_same_future(model, again)


class Residual(Layer):
    """x + inner(x), with a from_config of its own."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def forward(self, x, training=False):
        y, backward = self.inner.forward(x, training)
        return x + y, lambda dy: dy + backward(dy)

    def get_config(self):
        return {**super().get_config(), "inner": {"class": "Activation", "config": self.inner.get_config()}}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "inner": Activation.from_config(config["inner"]["config"])})


def test_a_from_config_of_your_own_is_given_what_get_config_returned(tmp_path):
    model = Sequential([Residual(Activation("tanh"), input_shape=(3,))])
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m", custom_layers={"Residual": Residual})
    np.testing.assert_array_equal(again(Y), model(Y))


@pytest.mark.parametrize(("config", "text"), [
    ({"factor": object()}, "expected a config of finite numbers"), ({"factor": float("nan")}, "expected a config"),
    ({"factor": {"a": 1}}, "expected a config"), ({"factor": np.ones(3)}, "expected a config"),
    ({"factor": b"x"}, "expected a config")], ids=["object", "nan", "dict", "array", "bytes"])
def test_what_a_config_may_not_hold_is_told_when_saving(tmp_path, config, text):
    model = Sequential([Scale(**config, input_shape=(3,))])
    with pytest.raises(TypeError, match=text):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


class HiddenTimes(Layer):
    def __init__(self, factor=None, **kwargs):
        super().__init__(**kwargs)
        self._factor = factor

    def forward(self, x, training=False):
        return x * self._factor, lambda dy: dy * self._factor


class Frozen(Times):
    def get_config(self):
        return {"factor": self.factor}


class Needs(Times):
    def __init__(self, unit, factor=1.0, **kwargs):
        super().__init__(factor, **kwargs)
        self.unit = unit


class Three(Dense):
    def __init__(self):
        super().__init__(3)


class Slower(Adam):
    def __init__(self, brake=0.5, **kwargs):
        super().__init__(**kwargs)
        self.brake = brake


@pytest.mark.parametrize(("layer", "optimizer", "text"), [
    (lambda: Times(7.0), "adam", "Times 'times_1': expected all arguments of its constructor in get_config(), so that "
     "it can be made again: return {**super().get_config(), 'factor': self.factor}. Received: none for 'factor'."),
    (lambda: HiddenTimes(7.0), "adam", "Received: none for 'factor'."),
    (lambda: Needs("m"), "adam", "Needs 'needs_1': expected all arguments"),
    (lambda: Frozen(trainable=False), "adam", "Received: none for 'trainable'."),
    (lambda: Sequential([Dense(3, activation=Times(7.0))]), "adam", "Received: none for 'factor'."),
    (lambda: Dense(3), Slower(0.1), "Slower: expected all arguments of its constructor"),
    (Three, "adam", "Three 'three_1': expected in get_config() what its constructor takes. Received: got an"),
], ids=["default", "another attribute", "no default", "trainable", "nested activation", "optimizer", "too much"])
def test_an_argument_that_would_be_lost_is_told_when_saving(tmp_path, layer, optimizer, text):
    model = Sequential([layer(), Dense(2)], input_shape=(3,))
    model.compile(optimizer, "mse")
    with pytest.raises(ValueError, match=re.escape(text)):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []
    model.save_weights(tmp_path / "w")


def test_a_layer_made_with_its_defaults_needs_no_get_config(tmp_path):
    Sequential([Times(name="times", input_shape=(3,)), Times(1)]).save(tmp_path / "m")
    assert load_model(tmp_path / "m", {"Times": Times}).layers[1].factor == 1.0


class Centre(Layer):
    """Learns a mean outside its state, and counts."""

    def build(self, input_shape, rng):
        self.mean, self.seen, self.losses = np.zeros(input_shape, np.float32), 0, []
        self.steady, self._cache = np.ones(3), None
        return input_shape

    def forward(self, x, training=False):
        if training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
            self.first, self._cache, self.size = x[0], x, x.shape
            self.seen += len(x)
            self.losses.append(0.5)
        return x - self.mean, lambda dy: dy


@pytest.mark.parametrize("save", ["save", "save_weights"])
def test_what_a_layer_keeps_outside_params_and_state_is_told_when_saving(tmp_path, save):
    model = Sequential([Sequential([Centre()]), Dense(2)], input_shape=(3,))
    getattr(model, save)(tmp_path / "m")                             # nothing is lost yet
    model(np.ones((2, 3), np.float32), training=True)
    with pytest.warns(UserWarning, match=r"^sequential_1/centre_1: mean, seen, losses, first will not be in the file, "
                                         r"as only params and state are.*learns belongs in self\.state") as told:
        getattr(model, save)(tmp_path / "m")
    assert len(told) == 1
    assert told[0].filename == __file__


def test_tuples_and_numpys_scalars_in_configs_are_fine(tmp_path):
    for factor, expected in ((1, 2.5), [1, 2.5]), (np.float32(2), 2.0), (np.int64(3), 3), (np.bool_(True), True):
        Sequential([Scale(factor)]).save(tmp_path / "m")
        assert load_model(tmp_path / "m", {"Scale": Scale}).layers[0].factor == expected


def test_functions_cannot_be_saved_and_say_so(tmp_path):
    model = Sequential([Dense(2, kernel_initializer=lambda shape, rng: np.ones(shape), input_dim=3)])
    with pytest.raises(TypeError, match=r"has no get_config\(\)"):
        model.save(tmp_path / "m")
    model.save_weights(tmp_path / "w")                     # weights alone can
    model.load_weights(tmp_path / "w")


def test_parameters_of_another_dtype_than_their_model_are_told_when_saving(tmp_path):
    model = Sequential([Dense(2, input_dim=3)])
    model.layers[0].params["bias"] = np.zeros(2)
    with pytest.raises(ValueError, match=r"all parameters in the model's dtype, float32\. Received: dense_1/bias"):
        model.save(tmp_path / "m")


# Weights alone.

def test_weights_come_back_and_nothing_else_changes(tmp_path):
    one, two = trained(seed=0), trained(seed=1)
    one.save_weights(tmp_path / "w")
    state = two.rng.bit_generator.state
    two.load_weights(tmp_path / "w")
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert two.rng.bit_generator.state == state
    assert set(load_file(tmp_path / "w")) == set(one.params)


def test_weights_are_read_out_of_a_whole_models_file_too(tmp_path):
    one, two = trained(seed=0), trained(seed=1)
    one.save(tmp_path / "m")
    two.load_weights(tmp_path / "m")
    np.testing.assert_array_equal(one.predict(X), two.predict(X))


def test_weights_alone_are_no_model(tmp_path):
    trained().save_weights(tmp_path / "w")
    with pytest.raises(ValueError, match=r"expected a model, written by model\.save\. Found: kind 'weights'"):
        load_model(tmp_path / "w")


def dense(*units, **kwargs):
    return Sequential([Dense(n) for n in units], input_shape=(3,), **kwargs)


@pytest.mark.parametrize(("other", "text"), [
    (dense(5, 2), r"expected tensor 'dense_1/kernel', float32 \(3, 5\)\. Found: float32 \(3, 4\)\."),
    (dense(4, 2, 1), r"expected tensor 'dense_3/kernel', float32 \(2, 1\)\. Found: no such tensor\."),
    (dense(4), r"tensors \['dense_1/kernel', 'dense_1/bias'\] and no others\. Found: tensor 'dense_2/bias' as"),
    (dense(4, 2, dtype="float64"), r"expected tensor 'dense_1/kernel', float64 \(3, 4\)\. Found: float32 \(3, 4\)\."),
    (Sequential([Dense(4)]), "expected a model whose input shape is known"),
], ids=["shape", "missing", "extra", "dtype", "unbuilt"])
def test_weights_of_another_architecture_are_refused_by_name_and_change_nothing(tmp_path, other, text):
    dense(4, 2).save_weights(tmp_path / "w")
    before = other.get_weights()
    with pytest.raises(ValueError, match=text):
        other.load_weights(tmp_path / "w")
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_without_weights_writes_no_file_of_weights(tmp_path):
    with pytest.raises(ValueError, match="Sequential: has no weights yet"):
        Sequential([Dense(4)]).save_weights(tmp_path / "w")
    assert not list(tmp_path.iterdir())


class Largest:
    """A metric that is a class of functions."""

    def __call__(self, y_true, y_pred):
        return largest(y_true, y_pred)


@pytest.mark.parametrize("metric", [largest, lambda y_true, y_pred: largest(y_true, y_pred), Largest()],
                         ids=["function", "lambda", "object"])
@pytest.mark.parametrize("argument", ["custom_layers", "custom_objects"])
def test_a_metric_of_your_own_is_named_when_the_model_is_loaded(tmp_path, metric, argument):
    model = Sequential([Dense(3, input_dim=2)], seed=0)
    model.compile("sgd", "mse", metrics=[metric])
    model.save(tmp_path / "m")
    (name,) = model.metrics
    with pytest.raises(ValueError, match=rf"Unknown metric '{name}'.* metric of your own .* custom_layers=\{{'{name}'"):
        load_model(tmp_path / "m")
    again = load_model(tmp_path / "m", **{argument: {name: metric}})
    assert again.metrics == {name: metric}


def test_a_metric_may_be_named_by_its_class(tmp_path):
    model = Sequential([Dense(3, input_dim=2)], seed=0)
    model.compile("sgd", "mse", metrics=[Largest()])
    model.save(tmp_path / "m")
    assert isinstance(load_model(tmp_path / "m", {"Largest": Largest}).metrics["Largest"], Largest)


# Names and promises.

def test_load_model_has_the_names_of_keras():
    assert tinynet.load_model is models.load_model


@pytest.mark.slow
def test_nothing_that_reads_files_can_run_code():
    forbidden = {"pickle", "marshal", "shelve", "importlib", "eval", "exec", "compile", "__import__", "dill", "joblib"}
    package = Path(tinynet.__file__).parent
    own_code = {path for room in ("testing", "exercises") for path in (package / room).rglob("*.py")}   # of the learner
    # none of these reads a file: formulas of functions at hand, and what the processes of one MPI job send each other
    own_code |= {package / name for name in ("kernels/fast/loops/formulas.py", "kernels/fast/loops/elementary.py",
                                             "kernels/fast/llvm/chunks.py", "distributed/processes.py")}
    for path in set(package.rglob("*.py")) - own_code:
        tree = ast.parse(path.read_text())
        names = {alias.name for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))
                 for alias in node.names}
        called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call)
                  and isinstance(node.func, ast.Name)}
        assert not (names | called) & forbidden, path
        assert "allow_pickle=True" not in path.read_text()
