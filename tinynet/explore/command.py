"""``python -m tinynet explore``: the page on a saved model, or on the larger CNN, which is trained if there is none."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinynet.checks import whole_number
from tinynet.datasets import mnist
from tinynet.explore.explorer import explore
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tinynet.models import Sequential, load_model

KEPT = Path("larger_cnn.safetensors")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page, and open it in a browser, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tinynet explore", description=main.__doc__)
    parser.add_argument("file", type=Path, nargs="?", metavar="MODEL.safetensors",
                        help=f"a saved model; without it the larger CNN, in {KEPT}, trained if it is not there")
    parser.add_argument("--train", action="store_true", help="train the larger CNN into the file, if there is none")
    parser.add_argument("--port", type=whole_number(0, 65535), default=0, help="where to listen; a free one by default")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    chosen = parser.parse_args(arguments)
    try:
        model = loaded(chosen.file or KEPT, chosen.train or chosen.file is None)
        page = explore(model, port=chosen.port, open_browser=not chosen.no_browser)
    except (ValueError, OSError) as error:
        print(f"python -m tinynet explore: {error}", file=sys.stderr)
        return 1
    with page:
        print(f"\n{page.url}\n\nThe page is open for this machine alone, until Ctrl-C.", flush=True)
        try:
            wait()
        except KeyboardInterrupt:
            print()
    return 0


def wait() -> None:
    """Wait for Ctrl-C."""
    threading.Event().wait()


def loaded(file: Path, train: bool) -> Sequential:
    """Return the model of a file; if there is none, and so it is wished, the larger CNN, trained and kept there."""
    if train and not file.exists():
        trained().save(file)
        print(f"Kept in {file} for the next time.")
    model = load_model(file)
    model.name = model.name or file.stem
    return model


def trained() -> Sequential:
    """Train the larger CNN on MNIST, three times over: most of what it can learn."""
    (x, y), _ = mnist.load_data()
    print("Training the larger CNN on MNIST, once. Before the first training kernels are compiled: some seconds.",
          flush=True)
    model = larger_cnn(seed=7)
    model.fit(x[:, None].astype(np.float32) / 255, y, epochs=3, batch_size=200)
    return model


def larger_cnn(seed: int) -> Sequential:
    """Make the larger CNN of the lessons, and compile it."""
    model = Sequential([
        Conv2D(30, (5, 5), activation="relu", input_shape=(1, 28, 28)),
        MaxPooling2D((2, 2)),
        Conv2D(15, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Dropout(0.2),
        Flatten(),
        Dense(128, activation="relu"),
        Dense(50, activation="relu"),
        Dense(10, activation="softmax"),
    ], seed=seed)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model
