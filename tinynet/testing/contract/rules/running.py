"""Rules about how a layer runs: in training and inference, at random, in threads, on every kernel set."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np

from tinynet import kernels
from tinynet.testing.contract.specimen import PRECISION, Specimen, attempt, expect, expect_equal, expect_same


def training_declared(s: Specimen) -> None:
    """Training differs from inference only where ``differs_in_training = True`` says so."""
    if True not in s.modes:
        expect_same(s.run(training=True), s.run(),
                    "in training as in inference, though differs_in_training is False")


def inference_repeatable(s: Specimen) -> None:
    """In inference the same x gives the same y, bit for bit."""
    layer = s.fresh()
    first = layer(s.x()).copy()
    expect_equal(layer(s.x()), first, "y is not the same when the same x comes again")


def random_from_build(s: Specimen) -> None:
    """All randomness comes from build's generator; NumPy's global state is not used."""
    before = pickle.dumps(np.random.get_state())
    if not s.make_layer().params:                     # else its weights were made before build
        for key, array in s.build()[0].params.items():
            expect_equal(array, s.built.params[key], f"params[{key!r}] is not the same from the same seed")
    for training in s.modes:
        once, again = s.run(training=training), s.run(training=training)
        expect_same(again, once, "in two copies of the layer", tolerance=0)
    expect(pickle.dumps(np.random.get_state()) == before, "NumPy's global random state was used")


def threads(s: Specimen) -> None:
    """In inference several threads can use the layer at once."""
    layer, batches = s.fresh(), [s.x(seed=seed) for seed in range(16)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)                       # switch threads often: a race shows
    try:
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(layer, batches))
    finally:
        sys.setswitchinterval(interval)
    for got, x in zip(together, batches, strict=True):
        expect_equal(got, s.run(x).y, "y is not the same when four threads run at once", tolerance=1e-9)


def kernel_sets_agree(s: Specimen) -> None:
    """Every kernel set gives the same numbers: naive, im2col, fast."""
    for training, (dtype, tolerance) in product(s.modes, PRECISION.items()):
        x = s.x(2, dtype)
        usual = s.run(x, training=training)
        for name in kernels.NAMES:
            with attempt(f"with the kernel set {name!r}, in {dtype.__name__}"), kernels.use(name):
                expect_same(s.run(x, training=training), usual, tolerance=tolerance)
