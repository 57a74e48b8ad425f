"""Training from the page: in a thread, a batch at a time, so that the page is answered in between."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinynet.explore.learning.measures import Moment, accuracy, dead_units, update_ratios
from tinynet.explore.learning.record import Thinned
from tinynet.explore.samples import TESTED, Data
from tinynet.explore.turns import Turns
from tinynet.models import Sequential
from tinynet.optimizers import Optimizer

POINTS, MOMENTS, EVERY = 1000, 32, 20                  # kept of the curve; of the weights, first every so many steps
MEMORY = 64_000_000                                    # bytes that these weights may take together
EXAMINED = 200                                         # samples that dead units are looked for with
RATE, BATCH = 0.001, 100


class Progressed(NamedTuple):
    """How far an optimizer has come."""

    learning_rate: Any
    iterations: int
    slots: dict[str, dict[str, np.ndarray]]

    @classmethod
    def of(cls, optimizer: Optimizer | None) -> Progressed:
        """Note it; that of None is nothing."""
        return cls(0.0, 0, {}) if optimizer is None else cls(optimizer.learning_rate, optimizer.iterations,
                                                             copy.deepcopy(optimizer.slots))

    def put_back(self, optimizer: Optimizer | None) -> None:
        """Bring an optimizer back to it."""
        if optimizer is not None:
            optimizer.learning_rate, optimizer.iterations = self.learning_rate, self.iterations
            optimizer.slots = copy.deepcopy(self.slots)


class Trainer:
    """The training of one model, started and paused from the page.

    Attributes
    ----------
    scale : what pixels are multiplied by, before anything else: 1, or 255 in the failure of that name.
    targets : those trained on, another order of them in the failure of shuffled labels.
    curve : step by step the loss and the accuracy of the batch.
    moments : the model at some of the steps.
    shown : which of them the model shows now; None: where the training is.
    message : why it stopped, in words, if it did so by itself.
    """

    def __init__(self, model: Sequential, data: Data, turns: Turns, changed: Callable[[], None]):
        self.model, self.data, self.turns, self.changed = model, data, turns, changed
        self.labels = data.test.labels()
        if model.loss is not None:
            model.compile(model.optimizer, model.loss, [] if self.labels is None else ["accuracy"])
        self.beginning, self.progressed = model.get_weights(), Progressed.of(model.optimizer)
        self.thread: threading.Thread | None = None
        self.running = False
        self.batch_size = min(BATCH, max(1, len(data.train.x)))
        self.begin()

    def begin(self) -> None:
        """Forget what was trained: the weights as they were, a new optimizer, the samples as they are."""
        self.running = False
        self.model.set_weights(self.beginning)
        self.progressed.put_back(self.model.optimizer)
        self.rng = np.random.default_rng(0)
        self.order = np.empty(0, int)
        self.step = self.epoch = 0
        self.scale, self.targets = 1.0, self.data.train.y
        self.curve = Thinned[tuple[float, float | None]](POINTS)
        size = max(1, sum(array.nbytes for array in self.beginning))
        self.moments = Thinned[Moment](max(4, min(MOMENTS, MEMORY // size)), EVERY)
        self.latest: Moment | None = None
        self.shown: int | None = None
        self.now: list[np.ndarray] = []                # the weights where the training is, while others are shown
        self.message: str | None = None

    def refusal(self) -> str | None:
        """Say why there is nothing to train; None if there is."""
        if self.model.loss is None:
            return "The model is not compiled: call model.compile(loss=..., optimizer=...) before explore."
        if self.targets is None:
            return "There are no targets to train on: give explore(model, x, y) samples and targets."
        return None

    # What the page asks for, in its turn.

    def set(self, rate: float | None, batch_size: int | None) -> None:
        """Set the learning rate and the batch size from the next step on."""
        if rate is not None and rate != self.rate:
            self.model.optimizer.learning_rate = rate
        if batch_size is not None:
            self.batch_size = batch_size

    def start(self) -> None:
        """Begin or go on, in a thread of its own."""
        self.show(None)
        if not self.running:
            self.message = None
            self.running = True
            self.thread = threading.Thread(target=self.run, daemon=True, name="tinynet explore: training")
            self.thread.start()

    def pause(self) -> None:
        """Stop after the batch that is being trained on."""
        self.running = False

    def one_step(self) -> None:
        """Make a single update."""
        self.pause()
        self.show(None)
        self.message = None
        self.train()

    def show(self, index: int | None) -> None:
        """Give the model the weights of a moment, and pause; None: those where the training is."""
        if index is None:
            if self.shown is not None:
                self.model.set_weights(self.now)
                self.shown, self.now = None, []
                self.changed()
            return
        self.pause()
        if self.shown is None:
            self.now = self.model.get_weights()
        self.model.set_weights(self.moments.things[index].weights)
        self.shown = index
        self.changed()

    @property
    def rate(self) -> float:
        """The learning rate of the next update."""
        return self.model.optimizer.current_learning_rate() if self.model.optimizer is not None else RATE

    @property
    def steps(self) -> int:
        """How many batches an epoch has."""
        return math.ceil(len(self.data.train.x) / self.batch_size)

    def progress(self, since: int) -> dict[str, Any]:
        """Return where the training is, and its curve after a step."""
        curve = self.curve.since(since)
        shown = self.latest if self.shown is None else self.moments.things[self.shown]
        return {"running": self.running, "epoch": self.epoch, "step": self.step, "steps": self.steps,
                "learningRate": self.rate, "batchSize": self.batch_size,
                "history": {"step": [step for step, _ in curve], "loss": [loss for _, (loss, _) in curve],
                            "accuracy": [share for _, (_, share) in curve],
                            "testAccuracy": [[step, moment.accuracy] for step, moment in self.moments.since(since)]},
                "deadUnits": shown.dead if shown else [], "updateRatios": shown.ratios if shown else [],
                "snapshots": self.moments.steps, "shown": self.shown, "message": self.message}

    # The training itself.

    def run(self) -> None:
        """Train until it is paused, a turn for each batch."""
        while self.running:
            with self.turns:
                if self.running and self.thread is threading.current_thread():
                    self.train()
                else:
                    return

    def train(self) -> None:
        """Train on one batch; whatever goes wrong is said, and ends it."""
        measured = self.moments.due(self.step + 1) or self.latest is None
        before = {name: array.copy() for name, array in self.model.trainable_params().items()} if measured else {}
        try:
            if not self.moments.steps:
                self.moments.add(0, self.measure({}))  # as it was before all training
            with np.errstate(all="ignore"):
                logs = self.model.train_on_batch(*self.batch(), return_dict=True)
        except Exception as error:                     # a layer of somebody's own may raise anything
            self.running, self.message = False, f"The training ended: {type(error).__name__}: {error}"
            return
        self.step += 1
        self.changed()
        self.curve.add(self.step, (logs["loss"], logs.get("accuracy")))
        if not math.isfinite(logs["loss"]):
            self.running = False
            self.message = (f"The loss of step {self.step} is not finite: the weights have grown out of range. Nothing "
                            "can be learned from here; begin again with a smaller learning rate.")
        if measured:
            self.latest = self.measure(before)
            self.moments.add(self.step, self.latest)

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples and targets of the next batch; an epoch has all of them once, in a new order."""
        train = self.data.train
        if not len(self.order):
            self.order = self.rng.permutation(len(train.x))
            self.epoch += 1
        where, self.order = self.order[:self.batch_size], self.order[self.batch_size:]
        x = train.take(where, self.model.dtype)
        return x * self.model.dtype.type(self.scale), np.asarray(self.targets)[where]

    def measure(self, before: dict[str, np.ndarray]) -> Moment:
        """Measure the model as it is after an update."""
        x = self.tested()
        shares = self.accuracy()
        return Moment(self.model.get_weights(), shares and shares[0] / shares[1],
                      dead_units(self.model, x[:EXAMINED]) if len(x) else [],
                      update_ratios(before, self.model.trainable_params()))

    def accuracy(self) -> tuple[int, int] | None:
        """Return how many of the first test samples are recognised, and of how many; None without labels."""
        if self.labels is None or len(self.model.output_shape or ()) != 1:
            return None
        return accuracy(self.model, self.tested(), self.labels[:TESTED])

    def tested(self) -> np.ndarray:
        """Return the test samples that are measured with."""
        return self.data.test.take(slice(TESTED), self.model.dtype) * self.model.dtype.type(self.scale)
