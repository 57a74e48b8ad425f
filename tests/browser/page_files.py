"""The three models of the lessons, trained for a moment, as page files; and which of two equal ways a gradient took."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
from explored_models import larger_cnn, mlp, simple_cnn

from tinynet.datasets import mnist
from tinynet.layers import MaxPool2D, ReLU
from tinynet.utils import to_categorical

NEAR = 1e-6                                # how far apart numbers are that count as equal: a tie, or a ReLU at 0
MODELS = {"MLP": mlp, "simple CNN": simple_cnn, "larger CNN": larger_cnn}


@cache
def trained(name):
    """A model, trained on a tenth of MNIST."""
    model = MODELS[name]()
    (x, y), _ = mnist.load_data()
    x = x[:6000].reshape(-1, *model.input_shape).astype(np.float32) / 255
    model.compile("adam", "categorical_crossentropy")
    model.fit(x, to_categorical(y[:6000], 10), epochs=1, batch_size=100, verbose=0)
    return model


@cache
def digits(name, count=200):
    """Test digits as the model takes them, and their labels."""
    _, (x, y) = mnist.load_data()
    return x[:count].reshape(-1, *trained(name).input_shape).astype(np.float32) / 255, y[:count]


def gradient(model, x, label, moved=()):
    """The gradient of the loss with respect to one sample (1, ...), with numbers of steps' inputs moved by a little.

    moved : (step, place in row-major order, by how much) each. The softmax is left to the loss.
    """
    backwards, steps = [], model.steps()[:-1]
    for k, step in enumerate(steps):
        x = x.copy()
        for _, place, much in (each for each in moved if each[0] == k):
            x.reshape(-1)[place] += much
        x, backward = step.run(x, False)
        backwards.append(backward)
    e = np.exp(x - x.max())
    dy = (e / e.sum() - np.eye(x.shape[1])[[label]]).astype(x.dtype)
    for backward in reversed(backwards):
        dy = backward(dy)
    return dy


def equal_ways(model, x):
    """List what one number moved by a little decides: (step, place, by how much); ties in pooling, ReLUs near 0."""
    found = []
    for k, step in enumerate(model.steps()[:-1]):
        if isinstance(step.layer, ReLU):
            near = np.flatnonzero((np.abs(x) < NEAR) & (x != 0))
            found += [(k, place, -2 * x.flat[place]) for place in near]
        if isinstance(step.layer, MaxPool2D):
            found += ties(k, x)
        x = step.run(x, False)[0]
    return found


def ties(k, x):
    """List the runners-up of windows of 2 x 2 that are within a little of the largest, but are not the same."""
    _, C, H, W = x.shape
    places = np.arange(x.size).reshape(C, H, W)[:, :H // 2 * 2, :W // 2 * 2]
    windows = places.reshape(C, H // 2, 2, W // 2, 2).swapaxes(2, 3).reshape(-1, 4)
    numbers = x.reshape(-1)[windows]
    order = np.argsort(-numbers, axis=1, kind="stable")
    first, second = (np.take_along_axis(numbers, order[:, [i]], 1)[:, 0] for i in (0, 1))
    near = np.flatnonzero((first - second < NEAR) & (first > 0))
    return [(k, int(windows[w, order[w, 1]]), 2 * NEAR) for w in near]


def is_explained(model, x, label, theirs):
    """Return whether some of the equal ways, taken the other way, make the gradient that was found."""
    def distance(moved):
        return np.abs(gradient(model, x, label, moved) - theirs)
    far = distance(()).sum()
    helpful = [way for way in equal_ways(model, x) if distance([way]).sum() < 0.999 * far][:5]
    return any(distance(moved).max() < 2e-5
               for count in range(1, len(helpful) + 1) for moved in combinations(helpful, count))
