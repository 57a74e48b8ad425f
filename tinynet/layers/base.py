"""What every layer is: parameters, gradients, state, and a forward that returns its own backward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Protocol,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    overload,
    runtime_checkable,
)
from weakref import WeakSet

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinynet import initializers, regularizers
from tinynet.checks import invalid, is_count
from tinynet.constraints import ConstraintLike
from tinynet.initializers import InitializerLike
from tinynet.kernels import buffers
from tinynet.layers.lock import reading, writing
from tinynet.layers.variables import Variable, count_numbers
from tinynet.registry import Config, Identifier, lacking, refuse_call, refuse_unknown, to_config
from tinynet.regularizers import L1L2, RegularizerLike

Shape = tuple[int, ...]                                       # of one sample, without the batch axis
Backward = Callable[..., Any]                                 # backward(dy) -> dx; some can leave dx out: need_dx=False
Forward = Callable[..., tuple[np.ndarray, Backward]]          # forward(x, training) -> (y, backward)


T = TypeVar("T", covariant=True)


@runtime_checkable
class Symbolic(Protocol[T]):
    """What stands for numbers that are not there yet, see `tinynet.layers.input.Symbol`."""

    def followed_by(self, layer: Layer, /) -> T:
        """Return what stands for those that a layer will make of them."""


class LayerOptions(TypedDict, total=False):
    """The keyword arguments that every layer takes, see `Layer`."""

    name: str | None
    input_shape: Iterable[int] | None
    trainable: bool
    data_format: str | None
    activity_regularizer: Identifier | RegularizerLike | None


class Models(WeakSet[Any]):
    """Models that a layer was added to, as long as there are any; a copy of the layer is in none."""

    def __reduce__(self) -> tuple[type[Models], tuple[()]]:
        return type(self), ()


class Layer:
    """One differentiable function of an array, and what it has learned.

    A layer of your own needs ``forward``, and ``build`` if it has parameters::

        class Scale(Layer):
            def build(self, input_shape, rng):
                self.params["scale"] = np.ones(input_shape, np.float32)
                return input_shape

            def forward(self, x, training=False):
                scale = self.params["scale"]

                def backward(dy):
                    self.grads["scale"] = (dy * x).sum(axis=0)
                    return dy * scale
                return x * scale, backward

    What a layer learns without gradients, such as running statistics, belongs in ``state``: made by ``build``, changed
    by ``forward(x, training=True)`` alone, and saved, restored and counted with the parameters.

    In a model, a layer's forward may run in one pass with those of its neighbours: ``print(model.plan())`` shows which,
    and ``with kernels.use("fast", fuse=False):`` runs every layer as its file shows it.

    Parameters
    ----------
    name : what the layer is called in its model; by default the model names it, ``dense_1``.
    input_shape : shape of one sample, without the batch axis; with it in its first layer, a model is built at once.
    trainable : False keeps an optimizer from changing the parameters, and their penalties out of the loss; gradients
        are computed all the same. It may be set at any time, and counts from the next update on.
    data_format : ``"channels_first"``, which is what layers take anyway: images are (N, C, H, W).
    activity_regularizer : ``"l1"``, ``"l2"`` or an object of `tinynet.regularizers`: a penalty on the layer's output,
        see `ActivityRegularization`.

    Attributes
    ----------
    params, grads : dicts of arrays under the same keys; ``backward`` overwrites ``grads``.
    state : dict of arrays that are learned without gradients; Keras's non-trainable weights, PyTorch's buffers.
    input_shape, output_shape : shapes of one sample, known once the layer is built.
    differs_in_training : class attribute, True where ``forward(x, training=True)`` computes something else.
    """

    differs_in_training = False
    how_to_build = "Put it into a Sequential whose input shape is known, or call build(input_shape, rng) first."
    composed_forward: ClassVar[Forward]                       # the forward that `parts` takes apart
    plain: bool = True                                        # without settings that no shortcut of the plan knows of

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        refuse_call(cls, "forward(x, training=False), which returns the output and the function that runs it backward")
        if "parts" in vars(cls):
            cls.composed_forward = cls.forward

    def __init__(self, *, name: str | None = None, input_shape: Iterable[int] | None = None,
                 trainable: bool = True, data_format: str | None = None,
                 activity_regularizer: Identifier | RegularizerLike | None = None, **unknown: object):
        refuse_unknown(type(self), unknown)
        self.name = name
        self.expect(data_format in (None, "channels_first"), "data_format='channels_first', images (N, C, H, W); those "
                    "with channels last become such by x.transpose(0, 3, 1, 2), their input_shape is (C, H, W)",
                    repr(data_format))
        self.input_shape = None if input_shape is None else as_shape(input_shape, owner=self)
        self.output_shape: Shape | None = None
        self.trainable = trainable
        self.params: dict[str, np.ndarray] = {}
        self.grads: dict[str, np.ndarray] = {}
        self.activity_regularizer = regularizers.get(activity_regularizer)
        term = self.activity_regularizer
        self.activity_penalty = None if term is None else ActivityRegularization.of(term)
        self.state: dict[str, np.ndarray] = {}
        self._models = Models()
        self._constructed_with = name, self.input_shape       # its model may give it another name, build another shape

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make the parameters (float32) and the state for samples of `input_shape`; return the shape of one output."""
        return input_shape

    def initial(self, key: str, initializer: InitializerLike, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        """Call an initializer, which may be the user's own, and check what it returns."""
        array = np.asarray(initializers.initialize(initializer, shape, rng), dtype=np.float32)
        self.expect(array.shape == shape, f"a {key} {shape} from its initializer", array.shape)
        return buffers.copy(array)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return ``(y, backward)``: ``backward(dy)`` sets ``grads`` and returns d loss / d x."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(x, training=False).")

    def unbuild(self) -> None:
        """Forget the shapes that `build` was given, so that it can be called with others."""
        self.input_shape, self.output_shape = self._constructed_with[1], None

    @overload
    def __call__(self, x: Symbolic[T], training: bool = False) -> T: ...
    @overload
    def __call__(self, x: ArrayLike, training: bool = False) -> np.ndarray: ...

    def __call__(self, x: ArrayLike | Symbolic[T], training: bool = False) -> np.ndarray | T:
        if not isinstance(x, np.ndarray) and isinstance(x, Symbolic):
            return x.followed_by(self)
        if regularizers.counted_activity() is None:
            return check_forward(self, self.forward(self.cast(x), training))[0]
        with regularizers.counting_activity(None):            # of a call the loss does not count any penalties
            return check_forward(self, self.forward(self.cast(x), training))[0]

    def cast(self, x: ArrayLike) -> np.ndarray:
        """Return `x` as a call hands it to forward: as floating numbers, those that it has or float32."""
        return as_floating(x)

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is what forward can take."""

    def parts(self) -> Sequence[tuple[str, Forward | Layer]]:
        """List what ``forward`` does in turn, so that a model can run it step by step: (name, function or layer)."""
        return [("", self.forward)]

    def penalties(self) -> list[tuple[str, RegularizerLike]]:
        """Pair parameter keys with the regularizers that are to be added to the loss while the layer is trainable."""
        return [(key, term) for key, term in self.of_parameters("regularizer").items() if term is not None]

    def constraints(self) -> list[tuple[str, ConstraintLike]]:
        """Pair parameter keys with the constraints that are applied after each update while the layer is trainable."""
        return [(key, limit) for key, limit in self.of_parameters("constraint").items() if limit is not None]

    def check_constraints(self) -> None:
        """Raise a ValueError unless each constraint makes of its parameter an array of the same shape."""
        for key, constraint in self.constraints():
            w = self.params[key].copy()
            try:
                shape = np.shape(constraint(w))
            except np.exceptions.AxisError as error:
                raise invalid(self, f"a constraint with an axis of {key} {w.shape}", error) from None
            self.expect(shape == w.shape, f"a constraint that makes of {key} {w.shape} an array of the same shape",
                        shape)

    def of_parameters(self, what: str) -> dict[str, Any]:
        """Return ``{key: regularizer}``, or constraints, by the keys of parameters; None for those that have none."""
        return {}          # a layer looks them up in vars(self): getattr would keep each name that is put together

    def leaves(self) -> list[Layer]:
        """List the layers this one is made of: itself, unless it is a model."""
        return [self]

    def trainable_params(self) -> dict[str, np.ndarray]:
        """Return the parameters that an optimizer may change."""
        return dict(self.params) if self.trainable else {}

    @property
    def weights(self) -> list[Variable]:
        """All that the layer has learned: its params, then its state."""
        trained = self.trainable_params()
        return [Variable(self, arrays, key, key in trained) for arrays in (self.params, self.state) for key in arrays]

    @property
    def trainable_weights(self) -> list[Variable]:
        """Those that an optimizer may change."""
        return [weight for weight in self.weights if weight.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The state, and all that is frozen."""
        return [weight for weight in self.weights if not weight.trainable]

    @property
    def variables(self) -> list[Variable]:
        """Another name of `weights`."""
        return self.weights

    trainable_variables, non_trainable_variables = trainable_weights, non_trainable_weights

    @property
    def built(self) -> bool:
        """Whether `build` was called, so that all that is to be learned exists."""
        return self.output_shape is not None

    if not TYPE_CHECKING:                                      # for which any name would be an attribute
        def __getattr__(self, name: str) -> Variable:
            """Return the parameter or state of a name: ``layer.kernel``."""
            for arrays in (vars(self).get("params", {}), vars(self).get("state", {})):
                if name in arrays:
                    return Variable(self, arrays, name, name in self.trainable_params())
            if name in ("input", "output"):
                raise AttributeError(f"{self}: expected numbers to compute it from, as no layer keeps any. Received: "
                                     f".{name}. study.Trace(model, x) has what goes into every layer, and comes out; "
                                     f"Sequential(model.layers[:3]).predict(x) is what the third returns.")
            if "_constructed_with" not in vars(self):
                raise lacking(self, name, "_constructed_with")
            if name == "rng":
                raise AttributeError(f"{self}: expected build(input_shape, rng) to keep its generator, self.rng = rng. "
                                     f"Received: none yet.")
            return super().__getattribute__(name)              # raises the error, be it that of a property

        def __setattr__(self, name: str, value: Any) -> None:
            """Set an attribute; where a name is that of a parameter or state, overwrite what it stands for."""
            own = vars(self)
            if name not in own and not hasattr(type(self), name):                  # as __getattr__ would be asked
                for arrays in (own.get("params", {}), own.get("state", {})):
                    if arrays.get(name, value) is not value:                       # else another name of the array
                        return Variable(self, arrays, name, True, f"{self}.{name}").assign(value)
            super().__setattr__(name, value)

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all parameters and of the state, in the order of ``params``, then of ``state``."""
        with reading(self):
            return [np.array(weight.value) for weight in self.weights]

    def set_weights(self, weights: Iterable[np.ndarray]) -> None:
        """Overwrite all parameters and the state with arrays of the same shapes, in the order of `get_weights`."""
        weights = [np.asarray(array) for array in weights]
        if weights:
            self.expect_weights()
        shapes = [weight.shape for weight in self.weights]
        self.expect([array.shape for array in weights] == shapes, f"weights of shapes {shapes}",
                    [array.shape for array in weights])
        with writing(self):
            for weight, new in zip(self.weights, weights, strict=True):
                weight.overwrite(new)

    def count_params(self) -> int:
        """Count the numbers in ``params`` and ``state``."""
        self.expect_weights()
        return count_numbers(self.weights)

    def get_config(self) -> Config:
        """Return the arguments that make this layer again, without what it has learned."""
        name, shape = self._constructed_with
        config = {"name": name, "input_shape": shape and list(shape), "trainable": None if self.trainable else False,
                  "activity_regularizer": to_config(self.activity_regularizer)}
        return {key: value for key, value in config.items() if value is not None}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make a layer from what ``get_config`` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        learned = f"{count_numbers(self.weights):,} parameters" if self.has_weights() else "not built"
        return f"<{self}, {learned}>"

    def __str__(self) -> str:
        return f"{type(self).__name__} '{self.name}'" if self.name else type(self).__name__

    # What errors are made of.

    def expect(self, condition: bool, expected: str, received: object) -> None:
        """Raise this layer's ValueError unless `condition` holds."""
        if not condition:
            raise invalid(self, expected, received)

    def expect_built(self, key: str) -> None:
        """Raise a ValueError that says how to build, unless the parameter `key` exists."""
        if key not in self.params:
            raise self._not_built()

    def expect_weights(self) -> None:
        """Raise a ValueError that says how to build, unless the layer `has_weights`."""
        if not self.has_weights():
            raise self._not_built()

    def has_weights(self) -> bool:
        """Return whether all that the layer is to learn exists: `build` was called, or has nothing to do."""
        return self.output_shape is not None or bool(self.weights) or type(self).build is Layer.build

    def _not_built(self) -> ValueError:
        return ValueError(f"{self}: has no weights yet. {self.how_to_build}")


