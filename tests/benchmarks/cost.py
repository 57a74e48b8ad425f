"""What a training step costs on several processes: the model of docs/scaling.md, as formulas; `cluster.py` fits it.

All times are in seconds, sizes in bytes. A step computes the shards of a process one after the other, adds their
gradients, and updates; what others must be told are messages, and of n bytes each costs ``latency + n / bandwidth``.
Messages that have nothing left to hide behind are waited for.
"""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

SMALL = 6                        # collective messages of a few bytes: tallies, states, what callbacks have changed
SHORT = 2 ** 19                  # bytes below which MPICH gathers in log2(P) rounds, others in a ring of P - 1


class Network(NamedTuple):
    """What lies between the processes.

    ``gap`` is the time from one message to the next where a process sends many at once. ``cores`` are those that all
    processes share, None where each has its own; ``overlaps`` says whether messages move while the processor computes.
    """

    name: str
    latency: float
    gap: float
    bandwidth: float             # bytes per second, each way
    overlaps: bool = True
    cores: int | None = None


class Layer(NamedTuple):
    """A layer with parameters: the bytes of its gradient, and the part of a shard's time after which it is there."""

    size: int
    ready: float


class Pieces(NamedTuple):
    """What is measured of a model, on one thread."""

    name: str
    layers: tuple[Layer, ...]    # in the order of backward
    ends: tuple[float, ...]      # of the backward's steps, as parts of a shard's time: MPI is asked for messages there
    shard: float                 # a shard of no samples: Python, and weights that are read and written
    sample: float                # each sample more
    add: float                   # adding the gradients of two shards
    update: float
    rest: float                  # callbacks, reading the batch
    own: float                   # for each shard computed here, besides: its twin, its thread
    told: float                  # for each shard of the batch, wherever it is computed: its loss and metrics
    talk: float                  # in each of several processes: gradients joined and cut, what MPI and pickle take
    crowding: float = 1.0        # how much longer computing takes while other cores compute as well

    def shard_time(self, samples: float) -> float:
        """Return the seconds of a shard, forward and backward."""
        return self.shard + self.sample * samples


class Step(NamedTuple):
    """The terms of a step's time; their `sum` is the step."""

    shards: float
    adding: float
    update: float
    rest: float
    told: float
    talk: float
    waiting: float               # for gradients that are on their way
    small: float                 # for messages of a few bytes


def exchange(n: float, processes: int, network: Network) -> float:
    """Return the seconds in which each process sends every other one its piece of n bytes, all at once."""
    return (network.latency + (processes - 2) * network.gap
            + n * (processes - 1) / processes / network.bandwidth)


def gather(n: float, processes: int, network: Network) -> float:
    """Return the seconds until all have the pieces of all, n bytes together (Thakur, Rabenseifner, Gropp 2005)."""
    rounds = math.ceil(math.log2(processes)) if n < SHORT else processes - 1
    return rounds * network.latency + n * (processes - 1) / processes / network.bandwidth


def waiting(pieces: Pieces, network: Network, processes: int, shard_time: float) -> float:
    """Return how long a process waits for the gradients of the batch after its last shard.

    A layer's pieces are sent when its backward ends, in the last shard. Their sums follow when it is noticed that all
    pieces have come: when the next step of the backward ends. One message moves at a time.
    """
    if processes == 1:
        return 0.0
    if not network.overlaps:
        return sum(exchange(layer.size, processes, network) + gather(layer.size, processes, network)
                   for layer in pieces.layers)
    ends = [end * shard_time for end in pieces.ends]
    to_send = [(layer.ready * shard_time, k, exchange) for k, layer in enumerate(pieces.layers)]
    heapq.heapify(to_send)
    free = 0.0                                                           # when the network is
    while to_send:
        begin, k, message = heapq.heappop(to_send)
        free = max(free, begin) + message(pieces.layers[k].size, processes, network)
        if message is exchange:
            noticed = next((end for end in ends if end >= free), free)
            heapq.heappush(to_send, (noticed, k, gather))
    return max(0.0, free - shard_time)


def step(pieces: Pieces, network: Network, processes: int, shards: int, batch: int) -> Step:
    """Return what a step of the process with most shards is made of."""
    own, several = math.ceil(shards / processes), processes > 1
    slower = 1.0
    if network.cores is not None and several:
        slower = pieces.crowding * max(1.0, processes / network.cores)
    shard_time = pieces.shard_time(batch / shards)
    return Step(shards=slower * own * shard_time,
                adding=slower * (own - 1 + (processes - 1) / processes) * pieces.add,
                update=slower * pieces.update,
                rest=slower * (pieces.rest + own * pieces.own),
                told=slower * shards * pieces.told,
                talk=slower * pieces.talk * several,
                waiting=slower * waiting(pieces, network, processes, shard_time),
                small=slower * SMALL * math.ceil(math.log2(processes)) * network.latency)


def pieces_from(values: list) -> Pieces:
    """Return pieces that were written down as JSON."""
    name, layers, ends, *times = values
    return Pieces(name, tuple(Layer(*layer) for layer in layers), tuple(ends), *times)
