"""The arithmetic under the layers, three times: the same functions, the same numbers, three speeds.

``naive`` is the definition, as loops. ``im2col`` is the idea: convolution as one matrix product, in NumPy.
``fast`` is the engine, compiled by numba, and the default. Each set is a module with the same functions::

    matmul(a, b)                                                               (M, K), (K, N) -> (M, N)
    conv2d(x, kernel, strides, dilation)                         (N, C, H, W), (F, C, kh, kw) -> (N, F, P, Q)
    conv2d_kernel_gradient(x, dy, kernel_size, strides, dilation)                             -> (F, C, kh, kw)
    conv2d_input_gradient(dy, kernel, input_size, strides, dilation)                          -> (N, C, H, W)
    depthwise_conv2d(x, kernel, strides, dilation)             (N, C, H, W), (M, C, kh, kw) -> (N, C*M, P, Q)
    depthwise_conv2d_kernel_gradient(x, dy, kernel_size, strides, dilation)                   -> (M, C, kh, kw)
    depthwise_conv2d_input_gradient(dy, kernel, input_size, strides, dilation)                -> (N, C, H, W)
    max_pool2d(x, pool_size, strides)                                  (N, C, H, W) -> (N, C, P, Q) and argmax
    max_pool2d_gradient(dy, argmax, input_size, pool_size, strides)                           -> (N, C, H, W)
    sum_pool2d(x, pool_size, strides)                                            (N, C, H, W) -> (N, C, P, Q)
    sum_pool2d_gradient(dy, input_size, pool_size, strides)                                   -> (N, C, H, W)
    bilinear(x, rows, columns)                   (N, C, H, W), (N, P, Q), (N, P, Q) -> (N, C, P, Q)
    bilinear_gradient(dy, rows, columns, input_size)                                          -> (N, C, H, W)
    channel_sums(x, center, dy, through)         (N, C, ...), (C,) -> (2, C), float64: sums of dy and of dy (x - center)
    channel_affine(x, center, scale, shift, dy, dy_scale, relu, through)    (x - center) scale + shift + dy dy_scale
    relu_gradient(dy, y)                                                     dy where y > 0, 0 elsewhere; of one shape
    elementwise(formula, *args, out)        a formula of arrays, and of numbers: see `kernels.elementwise`
    elementwise_sum(formula, *args)         the sum of its results, in float64
    adam(p, g, m, v, rate, beta_1, beta_2, epsilon)               updates p, m and v in place, all of one shape

Convolutions and poolings are given images that are padded already: each window lies inside its image, so that along
one axis ``P = (H - dilation * (kh - 1) - 1) // stride + 1`` of them fit (`geometry.output_size`). Sizes, strides and
dilation are pairs (rows, columns); `input_size` is (H, W). The argmax of pooling is the index of the maximum within
its window, row by row. In a depthwise convolution each channel c has M kernels of its own, and output c*M + m is of
its m-th. The dy of channels may be left out: it is then x - center in the sums, and nothing in the other. ``fast`` has
some functions more, which do the work of several steps in one pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial, wraps
from importlib import import_module
from types import ModuleType
from typing import ParamSpec, TypeVar

import numpy as np

from tinynet.kernels.part import of_all_parts
from tinynet.registry import pick

P = ParamSpec("P")
Result = TypeVar("Result")
NAMES = {"naive": "tinynet.kernels.naive", "im2col": "tinynet.kernels.im2col", "fast": "tinynet.kernels.fast"}
_current, _fuses = NAMES["fast"], True
_load = cache(import_module)               # a question to it costs a quarter of one to import_module


def current() -> ModuleType:
    """Return the kernel set in use, a module; numba is loaded when ``fast`` is first asked for."""
    return _load(_current)


def fuses() -> bool:
    """Return whether a model may take the shortcuts of `tinynet.steps.plan`: unless ``use(name, fuse=False)``."""
    return _fuses


def in_stream(function: Callable[P, Result]) -> Callable[P, Result]:
    """Let a function's steps launch loops and go on, see `tinynet.kernels.streams`, if the kernel set can do that and
    shortcuts are taken.
    """
    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> Result:
        launch = getattr(current(), "in_stream", None) if _fuses else None
        return function(*args, **kwargs) if launch is None else launch(partial(function, *args, **kwargs))
    return run


def batch_sums(x: np.ndarray, center: np.ndarray, dy: np.ndarray | None = None, using: ModuleType | None = None,
               through: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Return what a layer needs of the whole batch for each channel (axis 1): the count, and two sums, as (3, C).

    With d = x - center, the sums are those of dy and of dy d, over all axes but the channels'; without a dy, those of
    d and of d d. They are float64, and the same to the bit for any number of threads. `using` is the kernel set that
    adds them up, None for the one in use. Through a ReLU after ``(x - center) scale + shift``, ``through = (scale,
    shift)``, only those dy go that it lets through.

    All statistics over a batch go through here. What it returns for the parts of a batch adds up to what it returns for
    the whole; where several threads or processes have a part each (`kernels.part`), they wait here for each other, and
    each gets the sums of the whole batch. A layer whose gradients are made of them says ``grads_of_batch = True``, so
    that they are not added once more.

    >>> batch_sums(np.array([[1.0, 10.0], [3.0, 40.0]]), center=np.array([1.0, 20.0]))
    array([[  2.,   2.],
           [  2.,  10.],
           [  4., 500.]])
    """
    sums = np.empty((3, x.shape[1]))
    sums[0], sums[1:] = x.size / max(1, x.shape[1]), (using or current()).channel_sums(x, center, dy, through)
    return of_all_parts(sums)


class use:  # noqa: N801  (reads as a verb: `with kernels.use("naive"):`)
    """Switch the kernel set: ``kernels.use("naive")`` for the process, ``with kernels.use("naive"):`` for a block.

    Parameters
    ----------
    name : ``"naive"``, ``"im2col"`` or ``"fast"``.
    fuse : False switches off all that a model does differently for speed, see ``model.plan()``: every layer runs the
        code that its file shows, forward and backward, one after the other.

    >>> from tinynet import kernels
    >>> with kernels.use("naive"):
    ...     kernels.current().__name__
    'tinynet.kernels.naive'
    >>> kernels.current().__name__
    'tinynet.kernels.fast'
    """

    def __init__(self, name: str, fuse: bool = True):
        global _current, _fuses
        self._before, self._chosen = (_current, _fuses), (pick("kernel set", name, NAMES), bool(fuse))
        _current, _fuses = self._chosen

    def __enter__(self) -> ModuleType:
        global _current, _fuses
        _current, _fuses = self._chosen
        return current()

    def __exit__(self, *exception: object) -> None:
        global _current, _fuses
        _current, _fuses = self._before
