"""Where the batches of an epoch come from: arrays, an object that has them by number, or one that yields them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np

from tinynet.checks import check_int, invalid, warn
from tinynet.training import data
from tinynet.training.data import Data

Prepare = Callable[[Any, int], Data]      # checks a batch, (x, y) or (x, y, sample_weight), of a number from 0
END = object()


class Source:
    """Base of what has the batches of every epoch.

    Attributes
    ----------
    items : how many things an epoch may see in another order each time, samples or batches; None if nobody knows.
    per_batch : how many of these make a batch.
    samples : number of samples, None if it is not known.
    first : a batch, the first or all samples, to look at before the training.
    """

    items: int | None = None
    per_batch: int = 1
    samples: int | None = None
    first: Data

    def batches(self, order: np.ndarray | None, done: int, limit: int | None) -> Iterator[Data]:
        """Yield an epoch's batches from number `done` on, up to number `limit`; `order` is that of the items."""
        raise NotImplementedError

    def end_epoch(self) -> None:
        """Take notice that an epoch of the training has ended."""


class Arrays(Source):
    """Arrays in memory, or mapped into it; a batch is read, and cast, when it is its turn."""

    def __init__(self, samples: Data, batch_size: int, dtype: np.dtype):
        self.first, self.per_batch, self.dtype = samples, batch_size, dtype
        self.items = self.samples = len(samples.x)

    def batches(self, order: np.ndarray | None, done: int, limit: int | None) -> Iterator[Data]:
        """Yield batches cut from the arrays; the last may be short."""
        for index in itertools.islice(data.batches(len(self.first.x), self.per_batch, order), done, limit):
            yield self.first.batch(index, self.dtype)


@runtime_checkable
class HasBatches(Protocol):
    """An object that has its batches by number, such as a `tinynet.utils.Sequence`."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: Any, /) -> Any: ...


class Numbered(Source):
    """An object that has its batches by number: they can be seen in any order, and an epoch begun in its middle."""

    def __init__(self, sequence: HasBatches, prepare: Prepare):
        self.sequence, self.prepare, self.items = sequence, prepare, len(sequence)
        if not self.items:
            raise invalid(type(sequence).__name__, "a batch or more", "a length of 0")
        self.first = prepare(sequence[0], 0)

    def batches(self, order: np.ndarray | None, done: int, limit: int | None) -> Iterator[Data]:
        """Yield the batches, by their numbers."""
        numbers = range(len(self.sequence)) if order is None else order.tolist()
        for number in numbers[done:limit]:
            yield self.prepare(self.sequence[number], number)

    def end_epoch(self) -> None:
        """Tell the object, if it wants to know."""
        getattr(self.sequence, "on_epoch_end", lambda: None)()


class Stream(Source):
    """What yields batches one after the other: a generator, or an object over which one can iterate anew.

    With a limit an epoch goes on where the last one stopped; without one it ends with the batches.
    """

    def __init__(self, batches: Iterable[Any], prepare: Prepare):
        self.iterable, self.prepare = batches, prepare
        iterator = iter(batches)
        item = next(iterator, END)
        if item is END:
            raise invalid(type(batches).__name__, "a batch or more", "none")
        self.first = prepare(item, 0)
        self.iterator: Iterator[Any] = itertools.chain([item], iterator)

    def batches(self, order: np.ndarray | None, done: int, limit: int | None) -> Iterator[Data]:
        """Yield the batches as they come; those that are done are taken, too, and left aside."""
        for number in itertools.count() if limit is None else range(limit):
            item = next(self.iterator, END)
            if item is END:
                self.iterator = iter(self.iterable)               # of a generator that has ended this yields nothing
                item = END if limit is None else next(self.iterator, END)
            if item is END:
                return
            if number >= done:
                yield self.prepare(item, number)


def has_batches(x: object) -> bool:
    """Return whether an object has or yields batches, rather than being, or holding, the samples themselves."""
    if isinstance(x, (list, tuple)):
        return bool(x) and all(isinstance(item, tuple) and item and hasattr(item[0], "__array__") for item in x)
    return not hasattr(x, "__array__") and not isinstance(x, (str, bytes, dict)) and (
        isinstance(x, (HasBatches, Iterable)))


def of_batches(x: Any, prepare: Prepare) -> Source:
    """Return the source for an object that has or yields batches."""
    return Numbered(x, prepare) if isinstance(x, HasBatches) and not hasattr(x, "__next__") else Stream(x, prepare)


def parts_of(batch: Any) -> Sequence[Any]:
    """Return (x, y) or (x, y, sample_weight), or raise a ValueError."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        raise invalid(None, "batches (x, y) or (x, y, sample_weight)",
                      f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""))
    return batch


