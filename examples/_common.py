"""What the lessons share: the command line, and their figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

IN_NOTEBOOK = "ipykernel" in sys.modules
if not IN_NOTEBOOK:
    matplotlib.use("Agg")                    # a script has no window to show its figures in

import matplotlib.pyplot as plt
import numpy as np


def options(description: str, epochs: int) -> argparse.ArgumentParser:
    """Return a parser of the options that all lessons have; a lesson may add its own."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--epochs", type=int, default=epochs, help="passes over the training images")
    parser.add_argument("--batch-size", type=int, default=200, help="images to a training step")
    parser.add_argument("--seed", type=int, default=7, help="what weights, shuffling and dropout follow from")
    parser.add_argument("--limit", type=int, metavar="N", help="train on the first N images only")
    parser.add_argument("--figures", type=Path, metavar="DIR", default="figures", help="folder for the figures")
    return parser


def read(parser: argparse.ArgumentParser, in_notebook: Sequence[str] = ()) -> argparse.Namespace:
    """Read the command line; in a notebook there is none, and `in_notebook` stands for it."""
    return parser.parse_args(in_notebook if IN_NOTEBOOK else None)


def arguments(description: str, epochs: int) -> argparse.Namespace:
    """Read the command line of a lesson that has no options of its own."""
    return read(options(description, epochs))


def result(accuracy: float, images: int, seconds: float) -> str:
    """Write what a training has come to, in one line: ``test error: 0.27 % (27 of 10,000); training 78.3 s``."""
    errors = round((1 - accuracy) * images)
    return f"test error: {100 * errors / images:.2f} % ({errors} of {images:,}); training {seconds:.1f} s"


def save(figure: plt.Figure, folder: Path, name: str) -> None:
    """Write a figure, and say where; a notebook shows it too."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / name, dpi=110)
    plt.close(figure)                        # so that %matplotlib inline does not show it a second time
    print(f"Figure: {folder / name}")
    show_in_notebook(folder / name)


def show_in_notebook(file: Path) -> None:
    """Show a picture below the cell, if there are cells."""
    if IN_NOTEBOOK:
        from IPython.display import Image, display
        display(Image(filename=str(file)))


def digits(images: np.ndarray, labels: np.ndarray, rows: int, columns: int, cmap: str) -> plt.Figure:
    """Draw the first images (N, 28, 28) in a grid, each under its label."""
    figure, axes = plt.subplots(rows, columns, figsize=(2 * columns, 2.2 * rows), layout="constrained")
    for axis, image, label in zip(axes.flat, images, labels, strict=False):
        axis.imshow(image, cmap=cmap)
        axis.set(title=str(label), xticks=[], yticks=[])
    return figure


def curves(history: dict[str, list[float]], title: str) -> plt.Figure:
    """Draw loss and error over the epochs, in training and on the test images."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    epochs = np.arange(1, len(history["loss"]) + 1)
    for name, label, line in (("", "training (dropout on)", "o--"), ("val_", "test", "s-")):
        left.plot(epochs, history[name + "loss"], line, label=label)
        right.plot(epochs, 100 - 100 * np.array(history[name + "accuracy"]), line, label=label)
    left.set(title=title, xlabel="epoch", ylabel="cross-entropy (nats)", yscale="log")
    right.set(title=f"test error at the end: {100 - 100 * history['val_accuracy'][-1]:.2f}%", xlabel="epoch",
              ylabel="error (%)", yscale="log")
    for axis in (left, right):
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.tick_params(axis="y", which="both", labelsize=8)
        axis.grid(alpha=0.3, which="both")
        axis.legend()
    return figure
