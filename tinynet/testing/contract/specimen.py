"""A layer under test: built once, copied for every experiment, with batches to run it on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from tinynet.layers.base import Backward, Layer, Shape, cast_floats
from tinynet.testing.cloning import clone, generators, set_dtype_of_models
from tinynet.testing.tracebacks import exception_text

MakeX = Callable[[Shape, np.random.Generator], np.ndarray]
Upstream = np.ndarray | Callable[[np.ndarray], np.ndarray]         # dy, or a function that makes it from y

# The same numbers in other memory layouts, which must make no difference to a layer.
LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C-ordered": np.ascontiguousarray,
    "Fortran-ordered": np.asfortranarray,
    "every other number of a larger array": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "with negative strides": lambda array: np.flip(np.flip(array).copy()),
    "read-only": lambda array: read_only(array.copy()),
}

# How far results may be off, as fractions of the largest, when sums are done in another order.
PRECISION: dict[type, float] = {np.float64: 1e-9, np.float32: 1e-4}


def is_whole(array: np.ndarray) -> bool:
    """Return whether an array holds whole numbers, such as indices, which have no gradient."""
    return array.dtype.kind in "biu"


def read_only(array: np.ndarray) -> np.ndarray:
    """Make an array read-only, and return it."""
    array.flags.writeable = False
    return array


class Broken(Exception):  # noqa: N818  (not a program error: the finding of a rule)
    """A rule is broken; the message says what was observed."""


class NotApplicable(Exception):  # noqa: N818
    """A rule cannot be tried on this layer; the message says why."""


class BrokenToo(Broken):
    """A finding that other rules name more exactly: left out where each part of it is told by one of them.

    Attributes
    ----------
    told_by : for each part of the finding, the rules that may tell it.
    otherwise : the outcome where they do: None where the rule holds but for that.
    """

    def __init__(self, message: str, told_by: Iterable[Iterable[str]], otherwise: NotApplicable | None = None):
        super().__init__(message)
        self.told_by, self.otherwise = [tuple(rules) for rules in told_by], otherwise


class Run(NamedTuple):
    """What one forward and backward returned, and the gradients they set; dx is None where x is whole numbers."""

    y: np.ndarray
    dx: np.ndarray | None
    grads: dict[str, np.ndarray]

    def named(self) -> dict[str, np.ndarray]:
        """Return all arrays by the names that messages use."""
        return {"y": self.y, **({} if self.dx is None else {"dx": self.dx}), **named("grads", self.grads)}

    def copy(self) -> Run:
        """Return a run with arrays of its own."""
        return self.samples(slice(None), {key: grad.copy() for key, grad in self.grads.items()})

    def samples(self, which: np.ndarray | slice, grads: dict[str, np.ndarray]) -> Run:
        """Return copies of y and dx of some samples, with other gradients."""
        return Run(self.y[which].copy(), None if self.dx is None else self.dx[which].copy(), grads)


def named(what: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the same arrays by the names that messages use: ``grads['kernel']``."""
    return {f"{what}[{key!r}]": array for key, array in arrays.items()}


class Specimen:
    """A layer to be checked, and the experiments that rules make with it.

    Every experiment gets a fresh copy of the one built layer. All begin with the same parameters and the same
    random state: a stochastic layer repeats itself, and no experiment affects another. NumPy's global state begins
    anew as if it were the copy's own: that a layer draws from it is for one rule to say, and for no other to meet.

    Parameters
    ----------
    make_layer : returns a fresh layer.
    input_shape : shape of one sample.
    make_x : ``make_x(shape, rng)`` returns a batch; None draws from N(0, 1). Whole numbers stay whole.
    """

    seed = 0
    batch_size = 5              # odd: code that splits a batch into equal parts fails on it

    def __init__(self, make_layer: Callable[[], Layer], input_shape: Shape,
                 make_x: MakeX | None = None):
        self.make_layer, self.input_shape = make_layer, input_shape
        self.make_x = make_x or (lambda shape, rng: rng.standard_normal(shape))

    @cached_property
    def built(self) -> Layer:
        """The layer as `build` leaves it; experiments are made on copies."""
        return self.build()[0]

    @cached_property
    def modes(self) -> tuple[bool, ...]:
        """The values of `training` that make a difference to this layer."""
        return (False, True) if any(part.differs_in_training for part in self.built.leaves()) else (False,)

    @cached_property
    def whole(self) -> bool:
        """Whether the layer is run on whole numbers, of which it has no dx to return."""
        try:
            return is_whole(self.x(1))
        except Exception:                               # the rule `runs` meets it, and says so
            return False

    @property
    def name(self) -> str:
        """What the layer calls itself; the name of `make_layer` if that raises."""
        try:
            return str(self.make_layer())
        except Exception:
            return getattr(self.make_layer, "__name__", "layer")

    def build(self) -> tuple[Layer, Shape]:
        """Make and build a layer; return it, and the output shape that build returned."""
        layer = self.make_layer()
        if not isinstance(layer, Layer):
            raise Broken(f"expected make_layer to return a Layer. Received: {layer!r}")
        declared = layer.build(self.input_shape, np.random.default_rng(self.seed))
        layer.input_shape, layer.output_shape = self.input_shape, declared
        return layer, declared

    def fresh(self, dtype: DTypeLike = np.float64) -> Layer:
        """Return a copy of the built layer, its parameters and floating state cast to `dtype`, to be run at once."""
        layer = clone(self.built)
        for key, array in layer.params.items():
            layer.params[key] = array.astype(dtype, copy=False)
        cast_floats(layer.state, dtype)
        set_dtype_of_models(layer, dtype)
        begin_randomness()
        return layer

    def x(self, n: int | None = None, dtype: DTypeLike = np.float64, seed: int = 1) -> np.ndarray:
        """Return a new array of `n` samples; the same numbers for the same seed, whatever the dtype.

        Whole numbers keep their own dtype.
        """
        shape = (self.batch_size if n is None else n, *self.input_shape)
        x = np.array(self.make_x(shape, np.random.default_rng(seed)))
        return x if is_whole(x) else x.astype(np.float32).astype(dtype)

    def dy(self, y: np.ndarray, seed: int = 2) -> np.ndarray:
        """Return a new random upstream gradient for outputs like `y`."""
        return np.random.default_rng(seed).standard_normal(y.shape).astype(np.float32).astype(y.dtype)

    def run(self, x: np.ndarray | None = None, dy: Upstream | None = None, *, training: bool = False,
            dtype: DTypeLike = np.float64) -> Run:
        """Run a fresh copy in `dtype` forward and backward; by default on ``self.x()``, with the dy that `dy` draws."""
        x = self.x(dtype=dtype) if x is None else x
        return run(self.fresh(dtype), x, self.dy if dy is None else dy, training)

    def expect_gradients(self) -> None:
        """Raise `NotApplicable` if the layer has no gradients at all: none of x, and no parameters."""
        if self.whole and not self.built.params:
            raise NotApplicable("whole numbers have no gradient, and the layer has no parameters")


