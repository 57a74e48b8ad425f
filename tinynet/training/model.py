"""Training a model, and asking it: compile, fit, evaluate, predict; what `Sequential` is besides a stack of layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np

from tinynet import losses, metrics, optimizers
from tinynet.callbacks import Callback, CallbackList, History
from tinynet.layers.base import Layer, cast_floats
from tinynet.steps.plan import KeptPlans, Plan
from tinynet.steps.run import run_steps
from tinynet.steps.step import Step, steps_of, steps_of_parts
from tinynet.steps.untouched import StateSnapshot
from tinynet.training import data, progress
from tinynet.training.data import Data
from tinynet.training.divergence import check_loss, check_weights
from tinynet.training.lock import turns
from tinynet.training.run import Run


class Model(Layer):
    """A layer that can be compiled with a loss and an optimizer, trained, and asked."""

    dtype: np.dtype                                                       # of the weights and of all arithmetic
    rng: np.random.Generator                                              # of weights, shuffling and dropout

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.optimizer: Any = None
        self.loss: Any = None
        self.metrics: dict[str, Callable] = {}
        self.history: History | None = None
        self.stop_training = False
        self._plans = KeptPlans()

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
        plan = self._plans.plan(steps_of(self), training, self.loss)
        output, backward = run_steps(plan.steps, x, training)
        value, loss_backward = plan.loss.forward(y, output, sample_weight)
        params, penalties = self.params, self.penalties()
        value += sum(term.value(params[key]) for key, term in penalties)

        def set_grads() -> None:
            backward(loss_backward(), need_dx=plan.needs_dx)
            grads = self.grads
            for key, term in penalties:
                grads[key] = grads[key] + term.gradient(params[key])
        return value, run_steps(plan.softmax, output)[0], set_grads

    def steps(self) -> list[Step]:
        """List all that the model does, flat: ``conv2d_1``, ``conv2d_1/relu``, ``max_pool2d_1``, ..."""
        return steps_of_parts(self)

    def plan(self, training: bool = True) -> Plan:
        """Return how the model runs: a row for each function that is called, with its layers, and why it is that one.

        Printed, it is a table. It is that of ``fit``, with the compiled loss if there is one, or, unless `training`,
        that of ``predict``; and of the kernel set in use: see `kernels.use`, which also switches all shortcuts off.
        """
        return self._plans.plan(steps_of(self), training, self.loss if training else None)

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
        value, y_pred, backward = self._training_forward(batch)
        if math.isfinite(value):                                         # any other would spoil all weights
            backward()
            with turns:
                self.optimizer.update(self.trainable_params(), self.grads)
        return self._figures(value, batch.y, y_pred)

    def _training_forward(self, batch: Data) -> Any:
        """Run `objective` in training; where its value is not finite, the layers' state is put back."""
        before = StateSnapshot(self.leaves())
        with turns if before.layers else nullcontext():                  # a prediction sees whole states
            value, y_pred, backward = self.objective(*batch, training=True)
            for layer in before.layers:
                cast_floats(layer.state, self.dtype)
            if not math.isfinite(value):
                before.restore()
        return value, y_pred, backward

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
            self.build(x.shape[1:], self.rng)
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


def _metric(identifier: Any) -> tuple[str, Callable]:
    return metrics.get(identifier)


def _scores(logs: dict[str, float], return_dict: bool) -> Any:
    if return_dict:
        return dict(logs)
    return list(logs.values()) if len(logs) > 1 else logs["loss"]
