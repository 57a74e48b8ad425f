"""Rules about the batch: its samples are independent."""

from __future__ import annotations

import numpy as np

from tinynet.testing.contract.specimen import Specimen, attempt, expect_equal, expect_same


def batch_independence(s: Specimen) -> None:
    """In inference y and dx of a sample do not depend on its batch, nor on its index in it."""
    x, whole = s.x(), s.run()
    dy = s.dy(whole.y)
    order = np.arange(s.batch_size)
    batches = {"turned by one place": np.roll(order, 1), "cut to two": order[:2], "without two": order[2:]}
    for what, some in batches.items():
        with attempt(f"in the batch {what}"):
            expect_same(s.run(x[some], dy[some]), whole.samples(some, {}))


def batch_of_one(s: Specimen) -> None:
    """A single sample gives what each of two equal samples gives."""
    with attempt("in a batch of one"):
        one = s.run(s.x(1))
        pair = s.run(np.repeat(s.x(1), 2, axis=0), lambda y: np.repeat(s.dy(y[:1]), 2, axis=0))
        expect_same(one, pair.samples(slice(1), {}))


def empty_batch(s: Specimen) -> None:
    """An empty batch gives empty outputs, and parameter gradients of zero."""
    for training in s.modes:
        whole = s.run(training=training)
        with attempt("in an empty batch"):
            zeros = {key: np.zeros_like(grad) for key, grad in whole.grads.items()}
            expect_same(s.run(s.x(0), training=training), whole.samples(slice(0), zeros))


def gradient_sums(s: Specimen) -> None:
    """In inference the parameter gradients of a batch are the sum of those of its parts."""
    x = np.concatenate([s.x(), s.x()[:1]])              # one sample comes twice: what is looked up by it must add up
    whole = s.run(x)
    dy = s.dy(whole.y)
    first, second = s.run(x[:2], dy[:2]).grads, s.run(x[2:], dy[2:]).grads
    for key, grad in whole.grads.items():
        expect_equal(grad, first[key] + second[key],
                     f"grads[{key!r}] is not that of the first two samples plus that of the others", 1e-9)
