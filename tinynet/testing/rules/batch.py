"""Rules about the batch: its samples do not know of each other."""

from __future__ import annotations

import numpy as np

from tinynet.testing.specimen import Run, Specimen, attempt, expect_equal, expect_same


def batch_independence(s: Specimen) -> None:
    """In inference y and dx of a sample do not depend on the rest of its batch, nor on its place in it."""
    x, whole = s.x(), s.run()
    dy = s.dy(whole.y)
    order = np.arange(s.batch_size)
    for some, what in (order[::-1], "reversed"), (order[:2], "without all but two"), (order[2:], "without two"):
        with attempt(f"in a batch {what} of its samples"):
            expect_same(s.run(x[some], dy[some]), Run(whole.y[some], whole.dx[some], {}))


def batch_of_one(s: Specimen) -> None:
    """A single sample gives what each of two equal samples gives."""
    with attempt("in a batch of one"):
        one = s.run(s.x(1))
        pair = s.run(np.repeat(s.x(1), 2, axis=0), lambda y: np.repeat(s.dy(y[:1]), 2, axis=0))
        expect_same(one, Run(pair.y[:1], pair.dx[:1], {}))


def batch_of_none(s: Specimen) -> None:
    """An empty batch gives empty outputs, and parameter gradients of zero."""
    for training in s.modes:
        whole = s.run(training=training)
        with attempt("in a batch of none"):
            zeros = {key: np.zeros_like(grad) for key, grad in whole.grads.items()}
            expect_same(s.run(s.x(0), training=training), Run(whole.y[:0], whole.dx[:0], zeros))


def gradient_sums(s: Specimen) -> None:
    """In inference the parameter gradients of a batch are the sum of those of its samples."""
    x, whole = s.x(), s.run()
    dy = s.dy(whole.y)
    alone = [s.run(x[i:i + 1], dy[i:i + 1]).grads for i in range(s.batch_size)]
    for key, grad in whole.grads.items():
        total = np.sum([grads[key] for grads in alone], axis=0)
        expect_equal(grad, total, f"grads[{key!r}] is not the sum of its samples' own", tolerance=1e-9)
