"""Turns at the weights: any number of threads may read a layer's at once; one that writes them is alone with them.

So a prediction beside a training sees the weights as they are between two updates, and so does a file saved beside it.
One waits for a model's own layers alone: a layer that asks other models in threads does not wait for itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Protocol

PATIENCE = 0.05         # seconds that one lets those go first who came before, so that nobody is kept out for ever


class HasLeaves(Protocol):
    """A layer, or a model."""

    def leaves(self) -> Sequence[object]:
        """List the layers it is made of."""


class Turn:
    """``with Turn(models, writes):`` what a thread has come for, the weights of models, and whether it will write."""

    __slots__ = ("models", "thread", "writes")

    def __init__(self, models: Sequence[HasLeaves], writes: bool):
        self.thread, self.models, self.writes = threading.get_ident(), models, writes

    @property
    def layers(self) -> set[int]:
        """The identities of the layers; listed when somebody else is at work, which is seldom."""
        return {id(leaf) for model in self.models for leaf in model.leaves()}

    def conflicts(self, other: Turn) -> bool:
        """Return whether the two cannot be at work at once; a thread is never in its own way."""
        return ((self.writes or other.writes) and self.thread != other.thread
                and not self.layers.isdisjoint(other.layers))

    def __enter__(self) -> None:
        try:
            turns.begin(self)
        except BaseException:                                      # Ctrl-C may come before the turn has begun, or after
            turns.end(self)
            raise

    def __exit__(self, *exception: object) -> None:
        turns.end(self)


class Turns:
    """Who is at work, and who waits; a forked child keeps the turns of the thread that forked."""

    def __init__(self) -> None:
        self.at_work: list[Turn] = []
        self.unlock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forked)

    def unlock(self) -> None:
        """Begin with nobody waiting."""
        self.lock = threading.RLock()                              # entered by itself: in a third of a Condition's time
        self.changed = threading.Condition(self.lock)
        self.waiting: list[Turn] = []                              # in the order in which they came

    def forked(self) -> None:
        """Forget the threads that this process does not have."""
        self.unlock()
        self.at_work = [turn for turn in self.at_work if turn.thread == threading.get_ident()]

    def begin(self, turn: Turn) -> None:
        """Wait for a turn, and begin it."""
        with self.lock:
            if self.at_work or self.waiting:
                self.wait_for(turn)
            self.at_work.append(turn)

    def end(self, turn: Turn) -> None:
        """End a turn, if it has begun."""
        with self.lock:
            if turn in self.at_work:
                self.at_work.remove(turn)
            if self.waiting:
                self.changed.notify_all()

    def wait_for(self, turn: Turn) -> None:
        """Wait until nobody at work is in the way, and before that a moment for those who came first.

        Not longer than a moment: they may be waiting for a prediction that itself waits for this turn.
        """
        def free() -> bool:
            return not any(map(turn.conflicts, self.at_work))

        def next_in_line() -> bool:
            return free() and not any(map(turn.conflicts, self.waiting[:self.waiting.index(turn)]))
        self.waiting.append(turn)
        try:
            self.changed.wait_for(next_in_line, PATIENCE)
            self.changed.wait_for(free)
        finally:
            self.waiting.remove(turn)


turns = Turns()


def reading(layer: HasLeaves) -> Turn:
    """``with reading(model):`` nobody changes the weights or the state of its layers."""
    return Turn([layer], writes=False)


def writing(*layers: HasLeaves) -> Turn:
    """``with writing(model):`` nobody else reads or changes the weights or the state of its layers."""
    return Turn(layers, writes=True)
