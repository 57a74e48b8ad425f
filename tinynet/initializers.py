"""The values that parameters start from. An initializer is called with a shape and a generator, and returns float32.

>>> import numpy as np
>>> glorot = get("glorot_uniform")
>>> kernel = glorot((784, 128), np.random.default_rng(0))
>>> kernel.dtype, bool(abs(kernel).max() <= (6 / (784 + 128)) ** 0.5)
(dtype('float32'), True)
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import check_int, check_nonnegative, check_number, check_positive, invalid
from tinynet.registry import Configured, Identifier, resolve

InitializerLike = Callable[[tuple[int, ...], np.random.Generator], ArrayLike]


class Initializer(Configured):
    """Base of all: subclasses define ``__call__(shape, rng)``."""

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return a new float32 array of `shape`."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, rng).")


class Zeros(Initializer):
    """All 0; what biases start from."""

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.zeros(shape, np.float32)


class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.ones(shape, np.float32)


class Constant(Initializer):
    """All the same number."""

    def __init__(self, value: float = 0.0):
        self.value = check_number("Constant", "value", value)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.full(shape, self.value, np.float32)


class Drawn(Initializer):
    """Base of those that draw from the model's generator; with a `seed`, the same numbers at each call instead."""

    seed: int | None = None                                     # in the config only where it is given

    def __init__(self, seed: int | None = None):
        if seed is not None:
            self.seed = check_int(seed, f"{type(self).__name__}: seed", 0)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return self.draw(shape, rng if self.seed is None else np.random.default_rng(self.seed)).astype(np.float32)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return a new array of `shape`."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(shape, rng).")


class RandomNormal(Drawn):
    """Draws from N(mean, stddev); ``'normal'`` is N(0, 0.05)."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None):
        super().__init__(seed)
        self.mean = check_number(type(self).__name__, "mean", mean)
        self.stddev = check_nonnegative(type(self).__name__, "stddev", stddev)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return a new array of `shape`."""
        return rng.normal(self.mean, self.stddev, shape)


class TruncatedNormal(RandomNormal):
    """The same, drawn again where it is more than two standard deviations from the mean."""

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return a new array of `shape`."""
        return self.mean + self.stddev * draw_truncated(shape, rng)


class RandomUniform(Drawn):
    """Draws uniformly from [minval, maxval); ``'uniform'`` is [-0.05, 0.05)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None):
        super().__init__(seed)
        self.minval = check_number("RandomUniform", "minval", minval)
        self.maxval = check_number("RandomUniform", "maxval", maxval, least=self.minval)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return a new array of `shape`."""
        return rng.uniform(self.minval, self.maxval, shape)


class Scaled(Drawn):
    """Draws with variance ``scale / fan``, so that signals keep their size from layer to layer."""

    scale: float
    mode: str                   # which fan: numbers into one output, numbers out of one input, or their mean
    distribution: str

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return a new array of `shape`."""
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = np.sqrt(self.scale / fan)
        if self.distribution == "uniform":
            limit = np.sqrt(3) * stddev                         # the variance of U(-a, a) is a^2 / 3
            return rng.uniform(-limit, limit, shape)
        return stddev / 0.87962566 * draw_truncated(shape, rng)


class GlorotUniform(Scaled):
    """Variance 2 / (fan_in + fan_out), uniform: the default of kernels. Glorot & Bengio 2010, equation 16."""

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(Scaled):
    """Variance 2 / (fan_in + fan_out), truncated normal. Glorot & Bengio 2010, equation 12."""

    scale, mode, distribution = 1.0, "fan_avg", "truncated_normal"


class HeUniform(Scaled):
    """Variance 2 / fan_in, uniform: ReLU passes half of the signal. He et al. 2015, equation 10."""

    scale, mode, distribution = 2.0, "fan_in", "uniform"


class HeNormal(Scaled):
    """Variance 2 / fan_in, truncated normal. He et al. 2015, equation 10."""

    scale, mode, distribution = 2.0, "fan_in", "truncated_normal"


