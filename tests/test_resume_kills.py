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
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D

folder, epochs, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
rng = np.random.default_rng(0)
x, y = rng.random((90, 1, 8, 8)), np.eye(4)[rng.integers(0, 4, 90)]
model = Sequential([Conv2D(4, 3, activation="relu", input_shape=(1, 8, 8)), MaxPool2D(), Dropout(0.25), Flatten(),
                    Dense(16, activation="relu"), Dropout(0.5), Dense(4, activation="softmax")], seed=7)
model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
print("ready", flush=True)
history = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0, validation_split=0.2, callbacks=[
    BackupAndRestore(folder / "backup", save_freq=2), CSVLogger(folder / "log.csv"),
    EarlyStopping("loss", patience=epochs, restore_best_weights=True), ReduceLROnPlateau("loss", 0.7, patience=2),
    ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
    LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(seconds))])
(folder / "history.json").write_text(json.dumps(history.history))
model.save(folder / "final.safetensors")
"""


def train(folder, epochs, seconds):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "error", "-c", TRAIN, folder, str(epochs), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def files(folder):
    """Return the SHA-256 of every file that training wrote; a kill may leave an unfinished one, ``.tinynet-*.tmp``."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
            if not path.name.startswith(".tinynet-")}


def kill_again_and_again(tmp_path, kills, epochs, longest):
    """Kill a training so often, resume it each time, let it end; compare with one that was never killed."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    _, errors = train(whole, epochs, 0).communicate()
    assert errors == ""
    rng = np.random.default_rng()
    for _ in range(kills):
        process = train(parts, epochs, 0.005)
        process.stdout.readline()
        time.sleep(rng.uniform(0, longest))
        assert process.poll() is None, process.communicate()[1]          # it was still at it
        process.send_signal(signal.SIGKILL)
        process.communicate()
    _, errors = train(parts, epochs, 0).communicate()
    assert errors == ""
    assert set(files(whole)) == {"final.safetensors", "best.safetensors", "history.json", "log.csv"}
    assert files(parts) == files(whole)


@pytest.mark.slow
def test_a_training_killed_twice_ends_with_the_same_file(tmp_path):
    kill_again_and_again(tmp_path, 2, epochs=50, longest=0.5)


@pytest.mark.long
def test_a_training_killed_twenty_times_ends_with_the_same_file(tmp_path):
    kill_again_and_again(tmp_path, 20, epochs=600, longest=1.2)


