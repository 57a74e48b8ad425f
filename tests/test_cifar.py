"""CIFAR-10 and CIFAR-100 from both forms of their files; the pickles among them are read, and never run."""

import io
import pickle
import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.datasets import cifar10, cifar100
from tinynet.datasets.pickled import Call, Name, read_pickle

RNG = np.random.default_rng(3)
STEMS = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]


def string(text):
    return b"U" + bytes([len(text)]) + text if len(text) < 256 else b"T" + struct.pack("<i", len(text)) + text


def number(value):
    return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)


def numbers(values):
    return b"](" + b"".join(map(number, values)) + b"e"


def dtype(kind=b"u1"):
    return (b"cnumpy\ndtype\nq\x05" + string(kind) + number(0) + number(1) + b"\x87Rq\x06("
            + number(3) + string(b"|") + b"NNN" + 2 * b"J\xff\xff\xff\xff" + number(0) + b"tb")


UINT8 = dtype()


def array(rows, columns, values, fortran=False, kind=UINT8):
    """As NumPy tells an array to the pickle of Python 2: make an empty one, then give it shape, dtype and bytes."""
    return (b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03" + number(0) + b"\x85" + string(b"b")
            + b"\x87Rq\x04(" + number(1) + number(rows) + number(columns) + b"\x86" + kind
            + (b"\x88" if fortran else b"\x89") + string(values) + b"tb")


def pickled(**items):
    """A dictionary as Python 2 wrote it, in protocol 2, each value as the bytes that make it."""
    pairs = b"".join(string(key.encode()) + b"q\x07" + value for key, value in items.items())
    return b"\x80\x02}q\x01(" + pairs + b"u."


class OfPython2(pickle.Unpickler):
    """What runs them: Python's own, with the names that NumPy has now."""

    def find_class(self, module, name):
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def by_python(data):
    return OfPython2(io.BytesIO(data), encoding="bytes").load()


@pytest.fixture
def images():
    return RNG.integers(0, 256, (3, 3, 32, 32), np.uint8)


def batch(images, labels, **more):
    return pickled(data=array(len(images), 3072, images.tobytes()), labels=numbers(labels), **more)


# Both forms


def write_binary(file, images, *labels):
    file.write_bytes(b"".join(bytes(row) + image.tobytes()
                              for image, *row in zip(images, *labels, strict=True)))


def test_cifar_10_is_read_from_its_binary_files_in_their_order(tmp_path, images):
    for place, stem in enumerate(STEMS):
        write_binary(tmp_path / f"{stem}.bin", images + np.uint8(place), [place, 9, 0])
    (x_train, y_train), (x_test, y_test) = cifar10.load_data(tmp_path)
    expected = np.concatenate([images + np.uint8(place) for place in range(5)])
    np.testing.assert_array_equal(x_train, expected, strict=True)
    np.testing.assert_array_equal(x_test, images + np.uint8(5), strict=True)
    np.testing.assert_array_equal(y_train.reshape(5, 3), np.array([[place, 9, 0] for place in range(5)], np.uint8),
                                  strict=True)
    assert y_test.tolist() == [5, 9, 0]
    x_test[0] = x_train[0] = 1                                          # arrays of one's own
    assert x_test.flags.c_contiguous


def test_the_first_1024_bytes_of_an_image_are_red_by_rows(tmp_path):
    image = np.zeros((1, 3, 32, 32), np.uint8)
    image[0, 0, 0, 1], image[0, 1, 2, 3], image[0, 2, 31, 31] = 10, 20, 30
    record = bytearray(3073)
    record[0], record[1 + 1], record[1 + 1024 + 2 * 32 + 3], record[3072] = 7, 10, 20, 30
    for stem in STEMS:
        (tmp_path / f"{stem}.bin").write_bytes(record)
    (_, _), (x_test, y_test) = cifar10.load_data(str(tmp_path))
    np.testing.assert_array_equal(x_test, image, strict=True)
    assert y_test.tolist() == [7]


