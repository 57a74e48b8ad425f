"""Bytes of any kind given to the readers of files: the library's own error, soon and in little memory, or the truth.

The short tests are a share of the long ones, which together read more than 20,000 inputs.
"""

import contextlib
import copy
import gzip
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from forge import put_together, signed, taken_apart, trained
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinynet import Sequential, load_model
from tinynet.datasets.idx import read_idx
from tinynet.files.safefile import SavedFileError

MOST_SECONDS, MOST_BYTES = 5, 60e6
FOLDER = tempfile.TemporaryDirectory()
FILE = Path(FOLDER.name) / "file"


@contextlib.contextmanager
def bounded():
    """Fail what takes long or much memory."""
    tracemalloc.start()
    start = time.process_time()                      # of this process: others may use the machine
    try:
        yield
    finally:
        seconds, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert seconds < MOST_SECONDS
    assert peak < MOST_BYTES


def read(reader, raw, error):
    """Read bytes as a file; return what came of it, None for the error."""
    FILE.write_bytes(raw)
    with bounded(), contextlib.suppress(error):
        return reader(FILE)
    return None


def model_file():
    trained().save(FILE)
    return FILE.read_bytes()


MODEL = model_file()
HEADER, DOCUMENT, DATA = taken_apart(MODEL)
WEIGHTS = load_model(FILE).get_weights()
PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
IDX = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]) + PIXELS.tobytes()


@st.composite
def damaged(draw, raw):
    """Draw what becomes of a file: cut, flipped bits, bytes overwritten, inserted or removed, one behind the other."""
    raw = bytearray(raw)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        some = draw(st.binary(max_size=12))
        match draw(st.sampled_from(["cut", "flip", "overwrite", "insert", "remove", "size"])):
            case "cut":
                del raw[at:]
            case "flip" if raw:
                raw[at] ^= 1 << draw(st.integers(0, 7))
            case "overwrite":
                raw[at:at + len(some)] = some
            case "insert":
                raw[at:at] = some
            case "remove":
                del raw[at:at + len(some)]
            case "size":
                raw[:8] = draw(st.integers(0, 2**64 - 1)).to_bytes(8, "little")
    return bytes(raw)


NASTY = st.one_of(
    st.sampled_from([None, True, False, -1, 0, 1, 2**31, 2**62, 2**64, 10**400, 0.5, 1e300, "", "Dense", "os.system",
                     "__init__", "builtins", [], {}, [[]], [10**9] * 3, [1] * 2000, {"$array": "conv2d_1/kernel"},
                     {"$number": "nan"}, {"$items": [[[], 1]]}, {"class": "Dense", "config": {"units": 10**12}},
                     {"class": "Sequential", "config": {"layers": []}}, {"class": "Zeros", "config": {"zeros": 1}}]),
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)).map(copy.deepcopy)


def changed(draw, value):
    """Draw what is left of a tree of dicts and lists with something in it replaced or removed."""
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 9)) == 0:
        return draw(NASTY)
    value = copy.copy(value)
    key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    if draw(st.integers(0, 9)) == 0:
        del value[key]
    else:
        value[key] = changed(draw, value[key])
    return value


@st.composite
def forged(draw):
    """Draw a file whose header or contents say something else, with checksums that fit."""
    header, contents, arrays = HEADER, DOCUMENT["contents"], None
    for _ in range(draw(st.integers(1, 2))):
        match draw(st.sampled_from(["contents", "contents", "contents", "header", "arrays"])):
            case "contents":
                contents = changed(draw, contents)
            case "header":
                header = changed(draw, header)
            case "arrays":
                arrays = changed(draw, DOCUMENT["arrays"])
    try:
        return signed(header, {"format": 1, "contents": contents}, DATA, arrays)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):    # too odd to have checksums
        return put_together(header if isinstance(header, dict) else {}, contents, DATA)


def check_any_bytes(raw):
    assert read(load_model, raw, SavedFileError) is None
    array = read(read_idx, raw, ValueError)
    assert array is None or array.nbytes + 4 + 4 * array.ndim == len(raw)


def check_damaged_model(raw):
    model = read(load_model, raw, SavedFileError)
    if model is not None:                                     # then nothing that counts was damaged
        for got, wanted in zip(model.get_weights(), WEIGHTS, strict=True):
            np.testing.assert_array_equal(got, wanted)


def check_forged_model(raw):
    model = read(load_model, raw, SavedFileError)
    assert model is None or isinstance(model, Sequential)     # another one, of this package's classes alone


def check_damaged_idx(raw):
    array = read(read_idx, raw, ValueError)
    if array is not None:                                     # then it is what the bytes say
        sizes = np.frombuffer(raw, ">u4", raw[3], 4)
        dtype = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}[raw[2]]
        np.testing.assert_array_equal(array, np.frombuffer(raw[4 + 4 * raw[3]:], dtype).reshape(sizes))


def check_damaged_gzip(raw):
    array = read(read_idx, raw, ValueError)
    assert array is None or np.array_equal(array, PIXELS)


INPUTS = {
    "any bytes": (st.one_of(st.binary(max_size=300), st.binary(max_size=100).map(lambda tail: MODEL[:20] + tail),
                            st.binary(max_size=60).map(lambda tail: IDX[:3] + tail)), check_any_bytes),
    "damaged model files": (damaged(MODEL), check_damaged_model),
    "forged model files": (forged(), check_forged_model),
    "damaged IDX files": (damaged(IDX), check_damaged_idx),
    "damaged gzipped IDX files": (damaged(gzip.compress(IDX, mtime=0)), check_damaged_gzip),
}


def read_many(kind, count):
    strategy, check = INPUTS[kind]
    settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])(given(strategy)(check))()


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.slow
def test_a_hundred_inputs_of_a_kind(kind):
    read_many(kind, 100)


@pytest.mark.long
@pytest.mark.parametrize("kind", INPUTS)
def test_five_thousand_inputs_of_a_kind(kind):
    read_many(kind, 5000)


@pytest.mark.rest
def test_a_gzip_bomb_costs_no_more_than_its_header_says():
    bomb = gzip.compress(bytes(2**28), 1)                    # 256 MiB of zeros in 1 MiB
    assert read(read_idx, bomb, ValueError) is None
    assert read(read_idx, gzip.compress(IDX + bytes(2**28), 1), ValueError) is None
    assert read(load_model, bomb, SavedFileError) is None
