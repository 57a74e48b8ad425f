"""What every test shares: how hard Hypothesis tries, and the kernel set put back after each test."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tinynet import kernels

# TINYNET_HYPOTHESIS_PROFILE=thorough python -m pytest ... looks forty times as hard
for profile, examples in {"fast": 25, "ci": 100, "thorough": 1000}.items():
    settings.register_profile(profile, max_examples=examples, deadline=None, print_blob=True,
                              suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("TINYNET_HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture(autouse=True)
def same_kernel_set_afterwards():
    before = kernels.current().__name__.rpartition(".")[2]
    yield
    kernels.use(before)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=["naive", "im2col", "fast"])
def every_kernel_set(request):
    with kernels.use(request.param):
        yield request.param
