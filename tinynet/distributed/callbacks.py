"""Callbacks in several processes: the first one calls them, and tells the others what they have changed."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from tinynet.callbacks import Callback, CallbackList
from tinynet.distributed.processes import Processes
from tinynet.files import saving
from tinynet.files.state import generator_state
from tinynet.layers.lock import writing
from tinynet.training.model import Model
from tinynet.training.run import Run

OTHER_NAMES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class FirstProcessCallbacks(CallbackList):
    """The callbacks of a training, called in process 0.

    After a method that may change something, all processes have what process 0 has: whether the training stops, the
    learning rate, which layers are trainable; and, where a callback has changed them or it is the start or the end of
    the training, the weights and the rest of what a backup holds.
    """

    def __init__(self, callbacks: list[Callback], processes: Processes, model: Model, run: Run):
        super().__init__(callbacks)
        self.processes, self.model, self.run = processes, model, run
        self.calls = processes.rank == 0
        self.foreign = processes.from_one({hook for hook in vars(Callback) if self.is_foreign(hook)})

    def is_foreign(self, hook: str) -> bool:
        """Return whether a method is the user's own, of a callback or a function, which may change anything."""
        return any(not str(getattr(getattr(callback, name, None), "__module__", "tinynet.")).startswith("tinynet.")
                   for callback in self.callbacks for name in (hook, OTHER_NAMES.get(hook, hook)))

    def call(self, hook: str, *args: object) -> None:
        """Call the method `hook` of each in process 0; tell the others."""
        if hook.startswith("set_"):                                   # what they are about, wherever they are
            super().call(hook, *args)
            return
        at_the_ends = hook in ("on_train_begin", "on_train_end")
        of_batch = "_batch_" in hook
        compared = hook in self.foreign if of_batch else not at_the_ends
        before = weights_and_more(self.model) if self.calls and compared else None
        if self.calls:
            self.call_here(hook, *args)
        if hook == "on_train_end" and not self.run.finished:          # an error or Ctrl-C: the others may be anywhere
            return
        if compared or at_the_ends or hook == "on_train_batch_end":
            changed = at_the_ends or (before is not None and not same(before, weights_and_more(self.model)))
            self.tell(changed, with_callbacks=at_the_ends)

    def call_here(self, hook: str, *args: object) -> None:
        """Call them; where one fails, all processes end."""
        try:
            super().call(hook, *args)
        except Exception as error:
            self.processes.fail(error)
            raise

    def tell(self, everything: bool, with_callbacks: bool) -> None:
        """Give all processes what process 0 has."""
        model, optimizer = self.model, self.model.optimizer
        told: dict[str, Any] = {}
        if self.calls:
            rate = optimizer.learning_rate
            told = {"stop": model.stop_training, "rate": None if callable(rate) else rate,
                    "trainable": [leaf.trainable for leaf in model.leaves()]}
            if everything:
                told |= {"params": dict(model.params), "state": dict(model.state),
                         "model": saving.model_state(model), "run": self.run.get_state()}
        told = self.processes.from_one(told)
        if self.calls:
            return
        if everything:
            states = told["run"]["callbacks"] if with_callbacks else {}
            self.become(told, {name: states[name] for name, callback in self.run.named_callbacks().items()
                               if name in states and type(callback).__module__.startswith("tinynet.")})
        model.stop_training = told["stop"]
        if told["rate"] is not None:
            optimizer.learning_rate = told["rate"]
        for leaf, trainable in zip(model.leaves(), told["trainable"], strict=True):
            if leaf.trainable != trainable:
                leaf.trainable = trainable

    def become(self, told: dict[str, Any], states: dict[str, Any]) -> None:
        """Be as process 0 is, in all that a backup holds; of callbacks, in the states of this package's own."""
        with writing(self.model):
            saving.set_weights(self.model, {**told["params"], **told["state"]})
        saving.restore_model_state(self.model, told["model"])
        self.run.set_state({**told["run"], "callbacks": states})


def weights_and_more(model: Model) -> list[Any]:
    """Return copies of what a callback may have changed."""
    generator: Any = None
    with contextlib.suppress(ValueError):
        generator = generator_state(model.rng)
    return [*map(np.array, model.params.values()), *map(np.array, model.state.values()), model.optimizer.iterations,
            generator]


def same(before: list[Any], now: list[Any]) -> bool:
    """Return whether nothing has changed."""
    return len(before) == len(now) and all(
        np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b
        for a, b in zip(before, now, strict=True))
