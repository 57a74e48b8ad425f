"""IDX files: what is written down by hand is read back, and nothing else is ever read."""

import gzip
import os
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tinynet.datasets import idx
from tinynet.datasets.idx import parse_idx, read_idx, read_idx_bytes

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}
SMALL = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])  # [[1, 2, 3], [4, 5, 6]]
ZIPPED = gzip.compress(SMALL, mtime=0)  # parameters name the tests: the same in every process
MEBIBYTE = 2**20


def idx_bytes(array):
    """The writer, by the definition: the oracle for everything read here."""
    header = struct.pack(f">HBB{array.ndim}I", 0, CODES[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def message(found, file="IDX data"):
    """A pattern for the whole of a message, so that nothing in it goes unread."""
    return f"^{re.escape(f'{file}: {found}')}$"


# Hand-made files


def test_a_hand_made_file_gives_its_array():
    expected = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    np.testing.assert_array_equal(parse_idx(SMALL), expected, strict=True)


@pytest.mark.parametrize(
    ("code", "values", "dtype", "expected"),
    [
        (0x08, "00 7f ff", np.uint8, [0, 127, 255]),
        (0x09, "00 7f ff", np.int8, [0, 127, -1]),
        (0x0B, "0001 0100 fffe", np.int16, [1, 256, -2]),
        (0x0C, "00000001 01000000 fffffffe", np.int32, [1, 2**24, -2]),
        (0x0D, "3f800000 c0200000 7f800000", np.float32, [1.0, -2.5, np.inf]),
        (0x0E, "3ff0000000000000 c004000000000000 7ff0000000000000", np.float64, [1.0, -2.5, np.inf]),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_every_type_is_read_from_big_endian_into_a_native_writable_array(
    code, values, dtype, expected, compress, tmp_path
):
    file = tmp_path / "values"
    file.write_bytes(compress(bytes([0, 0, code, 1, 0, 0, 0, 3]) + bytes.fromhex(values)))
    array = read_idx(file)
    np.testing.assert_array_equal(array, np.array(expected, dtype), strict=True)
    assert array.dtype.isnative
    assert array.flags.c_contiguous
    assert array.flags.aligned
    array[0] = 1  # writable


def test_gzip_is_told_by_content_not_by_name(tmp_path):
    (tmp_path / "plain.gz").write_bytes(SMALL)
    (tmp_path / "zipped").write_bytes(gzip.compress(SMALL, mtime=0))
    np.testing.assert_array_equal(read_idx(tmp_path / "plain.gz"), parse_idx(SMALL), strict=True)
    np.testing.assert_array_equal(read_idx(str(tmp_path / "zipped")), parse_idx(SMALL), strict=True)


def test_gzip_in_several_members_is_one_file(tmp_path):
    (tmp_path / "members.gz").write_bytes(gzip.compress(SMALL[:7]) + gzip.compress(SMALL[7:]))
    assert read_idx_bytes(tmp_path / "members.gz") == SMALL


def test_the_array_does_not_share_memory_with_the_bytes():
    data = bytearray(SMALL)
    array = parse_idx(data)
    array[0, 0] = 99
    assert data == SMALL


@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (3, 0), (0, 0)])
def test_a_dimension_of_zero_gives_an_empty_array(shape, tmp_path):
    file = tmp_path / "empty"
    file.write_bytes(idx_bytes(np.empty(shape, np.int32)))
    np.testing.assert_array_equal(read_idx(file), np.empty(shape, np.int32), strict=True)


@pytest.mark.parametrize("size", [123, 124, 125, 2**20 - 8, 2**20 + 1])  # around the longest header, a chunk
def test_a_size_at_the_edge_of_a_read_is_read_whole(size, tmp_path):
    array = np.arange(size, dtype=np.int32).astype(np.uint8)
    for compress in (bytes, gzip.compress):
        (tmp_path / "edge").write_bytes(compress(idx_bytes(array)))
        np.testing.assert_array_equal(read_idx(tmp_path / "edge"), array, strict=True)


def test_the_highest_rank_is_read():
    assert parse_idx(idx_bytes(np.ones((1,) * 32, np.uint8))).shape == (1,) * 32


# Errors, each with its whole message


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "expected an IDX header of at least 4 bytes. Found: only 0."),
        (SMALL[:3], "expected an IDX header of at least 4 bytes. Found: only 3."),
        (b"PK" + SMALL[2:], "expected IDX, which starts with 00 00. Found: 50 4b."),
        (b"\0\1" + SMALL[2:], "expected IDX, which starts with 00 00. Found: 00 01."),
        (b"\0\0\x0a\2" + SMALL[4:], "expected an IDX type code among 08 09 0b 0c 0d 0e. Found: 0a."),
        (b"\0\0\x08\0\7", "expected 1 to 32 dimensions. Found: 0."),
        (b"\0\0\x08\x21" + b"\0\0\0\1" * 33 + b"\7", "expected 1 to 32 dimensions. Found: 33."),
        (SMALL[:11], "expected an IDX header of 12 bytes for rank 2. Found: only 11."),
        (SMALL[:-1], "expected 18 bytes (header and uint8 values of shape (2, 3)). Found: only 17."),
        (SMALL + b"\7", "expected 18 bytes (header and uint8 values of shape (2, 3)). Found: at least 19."),
        (
            b"\0\0\x0b\1\0\0\0\2abc",
            "expected 12 bytes (header and int16 values of shape (2,)). Found: only 11.",
        ),
        (
            b"\0\0\x08\1\0\0\0\0\7",
            "expected 8 bytes (header and uint8 values of shape (0,)). Found: at least 9.",
        ),
        (
            b"\0\0\x08\1\x80\0\0\1",
            "expected at most 2 GiB of values. "
            "Found: a header declaring uint8 values of shape (2147483649,).",
        ),
        (
            b"\0\0\x0e\1\x10\0\0\1",
            "expected at most 2 GiB of values. "
            "Found: a header declaring float64 values of shape (268435457,).",
        ),
        (
            b"\0\0\x08\3" + b"\0\0\0\0" + b"\xff" * 8,
            "expected at most 2 GiB of values. "
            "Found: a header declaring uint8 values of shape (0, 4294967295, 4294967295).",
        ),
    ],
)
def test_what_is_not_idx_is_refused_and_named(data, expected, tmp_path):
    with pytest.raises(ValueError, match=message(expected)):
        parse_idx(data)
    for compress in (bytes, gzip.compress):
        file = tmp_path / "wrong-idx2-ubyte"
        file.write_bytes(compress(data))
        with pytest.raises(ValueError, match=message(expected, file)):
            read_idx(file)


