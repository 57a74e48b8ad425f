"""The engines, each behind the same two functions: one training step, and one prediction.

A step is forward, backward and an update by Adam, on one batch that is in memory already.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from models import Case

Run = tuple[Callable[[], object], Callable[[], object]]
DIGITS = Path(__file__).resolve().parents[2] / "tinynet" / "datasets" / "data" / "mnist"


def batch(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and labels: the first digits of MNIST, or random ones."""
    rng, shape = np.random.default_rng(0), (case.batch, *case.shape)
    if not case.digits:
        return rng.random(shape, dtype=np.float32), rng.integers(10, size=case.batch)
    pixels = read("train-images-idx3-ubyte", 16, case.batch * 784).reshape(shape).astype(np.float32) / 255
    return pixels, read("train-labels-idx1-ubyte", 8, case.batch).astype(np.int64)


def read(name: str, header: int, count: int) -> np.ndarray:
    """Return the first bytes after the header; the other engines' processes have no tinynet to read them with."""
    with gzip.open(DIGITS / f"{name}.gz") as file:
        return np.frombuffer(file.read(header + count), np.uint8)[header:]


def tinynet(case: Case) -> Run:
    """Build the case here."""
    from tinynet.utils import to_categorical

    model = compiled(case)
    x, labels = batch(case)
    y = to_categorical(labels, 10)
    return lambda: model.train_on_batch(x, y), lambda: model.predict(x, batch_size=case.batch)


def compiled(case: Case) -> Any:
    """Return the case's model, compiled, here."""
    from tinynet import Sequential
    from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D

    model = Sequential(seed=0, input_shape=case.shape)
    for kind, *arguments in case.layers:
        last = (kind, *arguments) == ("dense", 10)
        model.add({"conv": lambda n, k: Conv2D(n, k, activation="relu"), "pool": MaxPool2D, "dropout": Dropout,
                   "flatten": Flatten, "dense": lambda n, last=last: Dense(n, activation="softmax" if last else "relu"),
                   }[kind](*arguments))
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    return model


def pytorch(case: Case) -> Run:
    """Build the case in PyTorch: eager mode, fused Adam."""
    import torch
    from torch import nn

    torch.set_num_threads(case.threads)
    layers: list[nn.Module] = []
    shape: tuple[int, ...] = case.shape
    for kind, *arguments in case.layers:
        if kind == "conv":
            layers += [nn.Conv2d(shape[0], *arguments), nn.ReLU()]
            shape = (arguments[0], shape[1] - arguments[1] + 1, shape[2] - arguments[1] + 1)
        elif kind == "pool":
            layers.append(nn.MaxPool2d(2))
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
        elif kind == "dropout":
            layers.append(nn.Dropout(*arguments))
        elif kind == "flatten":
            layers.append(nn.Flatten())
            shape = (int(np.prod(shape)),)
        else:
            layers += [nn.Linear(shape[0], *arguments), nn.ReLU()]
            shape = tuple(arguments)
    model = nn.Sequential(*layers[:-1])
    optimizer, entropy = torch.optim.Adam(model.parameters(), fused=True), nn.CrossEntropyLoss()
    x, y = map(torch.from_numpy, batch(case))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def predict():
        return model(x)
    return step, predict


def keras(case: Case) -> Run:
    """Build the case in Keras on TensorFlow, channels last, which is what it is fast with on a CPU."""
    import tensorflow as tf
    from keras import Sequential, layers

    tf.config.threading.set_intra_op_parallelism_threads(case.threads)
    made = [layers.Input((*case.shape[1:], case.shape[0]) if len(case.shape) == 3 else case.shape)]
    for kind, *arguments in case.layers:
        last = (kind, *arguments) == ("dense", 10)
        made.append({"conv": lambda n, k: layers.Conv2D(n, k, activation="relu"), "pool": layers.MaxPooling2D,
                     "dropout": layers.Dropout, "flatten": layers.Flatten,
                     "dense": lambda n, last=last: layers.Dense(n, activation="softmax" if last else "relu"),
                     }[kind](*arguments))
    model = Sequential(made)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    x, y = batch(case)
    if x.ndim == 4:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    x, y = tf.constant(x), tf.constant(y)
    return lambda: model.train_on_batch(x, y), lambda: model.predict_on_batch(x)


ENGINES: dict[str, Callable[[Case], Run]] = {"tinynet": tinynet, "pytorch": pytorch, "keras": keras}