Layer.composed_forward = Layer.forward


class ActivityRegularization(Layer):
    """``y = x``, and a penalty on x in the loss, ``(l1 * sum(|x|) + l2 * sum(x^2)) / N`` for a batch of N samples.

    So ``dx = dy + (l1 * sign(x) + 2 * l2 * x) / N``. Both terms count where a loss is computed, by ``fit``,
    ``evaluate`` and ``model.objective``; elsewhere the layer is the identity. A layer's ``activity_regularizer=`` is
    one of these, with any regularizer, on the layer's output.

    Parameters
    ----------
    l1, l2 : how much the sizes, and the squares, of the numbers cost.

    >>> from tinynet import Sequential
    >>> model = Sequential([ActivityRegularization(l2=0.5, input_shape=(2,))])
    >>> model.compile("sgd", "mse")
    >>> model.test_on_batch([[3.0, 4.0]], [[3.0, 4.0]])
    12.5
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        term = L1L2(l1, l2)
        self.l1, self.l2, self.term = term.l1, term.l2, cast(RegularizerLike, term)

    @classmethod
    def of(cls, term: RegularizerLike) -> Self:
        """Return one with any regularizer."""
        layer = cls()
        layer.term = term
        return layer

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (x, backward)."""
        numbers, N = as_floating(x), max(len(x), 1)
        counted = regularizers.counted_activity()
        if counted is not None:
            counted.append(self.term.value(numbers) / N)

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy if regularizers.counted_activity() is None else dy + self.term.gradient(numbers) / N
        return x, backward

    def get_config(self) -> Config:
        return {**super().get_config(), "l1": self.l1, "l2": self.l2}


