"""The gradients of a batch: those of its shards, added in the tree, over all processes, while backward goes on.

Each process has the sums of some nodes of the tree, of its own shards. To add them all, the numbers of a layer are cut
into as many pieces as there are processes: everybody sends piece p of its nodes to process p, which adds the tree for
these numbers, and the pieces are gathered. Each number is added in the tree's order, wherever that is done, so the bits
are the same for any number of processes; and each process sends and receives about twice the size of the gradients,
however many there are (as in the reduce-scatter and allgather of Rabenseifner 2004, "Optimization of collective
reduction operations").

Layers are sent as their backward ends, the last one first: both messages run while the layers before compute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinynet.distributed.processes import MPIProcesses, Processes
from tinynet.distributed.tree import Node, nodes_within, shares, tree_sum
from tinynet.kernels import buffers
from tinynet.layers.base import Layer

Arrays = list[np.ndarray]


class Gradients:
    """The sum of the gradients of a batch's shards.

    Parameters
    ----------
    params : the parameters whose gradients are added, by name.
    twins : the twins that compute shards here, by the shards' numbers.
    filled, shards : how many shards have samples, and how many there are.
    """

    # the gradients of a layer with `grads_of_batch` are those of the batch in each shard, and those of shard 0 count

    def __init__(self, processes: Processes, params: Mapping[str, np.ndarray], twins: Mapping[int, Layer], filled: int,
                 shards: int):
        self.processes, self.twins, self.root = processes, twins, (0, shards)
        self.nodes = [[node for node in nodes_within(start, stop, self.root) if node[0] < filled]
                      for start, stop in shares(shards, processes.size)]
        layers: dict[str, dict[str, np.ndarray]] = {}
        for name, array in reversed(list(params.items())):
            layers.setdefault(name.partition("/")[0], {})[name] = array
        self.layers = list(layers.values())                           # in the order of backward
        self.of_batch = {id(array) for twin in twins.values() for leaf in twin.leaves()
                         if getattr(leaf, "grads_of_batch", False) for array in leaf.params.values()}
        self.begun: list[LayerSum] = []
        self.sums: list[Arrays] = []

    def after_step(self) -> None:
        """Begin with every layer whose backward has ended in all shards here; go on with those that have begun."""
        grads = [twin.grads for twin in self.twins.values()]
        while len(self.begun) < len(self.layers) and all(
                name in of_shard for of_shard in grads for name in self.layers[len(self.begun)]):
            self.begin_layer(grads)
        self.progress()

    def begin_layer(self, grads: Sequence[Mapping[str, np.ndarray]]) -> None:
        """Add the shards here, of the next layer, and send the sums."""
        params = self.layers[len(self.begun)]
        leaves = {(number, number + 1): [np.zeros_like(array) if number > 0 and id(array) in self.of_batch
                                         else np.asarray(of_shard[name], array.dtype) for name, array in params.items()]
                  for number, of_shard in zip(self.twins, grads, strict=True)}
        nodes = [tree_sum(node, leaves, added) for node in self.nodes[self.processes.rank]]
        self.begun.append(LayerSum(self.processes, self.root, self.nodes, list(params.values()),
                                   [node for node in nodes if node is not None]))

    def progress(self) -> None:
        """Go on with the layers that have begun, in their order, without waiting."""
        for layer in self.begun:
            if not layer.go_on():
                return

    def finish(self) -> dict[str, np.ndarray]:
        """Wait for all; return the gradients of the batch, by name."""
        grads = [twin.grads for twin in self.twins.values()]
        while len(self.begun) < len(self.layers):
            self.begin_layer(grads)
        return {name: array for params, layer in zip(self.layers, self.begun, strict=True)
                for name, array in zip(params, layer.result(), strict=True)}


class LayerSum:
    """The sums of one layer's gradients on their way.

    Parameters
    ----------
    root : the tree's.
    everywhere : for each process, the nodes of the tree that it has.
    params : arrays of the shapes of the gradients.
    nodes : for each node that this process has, the sums of these gradients.
    """

    # it knows nothing of the `Gradients` that it is part of: two that know each other keep their memory until Python
    # looks for such, and a step in between needs fresh memory, which takes as long as a fifth of it

    def __init__(self, processes: Processes, root: Node, everywhere: list[list[Node]], params: Arrays,
                 nodes: list[Arrays]):
        self.processes, self.root, self.everywhere, self.params, self.nodes = processes, root, everywhere, params, nodes
        self.pieces = self.gathered = None                            # the requests for the two messages
        if isinstance(processes, MPIProcesses):
            self.send(processes)

    def send(self, processes: MPIProcesses) -> None:
        """Send to each process its piece of the numbers, of all nodes."""
        self.n = sum(array.size for array in self.params)
        self.places = shares(self.n, processes.size)
        rank, dtype = processes.rank, self.params[0].dtype
        flat = buffers.empty((len(self.nodes), self.n), dtype)
        for row, arrays in zip(flat, self.nodes, strict=True):
            np.concatenate([array.reshape(-1) for array in arrays], out=row)
        self.mine = self.places[rank][1] - self.places[rank][0]
        # of one node, the pieces are one behind the other already
        self.sent = flat[0] if len(flat) == 1 else np.concatenate(
            [flat[:, start:stop].reshape(-1) for start, stop in self.places], out=buffers.empty((flat.size,), dtype))
        self.received = buffers.empty((sum(map(len, self.everywhere)) * self.mine,), dtype)
        self.pieces = processes.pieces.Ialltoallv(
            [self.sent, [len(flat) * (stop - start) for start, stop in self.places]],
            [self.received, [len(nodes) * self.mine for nodes in self.everywhere]])

    def go_on(self) -> bool:
        """Add this process's piece once it is there, and send it; return whether that is done."""
        if self.gathered is None and self.pieces is not None and self.pieces.Test():
            self.gather(self.processes)
        if self.gathered is not None:
            self.gathered.Test()                                      # MPI moves messages while it is asked for some
        return self.gathered is not None

    def gather(self, processes: MPIProcesses) -> None:
        """Add the tree for this process's piece of the numbers, and send it to all."""
        nodes = [node for of_process in self.everywhere for node in of_process]
        rows = self.received.reshape(len(nodes), self.mine)
        piece = tree_sum(self.root, {node: [row] for node, row in zip(nodes, rows, strict=True)}, added)
        self.total = buffers.empty((self.n,), self.received.dtype)
        self.piece = piece[0] if piece is not None else np.zeros(self.mine, self.received.dtype)
        self.gathered = processes.gathering.Iallgatherv(
            self.piece, [self.total, [stop - start for start, stop in self.places]])

    def result(self) -> Arrays:
        """Wait for the sums of the batch; return them."""
        processes = self.processes
        if not isinstance(processes, MPIProcesses):
            (total,) = self.nodes
            return total
        processes.wait(self.pieces)
        self.go_on()
        processes.wait(self.gathered)
        stops = np.cumsum([array.size for array in self.params])
        return [self.total[stop - array.size:stop].reshape(array.shape)
                for array, stop in zip(self.params, stops, strict=True)]


def added(left: Arrays, right: Arrays) -> Arrays:
    """Return the sums of arrays, one by one."""
    return [np.add(a, b, out=buffers.empty(a.shape, a.dtype)) for a, b in zip(left, right, strict=True)]
