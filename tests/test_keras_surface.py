"""What notebooks written for Keras touch besides layers and training: variables, clones, JSON, names, places."""

import importlib
import inspect
import json
import pickle

import numpy as np
import pytest
from layers_for_tests import Scale

import tinynet
from tinynet import Sequential, elsewhere
from tinynet.layers import BatchNormalization, Conv2D, Dense, Flatten, Input, InputLayer, Lambda
from tinynet.layers.variables import Variable
from tinynet.models import clone_model, load_model, model_from_json, save_model

# Positional parameters of Keras 3, in order; those of tinynet are the first of them.
PLACES = """\
layers.Conv2D filters kernel_size strides padding data_format dilation_rate groups activation use_bias
layers.Dense units activation use_bias kernel_initializer bias_initializer kernel_regularizer bias_regularizer
layers.MaxPooling2D pool_size strides padding data_format name
layers.Dropout rate noise_shape seed
layers.BatchNormalization axis momentum epsilon center scale beta_initializer gamma_initializer
layers.PReLU alpha_initializer alpha_regularizer alpha_constraint shared_axes
layers.Lambda function output_shape mask arguments
layers.RandomRotation factor fill_mode interpolation seed fill_value data_format
layers.RandomTranslation height_factor width_factor fill_mode interpolation seed fill_value data_format
layers.RandomZoom height_factor width_factor fill_mode interpolation seed fill_value data_format
layers.RandomShear x_factor y_factor interpolation fill_mode fill_value data_format seed
metrics.BinaryAccuracy name dtype threshold
metrics.BinaryCrossentropy name dtype from_logits label_smoothing
metrics.CategoricalCrossentropy name dtype from_logits label_smoothing axis
metrics.SparseCategoricalCrossentropy name dtype from_logits ignore_class axis
optimizers.Adam learning_rate beta_1 beta_2 epsilon amsgrad weight_decay
optimizers.SGD learning_rate momentum nesterov weight_decay clipnorm
optimizers.RMSprop learning_rate rho momentum epsilon centered weight_decay
losses.CategoricalCrossentropy from_logits label_smoothing axis reduction name dtype
callbacks.EarlyStopping monitor min_delta patience verbose mode baseline restore_best_weights start_from_epoch
callbacks.ModelCheckpoint filepath monitor verbose save_best_only save_weights_only mode save_freq
callbacks.ReduceLROnPlateau monitor factor patience verbose mode min_delta cooldown min_lr
utils.plot_model model to_file show_shapes show_dtype show_layer_names rankdir expand_nested dpi
utils.normalize x axis order
Sequential.evaluate x y batch_size verbose sample_weight steps callbacks return_dict
Sequential.predict x batch_size verbose steps callbacks
Sequential.train_on_batch x y sample_weight class_weight return_dict
Sequential.summary line_length positions print_fn expand_nested show_trainable layer_range
"""


def half(x):
    return x / 2, lambda dy: dy / 2


def model(**options):
    return Sequential([Input(shape=(1, 4, 4)), Conv2D(2, 3, name="conv"), BatchNormalization(),
                       Sequential([Flatten(), Dense(3, activation=half)]), Scale()], seed=0, **options)


# Variables.

def test_weights_are_listed_one_by_one_with_names_and_shapes():
    assert [(w.name, w.path, w.shape, w.trainable) for w in model().weights] == [
        ("kernel", "conv/kernel", (2, 1, 3, 3), True), ("bias", "conv/bias", (2,), True),
        ("gamma", "batch_normalization_1/gamma", (2,), True), ("beta", "batch_normalization_1/beta", (2,), True),
        ("moving_mean", "batch_normalization_1/moving_mean", (2,), False),
        ("moving_variance", "batch_normalization_1/moving_variance", (2,), False),
        ("kernel", "sequential_1/dense_1/kernel", (8, 3), True), ("bias", "sequential_1/dense_1/bias", (3,), True),
        ("scale", "scale_1/scale", (3,), True)]


def test_paths_are_the_names_of_params_and_state():
    made = model()
    assert {w.path for w in made.weights} == made.params.keys() | made.state.keys()
    assert all(w.value is {**made.params, **made.state}[w.path] for w in made.weights)


def test_weights_that_are_trained_and_those_that_are_not():
    made = model()
    made.layers[0].trainable = False
    assert [w.path for w in made.non_trainable_weights] == [
        "conv/kernel", "conv/bias", "batch_normalization_1/moving_mean", "batch_normalization_1/moving_variance"]
    assert [w.path for w in made.trainable_weights] == list(made.trainable_params())
    assert [w.path for w in made.variables] == [w.path for w in made.weights]
    assert len(made.trainable_variables) == len(made.trainable_weights) == 5
    assert len(made.non_trainable_variables) == 4