def as_floating(x: ArrayLike, whole: DTypeLike = np.float32) -> np.ndarray:
    """Return an array as layers compute with it: floating, in the machine's byte order; whole numbers as `whole`.

    An image as it is loaded is uint8, in which 200 + 200 is 144.

    >>> as_floating(np.array([200, 200], np.uint8))
    array([200., 200.], dtype=float32)
    """
    array = np.asarray(x)
    if array.dtype.kind == "f" and array.dtype.isnative:
        return array                                              # as nearly always
    return array.astype(whole if array.dtype.kind in "biu" else array.dtype.newbyteorder("="), copy=False)


def check_forward(layer: Layer, returned: object) -> tuple[np.ndarray, Backward]:
    """Return what a layer's forward returned, or raise its ValueError unless that is an array and a function."""
    if isinstance(returned, tuple) and len(returned) == 2:
        y, backward = returned
        if isinstance(y, (np.ndarray, np.generic)) and callable(backward):
            return returned
    raise invalid(layer, "forward to return (y, backward), an array and a function", described(returned))


def described(returned: object) -> str:
    """Write what was returned: ``a tuple of ndarray, function``."""
    if isinstance(returned, (tuple, list)):
        return f"a {type(returned).__name__} of {', '.join(described_type(part) for part in returned) or 'nothing'}"
    return described_type(returned)


def described_type(thing: object) -> str:
    """Write the type of a value."""
    return "None" if thing is None else type(thing).__name__


def cast_floats(arrays: MutableMapping[str, np.ndarray], dtype: DTypeLike) -> None:
    """Cast the floating arrays of a dict to `dtype`, those that are not of it already; whole numbers stay."""
    for key, array in arrays.items():
        if np.asarray(array).dtype.kind == "f" and array.dtype != dtype:
            arrays[key] = array.astype(dtype)


def as_shape(value: Iterable[int] | int, owner: object, what: str = "input_shape") -> Shape:
    """Return `value` as a tuple of positive ints, or raise a ValueError naming `owner`."""
    shape = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(map(is_count, shape)):
        raise invalid(owner, f"{what} as positive whole numbers, without the batch axis", repr(value))
    return tuple(int(size) for size in shape)
