"""Several layers as one: their names, and their dicts of arrays, joined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, Unpack

import numpy as np

from tinynet.constraints import ConstraintLike
from tinynet.layers.base import Forward, Layer, LayerOptions, Shape, as_shape
from tinynet.layers.variables import Variable
from tinynet.registry import Config, pick, to_config
from tinynet.regularizers import RegularizerLike


class Joined(dict):
    """The dicts of several layers as one, keys ``layer/key``; setting an entry sets it in its layer's dict.

    In a plain copy what is written would be lost: ``model.params["dense_1/kernel"] = array`` has to reach the layer. It
    is read like a plain dict, as it was when it was made, and each access to ``model.params`` makes another.
    """

    def __init__(self, named: Iterable[tuple[str, dict[str, np.ndarray]]]):
        self.parts = dict(named)
        super().__init__({f"{name}/{key}": array for name, part in self.parts.items() for key, array in part.items()})

    def __setitem__(self, key: str, array: np.ndarray) -> None:
        name, _, rest = key.partition("/")
        self.parts[name][rest] = array
        super().__setitem__(key, array)

    def update(self, other: Mapping[str, np.ndarray]) -> None:     # type: ignore[override]
        """Set every entry of another dict; dict's own would not call ``__setitem__``."""
        for key, array in other.items():
            self[key] = array


class Stack(Layer):
    """Base of what is made of layers, one after the other; a subclass says what they compute together.

    Its ``params``, ``grads`` and ``state`` are those of its layers, under names such as ``dense_1/kernel``.

    Attributes
    ----------
    layers, layer_names : the layers, in order, and what each is called here.
    """

    def __init__(self, **kwargs: Unpack[LayerOptions]):
        self.layers: list[Layer] = []
        self.layer_names: list[str] = []
        super().__init__(**kwargs)

    # Composing.

    def _listed(self, layers: object) -> list[Layer]:
        """Return what a constructor was given as a list, or raise a TypeError unless it is several things."""
        if isinstance(layers, (Layer, str)) or not isinstance(layers, Iterable):
            raise TypeError(f"{type(self).__name__}: expected a list of layers, [...]. Received: {layers!r}.")
        return list(layers)

    def _expect_new(self, layer: Layer) -> None:
        """Raise an error unless this is a layer, and not in here already."""
        if not isinstance(layer, Layer):
            hint = f" Did you mean {layer.__name__}(...)?" if isinstance(layer, type) else ""
            raise TypeError(f"{type(self).__name__}: expected a layer. Received: {layer!r}.{hint}")
        if {id(leaf) for leaf in layer.leaves()} & {id(leaf) for leaf in self.leaves()}:
            raise ValueError(f"{type(self).__name__}: {layer} is in this model already; a layer can be in it once. "
                             f"Make a new layer, or give another model this one.")

    def _append(self, layer: Layer, name: str) -> None:
        """Append a layer under a name; in what is frozen it is frozen, too."""
        layer.name = name
        if not self.trainable:
            layer.trainable = False
        self.layers.append(layer)
        self.layer_names.append(name)

    def _build_layers(self, shape: Shape, rng: np.random.Generator) -> Shape:
        """Build every layer that is not built yet, the first for samples of a shape; return that of the last's output.

        Where one cannot be built, none is: data of the right shape can still build them.
        """
        unbuilt = [layer for layer in self.layers if layer.output_shape is None]
        try:
            for layer in self.layers:
                self._build_layer(layer, shape, rng)
                shape = layer.output_shape or ()
        except ValueError:
            for layer in unbuilt:
                layer.unbuild()
            raise
        return shape

    def _build_layer(self, layer: Layer, shape: Shape, rng: np.random.Generator) -> None:
        binding = layer.output_shape is not None or self.layers[:1] in ([], [layer])        # else as in Keras
        layer.expect(not binding or layer.input_shape in (None, shape),
                     f"samples of its input_shape, {layer.input_shape}", shape)
        if layer.output_shape is None:
            layer.output_shape = as_shape(layer.build(shape, rng), layer, "the output shape that build returns")
            layer.input_shape = shape
            shared = layer.params.keys() & layer.state.keys()
            layer.expect(not shared, "other keys in state than in params", sorted(shared))
            layer.check_constraints()

    def unbuild(self) -> None:
        """Forget the shapes, the layers' too."""
        super().unbuild()
        for layer in self.layers:
            layer.unbuild()

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

    @property
    def weights(self) -> list[Variable]:
        """The params and the state of every layer in turn."""
        return [weight.inside(name) for name, layer in self._named() for weight in layer.weights]

    def _named(self) -> list[tuple[str, Layer]]:
        return list(zip(self.layer_names, self.layers, strict=True))

    def forwards(self) -> Iterator[Forward]:
        """Yield what its layers do in turn: their forwards, and their penalties on what these return."""
        for layer in self.layers:
            yield layer.forward
            if layer.activity_penalty is not None:
                yield layer.activity_penalty.forward

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless the first layer can take `x`."""
        if self.layers:
            self.layers[0].check(x)

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
        return [(f"{name}/{key}", term) for name, layer in self._named() for key, term in layer.penalties()
                if key in layer.trainable_params()]

    def constraints(self) -> list[tuple[str, ConstraintLike]]:
        """Pair parameter names with the constraints that are applied after each update, not those of frozen layers."""
        return [(f"{name}/{key}", limit) for name, layer in self._named() for key, limit in layer.constraints()
                if key in layer.trainable_params()]

    def get_config(self) -> Config:
        """Return the arguments that make it again, with new weights."""
        config = super().get_config()
        if any(layer.trainable for layer in self.leaves()[1:]):
            config.pop("trainable", None)                          # the layers say it, each for itself
        return {**config, "layers": [to_config(layer) for layer in self.layers]}

    @classmethod
    def from_config(cls, config: Config, custom_layers: Mapping[str, Any] | None = None) -> Self:
        """Make it from what `get_config` returned; what is of your own is named in `custom_layers`."""
        from tinynet.files import configs  # from above, at the call: they know what may be inside
        from tinynet.models import Sequential

        return cls(**configs.arguments(config, {**configs.KNOWN, "Sequential": Sequential, **(custom_layers or {})}))