def test_cifar_10_is_read_from_its_python_files(tmp_path, images):
    for place, stem in enumerate(STEMS):
        (tmp_path / stem).write_bytes(batch(images, [place, 9, 0], batch_label=string(b"batch"),
                                            filenames=b"](" + string(b"tabby_s_000001.png") * 3 + b"e"))
    (x_train, y_train), (x_test, y_test) = cifar10.load_data(tmp_path)
    np.testing.assert_array_equal(x_train, np.concatenate([images] * 5), strict=True)
    assert y_train.tolist() == [0, 9, 0, 1, 9, 0, 2, 9, 0, 3, 9, 0, 4, 9, 0]
    np.testing.assert_array_equal(x_test, images, strict=True)
    np.testing.assert_array_equal(y_test, np.array([5, 9, 0], np.uint8), strict=True)
    x_test[0] = 1


@pytest.mark.parametrize(("label_mode", "expected"), [("fine", [99, 0, 50]), ("coarse", [19, 4, 0])])
def test_cifar_100_has_fine_and_coarse_labels_in_both_forms(tmp_path, images, label_mode, expected):
    for stem in ("train", "test"):
        write_binary(tmp_path / f"{stem}.bin", images, [19, 4, 0], [99, 0, 50])
    binary = cifar100.load_data(tmp_path, label_mode)
    for stem in ("train", "test"):
        (tmp_path / f"{stem}.bin").unlink()
        (tmp_path / stem).write_bytes(pickled(data=array(3, 3072, images.tobytes()), coarse_labels=numbers([19, 4, 0]),
                                              fine_labels=numbers([99, 0, 50])))
    for x, y in (*binary, *cifar100.load_data(tmp_path, label_mode)):
        np.testing.assert_array_equal(x, images, strict=True)
        np.testing.assert_array_equal(y, np.array(expected, np.uint8), strict=True)


def test_class_names_are_in_the_order_of_the_alphabet_as_in_the_files():
    assert len(cifar10.CLASS_NAMES) == 10
    for mode, count in (("fine", 100), ("coarse", 20)):
        assert list(cifar100.CLASS_NAMES[mode]) == sorted(set(cifar100.CLASS_NAMES[mode]))
        assert len(cifar100.CLASS_NAMES[mode]) == count


# What is wrong with a file


@pytest.mark.parametrize("load", [cifar10.load_data, lambda folder: cifar100.load_data(folder, "coarse")])
def test_missing_files_are_named_and_where_they_are_published(tmp_path, load):
    home = re.escape("as published at https://www.cs.toronto.edu/~kriz/cifar.html.")
    with pytest.raises(FileNotFoundError, match=rf"test\w*.bin or test\w*, {home} Found: none of those.$"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"{home} Nothing is downloaded.$"):
        load(None)


def test_a_label_mode_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"label_mode=\"fine\" or \"coarse\"\. Received: 'both'\.$"):
        cifar100.load_data(tmp_path, "both")


@pytest.mark.parametrize("size", [0, 1, 3072, 3074, 3073 * 50_001])
def test_a_binary_file_of_another_size_is_told_before_it_is_read(tmp_path, size):
    for stem in STEMS:
        with (tmp_path / f"{stem}.bin").open("wb") as file:
            file.truncate(size)                                         # sparse: no disk, and no time
    said = f"expected 1 to 50,000 images of 3073 bytes, 1 of them labels. Found: {size} bytes."
    with pytest.raises(ValueError, match=f"^{re.escape(f'{tmp_path / STEMS[0]}.bin: {said}')}$"):
        cifar10.load_data(tmp_path)


def test_a_label_that_is_no_class_is_told(tmp_path, images):
    for stem in STEMS:
        write_binary(tmp_path / f"{stem}.bin", images, [1, 10, 2])
    with pytest.raises(ValueError, match=r"data_batch_1.bin: expected labels from 0 to 9\. Found: 10\.$"):
        cifar10.load_data(tmp_path)


