"""What is kept of a training: few enough moments that a page left open for days takes no more memory."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Thinned(Generic[T]):
    """Things with the steps they are of, at most so many: when there are more, every second one is dropped, and from
    then on only every second one is kept.

    >>> kept = Thinned[str](most=4)
    >>> for step in range(1, 9):
    ...     kept.add(step, f"loss of step {step}")
    >>> kept.steps, kept.every
    ([2, 4, 6, 8], 2)
    """

    def __init__(self, most: int, every: int = 1):
        self.most, self.every = most, every
        self.steps: list[int] = []
        self.things: list[T] = []

    def due(self, step: int) -> bool:
        """Return whether this step's is kept."""
        return step % self.every == 0

    def add(self, step: int, thing: T) -> None:
        """Keep a thing, if it is due."""
        if not self.due(step):
            return
        self.steps.append(step)
        self.things.append(thing)
        if len(self.steps) > self.most:
            self.every *= 2
            kept = [(step, thing) for step, thing in zip(self.steps, self.things, strict=True) if self.due(step)]
            self.steps, self.things = [step for step, _ in kept], [thing for _, thing in kept]

    def since(self, step: int) -> list[tuple[int, T]]:
        """Return those after a step."""
        return [(at, thing) for at, thing in zip(self.steps, self.things, strict=True) if at > step]