def inputs_of(batch: Any, ndim: int | None) -> Any:
    """Return the samples of a batch, whatever comes with them; a list may be that of the samples, of fewer axes."""
    return batch[0] if isinstance(batch, tuple) or (len(batch) in (2, 3) and is_list_of(batch, ndim)) else batch


def is_list_of(x: Any, ndim: int | None) -> TypeGuard[Sequence[Any]]:
    """Return whether something is a list that begins with an array of so many axes."""
    return isinstance(x, (list, tuple)) and len(x) > 0 and hasattr(x[0], "__array__") and np.ndim(x[0]) == ndim


def place(where: str, number: int) -> str:
    """Write which batch of what an error is about."""
    return f"{where}, batch {number} (from 0)".removeprefix(", ")


def all_of(batches: Any) -> Iterator[Any]:
    """Yield the batches of what has or yields them, in order."""
    if isinstance(batches, HasBatches) and not hasattr(batches, "__next__"):
        return (batches[number] for number in range(len(batches)))
    return iter(batches)


def expect_alone(owner: str, **others: object) -> None:
    """Raise a ValueError for an argument beside batches, which have all of it inside."""
    for name, value in others.items():
        if value is not None:
            raise invalid(owner, f"no {name} beside batches, which are what they are; arrays take it", repr(value))


def check_limit(steps: int | None, name: str) -> int | None:
    """Return a number of batches, None for all, or raise a ValueError."""
    return None if steps is None else check_int(steps, name)


def validation_epochs(freq: int | Collection[int]) -> Callable[[int], bool]:
    """Return which epochs, counted from 1, end with a validation."""
    if isinstance(freq, Collection) and not isinstance(freq, str):
        return frozenset(check_int(epoch, "each epoch in validation_freq") for epoch in freq).__contains__
    every = check_int(freq, "validation_freq")
    return lambda epoch: epoch % every == 0


def in_all(freq: int | Collection[int], epochs: range) -> bool:
    """Return whether all of these epochs, counted from 1, end with a validation."""
    return (isinstance(freq, int) and freq == 1) or all(map(validation_epochs(freq), epochs))      # till one does not


def warn_of_few(done: int, limit: int | None) -> None:
    """Warn of an evaluation of fewer batches than there were to be."""
    warn(f"evaluation: the batches came to an end after {done}, where there were to be {limit or 'some'}. Give arrays, "
         f"an object over which one can iterate anew, or a generator that goes on for ever, with a number of steps.")


def warn_of_limit(limit: int | None, steps: int) -> None:
    """Warn of epochs that cannot be as long as they were to be."""
    warn(f"fit: steps_per_epoch={limit}, but the data are {steps} batches: each epoch ends with them. For more updates "
         f"give more epochs, or a generator that goes on for ever.")


def warn_of_end(done: int, steps: int | None, epoch: int) -> None:
    """Warn of batches that have come to an end before the training."""
    warn(f"fit: the batches came to an end after {done} of epoch {epoch + 1}, which was to have {steps or 'some'}; the "
         f"training ends. Give a generator that goes on for ever, with steps_per_epoch; or an object over which one "
         f"can iterate anew.")
