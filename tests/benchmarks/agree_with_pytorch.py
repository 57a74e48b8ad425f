"""Train the three models here and in PyTorch from the same weights on the same batches, and compare the losses.

Needs PyTorch (``pip install torch==2.13.0``), which nothing else here does. Dropout is 0, as no two libraries draw
the same masks. PyTorch's Adam adds its epsilon after the bias correction, Keras's and ours before: PyTorch is given
``epsilon / sqrt(1 - beta_2^t)`` at step t, which makes the two formulas one.

    python tests/benchmarks/agree_with_pytorch.py
"""

from __future__ import annotations

import math
import sys

import numpy as np
import torch

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import Conv2D, Dense, Flatten, MaxPool2D
from tinynet.utils import to_categorical

nn = torch.nn
BATCH = 200
PROMISED = {"float64": (100, 1e-6), "float32": (10, 1e-3)}         # steps, largest relative difference of the losses


def ours(name: str, dtype: str) -> Sequential:
    head = [Dense(10, activation="softmax")]
    layers = {
        "MLP": [Dense(784, activation="relu", kernel_initializer="normal", input_dim=784)],
        "simple CNN": [Conv2D(32, 5, activation="relu", input_shape=(1, 28, 28)), MaxPool2D(), Flatten(),
                       Dense(128, activation="relu")],
        "larger CNN": [Conv2D(30, 5, activation="relu", input_shape=(1, 28, 28)), MaxPool2D(),
                       Conv2D(15, 3, activation="relu"), MaxPool2D(), Flatten(), Dense(128, activation="relu"),
                       Dense(50, activation="relu")],
    }
    model = Sequential(layers[name] + head, dtype=dtype, seed=0)
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    return model


def theirs(name: str, weights: list[np.ndarray]) -> nn.Module:
    layers = {
        "MLP": [nn.Linear(784, 784), nn.ReLU(), nn.Linear(784, 10)],
        "simple CNN": [nn.Conv2d(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4608, 128), nn.ReLU(),
                       nn.Linear(128, 10)],
        "larger CNN": [nn.Conv2d(1, 30, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(30, 15, 3), nn.ReLU(),
                       nn.MaxPool2d(2), nn.Flatten(), nn.Linear(375, 128), nn.ReLU(), nn.Linear(128, 50), nn.ReLU(),
                       nn.Linear(50, 10)],
    }
    model = nn.Sequential(*layers[name])
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), weights, strict=True):
            parameter.data = torch.from_numpy(array.T.copy() if array.ndim == 2 else array.copy())   # (out, in) there
    return model


def losses(name: str, dtype: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    (images, labels), _ = mnist.load_data()
    x = (images / 255).astype(dtype).reshape(-1, *((784,) if name == "MLP" else (1, 28, 28)))
    model = ours(name, dtype)
    twin = theirs(name, model.get_weights())
    optimizer, entropy = torch.optim.Adam(twin.parameters(), lr=1e-3), nn.CrossEntropyLoss()
    here, there = [], []
    for t in range(1, steps + 1):
        batch = slice((t - 1) * BATCH, t * BATCH)
        here.append(model.train_on_batch(x[batch], to_categorical(labels[batch], 10)))
        optimizer.param_groups[0]["eps"] = 1e-7 / math.sqrt(1 - 0.999 ** t)
        optimizer.zero_grad()
        loss = entropy(twin(torch.from_numpy(x[batch])), torch.from_numpy(labels[batch].astype(np.int64)))
        loss.backward()
        optimizer.step()
        there.append(loss.item())
    return np.array(here), np.array(there)


def main() -> int:
    agreed = True
    print(f"{'model':<12}{'dtype':<9}{'steps':>6}{'loss, first':>13}{'last':>9}   largest relative difference")
    for name in ("MLP", "simple CNN", "larger CNN"):
        for dtype, (steps, promised) in PROMISED.items():
            here, there = losses(name, dtype, steps)
            worst = np.abs(here / there - 1).max()
            agreed &= bool(worst <= promised)
            print(f"{name:<12}{dtype:<9}{steps:>6}{here[0]:>13.4f}{here[-1]:>9.4f}{worst:>20.1e} (<= {promised:.0e})")
    print("agreed" if agreed else "DIFFERENT")
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
