"""Training a model and using it: compile, fit, evaluate, predict; what `Sequential` is besides a stack of layers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np
from numpy.typing import ArrayLike

from tinynet import kernels, losses, optimizers
from tinynet.callbacks import CallbackList, History
from tinynet.callbacks.base import Callbacks, Logs
from tinynet.checks import about, check_int, invalid
from tinynet.files.settings import text
from tinynet.kernels import buffers
from tinynet.kernels.streams import current_stream, launching_loops, synchronize
from tinynet.layers.base import Layer, LayerOptions, as_floating, cast_floats
from tinynet.layers.lock import reading, writing
from tinynet.losses import LossLike
from tinynet.losses.function import LossFunction
from tinynet.losses.targets import batch as batch_shape
from tinynet.losses.targets import with_axis
from tinynet.metrics import Metric, MetricLike
from tinynet.metrics import named as named_metrics
from tinynet.metrics import weighted as named_weighted_metrics
from tinynet.metrics.base import as_numbers
from tinynet.optimizers import Optimizer
from tinynet.registry import Identifier, is_config
from tinynet.regularizers import counting_activity
from tinynet.steps.plan import Plan, PlanCache
from tinynet.steps.run import first_with_parameters, run_steps
from tinynet.steps.step import Step, steps_of, steps_of_parts
from tinynet.steps.untouched import GradsSnapshot, StateSnapshot
from tinynet.training import data, mismatches, progress, sources, team
from tinynet.training.data import Data, Tally
from tinynet.training.divergence import check_weights
from tinynet.training.run import Run
from tinynet.training.sources import Arrays, HasBatches, Source, check_limit, validation_epochs
from tinynet.training.team import ALONE, Alone

ALL = slice(None)                                                         # of the samples
Samples = ArrayLike | HasBatches | Iterable[Any]              # an array, or what has or yields batches
Objective = tuple[float, np.ndarray, Callable[[], None]]      # see `Model.objective`
AnyMetric = str | MetricLike | type[Metric]
INSTEAD = {                                                   # of methods that Keras had before its version 3
    "fit_generator": "fit, which takes generators too", "evaluate_generator": "evaluate, which takes generators too",
    "predict_generator": "predict, which takes generators too", "predict_proba": "predict",
    "predict_classes": "predict(x).argmax(axis=-1), or (predict(x) > 0.5).astype(int) of a single output",
}


class Model(Layer):
    """A layer that can be compiled with a loss and an optimizer, trained, evaluated, and asked for predictions."""

    dtype: np.dtype                                                       # of the weights and of all arithmetic
    rng: np.random.Generator                                              # of weights, shuffling and dropout
    optimizer: Optimizer                                                  # None before `compile`, as is the loss
    loss: LossLike

    def __init__(self, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.optimizer = self.loss = None                                 # type: ignore[assignment]
        self.metrics: dict[str, MetricLike] = {}
        self.weighted_metrics: dict[str, Metric] = {}                     # those that heed sample weights
        self.history: History | None = None
        self.stop_training = False
        self._plans = PlanCache()
        self._checked = False                                             # by `mismatches`, since it was compiled
        self._identity = object()                                         # its copies have others; see `belong_to`

    def compile(self, optimizer: Identifier | Optimizer = "rmsprop",
                loss: Identifier | LossLike | LossFunction | None = None,
                metrics: Iterable[AnyMetric] | None = None,
                weighted_metrics: Iterable[AnyMetric] | None = None) -> None:
        """Choose how to train: optimizer, loss and metrics, each by name or as an object.

        A loss may be a function of one's own, see `FunctionLoss`, and so may a metric. Sample and class weights count
        in the loss and in `weighted_metrics`, and not in `metrics`.
        An optimizer that has trained another model is a ValueError: make one for each.
        """
        if loss is None or isinstance(loss, (list, tuple)) or (isinstance(loss, Mapping) and not is_config(loss)):
            raise invalid("compile", "a loss, such as loss='categorical_crossentropy'", repr(loss))
        for given in filter(None, (metrics, weighted_metrics)):
            if isinstance(given, (str, Mapping)):
                some = given if isinstance(given, str) else "accuracy"
                raise invalid("compile", f"a list of metrics, such as ['{some}']", repr(given))
        parts = optimizers.get(optimizer), losses.get(loss), named_metrics(metrics or ())
        weighted = named_weighted_metrics(weighted_metrics or (), parts[2])
        parts[0].belong_to(self._identity)
        self.optimizer, self.loss, self.metrics = parts
        self.weighted_metrics = weighted
        self._checked = False

    @property
    def metrics_names(self) -> list[str]:
        """The names of the numbers that `evaluate` returns, in order: the loss and the metrics."""
        return ["loss", *self.metrics, *self.weighted_metrics]

    def objective(self, x: np.ndarray, y: ArrayLike, sample_weight: ArrayLike | None = None, training: bool = False
                  ) -> tuple[float, np.ndarray, Callable[[], None]]:
        """Run the compiled loss on a batch.

        Returns ``(value, y_pred, backward)``: the loss with its penalties, the predictions, and a function that
        sets every layer's ``grads`` to the gradient of the value.

        Where the last step is a softmax and the loss is a cross-entropy (a sigmoid, and a binary one), the loss is
        computed from the logits.
        """
        value, y_pred, set_grads = self._objective(x, y, sample_weight, training)

        def backward() -> None:
            set_grads()
            synchronize()
        return value(), y_pred, backward

    def _objective(self, x: np.ndarray, y: ArrayLike, sample_weight: ArrayLike | None, training: bool
                   ) -> tuple[Callable[[], float], np.ndarray, Callable[[], None]]:
        """Return what `objective` does, the value as a function, which waits for it where loops are launched."""
        plan = self._plans.plan(steps_of(self), training, self.loss)
        if plan.loss is None:
            raise self._not_compiled()
        on_outputs: list[float] = []
        with counting_activity(on_outputs), launching_loops():
            output, backward = run_steps(plan.steps, as_floating(x, self.dtype), training)
            data_loss, loss_backward, y_pred = plan.outcome(y, output, sample_weight)
        penalties = self.penalties()
        params = self.params if penalties else {}
        penalty = sum(on_outputs) + sum(term.value(params[key]) for key, term in penalties)

        def set_grads() -> None:
            with counting_activity([]), launching_loops():
                backward(loss_backward(), need_dx=plan.needs_dx)
            grads = self.grads if penalties else {}
            if penalties:
                synchronize()
            for key, term in penalties:
                slope = term.gradient(params[key])
                grads[key] = np.add(grads[key], slope, out=buffers.empty(slope.shape, slope.dtype))
        return lambda: data_loss() + penalty, y_pred, set_grads

    def cast(self, x: ArrayLike) -> np.ndarray:
        """Return `x` in the model's dtype."""
        return data.as_samples(x, self.dtype)

    def steps(self) -> list[Step]:
        """List all that the model does, flat: ``conv2d_1``, ``conv2d_1/relu``, ``max_pool2d_1``, ..."""
        return steps_of_parts(self)

    def plan(self, training: bool = True) -> Plan:
        """Return how the model runs: a row for each function that is called, with its layers, and the reason.

        Printed, it is a table. It is that of ``fit``, with the compiled loss if there is one, or, unless `training`,
        that of ``predict``; and of the kernel set in use: see `kernels.use`, which also switches all shortcuts off.
        """
        return self._plans.plan(steps_of(self), training, self.loss if training else None)

    def fit(self, x: Samples, y: ArrayLike | None = None, batch_size: int | None = None, epochs: int = 1,
            verbose: int | str = 1, callbacks: Callbacks = None, validation_split: float = 0.0,
            validation_data: Samples | Sequence[ArrayLike] | None = None, shuffle: bool = True,
            class_weight: Mapping[int, float] | None = None, sample_weight: ArrayLike | None = None,
            initial_epoch: int = 0, steps_per_epoch: int | None = None, validation_steps: int | None = None,
            validation_batch_size: int | None = None, validation_freq: int | Collection[int] = 1) -> History:
        """Train for `epochs` passes over the data, and return the `History`.

        Parameters
        ----------
        x, y : samples and targets: arrays, lists, data frames. Or x alone, which has or yields batches ``(x, y)`` or
            ``(x, y, sample_weight)``: an object with a length that has them by number (a `tinynet.utils.Sequence`), a
            generator, or anything over which one can iterate.
        batch_size : samples per step, 32 if not given; the last batch of an epoch may be smaller.
        epochs : number of the last epoch; `initial_epoch` is the number of the first, from 0.
        verbose : 0 silent; 1 a progress bar, or one line an epoch where there is no terminal; 2 one line an epoch.
        callbacks : `Callback` objects: a list of them, or one.
        validation_split : fraction of the data, taken from its end, to validate on.
        validation_data : ``(x, y)`` or ``(x, y, sample_weight)`` to validate on, or what has or yields batches.
        shuffle : whether each epoch sees the samples, or the batches that have numbers, in a new order.
        class_weight : ``{label: weight}`` for the loss in training, 1 for other labels; not for that in validation. Of
            one-hot rows the label is the largest; with a single output, labels are what occurs in y, -1, 0 and 1.
        sample_weight : one weight for each sample, for the loss.
        steps_per_epoch : batches of an epoch, if not all; of a generator an epoch goes on where the last one stopped,
            of arrays each begins anew, in its own order.
        validation_steps, validation_batch_size : the same for the validation; its batch_size is the training's.
        validation_freq : every how many epochs to validate; or the numbers, from 1, of the epochs to do it after.

        Raises
        ------
        ValueError : for data and settings that cannot be trained on, before anything is changed.
        TrainingDiverged : when the loss is NaN or infinite; the history so far is kept in ``model.history``.
        """
        if validation_batch_size is not None:
            check_int(validation_batch_size, "validation_batch_size")
        train, validation = self._sources(x, y, sample_weight, batch_size, class_weight, validation_split,
                                          validation_data, validation_batch_size)
        limits = [check_limit(steps, name) for name, steps in (("steps_per_epoch", steps_per_epoch),
                                                               ("validation_steps", validation_steps))]
        validates = validation_epochs(validation_freq)
        self.optimizer.belong_to(self._identity)
        workers = team.current()                       # this process, or several: see `tinynet.distributed`
        for source in filter(None, (train, validation)):
            steps = self.steps()
            if not any(getattr(step.layer, "rescales", False) for step in steps[:first_with_parameters(steps)]):
                data.warn_of_pixels(source.first.at(workers.own(len(source.first.x))))
        epochs = check_int(epochs, "epochs", 0)
        self.history = History()                       # after the callbacks passed in: it sees what they add
        called = CallbackList([callbacks, *progress.for_verbosity(verbose), self.history])
        first = check_int(initial_epoch, "initial_epoch", 0)
        run = Run(self, called.callbacks, workers.share(train), limits[0], shuffle,
                  first, class_weight=text(class_weight or None),
                  sample_weight=sample_weight is not None,
                  validation_samples=0 if validation is None else validation.samples, **workers.settings)
        run.always_validates = validation is not None and sources.in_all(validation_freq, range(first + 1, epochs + 1))
        if run.steps is not None and run.steps < (limits[0] or 0):
            sources.warn_of_limit(limits[0], run.steps)
        called = workers.begin(self, run, called, {"x and y": train, "validation_data": validation}, epochs)
        called.call("set_params", {"epochs": epochs, "steps": run.steps, "samples": train.samples, "verbose": verbose,
                                   "batch_size": None if train.samples is None else train.per_batch})
        called.call("set_model", self)
        called.call("set_run", run)
        self.stop_training = False
        try:
            called.call("on_train_begin", {})          # a backup is restored here: from now on the run knows the epoch
            while run.more(epochs):
                called.call("on_epoch_begin", run.epoch, {})
                self._train_epoch(run, called, workers)
                if run.ran_out():
                    sources.warn_of_end(run.batch, run.steps, run.epoch)
                    self.stop_training = True
                run.logs = run.means.means()           # a copy, to which validation and callbacks add
                if validation is not None and validates(run.epoch + 1):
                    with np.errstate(all="ignore"):
                        held_out = self._evaluate(workers.share(validation), called, limits[1], workers)
                    run.logs.update({f"val_{key}": value for key, value in held_out.items()})
                called.call("on_epoch_end", run.end_epoch(), run.logs)
                if not self.stop_training:             # unless a callback has seen to it
                    check_weights(self, self.optimizer, run.epoch - 1, run.last_batch)
            with writing(self):
                self.optimizer.finalize_variable_values(self.trainable_params())
            run.finished = True
        finally:                                       # after an error and Ctrl-C too: callbacks close what they opened
            try:
                called.call("on_train_end", run.logs)
            finally:
                run.let_go()
        return self.history

    def _train_epoch(self, run: Run, called: CallbackList, workers: Alone[Model]) -> None:
        """Train on the batches that are left of an epoch, until a callback stops the training."""
        for number, batch in run.batches():
            called.call("on_train_batch_begin", number, {})
            with np.errstate(all="ignore"):            # check_loss reports what is not finite, and where it began
                logs = run.add(workers.train_step(self, batch), batch.samples)
            called.call("on_train_batch_end", number, logs)
            if self.stop_training:                     # first, so that TerminateOnNaN can end it without an error
                return
            workers.check_loss(self, self.optimizer, logs["loss"], run.epoch, number, batch)

    def evaluate(self, x: Samples, y: ArrayLike | None = None, batch_size: int | None = None, verbose: int | str = 1,
                 sample_weight: ArrayLike | None = None, steps: int | None = None, callbacks: Callbacks = None,
                 return_dict: bool = False) -> Any:
        """Return ``[loss, *metrics]`` on the data, without dropout; the loss alone if there are no metrics.

        The data are those of `fit`; `steps` is the number of batches, if not all, and callbacks have ``on_test_*``.
        """
        source = self._source("evaluate", x, y, sample_weight, batch_size)
        called = CallbackList(callbacks)
        called.call("set_model", self)
        logs = self._evaluate(source, called, check_limit(steps, "steps"))
        if verbose:
            progress.print_line(progress.format_logs(logs))
        return self._scores(logs, return_dict)

    def predict(self, x: Samples, batch_size: int | None = None, verbose: int | str = 0, steps: int | None = None,
                callbacks: Callbacks = None) -> np.ndarray:
        """Return the outputs for all samples: ``(N, *output_shape)``.

        The samples are an array, or what has or yields batches of them, see `fit`, with or without targets; `steps` is
        the number of batches, if not all, and callbacks have ``on_predict_*``.
        """
        if callbacks is None and steps is None and not sources.has_batches(x):
            x = self._samples(x)
            if len(x) <= data.batch_size(batch_size):                      # a digit, say, as fast as can be
                return self._outputs(x)
        called, limit, pieces = CallbackList(callbacks), check_limit(steps, "steps"), []
        called.call("set_model", self)
        called.call("on_predict_begin", {})
        for number, batch in enumerate(itertools.islice(self._inputs(x, batch_size), limit)):
            called.call("on_predict_batch_begin", number, {})
            pieces.append(self._outputs(batch))
            called.call("on_predict_batch_end", number, {"outputs": pieces[-1]})
        called.call("on_predict_end", {})
        return np.concatenate(pieces) if pieces else self(self._samples(x))

    def predict_on_batch(self, x: ArrayLike) -> np.ndarray:
        """Return the outputs for a batch, all at once: ``(N, *output_shape)``."""
        return self._outputs(self._samples(x))

    def _outputs(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs in an array of their own: they may be a view of x, into which others may write."""
        with reading(self):
            return np.array(self(x))

    def train_on_batch(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None,
                       class_weight: Mapping[int, float] | None = None, return_dict: bool = False) -> Any:
        """Make one update; return ``[loss, *metrics]`` of this batch, as they were before it."""
        batch = self._prepare(x, y, sample_weight)
        batch = data.with_class_weights(batch, class_weight, self.output_shape or ())
        self.optimizer.belong_to(self._identity)
        return self._scores(self._train_step(batch.batch(ALL, self.dtype)), return_dict)

    def test_on_batch(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None,
                      return_dict: bool = False) -> Any:
        """Return ``[loss, *metrics]`` of this batch."""
        samples = self._prepare(x, y, sample_weight)
        data.check_numbers(samples, "test_on_batch", self.dtype)
        return self._scores(self._test_step(samples.batch(ALL, self.dtype)), return_dict)

    @kernels.in_stream
    def _train_step(self, batch: Data) -> dict[str, Tally]:
        value, y_pred, backward = self._training_forward(batch)
        tallies = self._tallies(value, batch, y_pred)                    # first: a metric that fails costs no update
        if math.isfinite(value):                                         # any other would make all weights NaN
            backward()
            with writing(self):
                with launching_loops(self.optimizer.launches):
                    self.optimizer.update(self.trainable_params(), self.grads)
                self._constrain()
                synchronize()
        return tallies

    def _constrain(self) -> None:
        """Bring the weights back within their limits."""
        for key, constraint in self.constraints():
            synchronize()
            weights = self.params[key]
            weights[...] = constraint(weights)

    def _training_forward(self, batch: Data) -> Objective:
        """Run the objective in training; where its value is not finite, the layers' state is restored.

        In a stream backward is launched as well, while the loss is computed: the one returned has nothing left to do.
        """
        if current_stream() is None or getattr(self.objective, "__func__", None) is not Model.objective:
            return self._with_state(lambda: self.objective(*batch, training=True))

        def forward_and_backward() -> Objective:
            value, y_pred, backward = self._objective(*batch, training=True)
            before = GradsSnapshot(self.leaves())
            try:
                backward()
            except Exception:                                            # a layer may refuse gradients that are NaN
                if math.isfinite(value()):
                    raise
            if not math.isfinite(value()):
                before.restore()                                         # those that led to it
            return value(), y_pred, lambda: None
        return self._with_state(forward_and_backward)

    def _with_state(self, objective: Callable[[], Objective]) -> Objective:
        """Run an objective while no prediction sees the layers' state; restore it where the value is not finite."""
        before = StateSnapshot(self.leaves())
        with writing(*before.layers) if before.layers else nullcontext():      # a prediction sees no half-updated state
            value, y_pred, backward = objective()
            for layer in before.layers:
                cast_floats(layer.state, self.dtype)
            if not math.isfinite(value):
                before.restore()
        return value, y_pred, backward

    def _test_step(self, batch: Data) -> dict[str, Tally]:
        with reading(self):
            value, y_pred, _ = self.objective(*batch)
        return self._tallies(value, batch, y_pred)

    def _tallies(self, value: float, batch: Data, y_pred: np.ndarray) -> dict[str, Tally]:
        """Return the loss, the means of the functions among the metrics, and what the others count."""
        found: dict[str, Tally] = {"loss": value}
        for name, metric in self.metrics.items():
            found[name] = (metric.counted(batch.y, y_pred) if isinstance(metric, Metric)
                           else float(np.mean(as_numbers(name, metric(batch.y, y_pred)))))
        for name, metric in self.weighted_metrics.items():
            found[name] = metric.counted(batch.y, y_pred, batch.weight)
        return found

    def _all_metrics(self) -> dict[str, MetricLike]:
        return {**self.metrics, **self.weighted_metrics}

    def _scores(self, tallies: Mapping[str, Tally], return_dict: bool) -> Any:
        logs = data.values(tallies, self._all_metrics())
        return logs if return_dict else [*logs.values()] if len(logs) > 1 else logs["loss"]

    def _evaluate(self, source: Source, called: CallbackList, limit: int | None = None,
                  workers: Alone[Model] = ALONE) -> Logs:
        means = data.RunningMeans(self._all_metrics())
        called.call("on_test_begin", {})
        done = 0
        for number, batch in enumerate(source.batches(None, 0, limit)):
            called.call("on_test_batch_begin", number, {})
            called.call("on_test_batch_end", number, means.add(workers.test_step(self, batch), batch.samples))
            done = number + 1
        if done < (limit or 1):
            sources.warn_of_few(done, limit)
        called.call("on_test_end", means.means())
        return means.means()

    def _samples(self, x: Samples) -> np.ndarray:
        """Make an array of samples, build the model if it is not, and check them against its input shape."""
        if sources.is_list_of(x, self._axes()) and len(x) == 1:        # a list of the one input, as Keras takes it
            x = x[0]
        x = data.as_samples(cast(ArrayLike, x), None)
        if self.output_shape is None:
            self.build(x.shape[1:], self.rng)
        if x.shape[1:] != self.input_shape:
            self.check(x)                                                # says more if the shape is wrong for a layer
            self.expect(False, f"input {batch_shape((0, *(self.input_shape or ())))}", x.shape)
        return x

    def _axes(self) -> int | None:
        """Return how many axes samples have, that of the batch included; None if it is not known yet."""
        return None if self.input_shape is None else 1 + len(self.input_shape)

    def _prepare(self, x: Samples, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Data:
        """Make arrays of samples, targets and weights, and check them."""
        if self.loss is None:
            raise self._not_compiled()
        samples = self._samples(data.without_lists(x, y) if self._axes() is None else x)
        targets = data.as_samples(data.without_list(y, len(samples)), None, "y")
        if not self._checked:
            mismatches.check(self, self.loss)
            self._checked = True
        data.same_length(x=samples, y=targets)
        predictions = len(samples), *(self.output_shape or ())
        targets = with_axis(targets, predictions)                        # (N,) beside (N, 1) would be (N, N)
        if hasattr(self.loss, "check_targets"):
            targets = self.loss.check_targets(targets, predictions)
        for metric in self._all_metrics().values():
            if hasattr(metric, "check_targets"):
                metric.check_targets(targets, predictions)
        return Data(samples, targets, data.weights(sample_weight, len(targets)))

    def _source(self, owner: str, x: Samples, y: ArrayLike | None, sample_weight: ArrayLike | None = None,
                batch_size: int | None = None, class_weight: Mapping[int, float] | None = None, where: str = ""
                ) -> Source:
        """Return the batches of what a user has passed to `owner`, as what: arrays, or what has or yields batches."""
        def checked(parts: Sequence[Any]) -> Data:
            samples = data.with_class_weights(self._prepare(*parts), class_weight, self.output_shape or ())
            part = team.current().own(len(samples.x)) if owner == "fit" else ALL
            data.check_numbers(samples.at(part), owner, self.dtype, part.start or 0)       # of NaNs argmax takes the
            return samples                                               # first: a plausible accuracy

        def of_batch(batch: Any, number: int) -> Data:
            with about(sources.place(where, number)):
                return checked(sources.parts_of(batch)).batch(ALL, self.dtype)

        if y is None and sources.has_batches(x):
            sources.expect_alone(owner, batch_size=batch_size, sample_weight=sample_weight)
            return sources.of_batches(x, of_batch)
        if y is None:
            raise invalid(owner, "y, the targets", None)
        return Arrays(checked((x, y, sample_weight)), data.batch_size(batch_size), self.dtype)

    def _sources(self, x: Samples, y: ArrayLike | None, sample_weight: ArrayLike | None, batch_size: int | None,
                 class_weight: Mapping[int, float] | None, validation_split: float,
                 validation_data: Samples | Sequence[ArrayLike] | None, validation_batch_size: int | None
                 ) -> tuple[Source, Source | None]:
        """Return the batches to train on, and those to validate on; class weights are for the former alone."""
        if validation_data is None and validation_split and y is not None:
            first, last = data.split(self._prepare(x, y, sample_weight), validation_split)
            train = self._source("fit", *first, batch_size, class_weight)
            with about("validation_split"):
                return train, self._source("fit", *last, validation_batch_size or batch_size)
        train = self._source("fit", x, y, sample_weight, batch_size, class_weight)
        if validation_data is None:
            sources.expect_alone("fit", validation_split=validation_split or None)
            return train, None
        with about("validation_data"):
            if sources.has_batches(validation_data):
                return train, self._source("fit", validation_data, None, None, validation_batch_size,
                                           where="validation_data")
            if isinstance(validation_data, (tuple, list)) and len(validation_data) in (2, 3):
                x, y, weight = (*validation_data, None)[:3]
                return train, self._source("fit", x, y, weight, validation_batch_size or batch_size)
        raise invalid("fit", "validation_data (x, y) or (x, y, sample_weight)", type(validation_data).__name__)

    def _inputs(self, x: Samples, batch_size: int | None) -> Iterator[np.ndarray]:
        """Yield the batches to predict."""
        if sources.has_batches(x):
            sources.expect_alone("predict", batch_size=batch_size)
            for number, batch in enumerate(sources.all_of(x)):
                with about(sources.place("", number)):
                    samples = self._samples(sources.inputs_of(batch, self._axes()))
                yield samples
        else:
            x = self._samples(x)
            for index in data.batches(len(x), data.batch_size(batch_size)):
                yield x[index]

    if not TYPE_CHECKING:                                                 # for which any name would be an attribute
        def __getattr__(self, name: str) -> Any:
            """Say what does today the work of a method of an earlier Keras."""
            if name in INSTEAD:
                raise AttributeError(f"{self}: expected {INSTEAD[name]}. Received: .{name}, of an earlier Keras.")
            return super().__getattr__(name)

    def _not_compiled(self) -> ValueError:
        return ValueError(f"{self}: not compiled yet. Call compile(loss=..., optimizer=...) first.")
