"""What stays in memory when nobody needs it: nothing, at once, and not only when Python looks for what keeps itself."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

from tinynet import Sequential, distributed, study
from tinynet.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from tinynet.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Residual


@pytest.fixture(autouse=True)
def only_what_is_counted():
    """Free no things that keep each other."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def digits():
    rng = np.random.default_rng(0)
    return rng.random((24, 1, 8, 8), np.float32), rng.integers(0, 3, 24)


def network():
    model = Sequential([Conv2D(4, 3), BatchNormalization(), ReLU(), MaxPool2D(), Residual([Dropout(0.1)]), Flatten(),
                        Dense(3, activation="softmax")], input_shape=(1, 8, 8), seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def several(folder):
    return [EarlyStopping(monitor="loss", restore_best_weights=True), ModelCheckpoint(folder / "best.tinynet"),
            CSVLogger(folder / "log.csv"), ReduceLROnPlateau(monitor="loss"), BackupAndRestore(folder / "backup"),
            Callback()]


@pytest.mark.parametrize("verbose", [0, 2])
def test_callbacks_that_are_kept_keep_no_data(tmp_path, verbose):
    model, kept, (x, y) = network(), several(tmp_path), digits()
    model.fit(x, y, epochs=2, verbose=verbose, validation_split=0.25, callbacks=kept)
    data = weakref.ref(x)
    del x
    assert data() is None
    assert [callback.run.steps for callback in kept] == [1] * len(kept)


def test_a_training_that_fails_keeps_no_data():
    model, (x, y) = network(), digits()
    failing = LambdaCallback(on_batch_end=lambda batch, logs: 1 / 0)
    with pytest.raises(ZeroDivisionError) as raised:
        model.fit(x, y, verbose=0, callbacks=[failing])
    data = weakref.ref(x)
    del x, raised
    assert data() is None


USES = {
    "nothing": lambda model, x, y: None,
    "a step": lambda model, x, y: model.train_on_batch(x, y),
    "training": lambda model, x, y: model.fit(x, y, verbose=2, validation_data=(x, y), callbacks=[Callback()]),
    "training in shards": lambda model, x, y: in_shards(model, x, y),
    "predictions": lambda model, x, y: (model.predict(x, callbacks=[Callback()]), model.evaluate(x, y, verbose=0)),
    "words": lambda model, x, y: (str(model.plan()), repr(model), str(study.profile(model, batch_size=4))),
    "pictures": lambda model, x, y: (study.saliency(model, x), study.grad_cam(model, x, "conv2d_1")),
    "a copy": lambda model, x, y: copy.deepcopy(model).fit(x, y, verbose=0),
}


def in_shards(model, x, y):
    with distributed.use("single", shards=4):
        model.fit(x, y, batch_size=12, verbose=0)


@pytest.mark.parametrize("use", USES)
def test_a_model_is_freed_with_its_name(use):
    model, (x, y) = network(), digits()
    USES[use](model, x, y)
    kernel, data = weakref.ref(model.params["dense_1/kernel"]), weakref.ref(x)
    del model, x
    assert kernel() is None
    assert data() is None


def test_a_history_knows_its_model_as_long_as_that_is_there():
    model, (x, y) = network(), digits()
    history = model.fit(x, y, verbose=0)
    assert history.model is model
    for copied in (copy.deepcopy(history), pickle.loads(pickle.dumps(model)).history):
        assert copied.history == history.history
        assert copied.model is None
    del model
    assert history.model is None


def test_a_step_in_shards_leaves_nothing_behind():
    model, (x, y) = network(), digits()
    in_shards(model, x, y)
    gc.collect()
    in_shards(model, x, y)
    gc.set_debug(gc.DEBUG_SAVEALL)                                         # what kept itself is put in gc.garbage
    try:
        gc.collect()
        kinds = {type(thing).__name__ for thing in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not kinds & {"Gradients", "LayerSum", "Lockstep", "ndarray"}
