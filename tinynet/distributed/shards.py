"""A batch in shards: which samples each has, and the batches of a process, which reads its own shards' alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from tinynet.distributed.tree import Node, shares
from tinynet.training import data
from tinynet.training.data import Data
from tinynet.training.sources import Arrays, Source


class Shard(NamedTuple):
    """A shard that has samples: the place of the first in the batch, and the samples."""

    first: int
    data: Data


class Shards(NamedTuple):
    """A batch: how many samples it has in all, and the shards of it that are computed here, by their numbers."""

    samples: int
    own: Mapping[int, Shard]


class ShardedSource(Source):
    """The batches of another source, of which only some shards are kept; of arrays, only these are read.

    Parameters
    ----------
    source : has the whole batches.
    shards : how many shards a batch is cut into.
    own : the shards to keep, from the first to before the last.
    agree : is told the size of each batch that is not cut out of arrays, None at the end: a ValueError where it is
        another one elsewhere.
    """

    def __init__(self, source: Source, shards: int, own: Node, agree: Callable[[int | None], None]):
        self.source, self.shards, self.own, self.agree = source, shards, own, agree
        self.items, self.per_batch, self.samples, self.first = (source.items, source.per_batch, source.samples,
                                                                source.first)

    def batches(self, order: np.ndarray | None, done: int, limit: int | None) -> Iterator[Shards]:  # type: ignore[override]
        """Yield an epoch's batches, as far as they are computed here."""
        if isinstance(self.source, Arrays):
            samples, dtype = self.source.first, self.source.dtype
            places = np.arange(len(samples.x)) if order is None else order
            for index in itertools.islice(data.batches(len(places), self.per_batch), done, limit):
                where = places[index]
                yield self.cut(len(where), lambda start, stop, where=where: samples.batch(  # type: ignore[misc]
                    where[start:stop] if order is not None else slice(where[start], where[stop - 1] + 1), dtype))
            return
        for batch in self.source.batches(order, done, limit):
            self.agree(batch.samples)
            yield self.cut(batch.samples, lambda start, stop, batch=batch: batch.at(slice(start, stop)))  # type: ignore[misc]
        self.agree(None)

    def cut(self, samples: int, read: Callable[[int, int], Data]) -> Shards:
        """Cut a batch into shards, and read those that are kept and not empty."""
        places = shares(samples, self.shards)
        return Shards(samples, {number: Shard(places[number][0], read(*places[number]))
                                for number in range(*self.own) if places[number][0] < places[number][1]})

    def end_epoch(self) -> None:
        """Tell the other source."""
        self.source.end_epoch()
