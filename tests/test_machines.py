"""The fast kernels give the same numbers on other machines: without AVX-512, with one core, without a compiler."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels.fast import cache, layout, products, sparse
from tinynet.kernels.fast.convolutions import conv, conv_relu_pool
from tinynet.kernels.fast.loops import elementwise, pooling

MACHINES = {
    "without AVX-512": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma,+avx,+sse4.2,+popcnt"},
    "without a compiler": {"NUMBA_DISABLE_JIT": "1"},
    "one core": {"TINYNET_NUM_THREADS": "1"},
    "three threads": {"TINYNET_NUM_THREADS": "3"},
}
MARKS = {"without a compiler": pytest.mark.slow, "without AVX-512": pytest.mark.rest}           # others: test-long
SCRIPT = """
import sys
import numpy as np
from test_machines import run
np.save(sys.argv[1], run())
"""


def run():
    """Return the output, the gradients and the input gradient of a small network, as one array."""
    model = small_network()
    rng = np.random.default_rng(1)
    y, backward = model.forward(rng.normal(size=(3, 2, 13, 12)).astype(np.float32))
    dx = backward(rng.normal(size=y.shape).astype(np.float32))
    return np.concatenate([array.ravel() for array in (y, dx, *model.grads.values())])


def small_network():
    """Return a model whose steps are fused, tiled and summed in chunks."""
    from tinynet import Sequential
    from tinynet.layers import Conv2D, Dense, Flatten, MaxPool2D

    return Sequential([Conv2D(5, (3, 2), dilation_rate=(1, 2), activation="relu"), MaxPool2D(),
                       Conv2D(34, 2, strides=(1, 2), padding="same"), Flatten(), Dense(3, activation="relu")],
                      input_shape=(2, 13, 12), seed=0)


@pytest.mark.parametrize("machine", [
    pytest.param(machine, id=name, marks=MARKS.get(name, pytest.mark.long)) for name, machine in MACHINES.items()])
def test_the_numbers_are_those_of_numpy(machine, tmp_path):
    found = tmp_path / "found.npy"
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(found)], cwd=os.path.dirname(__file__), text=True,
                          capture_output=True, env={**os.environ, **machine, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    with kernels.use("im2col"):
        np.testing.assert_allclose(np.load(found), run(), rtol=2e-4, atol=2e-5)


def test_the_cache_of_compiled_code_is_stamped_with_a_hash_of_all_kernels():
    dispatcher = elementwise.adam_loop
    if hasattr(dispatcher, "_cache"):
        assert dispatcher._cache._cache_file._source_stamp == cache.SOURCE_HASH


def test_nothing_is_compiled_anew_for_arrays_that_must_not_be_written(rng):
    network, x = small_network(), rng.normal(size=(3, 2, 13, 12)).astype(np.float32)
    a, b = rng.normal(size=(5, 32)), rng.normal(size=(32, 32))
    compiled = [kernel for room in (conv, conv_relu_pool, elementwise, layout, pooling, products, sparse)
                for kernel in vars(room).values() if hasattr(kernel, "signatures")]
    y, backward = network.forward(x)
    backward(np.ones_like(y))
    for left in a, np.eye(6000, 32):
        products.matmul(left, b)
    before = [list(kernel.signatures) for kernel in compiled]
    for layer in network.layers:
        layer.params = {key: read_only(p) for key, p in layer.params.items()}
    y, backward = network.forward(read_only(x))
    backward(read_only(np.ones_like(y)))
    for left in a, np.eye(6000, 32):
        products.matmul(read_only(left), read_only(b))
    assert [kernel.signatures for kernel in compiled] == before


def read_only(array):
    return np.broadcast_to(array, array.shape)