class LecunUniform(Scaled):
    """Variance 1 / fan_in, uniform. LeCun et al. 1998, "Efficient BackProp", section 4.6."""

    scale, mode, distribution = 1.0, "fan_in", "uniform"


class LecunNormal(Scaled):
    """Variance 1 / fan_in, truncated normal. LeCun et al. 1998, "Efficient BackProp", section 4.6."""

    scale, mode, distribution = 1.0, "fan_in", "truncated_normal"


class VarianceScaling(Scaled):
    """The family that Glorot's, He's and LeCun's belong to, with its three settings free.

    Parameters
    ----------
    scale : a positive number.
    mode : ``"fan_in"``, ``"fan_out"``, or their mean, ``"fan_avg"``.
    distribution : ``"uniform"``, or ``"truncated_normal"``: nothing beyond two standard deviations.
    """

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal",
                 seed: int | None = None):
        super().__init__(seed)
        if mode not in ("fan_in", "fan_out", "fan_avg") or distribution not in ("uniform", "truncated_normal"):
            raise invalid("VarianceScaling", "mode 'fan_in', 'fan_out' or 'fan_avg' and distribution 'uniform' or "
                          "'truncated_normal'", f"{mode!r}, {distribution!r}")
        self.scale, self.mode, self.distribution = check_positive("VarianceScaling", "scale", scale), mode, distribution


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Count the numbers into and out of one unit: dense kernel (in, out), conv kernel (F, C, kh, kw).

    >>> fans((784, 10)), fans((32, 3, 5, 5))
    ((784, 10), (75, 800))
    """
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) == 4:
        F, C, kh, kw = shape
        return kh * kw * C, kh * kw * F
    size = shape[0] if shape else 1
    return size, size


def draw_truncated(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw from N(0, 1), again where beyond 2; what is left has standard deviation 0.87962566."""
    x = rng.standard_normal(shape)
    while (beyond := np.abs(x) > 2).any():
        x[beyond] = rng.standard_normal(beyond.sum())
    return x


zeros, ones, constant, truncated_normal = Zeros, Ones, Constant, TruncatedNormal              # Keras's other names
random_normal, random_uniform = RandomNormal, RandomUniform
glorot_uniform, glorot_normal, he_uniform, he_normal = GlorotUniform, GlorotNormal, HeUniform, HeNormal
lecun_uniform, lecun_normal, variance_scaling = LecunUniform, LecunNormal, VarianceScaling
KNOWN: dict[str, type] = {
    "zeros": Zeros, "ones": Ones, "constant": Constant,
    "normal": RandomNormal, "random_normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "uniform": RandomUniform, "random_uniform": RandomUniform,
    "glorot_uniform": GlorotUniform, "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform, "he_normal": HeNormal,
    "lecun_uniform": LecunUniform, "lecun_normal": LecunNormal,
    "variance_scaling": VarianceScaling,
}


def get(identifier: Identifier | InitializerLike) -> InitializerLike:
    """Return an initializer for a name, a config, or a callable ``(shape, rng) -> array``."""
    initializer: InitializerLike = resolve("initializer", identifier, KNOWN)
    if not callable(initializer):
        raise invalid(None, "an initializer: a name, or a callable (shape, rng)", repr(identifier))
    return initializer


_budget: ContextVar[float] = ContextVar("how many parameters may still be made", default=math.inf)


@contextlib.contextmanager
def parameter_budget(count: float) -> Iterator[None]:
    """Let no more than `count` parameters be made inside the block: a file may declare more than memory can hold."""
    token = _budget.set(count)
    try:
        yield
    finally:
        _budget.reset(token)


def initialize(initializer: InitializerLike, shape: tuple[int, ...], rng: np.random.Generator) -> ArrayLike:
    """Call an initializer, unless that would exceed the `parameter_budget`."""
    left = _budget.get() - math.prod(shape)
    if left < 0:
        raise ValueError(f"expected at most {_budget.get():,} parameters more. Received: the shape {shape}.")
    _budget.set(left)
    return initializer(shape, rng)
