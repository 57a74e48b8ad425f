"""tinynet: a deep-learning engine to read, from the loops of a convolution to a model that trains.

>>> from tinynet import Sequential
>>> from tinynet.layers import Conv2D, Dense, Flatten, MaxPool2D
>>> model = Sequential([Conv2D(32, (5, 5), activation="relu", input_shape=(1, 28, 28)), MaxPool2D(), Flatten(),
...                     Dense(10, activation="softmax")])
>>> model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
>>> model.output_shape
(10,)
"""

from tinynet import (
    activations,
    backend,
    constraints,
    datasets,
    elsewhere,
    initializers,
    losses,
    metrics,
    optimizers,
    preprocessing,
    regularizers,
    utils,
)
from tinynet.callbacks import TrainingDiverged
from tinynet.layers import Input
from tinynet.models import Model, Sequential, load_model

__version__ = "0.1.0"
__all__ = ["Input", "Model", "Sequential", "TrainingDiverged", "__version__", "activations", "backend", "constraints",
           "datasets", "initializers", "load_model", "losses", "metrics", "optimizers", "preprocessing", "regularizers",
           "utils"]

elsewhere.tell()