def test_a_layer_has_its_parameters_and_state_by_name():
    conv, norm = model().layers[:2]
    np.testing.assert_array_equal(conv.kernel, conv.params["kernel"])
    assert conv.bias.numpy().tolist() == [0, 0]
    assert norm.moving_variance.shape == (2,)
    assert norm.gamma.trainable
    assert not norm.moving_mean.trainable


def test_numpy_takes_a_variable_for_its_array():
    kernel = model().layers[0].kernel
    array = kernel.value
    assert np.asarray(kernel) is array
    assert np.array(kernel) is not array
    assert np.asarray(kernel, np.float64).dtype == np.float64
    np.testing.assert_array_equal(kernel * 2 + 1, array * 2 + 1)
    np.testing.assert_array_equal(np.abs(kernel) > 0, abs(array) > 0)
    np.testing.assert_array_equal(kernel[0, 0], array[0, 0])
    assert (len(kernel), kernel.ndim, kernel.size, kernel.dtype) == (2, 4, 18, np.float32)
    assert repr(kernel) == "<Variable kernel, shape (2, 1, 3, 3), float32>"
    assert len({kernel, kernel}) == 1


def test_a_variable_has_the_numbers_of_now_and_numpy_copies_them():
    conv = model().layers[0]
    bias = conv.bias
    before = bias.numpy()
    conv.params["bias"] = np.ones(2, np.float32)
    assert bias.numpy().tolist() == [1, 1]
    bias.numpy()[...] = 7
    assert (before.tolist(), bias.numpy().tolist()) == ([0, 0], [1, 1])


def test_assign_writes_into_the_layers_own_array():
    conv = model().layers[0]
    array = conv.params["bias"]
    conv.bias.assign([1, 2])
    assert conv.params["bias"] is array
    assert array.tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"bias: expected an array of shape \(2,\)\. Received: \(3,\)"):
        conv.bias.assign([1, 2, 3])
    with pytest.raises(ValueError, match=r"bias: expected an array of shape \(2,\)\. Received: \(\)"):
        conv.bias.assign(1)


def test_setting_the_attribute_of_a_parameter_writes_into_the_layers_own_array():
    layer = Sequential([Dense(2, input_dim=2), BatchNormalization()]).layers[1]
    gamma = layer.params["gamma"]
    layer.gamma = [1.0, 2.0]
    layer.gamma += 1
    layer.gamma *= np.float64(2)
    layer.moving_mean = layer.gamma + layer.beta
    assert layer.params["gamma"] is gamma
    assert (gamma.tolist(), gamma.dtype, layer.state["moving_mean"].tolist()) == ([4, 6], np.float32, [4, 6])
    with pytest.raises(ValueError, match=r"'batch_normalization_1'\.gamma: expected an array of shape \(2,\)\. Rec"):
        layer.gamma = np.ones(3)


def test_what_a_layer_of_ones_own_keeps_under_the_name_of_a_parameter_is_its_own():
    class Own(Scale):
        def build(self, input_shape, rng):
            shape = super().build(input_shape, rng)
            self.scale = self.params["scale"]
            return shape
    layer = Sequential([Own()], input_shape=(2,)).layers[0]
    assert layer.scale is layer.params["scale"]


def test_what_is_not_there_is_an_attribute_error():
    dense = Dense(3)
    with pytest.raises(AttributeError, match="'Dense' object has no attribute 'kernel'"):
        _ = dense.kernel                                         # not built yet
    with pytest.raises(AttributeError, match="'Sequential' object has no attribute 'kernel'"):
        _ = model().kernel


@pytest.mark.parametrize("name", ["input", "output"])
def test_a_layers_tensors_are_not_there_and_it_says_what_is(name):
    with pytest.raises(AttributeError, match=rf"Conv2D 'conv': .*Received: \.{name}\. study.Trace"):
        getattr(model().layers[0], name)


@pytest.mark.parametrize(("name", "instead"), [("fit_generator", "fit"), ("evaluate_generator", "evaluate"),
                                               ("predict_generator", "predict"), ("predict_proba", "predict"),
                                               ("predict_classes", r"predict\(x\)\.argmax\(axis=-1\)")])
def test_a_method_of_an_earlier_keras_is_not_there_and_it_says_what_is(name, instead):
    with pytest.raises(AttributeError, match=rf"^Sequential: expected {instead}[,.].* Received: \.{name},"):
        getattr(model(), name)
    assert not hasattr(model(), name)


