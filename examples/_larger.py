"""The larger CNN of the third lesson, trained once and used again."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinynet import Sequential, load_model, study
from tinynet.callbacks import History
from tinynet.datasets import mnist
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tinynet.utils import set_random_seed, to_categorical


def images(limit: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training images (N, 1, 28, 28) in [0, 1] and their one-hot labels (N, 10), and the same of the test."""
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    return (x_train[:limit, None].astype("float32") / 255, to_categorical(y_train[:limit], 10),
            x_test[:, None].astype("float32") / 255, to_categorical(y_test, 10))


def untrained(seed: int) -> Sequential:
    """Make the model, and compile it."""
    set_random_seed(seed)
    model = Sequential([
        Conv2D(30, (5, 5), input_shape=(1, 28, 28), activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Conv2D(15, (3, 3), activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Dropout(0.2),
        Flatten(),
        Dense(128, activation="relu"),
        Dense(50, activation="relu"),
        Dense(10, activation="softmax"),
    ])
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Let the command line name a saved model."""
    parser.add_argument("--model", type=Path, metavar="FILE",
                        help="a saved model; without it the larger CNN is trained, and kept for next time")


class Trained(NamedTuple):
    """The model, and what is known of its training."""

    model: Sequential
    before: Sequential                     # as it was before training; newly drawn, if that was not kept
    history: Any                           # a History: loss and accuracy, epoch by epoch; None if it was not kept
    health: Any                            # a study.HealthRecorder, on 500 test images; None if it was not kept


def trained(args: argparse.Namespace) -> Trained:
    """Load the model that the command line names, else the one that was kept before, else train it and keep it."""
    file = args.model or args.figures / "larger_cnn.safetensors"
    if not args.model and not file.exists():
        print(f"Training the larger CNN, {args.epochs} epochs; it is then kept in {file}.")
        return train(args, file)
    print(f"Model: {file}" + ("" if args.model else ", trained before; delete it to train anew"))
    try:
        return load(file, args.seed)
    except (OSError, ValueError) as error:
        sys.exit(f"The model cannot be loaded. {error}")


def train(args: argparse.Namespace, file: Path) -> Trained:
    """Train the model, and keep in files with almost the same name what it was before, and how training went."""
    x_train, y_train, x_test, y_test = images(args.limit)
    file.parent.mkdir(parents=True, exist_ok=True)
    model, before, health = untrained(args.seed), untrained(args.seed), study.HealthRecorder(x_test[:500], y_test[:500])
    history = model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=args.epochs,
                        batch_size=args.batch_size, callbacks=[health])
    before.save(untrained_file(file))
    states = {"history": history.get_state(), "health": health.get_state()}
    file.with_suffix(".json").write_text(json.dumps(states, default=lambda array: array.tolist()))
    model.save(file)                       # last: where it is, the others are
    return Trained(model, before, history, health)


def load(file: Path, seed: int) -> Trained:
    """Load the model, and what was kept beside it; of any other model, draw new weights for what it was before."""
    model = load_model(file)
    if not file.with_suffix(".json").exists():
        set_random_seed(seed)
        before = Sequential.from_config(model.get_config())
        before.build(model.input_shape or ())
        return Trained(model, before, None, None)
    states = json.loads(file.with_suffix(".json").read_text())
    history, health = History(), study.HealthRecorder([], [])
    history.set_state(states["history"])
    health.set_state(states["health"])
    return Trained(model, load_model(untrained_file(file)), history, health)


def untrained_file(file: Path) -> Path:
    """Name the file of the model as it was before training."""
    return file.with_name(f"{file.stem}_untrained{file.suffix}")
