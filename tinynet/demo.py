"""One minute of deep learning: ``python -m tinynet demo`` trains a small CNN and shows what it makes of a digit."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from tinynet import Sequential
from tinynet.checks import whole_number
from tinynet.datasets import mnist
from tinynet.layers import Conv2D, Dense, Flatten, MaxPooling2D

INK = " .:-=+*#%@"                               # from paper to ink, as many levels as characters


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on some of MNIST, print the test error, and one test digit with its probabilities."""
    parser = argparse.ArgumentParser(prog="python -m tinynet demo", description=main.__doc__,
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--limit", type=whole_number(1), default=30_000, metavar="N",
                        help="train on the first N digits")
    parser.add_argument("--epochs", type=whole_number(0), default=3, help="passes over them")
    parser.add_argument("--seed", type=whole_number(0), default=7, help="what weights and shuffling follow from")
    chosen = parser.parse_args(arguments)

    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, y_train = as_input(x_train[:chosen.limit]), y_train[:chosen.limit]
    model = small_cnn(chosen.seed)
    model.summary()
    print(f"\nTraining on {len(x_train):,} digits. The first time, kernels are compiled before it begins: some "
          "seconds.", flush=True)
    model.fit(x_train, y_train, epochs=chosen.epochs, batch_size=100)

    probabilities = model.predict(as_input(x_test))                             # (10000, 10)
    wrong = int((probabilities.argmax(axis=1) != y_test).sum())
    print(f"\nTest error: {100 * wrong / len(y_test):.2f} % ({wrong:,} of {len(y_test):,})")
    least_sure = int(probabilities.max(axis=1).argmin())
    print(f"\nThe test digit that it is least sure of, number {least_sure}; it is a {y_test[least_sure]}:\n")
    print(drawn(x_test[least_sure]), bars(probabilities[least_sure]), sep="\n\n")
    return 0


def small_cnn(seed: int) -> Sequential:
    """Make a convolutional network of 5,386 parameters, and compile it."""
    model = Sequential([
        Conv2D(8, (5, 5), activation="relu", input_shape=(1, 28, 28)),
        MaxPooling2D((2, 2)),
        Conv2D(16, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dense(10, activation="softmax"),
    ], seed=seed)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def as_input(images: np.ndarray) -> np.ndarray:
    """Bring grey levels (N, 28, 28) from 0 to 255 into the shape of the input: (N, 1, 28, 28), from 0 to 1."""
    return images[:, None].astype(np.float32) / 255


def drawn(image: np.ndarray) -> str:
    """Draw grey levels (H, W) from 0 to 255 as characters, two rows of pixels to a line: characters are tall.

    >>> print(drawn(np.array([[9, 255, 90], [0, 180, 100]])))
     @-
    """
    rows = image.reshape(-1, 2, image.shape[1]).max(axis=1)                     # (H / 2, W): thin lines stay dark
    return "\n".join("".join(INK[int(level) * len(INK) // 256] for level in row).rstrip() for row in rows)


def bars(probabilities: np.ndarray) -> str:
    """Draw the probability of each class as a bar.

    >>> print(bars(np.array([0.25, 0.75])))
    0  25.0 %  ########
    1  75.0 %  ######################
    """
    return "\n".join(f"{label} {100 * p:5.1f} %  {'#' * round(30 * p)}".rstrip()
                     for label, p in enumerate(probabilities.tolist()))


if __name__ == "__main__":
    raise SystemExit(main())