@pytest.mark.parametrize(("module", "name", "instead"), [
    ("callbacks", "TensorBoard", r"CSVLogger, study\.plot_history"), ("layers", "Add", r"Residual\(\[\.\.\.\]\) for x"),
    ("layers", "Embedding", "layers for vectors and images"), ("metrics", "Mean", "MeanMetric"),
    ("utils", "Progbar", "fit itself"), ("datasets", "imdb", "data sets of images"),
])
def test_what_keras_has_and_this_has_not_says_what_does_its_work(module, name, instead):
    with pytest.raises(ImportError, match=rf"^tinynet\.{module}: expected .*{instead}.*\. Received: {name}\.$"):
        exec(f"from tinynet.{module} import {name}")


def test_nothing_is_said_to_be_elsewhere_that_is_here():
    for module, names in elsewhere.INSTEAD.items():
        there = set(dir(importlib.import_module(f"tinynet.{module}".rstrip("."))))
        assert not there & set(" ".join(names).split())
    assert callable(tinynet.utils.plot_model)


@pytest.mark.parametrize("ask", [lambda: importlib.import_module("tinynet.preprocessing.image").ImageDataGenerator,
                                 lambda: tinynet.preprocessing.image.ImageDataGenerator,
                                 lambda: exec("from tinynet.preprocessing.image import ImageDataGenerator")])
def test_a_generator_of_changed_images_is_not_there_and_it_says_what_is(ask):
    with pytest.raises(ImportError, match=r"expected layers that change images, .* RandomFlip of tinynet\.layers.* "
                                          r"Received: ImageDataGenerator\.$"):
        ask()
    with pytest.raises(AttributeError, match="no attribute 'NoSuchThing'"):
        _ = tinynet.preprocessing.image.NoSuchThing


def test_the_error_inside_a_property_of_a_layer_of_ones_own_is_told_as_it_is():
    class Mine(Dense):
        @property
        def broken(self):
            return self.no_such_thing

    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = Mine(3).broken


def test_a_layer_that_is_pickled_keeps_its_variables():
    again = pickle.loads(pickle.dumps(Sequential([Dense(2, input_dim=3)], seed=0)))
    assert isinstance(again.layers[0].kernel, Variable)


def test_built_is_whether_the_shapes_are_known():
    made = Sequential([Dense(2)])
    assert not made.built
    assert not made.layers[0].built
    made.build((3,))
    assert made.built
    assert made.layers[0].built


def test_a_shape_to_build_for_may_begin_with_none():
    made = Sequential([Flatten(), Dense(2)])
    assert made.build((None, 1, 4, 4)) == (2,)
    assert made.input_shape == (1, 4, 4)
    assert Sequential([Dense(2)]).build([None, 3]) == Sequential([Dense(2)]).build(3) == (2,)
    with pytest.raises(ValueError, match="positive whole numbers, without the batch axis"):
        Sequential([Dense(2)]).build((4, None))


def test_auto_is_a_verbosity():
    made = Sequential([Dense(1, input_dim=2)])
    made.compile("sgd", "mse")
    x = np.zeros((4, 2))
    made.fit(x, x[:, :1], verbose="auto")
    made.evaluate(x, x[:, :1], verbose="auto")
    assert made.predict(x, verbose="auto").shape == (4, 1)


# Models again.

def test_a_clone_is_the_same_architecture_with_new_weights():
    made = model(dtype="float64")
    made.compile("adam", "mse")
    clone = clone_model(made)
    assert clone.get_config() == made.get_config()
    assert clone.optimizer is None
    assert not np.array_equal(clone.layers[0].kernel, made.layers[0].kernel)
    assert not {id(leaf) for leaf in clone.leaves()} & {id(leaf) for leaf in made.leaves()}


class Fives:
    """An initializer of one's own."""

    def __call__(self, shape, rng):
        return np.full(shape, 5.0)

    def get_config(self):
        return {}


def test_a_clone_has_what_is_of_ones_own():
    made = Sequential([Dense(2, kernel_initializer=Fives(), input_dim=3), Lambda(half), Scale()])
    clone = clone_model(made)
    assert (clone.layers[0].kernel == 5).all()
    assert clone.layers[1].function is half
    assert type(clone.layers[2]) is Scale


def test_json_makes_the_model_again():
    made = model()
    again = model_from_json(made.to_json(indent=1), custom_objects={"Scale": Scale, "half": half})
    assert again.get_config() == made.get_config()
    assert json.loads(made.to_json())["class"] == "Sequential"


def test_json_of_something_else_is_told():
    with pytest.raises(ValueError, match=r"model_from_json: expected what model.to_json\(\) wrote\. Received: 'no'"):
        model_from_json("no")
    with pytest.raises(ValueError, match=r"Unknown layer 'Scale'.*custom_layers=\{'Scale': \.\.\.\}"):
        model_from_json(model().to_json(), custom_objects={"half": half})


