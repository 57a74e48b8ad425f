"""The larger CNN of the third lesson, trained once and used again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from tinynet import Sequential, load_model
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


def trained(args: argparse.Namespace) -> Sequential:
    """Load the model that the command line names, else the one that was saved before, else train it and save it."""
    kept = args.figures / "larger_cnn.safetensors"
    if args.model or kept.exists():
        print(f"Model: {args.model or kept}" + ("" if args.model else ", trained before; delete it to train anew"))
        try:
            return load_model(args.model or kept)
        except (OSError, ValueError) as error:
            sys.exit(f"The model cannot be loaded. {error}")
    print(f"Training the larger CNN, {args.epochs} epochs; it is then kept in {kept}.")
    model = untrained(args.seed)
    x_train, y_train, x_test, y_test = images(args.limit)
    model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=args.epochs, batch_size=args.batch_size)
    kept.parent.mkdir(parents=True, exist_ok=True)
    model.save(kept)
    return model