def flip(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\x1f\x8b", "Compressed file ended before the end-of-stream marker was reached"),
        (ZIPPED[:-9], "Compressed file ended before the end-of-stream marker was reached"),
        (ZIPPED[:-1], "Compressed file ended before the end-of-stream marker was reached"),
        (flip(ZIPPED, -8), "CRC check failed"),
        (flip(ZIPPED, 2), "Unknown compression method"),
        (ZIPPED[:10] + b"\xff" * 20, "Error -3 while decompressing data"),
        (ZIPPED + b"more", "Not a gzipped file"),
    ],
)
def test_a_damaged_gzip_is_refused_and_named(data, found, tmp_path):
    file = tmp_path / "damaged.gz"
    file.write_bytes(data)
    expected = f"{file}: expected a complete, intact gzip file. Found: {found}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}"):
        read_idx(file)


def test_a_wrong_crc_is_seen_though_every_declared_byte_is_there(tmp_path):
    file = tmp_path / "long.gz"  # longer than any header, so that the last byte is asked for on its own
    file.write_bytes(flip(gzip.compress(idx_bytes(np.zeros(5000, np.uint8))), -8))
    with pytest.raises(ValueError, match="CRC check failed"):
        read_idx(file)


@pytest.mark.parametrize(
    ("name", "found"), [("no-idx", "no such file in that folder"), ("nowhere/no-idx", "no such folder")]
)
def test_a_missing_file_is_named(name, found, tmp_path):
    file = tmp_path / name
    text = message(f"expected an IDX file, gzipped or not. Found: {found}.", file)
    with pytest.raises(FileNotFoundError, match=text):
        read_idx(file)


# Memory


def peak_of_refusing(file, match):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match):
            read_idx(file)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in tmp_path / "pipe", tmp_path, Path("/dev/zero"):
        with pytest.raises(ValueError, match=r"an IDX file, gzipped or not\. Found: a folder, a pipe or a device"):
            read_idx(path)


def test_a_gzip_bomb_is_read_no_further_than_its_header_declares(tmp_path):
    file = tmp_path / "bomb.gz"
    file.write_bytes(gzip.compress(SMALL + bytes(64 * MEBIBYTE), compresslevel=1))
    assert peak_of_refusing(file, r"expected 18 bytes .* Found: at least \d+\.$") < 4 * MEBIBYTE


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_what_a_header_declares_is_not_allocated(compress, tmp_path):
    file = tmp_path / "boast"
    file.write_bytes(compress(b"\0\0\x08\1\x7f\xff\xff\xff" + bytes(1000)))
    assert peak_of_refusing(file, "expected 2147483655 bytes .* Found: only 1008.$") < 4 * MEBIBYTE