def run(layer: Layer, x: np.ndarray, dy: Upstream, training: bool = False) -> Run:
    """Run `layer` forward and backward; `dy` is the upstream gradient, or a function that makes it from y."""
    y, backward = layer.forward(x, training)
    return finish(layer, y, backward, dy(y) if callable(dy) else dy, is_whole(x))


def finish(layer: Layer, y: np.ndarray, backward: Backward, dy: np.ndarray, whole: bool) -> Run:
    """Run the backward that forward returned with y; what it returns is no matter if x is `whole` numbers."""
    dx = backward(dy)
    return Run(y, None if whole else dx, dict(layer.grads))


def mode(training: bool) -> str:
    """Return in words which mode a forward ran in."""
    return "in training" if training else "in inference"


@contextmanager
def attempt(what: str) -> Iterator[None]:
    """Turn an exception in the block into a `Broken` whose message begins with what was attempted."""
    try:
        yield
    except Broken as broken:
        raise Broken(f"{what}: {broken}") from None
    except Exception as error:
        raise Broken(f"{what}: {exception_text(error)}") from error


def expect(condition: object, message: str) -> None:
    """Raise `Broken` unless `condition` holds."""
    if not condition:
        raise Broken(message)


def expect_same(got: Run, wanted: Run, when: str = "",
                tolerance: float = PRECISION[np.float64]) -> None:
    """Raise `Broken` for the first array of a run that differs from the expected one by more than the tolerance."""
    arrays = got.named()
    for name, array in wanted.named().items():
        expect(name in arrays, f"{name} is missing {when}".rstrip())
        expect_equal(arrays[name], array, f"{name} is not the same {when}".rstrip(), tolerance)


def expect_equal(got: np.ndarray, wanted: np.ndarray, message: str, tolerance: float = 0.0) -> None:
    """Raise `Broken` where two arrays differ most, if by more than `tolerance` times the largest number, or times 1.

    The 1 is the size of the numbers in x and dy: sums of such numbers may cancel to a rounding error.
    """
    expect(got.shape == wanted.shape, f"{message}: shape {got.shape}, expected {wanted.shape}")
    if is_whole(got) and is_whole(wanted):                   # bool and unsigned ones have no difference
        got, wanted = got.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.where((got == wanted) | (np.isnan(got) & np.isnan(wanted)), 0, np.abs(got - wanted))
    error = np.where(np.isnan(error), np.inf, error)
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0)
    if error.size and error.max() > tolerance * scale:
        at = tuple(map(int, np.unravel_index(error.argmax(), error.shape)))
        raise Broken(f"{message}: {got[at]:.6g} at {list(at)}, expected {wanted[at]:.6g}")


def begin_randomness() -> None:
    """Set NumPy's global random state to one and the same; `drawn_globally` then says whether anybody drew from it."""
    np.random.seed(0)


def drawn_globally() -> bool:
    """Return whether anything was drawn from NumPy's global random state since `begin_randomness`."""
    begun = np.random.RandomState(0).get_state()
    return not all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), begun, strict=True))


def reseed(layer: Layer) -> Layer:
    """Set every generator in `layer`, and NumPy's global one, to one and the same state, and return the layer."""
    begin_randomness()
    for generator in generators(layer):
        bit_generator: Any = generator.bit_generator
        bit_generator.state = type(bit_generator)(0).state
    return layer
