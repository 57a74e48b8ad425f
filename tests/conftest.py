"""What every test shares: how hard Hypothesis tries, the kernel set put back after each; what is slow is done once."""

import gc
import hashlib
import os
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tinynet import kernels
from tinynet.datasets import mnist

try:
    import fcntl
except ImportError:                              # Windows: there each process compiles for itself
    fcntl = None

# TINYNET_HYPOTHESIS_PROFILE=thorough python -m pytest ... looks fifty times as hard
for profile, examples in {"quick": 2, "fast": 20, "ci": 100, "thorough": 1000}.items():
    settings.register_profile(profile, max_examples=examples, deadline=None, print_blob=True,
                              suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("TINYNET_HYPOTHESIS_PROFILE", "fast"))


QUICK = os.environ.get("TINYNET_HYPOTHESIS_PROFILE") == "quick"


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc):
    """For `make quick`, make two cases of each test alone: collecting them takes as long as some tests."""
    yield
    if QUICK:
        del metafunc._calls[2:]


def pytest_collection_modifyitems(items):
    """Begin with what is dearest, so that processes end together."""
    items.sort(key=lambda item: (item.get_closest_marker("xdist_group") is None,
                                 not item.nodeid.startswith("tests/testing/")))


def pytest_collection_finish():
    """Spare Python's garbage collector the eleven thousand tests: looking through them takes 6 % of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def same_kernel_set_afterwards():
    before = kernels.current().__name__.rpartition(".")[2]
    yield
    kernels.use(before)


@pytest.fixture(scope="module")
def small_chunks():
    """Cut convolutions of small images into as many chunks of samples as those of large ones."""
    from tinynet.kernels.fast.convolutions import conv_loops

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv_loops, "MIN_PIXELS", 1)
        patch.setattr(conv_loops, "MIN_PRODUCTS", 1)
        conv_loops.sizes.cache_clear()
        yield
    conv_loops.sizes.cache_clear()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=["naive", "im2col", "fast"])
def every_kernel_set(request):
    with kernels.use(request.param):
        yield request.param


def pytest_sessionstart():
    """Unpack the files inside the package once, for tests and for what their files load when they are imported."""
    load, shipped = mnist._load, mnist._SHIPPED
    keep = cache(load)

    def load_once(file, rank, digest):
        return keep(file, rank, digest).copy() if file.parent == shipped else load(file, rank, digest)
    mnist._load = load_once


# Several processes share the tests of `make test`. Whichever first needs a kernel compiles it and keeps it on disk; the
# others wait, and read it from there.

@pytest.fixture(scope="session", autouse=fcntl is not None and "PYTEST_XDIST_WORKER" in os.environ)
def each_kernel_is_compiled_once(tmp_path_factory):
    from numba.core.caching import IndexDataCacheFile
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.dispatcher import Dispatcher

    folder = tmp_path_factory.getbasetemp().parent / "compiling"           # the same for all processes
    folder.mkdir(exist_ok=True)
    compile_one, save = Dispatcher.compile, IndexDataCacheFile.save

    def compile_once(dispatcher, signature):
        function = dispatcher.py_func
        with global_compiler_lock, alone(folder, function.__module__, function.__qualname__, signature):
            return compile_one(dispatcher, signature)                      # it looks on disk first

    def save_alone(file, key, data):
        with alone(folder, file._index_path):                              # the index is read, changed and written
            save(file, key, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dispatcher, "compile", compile_once)
        patch.setattr(IndexDataCacheFile, "save", save_alone)
        yield


@contextmanager
def alone(folder, *what):
    """Wait until no other process does `what`; kernels call each other in no circle, so none is waited for in one."""
    with open(folder / hashlib.sha256(repr(what).encode()).hexdigest(), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)                                   # until it is closed
        yield
