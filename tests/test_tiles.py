"""Tiles of every size, at any strides, and loops around them compute products."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.kernels import fast
from tinynet.kernels.fast import blas, products, tiles
from tinynet.kernels.fast.compiling import compiled

NEAR = {"float32": {"rtol": 1e-3, "atol": 1e-3}, "float64": {"rtol": 1e-11, "atol": 1e-11}}


def lanes(dtype):
    return tiles.VECTOR_BYTES // np.dtype(dtype).itemsize


@compiled
def call(entry, loops, count, a, b, start, c):
    tiles.multiply(entry, loops, count, a, b, start, c)


def run(a, b, start, c, *loops, rows=None, call=call, **cut):
    """Fill c (M, N) with start plus a (M, O, K) times b (O, K, N), by one tile, or by some loops around it."""
    (M, outer, K), V = a.shape, c.shape[1] * c.itemsize // tiles.VECTOR_BYTES
    tile = tiles.Tile(rows or M, M, V, outer, K, a.strides, b.strides[:2], start.strides[0], c.strides[0], **cut)
    call(tiles.entries(c.dtype).multiply, tiles.tile_loops(tile, *loops), 1, a, b, start, c)


def spaced(rng, shape, dtype, *, contiguous_rows):
    """Draw an array with gaps along every axis; with `contiguous_rows`, along all but the last."""
    gaps = [3, 2, 2][-len(shape):]
    if contiguous_rows:
        gaps[-1] = 1
    large = rng.normal(size=[n * gap for n, gap in zip(shape, gaps, strict=True)]).astype(dtype)
    return large[tuple(slice(None, None, gap) for gap in gaps)]


@pytest.mark.parametrize("call", [call, call.py_func], ids=["from compiled code", "from Python"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_tile_of_any_size_is_the_product(dtype, call, rng):
    near = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-12}
    for M, vectors in tiles.SIZES:
        N = vectors * lanes(dtype)
        a = spaced(rng, (M, 2, 7), dtype, contiguous_rows=False)
        b = spaced(rng, (2, 7, N), dtype, contiguous_rows=True)
        start = np.broadcast_to(rng.normal(size=N).astype(dtype), (M, N))
        c = np.full((2 * M, N), np.nan, dtype)
        run(a, b, start, c[::2], vectors=vectors, call=call)
        np.testing.assert_allclose(c[::2], start + np.tensordot(a, b, 2), **near)
        assert np.isnan(c[1::2]).all()


def test_a_tile_may_add_to_itself(rng):
    N = tiles.VECTOR_BYTES // 8
    a, b, c = rng.normal(size=(5, 1, 3)), rng.normal(size=(1, 3, N)), rng.normal(size=(5, N))
    expected = c + a[:, 0] @ b[0]
    run(a, b, c, c)
    np.testing.assert_allclose(c, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loops_cut_rows_columns_and_sums_into_tiles(dtype, rng):
    M, outer, K, vectors, rows, depth = 2 * tiles.MAX_ROWS + 1, 3, 11, 5, tiles.MAX_ROWS - 1, 4
    N = vectors * lanes(dtype)
    a, b = rng.normal(size=(M, outer, K)).astype(dtype), rng.normal(size=(outer, K, N)).astype(dtype)
    start, c = rng.normal(size=(M, N)).astype(dtype), np.empty((M, N), dtype)
    run(a, b, start, c,
        tiles.Loop(tiles.cut(vectors, 2), b=2 * tiles.VECTOR_BYTES, start=2 * tiles.VECTOR_BYTES,
                   c=2 * tiles.VECTOR_BYTES, v=2),
        tiles.Loop(tiles.COUNTED, a=99),                                         # once: it goes nowhere
        tiles.Loop(tiles.cut(M, rows), a=rows * a.strides[0], start=rows * c.strides[0], c=rows * c.strides[0], m=rows),
        tiles.Loop(tiles.cut(K, depth), a=depth * a.strides[2], b=depth * b.strides[1], k=depth), rows=rows,
        depth=depth)
    np.testing.assert_allclose(c, start + np.tensordot(a.astype(float), b, 2), **NEAR[dtype])


def test_a_sum_over_nothing_is_the_start(rng):
    N = tiles.VECTOR_BYTES // 8
    start, c = rng.normal(size=(3, N)), np.empty((3, N))
    run(np.empty((3, 0, 4)), np.empty((0, 4, N)), start, c)
    np.testing.assert_array_equal(c, start)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("M", "K", "vectors"), [(1, 1, 1), (tiles.MAX_ROWS + 1, 3, 3), (37, products.DEPTH_BLOCK, 2),
                                                 (200, 2 * products.DEPTH_BLOCK + 5, 8)])
def test_a_product_by_tiles_is_the_product(M, K, vectors, dtype, rng):
    a, b = rng.normal(size=(M, K)).astype(dtype), rng.normal(size=(K, vectors * lanes(dtype))).astype(dtype)
    right, near = a.astype(float) @ b.astype(float), NEAR[dtype]
    for left in (a, np.asfortranarray(a)):
        np.testing.assert_allclose(products.by_tiles(left, b), right, **near)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("K", "N"), [(1, 10_000), (4, 2500), (127, 64), (801, 10), (802, 100), (803, 33)])
def test_a_vector_matrix_product_is_the_product(K, N, dtype, monkeypatch, rng):
    monkeypatch.setattr(products, "by_tiles", None)                    # neither a tile
    monkeypatch.setattr(products, "blas_in_pieces", None)              # nor BLAS is asked
    b = rng.normal(size=(K, N)).astype(dtype)
    for a in (rng.normal(size=(1, K)).astype(dtype), spaced(rng, (1, K), dtype, contiguous_rows=False)):
        np.testing.assert_allclose(fast.matmul(a, b), a.astype(float) @ b.astype(float), **NEAR[dtype])
    b[-1, 3] = np.nan
    np.testing.assert_array_equal(np.isnan(fast.matmul(a * 0, b)[0]), np.arange(N) == 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_with_few_columns_are_made_by_tiles(dtype, monkeypatch, rng):
    a, b = rng.normal(size=(301, 400)).astype(dtype), rng.normal(size=(400, 8 * lanes(dtype))).astype(dtype)
    np.testing.assert_allclose(fast.matmul(a, b), a.astype(float) @ b, **NEAR[dtype])
    b[7, 5] = np.inf
    assert set(fast.matmul(a, b)[:, 5]) <= {np.inf, -np.inf}
    monkeypatch.setattr(np, "matmul", None)                            # BLAS is not asked
    fast.matmul(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("orders", ["CC", "FC", "CF", "FF"])
@pytest.mark.parametrize("narrower", [True, False])
def test_large_products_are_made_by_tiles_where_blas_has_narrower_vectors(narrower, orders, dtype, monkeypatch, rng):
    a, b = rng.normal(size=(40, 400)).astype(dtype), rng.normal(size=(400, 336)).astype(dtype)
    a, b = (np.asarray(each, order=order) for each, order in zip((a, b), orders, strict=True))
    right = a.astype(float) @ b.astype(float)
    monkeypatch.setattr(blas, "is_narrower", lambda: narrower)
    monkeypatch.setattr(products, "by_tiles" if not narrower else "blas_in_pieces", None)      # it is not asked
    np.testing.assert_allclose(fast.matmul(a, b), right, **NEAR[dtype])


@pytest.mark.parametrize(("library", "narrower"), [
    (("openblas", "Haswell"), True), (("openblas", "Zen"), True), (("openblas", "SkylakeX"), False),
    (("openblas", "Sapphirerapids"), False), (("mkl", "Haswell"), False), (None, False)])
def test_the_vectors_of_blas_are_those_of_the_processor_its_kernels_are_for(library, narrower, monkeypatch):
    found = library and SimpleNamespace(internal_api=library[0], architecture=library[1])
    monkeypatch.setattr(blas, "numpys", lambda: found)
    for width in (16, 32, 64):
        monkeypatch.setattr(blas, "VECTOR_BYTES", width)
        assert blas.is_narrower.__wrapped__() == (narrower and width == 64)


def test_tiles_are_not_asked_for_what_they_cannot_multiply(rng):
    a, b = rng.normal(size=(300, 400)), rng.normal(size=(400, 64))
    assert tiles.suits_tiles(a, b)
    others = [(a, b[:, :63].copy()), (a, b[:, :48]), (a, np.asfortranarray(b)), (a.astype(np.float32), b),
              (a.astype(int), b.astype(int))]
    for left, right in others:
        assert not tiles.suits_tiles(left, right)
        y = fast.matmul(left, right)
        np.testing.assert_allclose(y, left.astype(float) @ right.astype(float), **NEAR["float32"])


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 9), st.sampled_from([1, 8, 16]), st.integers(1, 4))
def test_the_pieces_of_a_matrix_are_all_of_it_once(M, N, count, width, tall):
    pieces, times = products.cut_in_pieces(M, N, count, width, tall), np.zeros((M, N), int)
    for rows, columns in pieces:
        times[rows, columns] += 1
        assert columns.start % width == 0
        assert columns.stop % width == 0 or columns.stop == N
    assert (times == 1).all()
    assert min(count, M * -(-N // width)) <= len(pieces) <= 2 * count


@pytest.mark.parametrize(("M", "K", "N"), [(1, 5_000_001, 1), (2, 1_300_000, 2), (1, 400_000, 16), (3, 250_000, 24)])
def test_a_long_sum_of_few_columns_is_multiplied_in_fewer_pieces(M, K, N):
    a, b = np.ones((M, K), np.float32), np.ones((K, N), np.float32)
    np.testing.assert_array_equal(fast.matmul(a, b), np.full((M, N), K))


@pytest.mark.parametrize("shape", [(0, 5, 32), (3, 0, 32), (3, 5, 0), (0, 5, 7), (0, 0, 0), (0, 900_000, 32)])
def test_products_of_nothing_have_their_shape(shape):
    M, K, N = shape
    np.testing.assert_array_equal(fast.matmul(np.ones((M, K)), np.ones((K, N))), np.zeros((M, N)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_copy_turns_what_lies_the_other_way_and_writes_nothing_else(dtype, rng):
    def lying(Q, F, turned, gap):
        """Return (array (Q, F), what it is a part of): neighbours along F, or if turned along Q."""
        whole = np.full((F, Q + gap) if turned else (Q, F + gap), np.nan, dtype)
        return (whole[:, :Q].T if turned else whole[:, :F]), whole

    vector, half = lanes(dtype), lanes(dtype) // 2
    sizes = sorted({1, 2, max(1, half - 1), half, vector - 1, vector, vector + 1, 3 * vector + 2})
    for Q, F, x_turned, y_turned, gap in product(sizes, sizes, [False, True], [False, True], [0, 3]):
        (x, _), (y, whole) = lying(Q, F, x_turned, gap), lying(Q, F, y_turned, gap)
        x[...] = rng.normal(size=(Q, F))
        tiles.copy(tiles.entries(x.dtype).copy, x, *x.strides, y, *y.strides, Q, F)
        np.testing.assert_array_equal(y, x)
        assert np.isnan(whole).sum() == whole.size - Q * F