def test_save_model_writes_what_load_model_reads(tmp_path):
    made = Sequential([Dense(2, input_dim=3)])
    save_model(made, tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").layers[0].kernel, made.layers[0].kernel)


def own_loss(y_true, y_pred):
    return np.square(y_pred - y_true).mean(axis=-1), 2 * (y_pred - y_true) / y_pred.shape[-1]


def test_a_model_is_loaded_without_what_it_was_compiled_with(tmp_path):
    made = Sequential([Dense(1, input_dim=2)])
    made.compile("adam", own_loss)
    made.train_on_batch(np.ones((3, 2)), np.ones((3, 1)))
    made.save(tmp_path / "m")
    with pytest.raises(ValueError, match="own_loss"):
        load_model(tmp_path / "m")
    again = load_model(tmp_path / "m", compile=False)
    assert (again.optimizer, again.loss) == (None, None)
    np.testing.assert_array_equal(again.predict(np.ones((3, 2))), made.predict(np.ones((3, 2))))
    again.compile("adam", "mse")
    assert again.optimizer.iterations == 0


# Names and places.

def test_everything_is_there_after_one_import():
    assert tinynet.Input is tinynet.layers.Input is Input is InputLayer
    for name in ("activations", "backend", "callbacks", "datasets", "initializers", "layers", "losses", "metrics",
                 "models", "optimizers", "preprocessing", "regularizers", "utils"):
        assert inspect.ismodule(getattr(tinynet, name))
    assert callable(tinynet.optimizers.schedules.ExponentialDecay)
    assert tinynet.backend.clear_session() is None


@pytest.mark.parametrize(("module", "name", "same"), [
    ("regularizers", "l1", "L1"), ("regularizers", "l2", "L2"), ("regularizers", "l1_l2", "L1L2"),
    ("initializers", "he_normal", "HeNormal"), ("initializers", "glorot_uniform", "GlorotUniform"),
    ("initializers", "constant", "Constant"), ("initializers", "zeros", "Zeros")])
def test_kerass_other_names(module, name, same):
    module = getattr(tinynet, module)
    assert getattr(module, name) is getattr(module, same)


def test_a_dict_in_kerass_form_stands_where_a_name_does():
    schedule = {"class_name": "ExponentialDecay",
                "config": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}}
    optimizer = tinynet.optimizers.get({"class_name": "SGD", "config": {"learning_rate": schedule, "momentum": 0.9}})
    assert optimizer.momentum == 0.9
    assert optimizer.learning_rate(10) == pytest.approx(0.05)
    dense = Dense(2, activation={"class_name": "ReLU", "config": {}},
                  kernel_initializer={"class_name": "Constant", "config": {"value": 3}}, input_dim=1)
    assert Sequential([dense]).predict([[1.0], [-1.0]]).tolist() == [[3, 3], [0, 0]]


def places(thing):
    of = thing.__init__ if isinstance(thing, type) else thing
    return [p.name for p in inspect.signature(of).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
            and p.name != "self"]


@pytest.mark.parametrize("line", PLACES.splitlines(), ids=lambda line: line.split()[0])
def test_arguments_stand_where_keras_has_them(line):
    name, *expected = line.split()
    module, thing = name.split(".")
    found = places(getattr(Sequential if module == "Sequential" else importlib.import_module(f"tinynet.{module}"),
                           thing))
    assert found
    assert found[:len(expected)] == expected[:len(found)]


def test_metrics_may_stand_third_and_the_name_second():
    made = Sequential([Dense(1, input_dim=2)], "little")
    made.compile("sgd", "mse", ["mae"])
    assert (made.name, made.metrics_names) == ("little", ["loss", "mae"])


# The summary.

def test_summary_shows_the_layers_inside_and_which_are_trained():
    made, printed = model(), []
    made.layers[0].trainable = False
    made.summary(print_fn=printed.append, expand_nested=True, show_trainable=True)
    rows = [line.split() for line in printed[0].splitlines() if "(None" in line]
    assert [(row[0], row[-1]) for row in rows] == [
        ("conv", "N"), ("batch_normalization_1", "Y"), ("sequential_1", "Y"), ("sequential_1/flatten_1", "Y"),
        ("sequential_1/dense_1", "Y"), ("scale_1", "Y")]
    assert {len(line) for line in printed[0].splitlines() if "(None" in line} == {65}
    made.summary(None, print_fn=printed.append)
    assert "dense_1" not in printed[1]
    assert "Trainable" not in printed[1].split("Total")[0]


def test_utils_has_no_more_than_it_says():
    with pytest.raises(AttributeError, match="no attribute 'np_utils'"):
        _ = tinynet.utils.np_utils
