"""Compiled loops over chunks: each chunk is done once, whoever helps, and is done when the loop returns."""

import ctypes
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinynet.kernels.fast import blas, products, threads, workers
from tinynet.kernels.fast.compiling import compiled
from tinynet.kernels.fast.llvm import waiting
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.memory import at, clear, numbers, part


@chunked
def count(start, stop, rounds, numbers, starts):
    """Add 1 to numbers (n, ...) from start to stop, some time after each was seen, and note where chunks began."""
    for n in range(start, stop):
        seen, x = numbers[n, 0], 0.0
        for _ in range(rounds):
            x = x * 0.5 + 1
        numbers[n, 0] = seen + (1 if x >= 0 else 2)
    starts[start] += 1


@pytest.fixture
def two_helpers(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "3")
    helpers = workers.Workers(2, awake=True)
    monkeypatch.setattr(threads, "_shared", {"workers": helpers})
    return helpers


def counted(n, size, rounds=0):
    numbers, starts = np.zeros((n, 64), np.int64), np.zeros(max(1, n), np.int64)
    threads.for_chunks(count, n, size, rounds, numbers, starts)
    return numbers[:, 0], np.flatnonzero(starts), starts


@pytest.mark.parametrize(("n", "size"), [(0, 1), (1, 1), (5, 7), (7, 7), (8, 7), (100, 1), (100, 33), (3, 0)])
def test_each_number_once_in_chunks_of_one_size(two_helpers, n, size):
    for _ in range(20):
        numbers, begun, starts = counted(n, size)
        assert (numbers == 1).all()
        assert [*begun] == [*range(0, n, max(1, size))]
        assert starts.max() <= 1


def test_many_callers_at_once(two_helpers):
    def many(caller):
        return all((counted(41, 5, rounds=20)[0] == 1).all() for _ in range(200))
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(many, range(4)))


def numbers_at(*addresses):
    return [ctypes.c_int64.from_address(address) for address in addresses]


def test_helpers_take_part_and_are_waited_for(two_helpers):
    """Asleep at first: all that the caller returns with is done, also what helpers did."""
    deadline = time.monotonic() + 10
    while two_helpers._awake.value:
        assert time.monotonic() < deadline, "helpers that nobody calls do not fall asleep"
        time.sleep(0.01)
    ended, = numbers_at(two_helpers.place + waiting.ENDED)
    for k in range(100):
        assert (counted(9, 1, rounds=500_000)[0] == 1).all()
        assert ended.value == k + 1
        state, = numbers_at(two_helpers.place + waiting.FIRST + k % waiting.SLOTS * waiting.SLOT_BYTES)
        if state.value & 0xFFFF == 3:                                        # with the caller
            return
    pytest.fail("no helper took a chunk")


def test_a_loop_inside_another_ones_piece_stays_in_its_thread(two_helpers):
    found = []
    threads.parallel_for(lambda start, stop: found.append(counted(20, 1)[0].sum()), 6, 1)
    assert found == [20] * 6


def addresses(x):
    return at(x), at(x, 2), at(x, 1, 2), at(x, 1, 0, 3)


def views(x):
    return numbers(x, 7, (2, 3)), numbers(x, 0, (x.size,)), part(x, 1, 3), part(x, 2, 2)


def cleared(x):
    clear(x, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_addresses_and_views_in_compiled_code_are_pythons(dtype):
    x = np.arange(60, dtype=dtype).reshape(3, 4, 5)
    begin = x.__array_interface__["data"][0]
    places = [begin + x.itemsize * k for k in (0, 40, 30, 23)]
    assert [*addresses(x)] == [*compiled(addresses)(x)] == places
    wanted = [[[7, 8, 9], [10, 11, 12]], np.arange(60), np.arange(20, 60).reshape(2, 4, 5), np.zeros((0, 4, 5))]
    for found, by_python, right in zip(compiled(views)(x), views(x), wanted, strict=True):
        np.testing.assert_array_equal(found, right)
        np.testing.assert_array_equal(by_python, right)
    for function in cleared, compiled(cleared):
        left = x.copy()
        function(left)
        np.testing.assert_array_equal(left, np.where(np.arange(3)[:, None, None] == 1, 0, x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("a_order", ["C", "F"])
@pytest.mark.parametrize("b_order", ["C", "F", "part"])
def test_products_of_blas_are_numpys_bit_for_bit(dtype, a_order, b_order, rng, monkeypatch):
    a = np.asarray(rng.normal(size=(203, 310)).astype(dtype), order=a_order)
    b = rng.normal(size=(310, 2 * 401)).astype(dtype)[:, ::1 if b_order == "part" else 2]
    b = b[:, :401] if b_order == "part" else np.array(b, order=b_order)                 # a view, with longer rows
    found = products.on_one_blas_thread(lambda: products.blas_in_pieces(a, b))
    calls = products.calls_of_blas(a.shape, b.shape[1], a.strides, b.strides, a.itemsize)
    assert calls is not None
    monkeypatch.setattr(blas, "entry", lambda dtype: 0)
    np.testing.assert_array_equal(products.on_one_blas_thread(lambda: products.blas_in_pieces(a, b)), found)
    np.testing.assert_allclose(found, a @ b, rtol=1e-3 if dtype == np.float32 else 1e-10, atol=1e-3)


@pytest.mark.parametrize(("shape", "N", "a", "b"), [
    ((1, 784), 500, (3136, 4), (2000, 4)), ((784, 1), 500, (4, 4), (2000, 4)), ((784, 784), 1, (3136, 4), (4, 4)),
    ((200, 784), 500, (6272, 8), (2000, 4)), ((200, 784), 500, (0, 4), (2000, 4)),
    ((200, 784), 500, (-3136, 4), (2000, 4))],
    ids=["a row", "rank 1", "a column", "every other number", "one row again and again", "upside down"])
def test_what_is_no_matrix_to_blas_is_left_to_numpy(shape, N, a, b):
    assert products.calls_of_blas(shape, N, a, b, 4) is None
