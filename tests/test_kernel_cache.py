"""Keeping compiled kernels on disk: what is kept is used, what is damaged compiled anew, what cannot be kept is not."""

import errno
import os
import subprocess
import sys

import numba
import pytest
from numba.core.caching import CacheImpl

from tinynet.kernels.fast import cache
from tinynet.kernels.fast.compiling import compiled

DAMAGE = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:len(data) * 2 // 3],
    "overwritten": lambda data: bytes(len(data)),
    "one bit": lambda data: data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "_warned", [])
    return tmp_path


def started():
    """Return the kernel as a process that has just started has it."""
    def doubled(x):
        return 2 * x
    return compiled(doubled)


def hits(kernel):
    return sum(kernel.stats.cache_hits.values())


def test_a_kept_kernel_is_used_by_the_next_start(folder):
    first, second = started(), started()
    assert first(3) == second(3) == 6
    assert (hits(first), hits(second)) == (0, 1)


START = """
import sys
import numpy as np
from tinynet import kernels

for dtype in sys.argv[1:]:
    dy, y = np.arange(4, dtype=dtype), np.array([0, 1, 0, 2], dtype)
    print(*kernels.current().relu_gradient(dy, y), "numba.np.linalg" in sys.modules)
"""


def test_a_start_from_kept_kernels_loads_nothing_that_is_for_compiling(tmp_path):
    def start(*dtypes):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run([sys.executable, "-c", START, *dtypes], env=environment, check=True, capture_output=True,
                              text=True).stdout.splitlines()
    assert start("float32") == ["0.0 1.0 0.0 3.0 True"]
    assert start("float32", "float64") == ["0.0 1.0 0.0 3.0 False", "0.0 1.0 0.0 3.0 True"]    # it compiles what is new


@pytest.mark.parametrize(("file", "damage"), [
    *[("index", damage) for damage in ("empty", "cut", "overwritten")], *[("code", damage) for damage in DAMAGE]])
def test_a_damaged_kernel_is_compiled_anew_and_kept_again(folder, file, damage):
    started()(3)
    (kept,) = folder.rglob({"index": "*.nbi", "code": "*.nbc"}[file])
    kept.write_bytes(DAMAGE[damage](kept.read_bytes()))
    second, third = started(), started()
    assert second(3) == third(3) == 6
    assert (hits(second), hits(third)) == (0, 1)


def test_where_the_disk_is_full_a_kernel_is_used_all_the_same_and_one_warning_says_so(folder, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(cache.CheckedFiles, "_open_for_write", full)
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR .*No space left") as told:
        assert (started()(3), started()(4), started()(1.5)) == (6, 8, 3)
    assert len(told) == 1
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_where_no_folder_can_be_written_to_kernels_are_used_all_the_same_and_one_warning_says_so(folder, monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR") as told:
        assert (started()(3), started()(4)) == (6, 8)
    assert len(told) == 1


def code_cache():
    def function():
        pass
    return cache.kernel_cache(function)


def test_machine_code_is_kept_under_its_key(folder):
    code_cache().save_code(("multiply", "here"), b"code")
    assert code_cache().load_code(("multiply", "here")) == b"code"
    assert code_cache().load_code(("multiply", "elsewhere")) is None


@pytest.mark.parametrize(("file", "damage"), [("*.nbi", "cut"), *[("*.nbc", damage) for damage in DAMAGE]])
def test_damaged_machine_code_is_taken_for_not_there(folder, file, damage):
    code_cache().save_code("multiply", bytes(range(256)))
    (kept,) = folder.rglob(file)
    kept.write_bytes(DAMAGE[damage](kept.read_bytes()))
    assert code_cache().load_code("multiply") is None


def test_where_machine_code_cannot_be_kept_one_warning_says_so(folder, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(cache.CheckedFiles, "_open_for_write", full)
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR .*No space left") as told:
        code_cache().save_code("multiply", b"code")
    code_cache().save_code("multiply", b"code")                 # a second warning would be an error
    assert len(told) == 1
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    code_cache().save_code("multiply", b"code")
    assert code_cache().load_code("multiply") is None
