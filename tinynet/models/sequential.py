"""Sequential: layers one after the other, which is a layer again; how it is trained is in `training`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinynet.files import configs, saving
from tinynet.files.atomic import StrPath
from tinynet.layers.base import Backward, Layer, Shape, as_floating, as_shape, cast_floats
from tinynet.layers.stack import Stack
from tinynet.models.summary import expanded, summary
from tinynet.registry import Config, pick, to_config
from tinynet.steps.run import run_steps
from tinynet.steps.step import steps_of_parts
from tinynet.training.model import Model
from tinynet.utils import new_generator


class Sequential(Stack, Model):
    """A stack of layers, each applied to the output of the one before.

    It is a layer itself: it nests, and its ``params``, ``grads`` and ``state`` are those of its layers, under names
    such as ``dense_1/kernel``. Weights exist as soon as the input shape is known: from the first layer's
    ``input_shape=``, from an `Input`, or from the first data seen; that of a later layer follows from the layer before,
    whatever its ``input_shape=`` says.

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

    def __init__(self, layers: Iterable[Layer] = (), name: str | None = None, *, dtype: DTypeLike | None = "float32",
                 seed: int | None = None, input_shape: Iterable[int] | None = None, trainable: bool = True):
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        self.dtype = pick("dtype", name_of(dtype), {name: np.dtype(name) for name in ("float32", "float64")})
        self.rng = new_generator(seed)
        for layer in self._listed(() if layers is None else layers):
            self.add(layer)

    # Composing.

    def add(self, layer: Layer) -> None:
        """Append a layer; it is built at once if the shape of its input is known."""
        self._expect_new(layer)
        if not steps_of_parts(layer) and layer.input_shape is not None:                 # Input: only a shape
            self.expect(not self.layers, "an Input before all layers", f"{layer} after {self.layer_names[-1:]}")
            self.expect(self.input_shape in (None, layer.input_shape), "one input shape",
                        f"{self.input_shape} and {layer.input_shape}")
            self.input_shape = layer.input_shape
            return
        name = self._name_for(layer)
        self._take_over(layer)
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
        self._append(layer, name)

    def _take_over(self, layer: Layer) -> None:
        """Bring what is in a layer to this model's dtype, or raise its ValueError where other models need it as it is.
        """
        leaves = layer.leaves()
        inside = {id(leaf) for leaf in leaves}
        for leaf in leaves:
            others = {str(model.dtype) for model in leaf._models if id(model) not in inside} - {str(self.dtype)}
            leaf.expect(not others, f"a model of dtype {', '.join(others)}, as the other that it is in (for another "
                        f"dtype make a new layer)", f"one of dtype {self.dtype}")
        for leaf in leaves:
            leaf._models.add(self)
            if isinstance(leaf, Model):
                leaf.dtype = self.dtype                            # of which what it builds later will be

    def pop(self) -> Layer:
        """Remove the last layer, and return it."""
        self.expect(bool(self.layers), "a model with layers", "an empty one")
        name, layer = self.layer_names.pop(), self.layers.pop()
        for leaf in layer.leaves():
            leaf._models.discard(self)
        if self.optimizer is not None:
            for key in layer.params:                               # a new layer may have the name
                self.optimizer.slots.pop(f"{name}/{key}", None)
        self.output_shape = self.layers[-1].output_shape if self.layers else None
        if not self.layers:
            self.unbuild()
        return layer

    def build(self, input_shape: tuple[int | None, ...], rng: np.random.Generator | None = None) -> Shape:
        """Build every layer that is not built yet, for samples of `input_shape`; return the output's shape.

        As Keras has it, the shape may begin with None, for the samples of a batch.
        """
        self.expect(bool(self.layers), "a model with layers", "an empty one")
        sizes: Any = tuple(input_shape) if isinstance(input_shape, Iterable) else input_shape
        first = as_shape(sizes[1:] if isinstance(sizes, tuple) and sizes[:1] == (None,) else sizes, owner=self)
        self.output_shape = self._build_layers(first, rng or self.rng)
        self.input_shape = first
        return self.output_shape

    def _build_layer(self, layer: Layer, shape: Shape, rng: np.random.Generator) -> None:
        super()._build_layer(layer, shape, rng)
        for key, array in layer.params.items():                    # also of one that was built before, by itself
            layer.params[key] = array.astype(self.dtype, copy=False)
        cast_floats(layer.state, self.dtype)

    # Being a layer.

    def parts(self) -> list[tuple[str, Layer]]:
        """List the layers by name."""
        return self._named()

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return ``(y, backward)``; ``backward(dy)`` sets every layer's ``grads`` and returns d loss / d x."""
        return run_steps(self._plans.plan(self.steps(), training).steps, as_floating(x, self.dtype), training)

    def get_config(self) -> Config:
        """Return the architecture: what `from_config` makes a model from, with new weights."""
        config = {**super().get_config(), "dtype": str(self.dtype)}
        return config if self.input_shape is None else {**config, "input_shape": list(self.input_shape)}

    def to_json(self, **kwargs: Any) -> str:
        """Write the architecture as JSON, for `models.model_from_json`; `kwargs` are those of ``json.dumps``."""
        return json.dumps(configs.plain(to_config(self), "to_json"), **kwargs)

    def save(self, path: StrPath, overwrite: bool = True) -> None:
        """Write the whole model into one safetensors file, atomically: see `load_model`, which makes it again.

        A FileExistsError if there is one already, unless it may `overwrite` it.
        """
        saving.expect_none(path, overwrite)
        saving.save_model(self, path)

    def save_weights(self, path: StrPath, overwrite: bool = True) -> None:
        """Write the parameters and the layers' state into a safetensors file, atomically, as `save` does."""
        self.expect_weights()
        saving.expect_none(path, overwrite)
        saving.save_weights(self, path)

    def load_weights(self, path: StrPath) -> None:
        """Overwrite parameters and state with those in a file; if a name, shape or dtype differs, change nothing."""
        saving.load_weights(self, path)

    def summary(self, line_length: int | None = None, *, print_fn: Callable[[str], object] | None = None,
                expand_nested: bool = False, show_trainable: bool = False, profile: bool = False) -> None:
        """Print the layers, their output shapes and parameter counts, and the totals; and `study.profile`, if asked.

        With `expand_nested` the layers of models inside it too, with `show_trainable` which would be trained.
        """
        print_fn = print_fn or print
        layers = expanded(self._named()) if expand_nested else self._named()
        print_fn(summary(self, layers, line_length or 65, show_trainable))
        if profile:
            from tinynet import study
            print_fn(str(study.profile(self)))


def name_of(dtype: DTypeLike | None) -> str:
    """Return the name of a dtype, that of None, which is the default's, and what somebody has taken for one."""
    try:
        return str(np.dtype("float32" if dtype is None else dtype))
    except TypeError:
        return str(dtype)
