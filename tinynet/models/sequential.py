"""Sequential: layers one after the other, which is a layer again; how it is trained is in `training`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from tinynet.files import configs, saving
from tinynet.files.atomic import StrPath
from tinynet.layers.base import Backward, Layer, Shape, Weight, as_floating, as_shape, cast_floats
from tinynet.models.joined import Joined
from tinynet.models.summary import summary
from tinynet.registry import Config, pick, to_config
from tinynet.regularizers import RegularizerLike
from tinynet.steps.run import run_steps
from tinynet.steps.step import steps_of_parts
from tinynet.training.model import Model
from tinynet.utils import new_generator


class Sequential(Model):
    """A stack of layers, each applied to the output of the one before.

    It is a layer itself: it nests, and its ``params``, ``grads`` and ``state`` are those of its layers, under names
    such as ``dense_1/kernel``. Weights exist as soon as the input shape is known: from the first layer's
    ``input_shape=``, from an `Input`, or from the first data seen.

    Parameters
    ----------
    layers : the layers, in order.
    name : what the model is called.
    trainable : False freezes the layers that the model has and those added later, wherever they are used.
    dtype : ``"float32"`` or ``"float64"``, of the weights and of all arithmetic; models inside it take it over.
    seed : makes this model's weights, shuffling and dropout reproducible; see also `utils.set_random_seed`.

    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(784, activation="relu", input_dim=784), Dense(10, activation="softmax")])
    >>> model.count_params()
    623290
    >>> model.layer_names
    ['dense_1', 'dense_2']
    """

    how_to_build = "Begin it with an Input, give its first layer input_shape=, or call build(input_shape) first."

    def __init__(self, layers: Iterable[Layer] = (), name: str | None = None, *, dtype: DTypeLike = "float32",
                 seed: int | None = None, input_shape: Iterable[int] | None = None, trainable: bool = True):
        self.layers: list[Layer] = []
        self.layer_names: list[str] = []
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        self.dtype = np.dtype(pick("dtype", str(np.dtype(dtype)), {"float32": "float32", "float64": "float64"}))
        self.rng = new_generator(seed)
        for layer in layers or ():
            self.add(layer)

    # Composing.

    def add(self, layer: Layer) -> None:
        """Append a layer; it is built at once if the shape of its input is known."""
        if not isinstance(layer, Layer):
            hint = f" Did you mean {layer.__name__}(...)?" if isinstance(layer, type) else ""
            raise TypeError(f"Sequential: expected a layer. Received: {layer!r}.{hint}")
        if not steps_of_parts(layer) and layer.input_shape is not None:                 # Input: only a shape
            self.expect(not self.layers, "an Input before all layers", f"{layer} after {self.layer_names[-1:]}")
            self.expect(self.input_shape in (None, layer.input_shape), "one input shape",
                        f"{self.input_shape} and {layer.input_shape}")
            self.input_shape = layer.input_shape
            return
        if {id(leaf) for leaf in layer.leaves()} & {id(leaf) for leaf in self.leaves()}:
            raise ValueError(f"Sequential: {layer} is in this model already; a layer can be in it once. "
                             f"Make a new layer, or give another model this one.")
        name = self._name_for(layer)
        for leaf in layer.leaves():
            if isinstance(leaf, Model):
                leaf.dtype = self.dtype                            # of which what it builds later will be
        if self.layers:
            shape = self.output_shape
        else:
            shape = self.input_shape or layer.input_shape
            self.input_shape = shape
        if shape is not None:
            layer.name, before = name, layer.name                  # already, so that errors of build carry it
            try:
                self._build_layer(layer, shape, self.rng)
            except ValueError:
                layer.name = before
                raise
            self.output_shape = layer.output_shape
        layer.name = name
        if not self.trainable:
            layer.trainable = False
        self.layers.append(layer)
        self.layer_names.append(name)

    def pop(self) -> Layer:
        """Remove the last layer, and return it."""
        self.expect(bool(self.layers), "a model with layers", "an empty one")
        name, layer = self.layer_names.pop(), self.layers.pop()
        if self.optimizer is not None:
            for key in layer.params:                               # a new layer may have the name
                self.optimizer.slots.pop(f"{name}/{key}", None)
        self.output_shape = self.layers[-1].output_shape if self.layers else None
        if not self.layers:
            self.unbuild()
        return layer

    def build(self, input_shape: Shape, rng: np.random.Generator | None = None) -> Shape:
        """Build every layer that is not built yet, for samples of `input_shape`; return the output's shape."""
        self.expect(bool(self.layers), "a model with layers", "an empty one")
        first = shape = as_shape(input_shape, owner=self)
        unbuilt = [layer for layer in self.layers if layer.output_shape is None]
        try:
            for layer in self.layers:
                self._build_layer(layer, shape, rng or self.rng)
                shape = layer.output_shape or ()
        except ValueError:
            for layer in unbuilt:                                  # so that data of the right shape can still build it
                layer.unbuild()
            raise
        self.input_shape, self.output_shape = first, shape
        return shape

    def unbuild(self) -> None:
        """Forget the shapes, the layers' too."""
        super().unbuild()
        for layer in self.layers:
            layer.unbuild()

    def _build_layer(self, layer: Layer, shape: Shape, rng: np.random.Generator) -> None:
        layer.expect(layer.input_shape in (None, shape), f"samples of its input_shape, {layer.input_shape}", shape)
        if layer.output_shape is None:
            layer.output_shape = as_shape(layer.build(shape, rng), layer, "the output shape that build returns")
            layer.input_shape = shape
            shared = layer.params.keys() & layer.state.keys()
            layer.expect(not shared, "other keys in state than in params", sorted(shared))
        for key, array in layer.params.items():                    # also of one that was built before, by itself
            layer.params[key] = array.astype(self.dtype, copy=False)
        cast_floats(layer.state, self.dtype)

    def _name_for(self, layer: Layer) -> str:
        own = layer._constructed_with[0]
        if own is not None:
            self.expect("/" not in str(own), "a layer name without '/'", repr(own))
            self.expect(not str(own).startswith("$"), "a layer name that does not begin with '$'", repr(own))
            self.expect(own not in self.layer_names, "a layer name that is not taken", repr(own))
            return str(own)
        kind = re.sub(r"((?<=[a-z0-9])|(?<=\dD))(?=[A-Z][a-z])", "_", type(layer).__name__).lower()
        number, taken = 1 + sum(type(other) is type(layer) for other in self.layers), set(self.layer_names)
        while f"{kind}_{number}" in taken:
            number += 1
        return f"{kind}_{number}"

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by its name in this model, or by its index."""
        if index is not None:
            self.expect(-len(self.layers) <= index < len(self.layers), f"an index below {len(self.layers)}", index)
            return self.layers[index]
        return pick("layer", str(name), dict(zip(self.layer_names, self.layers, strict=True)))

    # Being a layer.

    @property
    def params(self) -> dict[str, np.ndarray]:
        """The parameters of all layers, under ``layer/key``; writing to it writes to them."""
        return Joined((name, layer.params) for name, layer in self._named())

    @params.setter
    def params(self, value: dict[str, np.ndarray]) -> None:
        self.params.update(value)

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """The gradients of all layers, under ``layer/key``; writing to it writes to them."""
        return Joined((name, layer.grads) for name, layer in self._named())

    @grads.setter
    def grads(self, value: dict[str, np.ndarray]) -> None:
        self.grads.update(value)

    @property
    def state(self) -> dict[str, np.ndarray]:
        """What all layers have learned without gradients, under ``layer/key``; writing to it writes to them."""
        return Joined((name, layer.state) for name, layer in self._named())

    @state.setter
    def state(self, value: dict[str, np.ndarray]) -> None:
        self.state.update(value)

    def weights(self) -> list[Weight]:
        """List the params and the state of every layer in turn, each array as (dict, key)."""
        return [weight for layer in self.layers for weight in layer.weights()]

    def _named(self) -> list[tuple[str, Layer]]:
        return list(zip(self.layer_names, self.layers, strict=True))

    def parts(self) -> list[tuple[str, Layer]]:
        """List the layers by name."""
        return self._named()

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless the first layer can take `x`."""
        if self.layers:
            self.layers[0].check(x)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return ``(y, backward)``; ``backward(dy)`` sets every layer's ``grads`` and returns d loss / d x."""
        return run_steps(self._plans.plan(self.steps(), training).steps, as_floating(x, self.dtype), training)

    def leaves(self) -> list[Layer]:
        """List the model itself and its layers, those of nested models one by one."""
        return [self, *(leaf for layer in self.layers for leaf in layer.leaves())]

    @property
    def differs_in_training(self) -> bool:                         # type: ignore[override]
        """Whether one of the layers does."""
        return any(layer.differs_in_training for layer in self.layers)

    @property
    def trainable(self) -> bool:
        """What was last set for the model as a whole; setting it sets every layer's, as in Keras.

        Each layer decides for itself, in whichever model it is: one that is thawed again, alone, is trained.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = value
        for layer in self.layers:
            layer.trainable = value

    def trainable_params(self) -> dict[str, np.ndarray]:
        """Return the parameters that an optimizer may change, by name."""
        return {f"{name}/{key}": array for name, layer in self._named()
                for key, array in layer.trainable_params().items()}

    def penalties(self) -> list[tuple[str, RegularizerLike]]:
        """Pair parameter names with the regularizers that are added to the loss; those of frozen layers are not."""
        trained = self.trainable_params()
        return [(f"{name}/{key}", term) for name, layer in self._named() for key, term in layer.penalties()
                if f"{name}/{key}" in trained]

    def get_config(self) -> Config:
        """Return the architecture: what `from_config` makes a model from, with new weights."""
        config = {**super().get_config(), "dtype": str(self.dtype)}
        if any(layer.trainable for layer in self.leaves()[1:]):
            config.pop("trainable", None)                          # the layers say it, each for itself
        if self.input_shape is not None:
            config["input_shape"] = list(self.input_shape)
        return {**config, "layers": [to_config(layer) for layer in self.layers]}

    @classmethod
    def from_config(cls, config: Config, custom_layers: Mapping[str, type] | None = None) -> Self:
        """Make a model from what `get_config` returned; layers of your own are named in `custom_layers`."""
        return cls(**configs.arguments(config, {**configs.KNOWN, "Sequential": Sequential, **(custom_layers or {})}))

    def save(self, path: StrPath) -> None:
        """Write the whole model into one safetensors file, atomically: see `load_model`, which makes it again."""
        saving.save_model(self, path)

    def save_weights(self, path: StrPath) -> None:
        """Write the parameters and the layers' state into a safetensors file, atomically."""
        self.expect_weights()
        saving.save_weights(self, path)

    def load_weights(self, path: StrPath) -> None:
        """Overwrite parameters and state with those in a file; if a name, shape or dtype differs, change nothing."""
        saving.load_weights(self, path)

    def summary(self, line_length: int = 65, print_fn: Callable[[str], object] = print,
                profile: bool = False) -> None:
        """Print the layers, their output shapes and parameter counts, and the totals; and `study.profile`, if asked."""
        print_fn(summary(self, self._named(), line_length))
        if profile:
            from tinynet import study
            print_fn(str(study.profile(self)))
