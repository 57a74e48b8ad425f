"""Right functions of one array, with hand-written backward passes, for the trial of the checker.

A function stands here as a forward of x and what backward makes of dy; `cases.py` combines it with a size of x, a
precision that forward computes in, and points on kinks or not. That the backward passes are right is not for the
checker to say: `test_checker_trial.py` compares them with differences of long doubles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Function(NamedTuple):
    """A function and its backward: ``forward(x)`` and ``backward(x, dy)``, on x (3, 6); `scales` suit it."""

    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array], Array]
    scales: tuple[float, ...]
    kinks: bool = False
    least: np.dtype | type = np.float16        # the smallest precision in which it is still a function worth its name


ANY = (1e-10, 1e-6, 1e-2, 1.0, 1e3, 1e6, 1e10)
USUAL = (1e-3, 1.0, 30.0)
ONE = (1.0,)
SMALL = (1e-10, 1e-5, 1e-2, 1.0)


def softmax(x: Array) -> Array:
    """Return the softmax of each row."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def places(x: Array) -> Array:
    """Return the place of each number in its sorted row."""
    return np.argsort(np.argsort(x, axis=1, kind="stable"), axis=1, kind="stable")


def one_winner(x: Array) -> Array:
    """Return a mask of the first largest number of each row."""
    return np.arange(x.shape[1]) == x.argmax(axis=1)[:, None]


def normalized(x: Array) -> Array:
    """Return the rows with mean 0 and variance 1."""
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred ** 2).mean(axis=1, keepdims=True))


def normalized_back(x: Array, dy: Array) -> Array:
    """Return dx of `normalized`."""
    y, std = normalized(x), x.std(axis=1, keepdims=True)
    return (dy - dy.mean(axis=1, keepdims=True) - y * (dy * y).mean(axis=1, keepdims=True)) / std


def products(x: Array) -> Array:
    """Return for each number the product of the others in its row."""
    return np.stack([np.delete(x, i, axis=1).prod(axis=1) for i in range(x.shape[1])], axis=1)


MATRIX = np.random.default_rng(7).normal(size=(6, 4)).round(2)
KERNEL = np.array([0.5, -1.25, 0.75])


def convolved(x: Array) -> Array:
    """Return the rows, correlated with `KERNEL`; valid positions only."""
    return sum(KERNEL[k].astype(x.dtype) * x[:, k:k + 4] for k in range(3))


def convolved_back(x: Array, dy: Array) -> Array:
    """Return dx of `convolved`."""
    dx = np.zeros_like(x)
    for k in range(3):
        dx[:, k:k + 4] += KERNEL[k] * dy
    return dx


def recurrent(x: Array) -> Array:
    """Return the states of h = tanh(x_t + 0.5 h)."""
    h, states = np.zeros_like(x[:, 0]), []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] + h / 2)
        states.append(h)
    return np.stack(states, axis=1)


def recurrent_back(x: Array, dy: Array) -> Array:
    """Return dx of `recurrent`."""
    h, dx, flow = recurrent(x), np.zeros_like(x), 0.0
    for t in reversed(range(x.shape[1])):
        dx[:, t] = (dy[:, t] + flow) * (1 - h[:, t] ** 2)
        flow = dx[:, t] / 2
    return dx


