"""A training that the tests run by mpiexec; it prints a SHA-256. Something can go wrong in one of its processes."""

import argparse
import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from tinynet import Sequential, distributed
from tinynet.callbacks import BackupAndRestore, EarlyStopping, LambdaCallback, ReduceLROnPlateau
from tinynet.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2D,
    RandomAffine,
    ReLU,
    Residual,
)

MODELS = {
    "mlp": lambda: [Flatten(), Dense(64, activation="relu"), Dense(10, activation="softmax")],
    "simple": lambda: [Conv2D(8, 5, activation="relu"), MaxPool2D(), Dropout(0.2), Flatten(),
                       Dense(32, activation="relu"), Dense(10, activation="softmax")],
    "larger": lambda: [Conv2D(6, 5, activation="relu"), MaxPool2D(), Conv2D(5, 3, activation="relu"), MaxPool2D(),
                       Dropout(0.2), Flatten(), Dense(24, activation="relu"), Dense(16, activation="relu"),
                       Dense(10, activation="softmax", kernel_regularizer="l2")],
    "normalised": lambda: [RandomAffine(0.05, 0.1), Conv2D(4, 3, use_bias=False), BatchNormalization(), ReLU(),
                           Residual([Conv2D(4, 3, padding="same"), BatchNormalization(), ReLU(), Dropout(0.2)]),
                           MaxPool2D(), Flatten(), Dense(10, activation="softmax", activity_regularizer="l2")],
}


class GoesWrong(Layer):
    """Hands on what it gets; after some shards something happens."""

    calls, wrong = 0, None                 # of the class: what is the layer's own is compared before the training

    def forward(self, x, training=False):
        GoesWrong.calls += 1
        if GoesWrong.calls == 7:
            if self.wrong == "layer":
                raise ValueError("a layer's own mistake")
            if self.wrong == "exit":
                os._exit(3)
            if self.wrong == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        if self.wrong == "nan" and GoesWrong.calls >= 7:
            x = x * np.float32("nan")
        return x, lambda dy: dy


def train(name, args):
    distributed.use("mpi", shards=args.shards)
    rank = distributed.rank()
    wrong = GoesWrong.wrong = args.wrong if rank == args.on else None
    rng = np.random.default_rng(0)
    x, y = rng.random((83, 1, 16, 16), np.float32), np.eye(10)[rng.integers(0, 10, 83)]
    if wrong == "data":
        x[40] += 1
    model = Sequential([GoesWrong(), *MODELS[name]()], input_shape=(1, 16, 16), seed=7 + rank,
                       dtype="float64" if wrong == "dtype" else "float32")
    if wrong == "model":
        model.add(Dense(10, activation="softmax", use_bias=False))
    model.compile("adam" if wrong != "settings" else "sgd", "categorical_crossentropy", metrics=["accuracy"])
    if wrong == "stop":
        sys.exit(0)

    def fail(batch, logs):
        if batch == 3 and wrong == "callback":
            raise ValueError("a callback's own mistake")

    callbacks = [EarlyStopping("loss", patience=5, restore_best_weights=True),
                 ReduceLROnPlateau("loss", 0.5, patience=1), LambdaCallback(on_train_batch_end=fail),
                 LambdaCallback(on_train_batch_begin=lambda batch, logs: time.sleep(args.seconds))]
    if args.backup:
        callbacks.append(BackupAndRestore(args.backup, save_freq=2))
        (args.backup.parent / f"{rank}.pid").write_text(str(os.getpid()))
    # 74 samples are left, so that the last batch of an epoch has two, and most of its shards none
    history = model.fit(x, y, batch_size=24, epochs=args.epochs + (wrong == "epochs"), verbose=0,
                        validation_split=0.1, callbacks=callbacks)
    digest = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights()))
    digest.update(repr(history.history).encode())
    print(f"{name}: weights and history {digest.hexdigest()}\n", end="", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+")
    parser.add_argument("--backup", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--wrong")
    parser.add_argument("--on", type=int, default=0)
    args = parser.parse_args()
    for name in args.models:
        train(name, args)
