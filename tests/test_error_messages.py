"""Mistakes people make, and the words they get: who objects, what was expected, what came."""

import numpy as np
import pytest

from tinynet import Sequential, backend, kernels, study
from tinynet.callbacks import CSVLogger, EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from tinynet.layers import (
    Activation,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPool2D,
    RandomCrop,
    RandomFlip,
    RandomZoom,
    Residual,
    Softmax,
)
from tinynet.models import clone_model, model_from_json
from tinynet.utils import train_test_split

X, LABELS = np.ones((6, 5)), np.array([0, 1, 2, 0, 1, 2])
Y = np.eye(3)[LABELS]


def cnn():
    model = Sequential([Conv2D(2, 3, activation="relu", input_shape=(1, 8, 8)), MaxPool2D(), Flatten(),
                        Dense(3, activation="softmax")])
    model.compile("adam", "categorical_crossentropy")
    return model


def mlp(loss="categorical_crossentropy"):
    model = Sequential([Dense(4, input_dim=5), Dense(3, activation="softmax")])
    model.compile("adam", loss)
    return model


def fit(x=X, y=Y, loss="categorical_crossentropy", **arguments):
    mlp(loss).fit(x, y, **{"verbose": 0, **arguments})


def plain():
    return Sequential([Dense(3, input_dim=5)])


SPARSE = "sparse_categorical_crossentropy"
CHANNELS_FIRST = "channels first (images with channels last want x.transpose(0, 3, 1, 2))"

