"""Writing IDX files: what is written is read back, byte for byte as the format says, and there whole or not at all."""

import gzip
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tinynet.datasets.idx import read_idx, write_idx

DTYPES = ("uint8", "int8", "int16", "int32", "float32", "float64")


def test_a_file_is_the_one_written_by_hand(tmp_path):
    write_idx(tmp_path / "numbers", np.array([[1, 256, -2]], np.int16))
    assert (tmp_path / "numbers").read_bytes() == bytes.fromhex("0000 0b 02 00000001 00000003 0001 0100 fffe")


@pytest.mark.parametrize("name", ["values", "values.gz"])
@pytest.mark.parametrize("dtype", [*DTYPES, ">i4", "<f8"])
def test_every_type_comes_back(tmp_path, dtype, name):
    array = np.array([[0, 1, 2], [100, 101, 127]], dtype)
    write_idx(str(tmp_path / name), array)
    np.testing.assert_array_equal(read_idx(tmp_path / name), array.astype(array.dtype.newbyteorder("=")), strict=True)


@pytest.mark.parametrize("array", [np.zeros((0, 28, 28), np.uint8), np.ones((1,) * 32, np.uint8),
                                   np.arange(12, dtype=np.uint8).reshape(3, 4).T,
                                   (np.arange(2**18 + 5) % 1000).astype(np.float64)],
                         ids=["empty", "of rank 32", "not as it lies in memory", "of several chunks"])
def test_any_array_comes_back(tmp_path, array):
    for name in ("array", "array.gz"):
        write_idx(tmp_path / name, array)
        np.testing.assert_array_equal(read_idx(tmp_path / name), array, strict=True)


def test_a_name_that_ends_in_gz_is_gzipped_and_the_same_array_gives_the_same_bytes(tmp_path):
    array = np.zeros(1000, np.uint8)
    for name in ("plain", "one.gz", "two.gz"):
        write_idx(tmp_path / name, array)
    zipped = (tmp_path / "one.gz").read_bytes()
    assert len(zipped) < 100
    assert gzip.decompress(zipped) == (tmp_path / "plain").read_bytes()
    assert (tmp_path / "two.gz").read_bytes() == zipped


FORMS = "an array of uint8, int8, int16, int32, float32, float64 (see array.astype)"


@pytest.mark.parametrize(("array", "said"), [
    (np.zeros(3, np.int64), f"{FORMS}. Received: int64"),
    ([True], f"{FORMS}. Received: bool"),
    (np.uint8(1), "an array of 1 to 32 dimensions and at most 2 GiB. Received: shape ()"),
    (np.ones((1,) * 33, np.uint8), f"an array of 1 to 32 dimensions and at most 2 GiB. Received: shape {(1,) * 33}"),
    (np.broadcast_to(np.float64(0), (2**28 + 1,)),
     "an array of 1 to 32 dimensions and at most 2 GiB. Received: shape (268435457,)"),
], ids=["int64", "bool", "a number", "rank 33", "more than 2 GiB"])
def test_what_the_format_has_no_form_for_is_told_and_the_old_file_stays(tmp_path, array, said):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(ValueError, match=f"^{re.escape(f'write_idx: expected {said}.')}$"):
        write_idx(tmp_path / "file", array)
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_idx(tmp_path / "file", np.array([1], np.uint8))
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left on device"):
        write_idx(tmp_path / "file", np.array([2], np.uint8))
    assert read_idx(tmp_path / "file").tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("written")


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(array=st.sampled_from(DTYPES).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))),
    name=st.sampled_from(["file", "file.gz"]))
def test_random_arrays_come_back_to_the_bit(folder, array, name):
    write_idx(folder / name, array)
    result = read_idx(folder / name)
    assert (result.shape, result.dtype, result.tobytes()) == (array.shape, array.dtype, array.tobytes())
