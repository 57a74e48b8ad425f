"""Rules about how a layer runs: in training and inference, at random, in threads, on every kernel set."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

from tinynet import kernels
from tinynet.testing.contract.specimen import (
    PRECISION,
    Specimen,
    attempt,
    begin_randomness,
    drawn_globally,
    expect,
    expect_equal,
    expect_same,
    mode,
)


def training_declared(s: Specimen) -> None:
    """Training differs from inference only where ``differs_in_training = True`` says so."""
    if True not in s.modes:
        expect_same(s.run(training=True), s.run(),
                    "in training as in inference, though differs_in_training is False")


def inference_repeatable(s: Specimen) -> None:
    """In inference the same x gives the same y, bit for bit."""
    layer = s.fresh()
    first = layer.forward(s.x())[0].copy()
    expect_equal(layer.forward(s.x())[0], first, "y is not the same when the same x comes again")


def random_from_build(s: Specimen) -> None:
    """All randomness comes from build's generator; NumPy's global state is not used."""
    def expect_global_state_unused(who: str) -> None:
        expect(not drawn_globally(),
               f"NumPy's global random state was used: {who}. No model's seed sets it, and whoever else draws from it "
               f"changes what is drawn. Keep the generator that build is given, self.rng = rng, and draw from it in "
               f"forward: self.rng.random(x.shape)")
    begin_randomness()
    params = s.build()[0].params
    expect_global_state_unused("build drew from np.random")
    if not s.make_layer().params:                     # else its weights were made before build
        for key, array in params.items():
            expect_equal(array, s.built.params[key], f"params[{key!r}] is not the same from the same seed")
    for training in s.modes:
        once, again = s.run(training=training), s.run(training=training)
        expect_same(again, once, "in two copies of the layer", tolerance=0)
        x, layer = s.x(), s.fresh()
        y, backward = layer.forward(x, training)
        expect_global_state_unused(f"forward drew from np.random {mode(training)}")
        backward(s.dy(y))
        expect_global_state_unused(f"backward drew from np.random {mode(training)}")


def threads(s: Specimen) -> None:
    """In inference several threads can use the layer at once."""
    layer, batches = s.fresh(), [s.x(seed=seed) for seed in range(16)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)                       # switch threads often: a race shows
    try:
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda x: layer.forward(x)[0], batches))
    finally:
        sys.setswitchinterval(interval)
    for got, x in zip(together, batches, strict=True):
        expect_equal(got, s.run(x).y, "y is not the same when four threads run at once", tolerance=1e-9)


def kernel_sets_agree(s: Specimen) -> None:
    """Every kernel set gives the same numbers: naive, im2col, fast."""
    for training, (dtype, tolerance) in product(s.modes, PRECISION.items()):
        x = s.x(2, dtype)
        usual = s.run(x, training=training, dtype=dtype)
        for name in kernels.NAMES:
            with attempt(f"with the kernel set {name!r}, in {dtype.__name__}"), kernels.use(name):
                expect_same(s.run(x, training=training, dtype=dtype), usual, tolerance=tolerance)