ONE = bytes(3072)


@pytest.mark.parametrize(("data", "said"), [
    (pickled(data=array(1, 3072, ONE), labels=numbers([10])), "expected labels from 0 to 9. Found: something else."),
    (pickled(data=array(1, 3072, ONE), labels=b"](\x88e"), "expected labels from 0 to 9. Found: something else."),
    (pickled(data=array(1, 3072, ONE), labels=b"](\x8a\1\xffe"), "expected labels from 0 to 9. Found: something else."),
    (pickled(data=array(1, 3072, ONE), labels=numbers([1, 2])),
     "expected an array (2, 3072), a row for each of the labels. Found: an array (1, 3072)."),
    (pickled(data=array(3072, 1, ONE), labels=numbers([1])),
     "expected an array (1, 3072), a row for each of the labels. Found: an array (3072, 1)."),
    (pickled(data=array(2, 3072, ONE), labels=numbers([1, 2])),
     "expected NumPy's note of an array of uint8, with as many bytes as its shape says. Found: something else."),
    (pickled(data=array(1, 3072, ONE, kind=dtype(b"i1")), labels=numbers([1])),
     "expected NumPy's note of an array of uint8, with as many bytes as its shape says. Found: something else."),
    (pickled(data=array(1, 3072, ONE).replace(b"core.multiarray", b"core.multiarrow"), labels=numbers([1])),
     "expected NumPy's note of an array of uint8, with as many bytes as its shape says. Found: something else."),
    (pickled(data=string(ONE), labels=numbers([1])),
     "expected NumPy's note of an array of uint8, with as many bytes as its shape says. Found: something else."),
    (pickled(data=array(1, 3072, ONE), fine_labels=numbers([1])),
     "expected a dictionary with data and a list of labels. Found: something else."),
    (pickled(labels=numbers([1])), "expected a dictionary with data and a list of labels. Found: something else."),
    (b"\x80\x02K\x01.", "expected a dictionary with data and a list of labels. Found: something else."),
], ids=["label 10", "a bool", "label -1", "labels", "shape", "bytes", "dtype", "function", "a string", "of 100",
        "no data", "a number"])
def test_a_python_file_of_something_else_is_told(tmp_path, data, said):
    for stem in STEMS:
        (tmp_path / stem).write_bytes(data)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{tmp_path / STEMS[0]}: {said}')}$"):
        cifar10.load_data(tmp_path)


def test_a_python_file_that_is_too_long_is_not_read(tmp_path):
    for stem in STEMS:
        with (tmp_path / stem).open("wb") as file:
            file.truncate(2**40)
    with pytest.raises(ValueError, match=r"data_batch_1: expected a pickle of at most 163,600,000 bytes\. Found: "):
        cifar10.load_data(tmp_path)


# Pickles


def test_what_is_read_is_what_python_makes_of_it(images):
    data = batch(images, [1, 2, 300], batch_label=string(b"testing batch 1 of 1"), one=b"]" + number(5) + b"a",
                 long=string(b"x" * 300), nested=b"(NJ\xfe\xff\xff\xff)\x8a\2\0\1t", again=b"h\x07")
    found, expected = read_pickle(data, "file"), by_python(data)
    np.testing.assert_array_equal(expected.pop(b"data").reshape(images.shape), images)
    assert found.pop(b"data").function == Name("numpy.core.multiarray._reconstruct")
    assert found == expected