MISTAKES = {
    # inputs
    "wrong rank": (lambda: cnn().predict(np.ones((200, 8, 8))),
                   "Conv2D 'conv2d_1': expected input (N, 1, H, W). Received: (200, 8, 8)."),
    "wrong rank, bare call": (lambda: cnn()(np.ones((200, 8, 8))),
                              "Conv2D 'conv2d_1': expected input (N, 1, H, W). Received: (200, 8, 8)."),
    "channels last": (lambda: cnn().fit(np.ones((6, 8, 8, 1)), Y),
                      f"expected input (N, 1, H, W), {CHANNELS_FIRST}. Received: (6, 8, 8, 1)."),
    "channels last input_shape": (lambda: Sequential([Conv2D(32, 5, input_shape=(28, 28, 1))]), "channels first"),
    "wrong channels": (lambda: cnn().predict(np.ones((6, 3, 8, 8))),
                       "Conv2D 'conv2d_1': expected input (N, 1, H, W). Received: (6, 3, 8, 8)."),
    "another image size": (lambda: cnn().predict(np.ones((6, 1, 9, 9))),
                           "Sequential: expected input (N, 1, 8, 8). Received: (6, 1, 9, 9)."),
    "wrong number of features": (lambda: mlp().predict(np.ones((6, 7))),
                                 "Dense 'dense_1': expected input (N, 5). Received: (6, 7)."),
    "images for vectors": (lambda: mlp().predict(np.ones((6, 5, 5))),
                           "Sequential: expected input (N, 5). Received: (6, 5, 5)."),
    "one sample without batch axis": (lambda: mlp()(np.ones(5)),
                                      "Dense 'dense_1': expected input (N, 5). Received: (5,)."),
    "validation images of another shape": (lambda: fit(validation_data=(X[:, :3], Y)), "validation_data: Dense 'dense_1"
                                           "': expected input (N, 5). Received: (6, 3)."),
    "window larger than the image": (lambda: Sequential([Conv2D(2, 9, input_shape=(1, 8, 8))]),
                                     "Conv2D 'conv2d_1': expected an image no smaller than its window (9, 9). "
                                     "Received: (8, 8)."),
    "dilated window larger": (lambda: Sequential([Conv2D(2, 3, dilation_rate=(1, 5), input_shape=(1, 8, 8))]),
                              "no smaller than its window (3, 11). Received: (8, 8)."),
    "pool larger than the image": (lambda: cnn_with(MaxPool2D((2, 7))),
                                   "MaxPool2D 'max_pool2d_1': expected an image no smaller than its window (2, 7). "
                                   "Received: (6, 6)."),
    "convolution of vectors": (lambda: Sequential([Flatten(input_shape=(1, 8, 8)), Conv2D(2, 3)]),
                               "Conv2D 'conv2d_1': expected input_shape (C, H, W). Received: (64,)."),
    "softmax of a vector": (lambda: Softmax()(np.ones(3)),
                            "Softmax: expected input (N, ..., classes). Received: (3,)."),
    "ragged x": (lambda: mlp().predict([[1, 2], [3]]), "x: expected an array of numbers, all samples of one shape."),
    "words": (lambda: mlp().predict([["a", "b"]]), "x: expected an array of numbers"),
    "complex numbers": (lambda: mlp().predict(1j * X), "x: expected an array of numbers"),
    "one number": (lambda: mlp().predict(3), "x: expected an array with a batch axis. Received: the number 3."),
    # targets
    "labels for one-hot": (lambda: fit(y=LABELS), "CategoricalCrossentropy: expected one-hot targets (N, 3). Received: "
                           "labels (6,). Use loss='sparse_categorical_crossentropy', or to_categorical(y, 3)."),
    "one-hot for labels": (lambda: fit(loss=SPARSE), "SparseCategoricalCrossentropy: expected labels (N,). Received: "
                           "one-hot targets (6, 3). Use loss='categorical_crossentropy', or y.argmax(axis=-1)."),
    "labels too large": (lambda: fit(y=LABELS + 1, loss=SPARSE),
                         "SparseCategoricalCrossentropy: expected labels from 0 to 2. Received: 1 to 3."),
    "labels negative": (lambda: fit(y=LABELS - 1, loss=SPARSE), "expected labels from 0 to 2. Received: -1 to 1."),
    "too few classes": (lambda: fit(y=Y[:, :2]), "expected targets of the predictions' shape, (N, 3). "
                        "Received: (6, 2)."),
    "x and y of different lengths": (lambda: fit(y=Y[:4]), "Expected as many samples in each. "
                                     "Received: 6 in x, 4 in y."),
    "validation x and y differ": (lambda: fit(validation_data=(X, Y[:2])), "validation_data: Expected as many samples "
                                  "in each. Received: 6 in x, 2 in y."),
    "a NaN among the last": (lambda: fit(np.vstack([X[:5], X[:1] * np.nan]), validation_split=0.5), "validation_split: "
                             "fit: expected numbers in x. Received: NaN or infinity in 1 of 3 samples, the first of"),
    "ragged y": (lambda: fit(y=[[1, 0, 0], [1]] * 3), "y: expected an array of numbers"),
    "words for targets": (lambda: fit(y=np.full((6, 3), "a")), "y: expected an array of numbers"),
    "one target": (lambda: fit(y=3), "y: expected an array with a batch axis"),
    "no target": (lambda: fit(y=None), "fit: expected y, the targets"),
    "no samples": (lambda: fit(X[:0], Y[:0]), "Expected at least one sample. Received: x, y of length 0."),
    "no samples to evaluate": (lambda: mlp().evaluate(X[:0], Y[:0]), "Expected at least one sample."),
    "no validation samples": (lambda: fit(validation_data=(X[:0], Y[:0])), "Expected at least one sample."),
    # weights
    "too few sample weights": (lambda: fit(sample_weight=[1, 2]),
                               "sample_weight: expected one number for each of 6 samples. Received: shape (2,)."),
    "too few, and class weights": (lambda: fit(sample_weight=[1, 2], class_weight={0: 2.0}),
                                   "sample_weight: expected one number for each of 6 samples. Received: shape (2,)."),
    "two weights a sample": (lambda: fit(sample_weight=np.ones((6, 2))),
                             "sample_weight: expected one number for each of 6 samples. Received: shape (6, 2)."),
    "class weight of a word": (lambda: fit(class_weight={"a": 2.0}), "class_weight: expected"),
    "class weights in a list": (lambda: fit(class_weight=[1, 2, 3]), "class_weight: expected"),
    "class weight of a negative label": (lambda: fit(class_weight={-1: 2.0}), "class_weight: expected"),
    # settings of fit
    "batch_size 0": (lambda: fit(batch_size=0), "Expected batch_size, a whole number from 1. Received: 0."),
    "batch_size 1.5": (lambda: fit(batch_size=1.5), "Expected batch_size, a whole number from 1. Received: 1.5."),
    "batch_size 0 in predict": (lambda: mlp().predict(X, batch_size=0), "Expected batch_size"),
    "batch_size 0 in evaluate": (lambda: mlp().evaluate(X, Y, batch_size=0), "Expected batch_size"),
    "epochs -1": (lambda: fit(epochs=-1), "Expected epochs, a whole number from 0. Received: -1."),
    "validation_split 1": (lambda: fit(validation_split=1), "fit: expected validation_split between 0 and 1. "
                           "Received: 1."),
    "validation_split negative": (lambda: fit(validation_split=-0.2), "Received: -0.2."),
    "validation_split of too little": (lambda: fit(X[:1], Y[:1], validation_split=0.5), "leaves one side empty"),
    "validation_data without y": (lambda: fit(validation_data=X), "fit: expected validation_data (x, y) or "
                                  "(x, y, sample_weight). Received: ndarray."),
    # compiling
    "fit before compile": (lambda: plain().fit(X, Y), "Sequential: not compiled yet. Call compile("),
    "evaluate before compile": (lambda: plain().evaluate(X, Y), "not compiled yet"),
    "train_on_batch before compile": (lambda: plain().train_on_batch(X, Y), "not compiled yet"),
    "objective before compile": (lambda: plain().objective(X, Y), "not compiled yet"),
    "no loss": (lambda: mlp().compile("adam"), "compile: expected a loss, such as loss='categorical_crossentropy'."),
    "losses by output": (lambda: mlp().compile("adam", {"out": "mse"}), "compile: expected a loss, such as "
                         "loss='categorical_crossentropy'. Received: {'out': 'mse'}."),
    "metrics by output": (lambda: mlp().compile("adam", "mse", {"out": "mse"}), "compile: expected a list of metrics, "
                          "such as ['accuracy']. Received: {'out': 'mse'}."),
    "epoch 0 to validate": (lambda: fit(validation_freq=[0]), "Expected each epoch in validation_freq, a whole number "
                            "from 1. Received: 0."),
    "metrics as a string": (lambda: mlp().compile("adam", "mse", "accuracy"),
                            "compile: expected a list of metrics, such as ['accuracy']. Received: 'accuracy'."),
    "unknown loss": (lambda: mlp("categorical_crosentropy"), "Unknown loss 'categorical_crosentropy'. Did you mean "
                     "'categorical_crossentropy'? Known: "),
    "unknown optimizer": (lambda: mlp().compile("adm", "mse"), "Unknown optimizer 'adm'. Did you mean 'adam'?"),
    "unknown metric": (lambda: mlp().compile("adam", "mse", ["acuracy"]), "Unknown metric 'acuracy'. Did you mean "
                       "'accuracy'?"),
    "a number for a loss": (lambda: mlp().compile("adam", 3), "Expected a loss: a name, a function of (y_true, "
                            "y_pred), or an object with forward("),
    "a number for an optimizer": (lambda: mlp().compile(3, "mse"), "Expected an optimizer: a name or an Optimizer."),
    "a number for a metric": (lambda: mlp().compile("adam", "mse", [3]), "Expected a metric: a name, a callable "),
    # settings of layers
    "unknown activation": (lambda: Dense(3, activation="rellu"), "Unknown activation 'rellu'. Did you mean 'relu'?"),
    "unknown Activation": (lambda: Activation("softmx"), "Unknown activation 'softmx'. Did you mean 'softmax'?"),
    "a number for an activation": (lambda: Dense(3, activation=3), "Expected an activation: a name or a layer."),
    "unknown initializer": (lambda: Dense(3, kernel_initializer="glorot_unifrom"),
                            "Unknown initializer 'glorot_unifrom'. Did you mean 'glorot_uniform'?"),
    "unknown regularizer": (lambda: Dense(3, kernel_regularizer="ll2"),
                            "Unknown regularizer 'll2'. Did you mean 'l2'?"),
    "unknown padding": (lambda: Conv2D(3, 3, padding="sane"), "Conv2D: Unknown padding 'sane'. Did you mean 'same'?"),
    "unknown padding of a pool": (lambda: MaxPool2D(padding=1),
                                  "MaxPool2D: Unknown padding '1'. Known: 'valid', 'same'."),
    "unknown dtype": (lambda: Sequential(dtype="float16"), "Unknown dtype 'float16'."),
    "a word for a dtype": (lambda: Sequential(dtype="foo"), "Unknown dtype 'foo'. Known: 'float32', 'float64'."),
    "Dropout of all": (lambda: Dropout(1), "Dropout: expected rate, the fraction dropped, at least 0 and below 1. "
                       "Received: 1."),
    "Dropout negative": (lambda: Dropout(-0.1), "Dropout: expected rate"),
    "Dropout of a word": (lambda: Dropout("half"), "Dropout: expected rate"),
    "Dropout of NaN": (lambda: Dropout(float("nan")), "Dropout: expected rate"),
    "no units": (lambda: Dense(0), "Dense: expected units"),
    "half a unit": (lambda: Dense(1.5), "Dense: expected units"),
    "no filters": (lambda: Conv2D(0, 3), "Conv2D: expected filters"),
    "no groups": (lambda: Conv2D(2, 3, groups=0), "Conv2D: expected groups, a positive whole number. Received: 0."),
    "filters in groups": (lambda: Conv2D(5, 3, groups=2), "Conv2D: expected filters that 2 groups divide evenly. "
                          "Received: 5."),
    "channels in groups": (lambda: Sequential([Conv2D(4, 3, groups=2, input_shape=(3, 8, 8))]), "Conv2D 'conv2d_1': "
                           "expected images (C, H, W) whose channels 2 groups divide evenly. Received: (3, 8, 8)."),
    "other channels than of groups": (lambda: Sequential([Conv2D(4, 3, groups=2, input_shape=(4, 8, 8))])(
                                      np.ones((1, 2, 8, 8))), "expected input (N, 4, H, W). Received: (1, 2, 8, 8)."),
    "three kernel sizes": (lambda: Conv2D(2, (1, 2, 3)), "Conv2D: expected kernel_size as a positive whole number or a "
                           "pair of them. Received: (1, 2, 3)."),
    "stride 0": (lambda: Conv2D(2, 3, strides=0), "Conv2D: expected strides as a positive whole number"),
    "dilation -1": (lambda: Conv2D(2, 3, dilation_rate=-1), "Conv2D: expected dilation_rate as a positive"),
    "pool of nothing": (lambda: MaxPool2D(0), "MaxPool2D: expected pool_size as a positive whole number"),
    "batch axis in input_shape": (lambda: Dense(3, input_shape=(None, 5)), "Dense: expected input_shape as positive "
                                  "whole numbers, without the batch axis. Received: (None, 5)."),
    "data_format": (lambda: Conv2D(2, 3, data_format="channels_last"),
                    "Conv2D: expected data_format='channels_first', images (N, C, H, W); those with channels last "
                    "become such by x.transpose(0, 3, 1, 2), their input_shape is (C, H, W). Received: 'channels_l"),
    "data_format of pooling": (lambda: MaxPool2D(data_format="channels_last"), "MaxPool2D: expected data_format='chan"),
    # composing
    "the same layer twice": (lambda: twice(Dense(3, input_dim=3)),
                             "is in this model already; a layer can be in it once"),
    "a class for a layer": (lambda: Sequential([Dense]), "Sequential: expected a layer. Received: <class 'tinynet."
                            "layers.dense.Dense'>. Did you mean Dense(...)?"),
    "a name for a layer": (lambda: Sequential(["dense"]), "Sequential: expected a layer. Received: 'dense'."),
    "unknown layer name": (lambda: mlp().get_layer("dens_2"), "Unknown layer 'dens_2'. Did you mean 'dense_2'? Known: "
                           "'dense_1', 'dense_2'."),
    "layer index too large": (lambda: mlp().get_layer(index=2), "Sequential: expected an index below 2. Received: 2."),
    "unbuilt Dense": (lambda: Dense(3)(X), "Dense: has no weights yet. Put it into a Sequential whose input shape is "
                      "known, or call build(input_shape, rng) first."),
    "unbuilt Conv2D": (lambda: Conv2D(3, 3)(np.ones((1, 1, 5, 5))), "Conv2D: has no weights yet."),
    "unbuilt Dropout": (lambda: Dropout(0.5)(X, training=True), "Dropout: has no random generator yet. Call build("),
    "unbuilt model": (lambda: Sequential([Dense(3)])(X), "Dense 'dense_1': has no weights yet."),
    "built for another shape": (lambda: mlp().build((7,)),
                                "expected samples of its input_shape, (5,). Received: (7,)."),
    "a layer for layers": (lambda: Residual(Dense(3)), "Residual: expected a list of layers, [...]. Received: <Dense, "
                           "not built>."),
    "a number for layers": (lambda: Sequential(3), "Sequential: expected a list of layers, [...]. Received: 3."),
    "a crop of nothing": (lambda: RandomCrop(0, 3), "RandomCrop: expected height, a whole number from 1. Received: 0."),
    "flipped both ways": (lambda: RandomFlip("both"), "RandomFlip: Unknown mode 'both'. Known: 'horizontal', "),
    "unknown fill_mode": (lambda: RandomZoom(0.1, fill_mode="wrap"), "RandomZoom: Unknown fill_mode 'wrap'. Known: "),
    "batch_shape": (lambda: Input(batch_shape=(None, 4)), "expected no argument 'batch_shape'. Did you mean 'shape'?"),
    # files
    "a config for JSON": (lambda: model_from_json(plain().get_config()), "model_from_json: expected a string, which "
                          "model.to_json() wrote. Received: {"),
    "JSON of no layers": (lambda: model_from_json('{"class": "Sequential", "config": {"layers": 3}}'), "model_from_js"
                          "on: Sequential: expected a list of layers, [...]. Received: 3."),
    "classes in a list": (lambda: model_from_json(plain().to_json(), [Dense]), "Expected custom_objects, classes and "
                          "functions by name, such as {'Scale': Scale}. Received: [<class 'tinynet.layers.dense.Dense"),
    "an object for a class": (lambda: model_from_json(plain().to_json(), {"Dense": Dense(3)}), "functions by name, "),
    "a copy of no model": (lambda: clone_model(3), "clone_model: expected a model. Received: 3."),
    # callbacks
    "two characters between": (lambda: CSVLogger("a", separator=";;"), "CSVLogger: expected separator, one character. "
                               "Received: ';;'."),
    "epsilon": (lambda: ReduceLROnPlateau(epsilon=0.1), "ReduceLROnPlateau: expected no argument 'epsilon'. Did you "
                "mean 'min_delta'?"),
    "period": (lambda: ModelCheckpoint("a", period=3), "ModelCheckpoint: expected no argument 'period'. Did you mean "
                                                       "'save_freq'?"),
    "unknown setting": (lambda: EarlyStopping(patients=3), "EarlyStopping: expected no argument 'patients'. Did you "
                        "mean 'patience'?"),
    "metrics to monitor": (lambda: EarlyStopping(["val_loss"]), "EarlyStopping: expected monitor, a name in the logs, "
                           "such as 'val_loss'. Received: ['val_loss']."),
    # elsewhere
    "too few labels": (lambda: train_test_split(X, stratify=[0, 1]), "train_test_split: expected stratify, a label for "
                       "each of 6 samples. Received: shape (2,)."),
    "a word to split": (lambda: train_test_split(X, "abc"), "train_test_split: expected arrays of one length. Recei"),
    "samples to profile": (lambda: study.profile(plain(), X), "profile: expected batch_size, a whole number from 1. "
                           "Received: array("),
    "a model for its history": (lambda: study.plot_history(plain()), "plot_history: expected what fit returned, or "
                                "model.history. Received: Sequential."),
    "no model to profile": (lambda: study.profile(X, plain()), "profile: expected a model. Received: ndarray."),
    "unknown kernel set": (lambda: kernels.use("fsat"), "Unknown kernel set 'fsat'. Did you mean 'fast'?"),
    "channels last asked for": (lambda: backend.set_image_dim_ordering("tf"), "Expected 'th'. Received: 'tf'."),
}


def cnn_with(layer):
    return Sequential([Conv2D(2, 3, input_shape=(1, 8, 8)), layer])


def twice(layer):
    return Sequential([layer, layer])


@pytest.mark.parametrize(("mistake", "text"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_in_words_that_help(mistake, text):
    with pytest.raises((ValueError, TypeError, RuntimeError)) as error:
        mistake()
    assert text in str(error.value)


def test_a_refused_batch_leaves_the_model_ready():
    model = mlp()
    before = model.get_weights()
    for x, y in (X, LABELS), (X[:, :3], Y), (X[:0], Y[:0]):
        with pytest.raises(ValueError, match="xpected"):
            model.fit(x, y, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit(X, Y, verbose=0)


def test_validation_is_checked_before_the_training_begins():
    model = mlp()
    with pytest.raises(ValueError, match="xpected"):
        model.fit(X, Y, validation_data=(X, LABELS), verbose=0)
    assert model.optimizer.iterations == 0
