"""The tree in which the sums of shards are added: it is fixed, so that the bits of a sum are, too.

Floating-point sums depend on their order: ``(a + b) + c`` is not ``a + (b + c)``. Here it is always the same::

            0-8                     a node stands for shards start to stop, and is the sum of its two halves
         /       \\
       0-4       4-8                three processes of 3, 3 and 2 shards have the sums of
      /   \\     /   \\
    0-2  2-4  4-6  6-8                  0-2 and 2-3,  3-4 and 4-6,  6-8
    / \\  / \\  / \\  / \\
    0 1  2 3  4 5  6 7              which are nodes; the nodes above them are added from these, by whoever has them
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import TypeVar

Node = tuple[int, int]                     # shards start to stop
Sum = TypeVar("Sum")


def shares(n: int, parts: int) -> list[Node]:
    """Return where n things are cut into parts, as `np.array_split` does: the first ones have one more.

    >>> shares(8, 3)
    [(0, 3), (3, 6), (6, 8)]
    """
    size, more = divmod(n, parts)
    starts = [part * size + min(part, more) for part in range(parts + 1)]
    return list(itertools.pairwise(starts))


def halves(node: Node) -> tuple[Node, Node]:
    """Return the two nodes whose sum a node is."""
    start, stop = node
    middle = (start + stop) // 2
    return (start, middle), (middle, stop)


def nodes_within(start: int, stop: int, root: Node) -> list[Node]:
    """Return the largest nodes of a tree that lie within some shards, in order: all of these are in them.

    >>> nodes_within(3, 6, root=(0, 8))
    [(3, 4), (4, 6)]
    """
    if start <= root[0] and root[1] <= stop:
        return [root]
    if root[1] <= start or stop <= root[0]:
        return []
    left, right = halves(root)
    return nodes_within(start, stop, left) + nodes_within(start, stop, right)


def tree_sum(node: Node, known: Mapping[Node, Sum], add: Callable[[Sum, Sum], Sum]) -> Sum | None:
    """Return the sum of a node, from those of nodes below that are known; a shard that is not known has no samples.

    >>> tree_sum((0, 8), {(0, 4): "abcd", (4, 5): "e", (5, 6): "f", (6, 8): "gh"}, lambda a, b: f"({a} + {b})")
    '(abcd + ((e + f) + gh))'
    """
    if node in known:
        return known[node]
    if node[1] - node[0] < 2:
        return None
    left, right = (tree_sum(half, known, add) for half in halves(node))
    if left is None or right is None:
        return right if left is None else left
    return add(left, right)