@pytest.mark.parametrize("fortran", [False, True])
def test_an_array_lies_in_either_order(tmp_path, images, fortran):
    rows = images.reshape(3, 3072)
    data = pickled(data=array(3, 3072, rows.tobytes("F" if fortran else "C"), fortran), labels=numbers([1, 2, 3]))
    np.testing.assert_array_equal(by_python(data)[b"data"], rows)
    for stem in STEMS:
        (tmp_path / stem).write_bytes(data)
    np.testing.assert_array_equal(cifar10.load_data(tmp_path)[1][0], images)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers(-2**70, 2**70),
                    lambda inner: st.lists(inner, max_size=5) | st.lists(inner, max_size=5).map(tuple), max_leaves=20))
def test_plain_values_as_python_writes_them_are_read(value):
    assert read_pickle(pickle.dumps(value, protocol=2), "file") == value


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('it was run')",)


def test_a_call_is_noted_and_not_made():
    found = read_pickle(b"\x80\x02cos\nsystem\n" + string(b"exit 1") + b"\x85R.", "file")
    assert isinstance(found, Call)
    assert (found.function, found.arguments, found.state) == (Name("os.system"), (b"exit 1",), None)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_something_is_refused(tmp_path, protocol):
    for stem in STEMS:
        (tmp_path / stem).write_bytes(pickle.dumps({"data": Trap(), "labels": [1]}, protocol))
    said = "expected a pickle of numbers, strings, lists and arrays, which is not run to be read. Found: "
    with pytest.raises(ValueError, match=f"^{re.escape(f'{tmp_path / STEMS[0]}: {said}')}the instruction 0x"):
        cifar10.load_data(tmp_path)


@pytest.mark.parametrize("data", [
    b"", b"\x80", b"\x80\x02", b".", b"a.", b"]a.", b"K\1K\2a.", b"]K\1s.", b"}K\1s.", b"K.", b"U\5four.",
    b"T\xff\xff\xff\xff.", b"h\0.", b"q\0.", b"t.", b"e.", b"](K\1u.", b"}(K\1u.", b"}K\1K\2s.", b"}(]K\1u.", b"R.",
    b"K\1R.", b"K\1K\2b.", b"cno_line.", b"cone\nline.", b"c" + b"x" * 101 + b"\nname\n.", b"\x85.", b"K\1\x86.",
    b"\x8a\x05\1.",
], ids=repr)
def test_instructions_that_cannot_be_are_told(data):
    said = "file: expected a complete, intact pickle. Found: an instruction that cannot be before byte"
    with pytest.raises(ValueError, match=rf"^{said} \d+ of {len(data)}\.$"):
        read_pickle(data, "file")


@pytest.mark.rest
def test_values_inside_themselves_and_deep_ones_end():
    knot = read_pickle(b"]q\0h\0a.", "file")
    assert knot[0] is knot
    deep = read_pickle(b"]" + b"\x85" * 300_000 + b".", "file")
    assert len(deep) == 1
    twice = read_pickle(b")" + b"q\0h\0\x86" * 100 + b".", "file")      # 2 ** 100 leaves, if they were counted
    assert len(twice) == 2
    with pytest.raises(ValueError, match="an instruction that cannot be"):
        read_pickle(b"})" + b"q\0h\0\x86" * 100 + b"Ns.", "file")      # as a key it would be hashed, leaf by leaf


@pytest.mark.rest
def test_a_pickle_of_too_many_instructions_is_given_up():
    with pytest.raises(ValueError, match=r"expected a pickle of at most 1,048,576 instructions\. Found: more\.$"):
        read_pickle(b"N" * (2**20 + 1), "file")


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=4),
       cut=st.integers(0, 400))
def test_damaged_pickles_are_read_or_told(flips, cut):
    data = bytearray(pickled(data=array(2, 3, b"abcdef"), labels=numbers([1, 300])))
    for place, value in flips:
        data[place % len(data)] = value
    try:
        read_pickle(bytes(data[:len(data) - cut]), "file")
    except ValueError as error:
        said = str(error)
    else:
        said = "file: expected nothing. Found: it."
    assert re.fullmatch(r"file: expected .+\. Found: .+\.", said)
