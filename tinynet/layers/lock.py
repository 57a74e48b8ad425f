"""Turns at the weights: any number of threads may read a layer's at once; one that writes them is alone with them.

So a prediction beside a training sees the weights as they are between two updates, and so does a file saved beside it.
One waits for a model's own layers alone: a layer that asks other models in threads does not wait for itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, Protocol

PATIENCE = 0.05         # seconds that one lets those go first who came before, so that nobody is kept out for ever


class HasLeaves(Protocol):
    """A layer, or a model."""

    def leaves(self) -> Sequence[object]:
        """List the layers it is made of."""


class Turn(NamedTuple):
    """What a thread has come for: the layers, by identity, and whether it will write."""

    thread: int
    layers: frozenset[int]
    writes: bool

    def conflicts(self, other: Turn) -> bool:
        """Return whether the two cannot be at work at once; a thread is never in its own way."""
        return ((self.writes or other.writes) and self.thread != other.thread
                and not self.layers.isdisjoint(other.layers))


class Turns:
    """Who is at work, and who waits; a forked child keeps the turns of the thread that forked."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.at_work: list[Turn] = []
        self.waiting: list[Turn] = []                              # in the order in which they came
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forked)

    def forked(self) -> None:
        """Forget the threads that this process does not have."""
        self.changed, self.waiting = threading.Condition(), []
        self.at_work = [turn for turn in self.at_work if turn.thread == threading.get_ident()]

    @contextmanager
    def take(self, layers: Iterable[object], writes: bool) -> Iterator[None]:
        """Wait for a turn, and have it for the length of a ``with``."""
        turn = Turn(threading.get_ident(), frozenset(map(id, layers)), writes)
        try:
            with self.changed:
                self.wait_for(turn)
                self.at_work.append(turn)
            yield
        finally:                                                   # also where Ctrl-C comes before the turn has begun
            with self.changed:
                self.at_work = [other for other in self.at_work if other is not turn]
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


def reading(layer: HasLeaves) -> AbstractContextManager[None]:
    """``with reading(model):`` nobody changes the weights or the state of its layers."""
    return turns.take(layer.leaves(), writes=False)


def writing(*layers: HasLeaves) -> AbstractContextManager[None]:
    """``with writing(model):`` nobody else reads or changes the weights or the state of its layers."""
    return turns.take([leaf for layer in layers for leaf in layer.leaves()], writes=True)
