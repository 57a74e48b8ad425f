"""Model files taken apart, changed and put together again, as a forger would: with checksums that fit."""

import copy
import json

import numpy as np

from tinynet import Sequential
from tinynet.files import safefile
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D

X = np.random.default_rng(0).random((12, 1, 6, 6))
Y = np.eye(3)[np.random.default_rng(1).integers(0, 3, 12)]


def trained(seed=0, optimizer="adam", epochs=1):
    """Return a small model with a bit of everything, a few updates old."""
    model = Sequential([Conv2D(2, 3, activation="relu", input_shape=(1, 6, 6)), MaxPool2D(), Dropout(0.25), Flatten(),
                        Dense(3, activation="softmax", kernel_regularizer="l2")], seed=seed)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, batch_size=5, epochs=epochs, verbose=0)
    return model


def taken_apart(raw):
    """Return header, document and data of a file's bytes."""
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    return header, json.loads(header.pop("__metadata__")["tinynet"]), raw[8 + size:]


def put_together(header, document, data):
    """Return the bytes of a file of these."""
    text = json.dumps({"__metadata__": {"tinynet": json.dumps(document)}, **header}).encode()
    return len(text).to_bytes(8, "little") + text + data


def checksums(header, data):
    """Return those of all arrays."""
    return {name: safefile.digest([entry["dtype"], entry["shape"]], data[slice(*entry["data_offsets"])])
            for name, entry in header.items()}


def signed(header, document, data, arrays=None):
    """Return the same with checksums that fit, so that only what the file says can be at fault."""
    document = copy.deepcopy(document)
    document["arrays"] = checksums(header, data) if arrays is None else arrays
    document.pop("sha256", None)
    document["sha256"] = safefile.digest(document)
    return put_together(header, document, data)