def test_a_gzip_file_that_unpacks_to_hundreds_of_its_size_is_refused_unless_it_is_nearly_all_zeros(
        tmp_path, monkeypatch):
    monkeypatch.setattr(idx, "_ALWAYS_UNPACKED", MEBIBYTE)
    header, ones, zeros = b"\0\0\x08\1" + (10 * MEBIBYTE).to_bytes(4, "big"), b"\1" * MEBIBYTE, bytes(MEBIBYTE)
    bomb, mostly_zeros = tmp_path / "bomb.gz", tmp_path / "zeros.gz"
    bomb.write_bytes(gzip.compress(header + 4 * ones))                       # 4 KB: 200 times that are less than 1 MiB
    mostly_zeros.write_bytes(gzip.compress(header + 2 * zeros + ones + 7 * zeros))
    most = rf"unpacks to at most {MEBIBYTE:,} bytes, zeros aside. Found: more. If you trust it, unpack it first"
    assert peak_of_refusing(bomb, most) < 5 * MEBIBYTE
    assert read_idx(mostly_zeros).sum() == MEBIBYTE
    assert read_idx(mostly_zeros)[2 * MEBIBYTE:3 * MEBIBYTE].all()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory in use is not told here")
def test_zeros_cost_no_memory_that_is_really_there(tmp_path):
    def pages():
        return int(Path("/proc/self/statm").read_text().split()[1])
    file = tmp_path / "zeros.gz"
    file.write_bytes(gzip.compress(b"\0\0\x0c\1" + (8 * MEBIBYTE).to_bytes(4, "big") + bytes(32 * MEBIBYTE), 1))
    before = pages()
    array = read_idx(file)
    assert (pages() - before) * 4096 < 16 * MEBIBYTE
    assert array.shape == (8 * MEBIBYTE,)


# Fuzz: an error that names the file, or exactly the array that the bytes spell

arrays = st.sampled_from(sorted(CODES)).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
)
bit_flips = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 7)), min_size=1, max_size=3)
fuzz = settings(max_examples=4 * settings().max_examples, deadline=None)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "fuzzed-idx"


def flip_bits(data, flips):
    changed = bytearray(data)
    for position, bit in flips:
        changed[position % len(changed)] ^= 1 << bit
    return bytes(changed)


def read_or_refuse(file: Path, data: bytes):
    file.write_bytes(data)
    try:
        return read_idx(file)
    except ValueError as error:
        text = str(error)
    assert re.fullmatch(rf"{re.escape(str(file))}: expected .+\. Found: .+\.", text, re.DOTALL)
    return None


@pytest.mark.slow
@fuzz
@given(array=arrays, zipped=st.booleans())
def test_every_array_written_is_read_back(file, array, zipped):
    data = idx_bytes(array)
    result = read_or_refuse(file, gzip.compress(data) if zipped else data)
    assert result.shape == array.shape
    assert result.dtype == array.dtype
    assert result.tobytes() == array.tobytes()  # as bytes: a NaN keeps its payload


@fuzz
@given(array=arrays, flips=bit_flips)
@pytest.mark.slow
def test_flipped_bits_give_an_error_or_the_array_they_spell(file, array, flips):
    data = flip_bits(idx_bytes(array), flips)
    result = read_or_refuse(file, data)
    assert result is None or idx_bytes(result) == data


@fuzz
@given(array=arrays, flips=bit_flips)
@pytest.mark.rest
def test_flipped_bits_of_a_gzip_never_change_the_array(file, array, flips):
    result = read_or_refuse(file, flip_bits(gzip.compress(idx_bytes(array)), flips))
    assert result is None or idx_bytes(result) == idx_bytes(array)


@fuzz
@given(array=arrays, zipped=st.booleans(), data=st.data())
@pytest.mark.slow
def test_a_truncated_file_is_always_an_error(file, array, zipped, data):
    whole = gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert read_or_refuse(file, whole[:cut]) is None


@fuzz
@given(
    code=st.sampled_from(sorted(CODES.values())),
    sizes=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40),
    body=st.binary(max_size=64),
)
def test_any_declared_sizes_give_an_error_or_the_array_they_spell(file, code, sizes, body):
    data = struct.pack(f">HBB{len(sizes)}I", 0, code, len(sizes), *sizes) + body
    result = read_or_refuse(file, data)
    assert result is None or idx_bytes(result) == data


@fuzz
@given(
    data=st.binary(max_size=64),
    start=st.sampled_from([b"", b"\0\0", b"\0\0\x08", b"\x1f\x8b", b"\x1f\x8b\x08"]),
)
def test_any_bytes_give_an_error_or_the_array_they_spell(file, data, start):
    result = read_or_refuse(file, start + data)
    assert result is None or idx_bytes(result) == start + data
