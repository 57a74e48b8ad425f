"""Sequential: layers one after the other, and what people do with them: compile, fit, evaluate, predict."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinynet import configs, data, losses, metrics, optimizers, progress, saving
from tinynet.callbacks import Callback, CallbackList, History
from tinynet.data import Data
from tinynet.divergence import check_loss, check_weights
from tinynet.fusing import fuse
from tinynet.layers.base import Layer, Shape, Step, as_shape, run_steps, steps_of
from tinynet.registry import pick, to_config
from tinynet.run import Run
from tinynet.safefile import Path
from tinynet.summary import summary
from tinynet.turns import turns
from tinynet.utils import new_generator


class Sequential(Layer):
    """A stack of layers, each fed with what the one before returns.

    It is a layer itself: it nests, and its ``params`` and ``grads`` are those of its layers, under
    ``dense_1/kernel``. Weights exist as soon as the input shape is known: from the first layer's
    ``input_shape=``, from an `Input`, or from the first data seen.

    Parameters
    ----------
    layers : the layers, in order.
    name : what the model is called.
    dtype : ``"float32"`` or ``"float64"``, of the weights and of all arithmetic.
    seed : makes this model's weights, shuffling and dropout repeat; see also `utils.set_random_seed`.

    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(784, activation="relu", input_dim=784), Dense(10, activation="softmax")])
    >>> model.count_params()
    623290
    >>> model.layer_names
    ['dense_1', 'dense_2']
    """

    def __init__(self, layers: Iterable[Layer] = (), name: str | None = None, *, dtype: Any = "float32",
                 seed: int | None = None, input_shape: Iterable[int] | None = None, trainable: bool = True):
        self.layers: list[Layer] = []
        self.layer_names: list[str] = []
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        self.dtype = np.dtype(pick("dtype", str(np.dtype(dtype)), {"float32": "float32", "float64": "float64"}))
        self.rng = new_generator(seed)
        self.optimizer: Any = None
        self.loss: Any = None
        self.metrics: dict[str, Callable] = {}
        self.history: History | None = None
        self.stop_training = False
        for layer in layers or ():
            self.add(layer)

    # Composing.

    def add(self, layer: Layer) -> None:
        """Append a layer; it is built at once if the shape of its input is known."""
        if not isinstance(layer, Layer):
            hint = f" Did you mean {layer.__name__}(...)?" if isinstance(layer, type) else ""
            raise TypeError(f"Sequential: expected a layer. Received: {layer!r}.{hint}")
        if not steps_of(layer) and layer.input_shape is not None:                       # Input: only a shape
            self.expect(not self.layers, "an Input before all layers", f"{layer} after {self.layer_names[-1:]}")
            self.input_shape = layer.input_shape
            return
        if {id(leaf) for leaf in layer.leaves()} & {id(leaf) for leaf in self.leaves()}:
            raise ValueError(f"Sequential: {layer} is in this model already; a layer can be in it once. "
                             f"Make a new layer, or give another model this one.")
        name = self._name_for(layer)
        if self.layers:
            shape = self.output_shape
        else:
            shape = self.input_shape or layer.input_shape
            self.input_shape = shape
        if shape is not None:
            layer.name, unbuilt = name, layer.name
            try:
                self._build_layer(layer, shape, self.rng)
            except ValueError:
                layer.name = unbuilt
                raise
            self.output_shape = layer.output_shape
        layer.name = name
        self.layers.append(layer)
        self.layer_names.append(name)

    def pop(self) -> Layer:
        """Remove the last layer, and return it."""
        self.expect(bool(self.layers), "a model with layers", "an empty one")
        self.layer_names.pop()
        layer = self.layers.pop()
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
            for layer in unbuilt:                                  # so that data of the right shape finds nothing built
                layer.unbuild()
            raise
        self.input_shape, self.output_shape = first, shape
        return shape

    def unbuild(self):
        """Forget the shapes, the layers' too."""
        super().unbuild()
        for layer in self.layers:
            layer.unbuild()

    def _build_layer(self, layer: Layer, shape: Shape, rng: np.random.Generator) -> None:
        layer.expect(layer.input_shape in (None, shape), f"samples of its input_shape, {layer.input_shape}", shape)
        if layer.output_shape is None:
            layer.output_shape = as_shape(layer.build(shape, rng), layer, "the output shape that build returns")
            layer.input_shape = shape
            for key, array in layer.params.items():
                layer.params[key] = array.astype(self.dtype, copy=False)

    def _name_for(self, layer: Layer) -> str:
        given = layer._given[0]
        if given is not None:
            self.expect("/" not in str(given), "a layer name without '/'", repr(given))
            self.expect(given not in self.layer_names, "a layer name that is not taken", repr(given))
            return str(given)
        kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", type(layer).__name__).lower()
        number = 1 + sum(type(other) is type(layer) for other in self.layers)
        while f"{kind}_{number}" in self.layer_names:
            number += 1
        return f"{kind}_{number}"

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by its name in this model, or by its place."""
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

    def _named(self) -> list[tuple[str, Layer]]:
        return list(zip(self.layer_names, self.layers, strict=True))

    def steps(self) -> list[Step]:
        """List all that the model does, flat: ``conv2d_1``, ``conv2d_1/relu``, ``max_pool2d_1``, ..."""
        return [Step(f"{name}/{step.name}" if step.name else name, step.layer, step.run)
                for name, layer in self._named() for step in steps_of(layer)]

    def check(self, x):
        """Raise a ValueError unless the first layer can take `x`."""
        if self.layers:
            self.layers[0].check(x)

    def forward(self, x: np.ndarray, training: bool = False):
        """Return ``(y, backward)``; ``backward(dy)`` sets every layer's ``grads`` and returns d loss / d x."""
        return run_steps(fuse(self.steps()), x, training)

    def leaves(self):
        """List the layers, those of nested models one by one, and the model itself."""
        return [self, *(leaf for layer in self.layers for leaf in layer.leaves())]

    @property
    def differs_in_training(self) -> bool:                         # type: ignore[override]
        """Whether one of the layers does."""
        return any(layer.differs_in_training for layer in self.layers)

    def trainable_params(self):
        """Return the parameters that an optimizer may change, by name."""
        return {f"{name}/{key}": array for name, layer in self._named() if self.trainable
                for key, array in layer.trainable_params().items()}

    def penalties(self):
        """Pair parameter names with the regularizers that are added to the loss."""
        return [(f"{name}/{key}", term) for name, layer in self._named() for key, term in layer.penalties()]

    def get_config(self):
        """Return the architecture: what `from_config` makes a model from, with new weights."""
        config = {**super().get_config(), "dtype": str(self.dtype)}
        if self.input_shape is not None:
            config["input_shape"] = list(self.input_shape)
        return {**config, "layers": [to_config(layer) for layer in self.layers]}

    @classmethod
    def from_config(cls, config, custom_layers: dict[str, type] | None = None):
        """Make a model from what `get_config` returned; layers of your own are named in `custom_layers`."""
        return cls(**configs.arguments(config, {**configs.KNOWN, "Sequential": Sequential, **(custom_layers or {})}))

    def save(self, path: Path) -> None:
        """Write the whole model into one safetensors file, atomically: see `load_model`, which makes it again."""
        saving.save_model(self, path)

    def save_weights(self, path: Path) -> None:
        """Write the parameters into a safetensors file, atomically."""
        saving.save_weights(self, path)

    def load_weights(self, path: Path) -> None:
        """Overwrite the parameters with those in a file, if all names, shapes and dtypes fit; else change nothing."""
        saving.load_weights(self, path)

    def summary(self, line_length: int = 65, print_fn: Callable[[str], object] = print,
                profile: bool = False) -> None:
        """Print the layers, their output shapes and parameter counts, and the totals; and `study.profile`, if asked."""
        print_fn(summary(self, line_length))
        if profile:
            from tinynet import study
            print_fn(str(study.profile(self)))

    # Training.

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Iterable[Any] | None = None) -> None:
        """Choose how to train: optimizer, loss and metrics, each by name or as an object."""
        self.optimizer = optimizers.get(optimizer)
        if loss is None:
            raise ValueError("compile: expected a loss, such as loss='categorical_crossentropy'. Received: None.")
        self.loss = losses.get(loss)
        if isinstance(metrics, str):
            raise ValueError(f"compile: expected a list of metrics, such as ['{metrics}']. Received: {metrics!r}.")
        self.metrics = dict(_metric(metric) for metric in metrics or ())

    def objective(self, x: np.ndarray, y: np.ndarray, sample_weight: Any = None, training: bool = False):
        """Run the compiled loss on a batch.

        Returns ``(value, y_pred, backward)``: the loss with its penalties, the predictions, and a function that
        sets every layer's ``grads`` to the gradient of the value.

        Where the last step is a softmax and the loss is a cross-entropy, the loss is computed from the logits.
        """
        if self.loss is None:
            raise ValueError(f"{self}: not compiled yet. Call compile(loss=..., optimizer=...) first.")
        steps, loss, rest = steps_of(self), self.loss, []
        if steps and getattr(steps[-1].layer, "gives_probabilities", False) and not getattr(loss, "from_logits", True):
            steps, rest, loss = steps[:-1], steps[-1:], loss.on_logits()
        output, backward = run_steps(fuse(steps), x, training)
        value, loss_backward = loss.forward(y, output, sample_weight)
        params, penalties = self.params, self.penalties()
        value += sum(term.value(params[key]) for key, term in penalties)

        def set_grads() -> None:
            backward(loss_backward(), need_dx=False)
            grads = self.grads
            for key, term in penalties:
                grads[key] = grads[key] + term.gradient(params[key])
        return value, run_steps(rest, output)[0], set_grads

    def fit(self, x: Any, y: Any, batch_size: int | None = None, epochs: int = 1, verbose: Any = 1,
            callbacks: Iterable[Callback] | None = None, validation_split: float = 0.0,
            validation_data: Any = None, shuffle: bool = True, class_weight: Any = None,
            sample_weight: Any = None, initial_epoch: int = 0) -> History:
        """Train for `epochs` passes over the data, and return the `History`.

        Parameters
        ----------
        x, y : samples and targets: arrays, lists, data frames.
        batch_size : samples to a step, 32 if not given; the last batch of an epoch may be smaller.
        epochs : number of the last epoch; `initial_epoch` is the number of the first, from 0.
        verbose : 0 silent; 1 a progress bar, or one line an epoch where there is no terminal; 2 one line an epoch.
        callbacks : `Callback` objects.
        validation_split : fraction of the data, taken from its end, to validate on.
        validation_data : ``(x, y)`` or ``(x, y, sample_weight)`` to validate on after every epoch.
        shuffle : whether each epoch sees the samples in a new order.
        class_weight : ``{label: weight}`` for the loss.
        sample_weight : one weight for each sample, for the loss.

        Raises
        ------
        ValueError : for data and settings that cannot be trained on, before anything is changed.
        TrainingDiverged : when the loss is NaN or infinite; the history so far is kept in ``model.history``.
        """
        train, validation = self._prepare(x, y, sample_weight, class_weight), None
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
                raise ValueError(f"fit: expected validation_data (x, y) or (x, y, sample_weight). "
                                 f"Received: {type(validation_data).__name__}.")
            validation = self._prepare(*validation_data)
        elif validation_split:
            train, validation = data.split(train, validation_split)
        for given in (train, validation):
            if given is not None:
                data.check_numbers(given)
        n, batch_size = len(train.x), data.batch_size(batch_size)
        epochs = data.whole(epochs, "epochs", 0)
        self.history = History()
        called = CallbackList([*(callbacks or ()), *progress.for_verbosity(verbose), self.history])
        run = Run(self, called.callbacks, n, batch_size, shuffle, data.whole(initial_epoch, "initial_epoch", 0))
        called.call("set_params", {"epochs": epochs, "steps": run.steps, "samples": n,
                                   "verbose": verbose, "batch_size": batch_size})
        called.call("set_model", self)
        called.call("set_run", run)
        self.stop_training = False
        logs: dict[str, float] = {}
        try:
            called.call("on_train_begin", {})
            while run.more(epochs):
                called.call("on_epoch_begin", run.epoch, {})
                for number, where in run.batches():
                    called.call("on_train_batch_begin", number, {})
                    batch = train.at(where)
                    with np.errstate(all="ignore"):                      # a loss that is no number is told below
                        logs = run.add(self._train_step(batch), len(batch.x))
                    called.call("on_train_batch_end", number, logs)
                    if self.stop_training:
                        break
                    check_loss(self, logs["loss"], run.epoch, number, batch)
                logs = run.means.means()
                if validation is not None:
                    with np.errstate(all="ignore"):
                        held_out = self._evaluate(validation, batch_size, called)
                    logs.update({f"val_{key}": value for key, value in held_out.items()})
                called.call("on_epoch_end", run.end_epoch(), logs)
                check_weights(self, run.epoch - 1)
            run.finished = True
        finally:
            called.call("on_train_end", logs)
        return self.history

    def evaluate(self, x: Any, y: Any, batch_size: int | None = 32, verbose: Any = 1, sample_weight: Any = None,
                 return_dict: bool = False) -> Any:
        """Return ``[loss, *metrics]`` on the data, without dropout; the loss alone if there are no metrics."""
        logs = self._evaluate(self._prepare(x, y, sample_weight), data.batch_size(batch_size), CallbackList([]))
        if verbose:
            print(progress.figures(logs), flush=True)
        return _scores(logs, return_dict)

    def predict(self, x: Any, batch_size: int | None = 32, verbose: Any = 0) -> np.ndarray:
        """Return the outputs for all samples: (N, *output_shape)."""
        x = self._samples(x)
        pieces = []
        for where in data.batches(len(x), data.batch_size(batch_size)):
            with turns:
                pieces.append(self(x[where]))
        return np.concatenate(pieces) if pieces else self(x)

    def train_on_batch(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None,
                       return_dict: bool = False) -> Any:
        """Make one update; return ``[loss, *metrics]`` of this batch, as they were before it."""
        return _scores(self._train_step(self._prepare(x, y, sample_weight, class_weight)), return_dict)

    def test_on_batch(self, x: Any, y: Any, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Return ``[loss, *metrics]`` of this batch."""
        return _scores(self._test_step(self._prepare(x, y, sample_weight)), return_dict)

    def _train_step(self, batch: Data) -> dict[str, float]:
        value, y_pred, backward = self.objective(*batch, training=True)
        if math.isfinite(value):                                         # any other would spoil all weights
            backward()
            with turns:
                self.optimizer.update(self.trainable_params(), self.grads)
        return self._figures(value, batch.y, y_pred)

    def _test_step(self, batch: Data) -> dict[str, float]:
        with turns:
            value, y_pred, _ = self.objective(*batch)
        return self._figures(value, batch.y, y_pred)

    def _figures(self, value: float, y: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
        return {"loss": value, **{name: float(np.mean(metric(y, y_pred))) for name, metric in self.metrics.items()}}

    def _evaluate(self, samples: Data, batch_size: int, called: CallbackList) -> dict[str, float]:
        means = data.RunningMeans()
        called.call("on_test_begin", {})
        for where in data.batches(len(samples.x), batch_size):
            batch = samples.at(where)
            means.add(self._test_step(batch), len(batch.x))
        called.call("on_test_end", means.means())
        return means.means()

    def _samples(self, x: Any) -> np.ndarray:
        """Cast samples, build the model if it is not, and hold them to its input shape."""
        x = data.as_samples(x, self.dtype)
        if self.output_shape is None:
            self.build(x.shape[1:])
        if x.shape[1:] != self.input_shape:
            self.check(x)                                                 # has the better words, if it objects
            self.expect(False, f"input {losses.batch((0, *(self.input_shape or ())))}", x.shape)
        return x

    def _prepare(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Data:
        """Cast and check samples, targets and weights."""
        if self.loss is None:
            raise ValueError(f"{self}: not compiled yet. Call compile(loss=..., optimizer=...) first.")
        x, y = self._samples(x), data.as_samples(y, None, "y")
        data.same_length(x=x, y=y)
        if hasattr(self.loss, "check_targets"):
            y = self.loss.check_targets(y, (len(x), *(self.output_shape or ())))
        return Data(x, y, data.weights(sample_weight, class_weight, y))


class Joined(dict):
    """The dicts of several layers as one, keys ``layer/key``; setting an entry sets it in its layer's dict."""

    def __init__(self, named: Iterable[tuple[str, dict[str, np.ndarray]]]):
        self.parts = dict(named)
        super().__init__({f"{name}/{key}": array for name, part in self.parts.items() for key, array in part.items()})

    def __setitem__(self, key: str, array: np.ndarray) -> None:
        name, _, rest = key.partition("/")
        self.parts[name][rest] = array
        super().__setitem__(key, array)

    def update(self, other: Any) -> None:                          # type: ignore[override]
        """Set every entry of another dict."""
        for key, array in other.items():
            self[key] = array


def _metric(identifier: Any) -> tuple[str, Callable]:
    return metrics.get(identifier)


def _scores(logs: dict[str, float], return_dict: bool) -> Any:
    if return_dict:
        return dict(logs)
    return list(logs.values()) if len(logs) > 1 else logs["loss"]
