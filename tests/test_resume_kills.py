"""Training in a process of its own, killed with SIGKILL at random moments: the final file is the one of no kill."""

import hashlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

TRAIN = """
import json, sys, time
from pathlib import Path
import numpy as np
from tinynet import Sequential
from tinynet.callbacks import BackupAndRestore, CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint
from tinynet.callbacks import ReduceLROnPlateau
from tinynet.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, GlobalAveragePooling2D, MaxPool2D, ReLU
from tinynet.layers import RandomAffine, RandomElasticTransform, Residual
from tinynet.losses import CategoricalCrossentropy
from tinynet.optimizers import AdamW
from tinynet.optimizers.schedules import OneCycle


def plain():
    model = Sequential([Conv2D(4, 3, activation="relu", input_shape=(1, 8, 8)), MaxPool2D(), Dropout(0.25), Flatten(),
                        Dense(16, activation="relu"), Dropout(0.5), Dense(4, activation="softmax")], seed=7)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model, [ReduceLROnPlateau("loss", 0.7, patience=2)]


def modern():
    model = Sequential([
        RandomAffine(0.05, 0.1, x_shear=0.1, height_shift=0.1), RandomElasticTransform(0.5, 2.0, seed=3),
        Conv2D(4, 3, use_bias=False), BatchNormalization(), ReLU(),
        Residual([Conv2D(4, 3, padding="same", kernel_constraint="max_norm"), BatchNormalization(), ReLU()]),
        GlobalAveragePooling2D(), Dropout(0.25), Dense(4, activation="softmax", activity_regularizer="l2")],
        input_shape=(1, 8, 8), seed=7)
    rate = OneCycle(0.01, 5 * epochs)
    model.compile(AdamW(rate, use_ema=True, ema_momentum=0.98), CategoricalCrossentropy(label_smoothing=0.1),
                  metrics=["accuracy"])
    return model, []


folder, epochs, seconds = Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
rng = np.random.default_rng(0)
x, y = rng.random((90, 1, 8, 8)), np.eye(4)[rng.integers(0, 4, 90)]
model, more = {"plain": plain, "modern": modern}[sys.argv[1]]()
print("ready", flush=True)
history = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0, validation_split=0.2, callbacks=[
    BackupAndRestore(folder / "backup", save_freq=2), CSVLogger(folder / "log.csv"),
    EarlyStopping("loss", patience=epochs, restore_best_weights=True), *more,
    ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
    LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(seconds))])
(folder / "history.json").write_text(json.dumps(history.history))
model.save(folder / "final.safetensors")
"""


def train(model, folder, epochs, seconds):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "error", "-c", TRAIN, model, folder, str(epochs), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def files(folder):
    """Return the SHA-256 of every file that training wrote; a kill may leave an unfinished one, ``.tinynet-*.tmp``."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
            if not path.name.startswith(".tinynet-")}


def kill_again_and_again(model, tmp_path, kills, epochs, longest):
    """Kill the training of a model so often, resume it each time, let it end; compare with one never killed."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    _, errors = train(model, whole, epochs, 0).communicate()
    assert errors == ""
    rng = np.random.default_rng()
    for _ in range(kills):
        process = train(model, parts, epochs, 0.005)
        process.stdout.readline()
        time.sleep(rng.uniform(0, longest))
        assert process.poll() is None, process.communicate()[1]          # it was still at it
        process.send_signal(signal.SIGKILL)
        process.communicate()
    _, errors = train(model, parts, epochs, 0).communicate()
    assert errors == ""
    assert set(files(whole)) == {"final.safetensors", "best.safetensors", "history.json", "log.csv"}
    assert files(parts) == files(whole)


@pytest.mark.rest
def test_a_training_killed_twice_ends_with_the_same_file(tmp_path):
    kill_again_and_again("modern", tmp_path, 2, epochs=50, longest=0.5)


@pytest.mark.long
@pytest.mark.parametrize("model", ["plain", "modern"])
def test_a_training_killed_twenty_times_ends_with_the_same_file(tmp_path, model):
    kill_again_and_again(model, tmp_path, 20, epochs=600, longest=1.2)