FUNCTIONS: dict[str, Function] = {
    "identity": Function(lambda x: 1 * x, lambda x, dy: dy, ANY),
    "square": Function(lambda x: x * x, lambda x, dy: 2 * x * dy, (*SMALL, 1e3, 1e6), least=np.float32),
    "cube": Function(lambda x: x ** 3, lambda x, dy: 3 * x ** 2 * dy, USUAL, least=np.float32),
    "power": Function(lambda x: x ** 2.5, lambda x, dy: 2.5 * x ** 1.5 * dy, USUAL, least=np.float32),
    "reciprocal": Function(lambda x: 1 / x, lambda x, dy: -dy / x ** 2, ANY, least=np.float32),
    "logarithm": Function(np.log, lambda x, dy: dy / x, ANY),
    "root": Function(np.sqrt, lambda x, dy: dy / (2 * np.sqrt(x)), ANY),
    "tanh": Function(np.tanh, lambda x, dy: dy / np.cosh(x) ** 2, SMALL),
    "sine": Function(np.sin, lambda x, dy: dy * np.cos(x), (*SMALL, 1e2), least=np.float32),
    "exponential": Function(np.exp, lambda x, dy: dy * np.exp(x), (*SMALL, 10.0), least=np.float32),
    "sigmoid": Function(lambda x: 1 / (1 + np.exp(-x)), lambda x, dy: dy * np.exp(-x) / (1 + np.exp(-x)) ** 2, SMALL),
    "softplus": Function(lambda x: np.log1p(np.exp(x)), lambda x, dy: dy / (1 + np.exp(-x)), SMALL),
    "offset": Function(lambda x: 1e6 + x, lambda x, dy: dy, (1.0, 1e3), least=np.float64),
    "minus log p": Function(lambda x: -np.log(np.clip(x, 1e-12, 1)), lambda x, dy: np.where(x > 1e-12, -dy / x, 0),
                            (1e-9, 1e-4, 0.1), least=np.float32),
    "x |x|": Function(lambda x: x * np.abs(x), lambda x, dy: 2 * np.abs(x) * dy, (*SMALL, 1e4), True, np.float32),
    "relu": Function(lambda x: np.maximum(x, 0), lambda x, dy: dy * (x > 0), ANY, True),
    "absolute": Function(np.abs, lambda x, dy: dy * np.sign(x), ANY, True),
    "leaky": Function(lambda x: np.where(x > 0, x, x / 8), lambda x, dy: np.where(x > 0, dy, dy / 8), ANY, True),
    "clip": Function(lambda x: np.clip(x, -1, 1), lambda x, dy: dy * (np.abs(x) <= 1), (0.5, 1.0), True),
    "maximum": Function(lambda x: x.max(axis=1, keepdims=True), lambda x, dy: dy * one_winner(x), ANY, True),
    "pairwise maximum": Function(lambda x: np.maximum(x[:, ::2], x[:, 1::2]), lambda x, dy: np.stack(
        [dy * (x[:, ::2] >= x[:, 1::2]), dy * (x[:, ::2] < x[:, 1::2])], axis=2).reshape(x.shape), ANY, True),
    "sort": Function(lambda x: np.sort(x, axis=1), lambda x, dy: np.take_along_axis(dy, places(x), axis=1), ANY, True),
    "median": Function(lambda x: np.sort(x[:, :5], axis=1)[:, 2:3],
                       lambda x, dy: np.pad(dy * (places(x[:, :5]) == 2), ((0, 0), (0, 1))), ANY, True),
    "top two": Function(lambda x: np.sort(x, axis=1)[:, 4:].sum(axis=1, keepdims=True),
                        lambda x, dy: dy * (places(x) >= 4), ANY, True),
    "sum": Function(lambda x: x.sum(axis=1, keepdims=True), lambda x, dy: dy + 0 * x, ANY),
    "mean": Function(lambda x: x.mean(keepdims=True), lambda x, dy: dy / x.size + 0 * x, ANY),
    "product": Function(lambda x: x.prod(axis=1, keepdims=True), lambda x, dy: dy * products(x), (1e-3, 1.0, 30.0),
                        least=np.float32),
    "cumulative sum": Function(lambda x: np.cumsum(x, axis=1), lambda x, dy: np.cumsum(dy[:, ::-1], axis=1)[:, ::-1],
                               ANY),
    "norm": Function(lambda x: np.sqrt((x ** 2).sum(axis=1, keepdims=True)), lambda x, dy: dy * x / np.maximum(np.sqrt(
        (x ** 2).sum(axis=1, keepdims=True)), 1e-300), ANY, True, np.float32),
    "matrix product": Function(lambda x: x @ MATRIX.astype(x.dtype), lambda x, dy: dy @ MATRIX.T, ANY),
    "outer product": Function(lambda x: x.T @ x, lambda x, dy: x @ (dy + dy.T), (*SMALL, 1e4), least=np.float32),
    "convolution": Function(convolved, convolved_back, ANY),
    "softmax": Function(softmax, lambda x, dy: softmax(x) * (dy - (dy * softmax(x)).sum(axis=1, keepdims=True)), SMALL),
    "log-sum-exp": Function(lambda x: x.max(axis=1, keepdims=True) + np.log(
        np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)), lambda x, dy: dy * softmax(x), SMALL),
    "share": Function(lambda x: x / x.sum(axis=1, keepdims=True), lambda x, dy: dy / x.sum(axis=1, keepdims=True)
                      - (dy * x).sum(axis=1, keepdims=True) / x.sum(axis=1, keepdims=True) ** 2, ANY, least=np.float32),
    "normalization": Function(normalized, normalized_back, ANY, least=np.float32),
    "padding": Function(lambda x: np.pad(x, ((0, 0), (2, 1))), lambda x, dy: dy[:, 2:-1], ANY),
    "slice": Function(lambda x: x[:, 1:5:2], lambda x, dy: np.insert(np.insert(dy, 1, 0, axis=1), [0, 3, 3], 0, axis=1),
                      ANY),
    "index": Function(lambda x: x[:, [0, 2, 2, 5]], lambda x, dy: np.stack(
        [dy[:, 0], 0 * dy[:, 0], dy[:, 1] + dy[:, 2], 0 * dy[:, 0], 0 * dy[:, 0], dy[:, 3]], axis=1), ANY),
    "recurrent": Function(recurrent, recurrent_back, SMALL),
}
