"""MNIST: the digits that ship are the digits everyone knows, and a folder of the same form is read too."""

import gzip
import hashlib
import re
import shutil
import struct

import numpy as np
import pytest

from tinynet.datasets import mnist

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(array, code=8):
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(scope="module")
def digits():
    return mnist.load_data()


@pytest.fixture
def fashion():
    """Four small arrays in place of MNIST's, all different, images not square."""
    rng = np.random.default_rng(7)
    shapes = [(5, 4, 3), (5,), (2, 4, 3), (2,)]
    return {name: rng.integers(0, 256, shape, np.uint8) for name, shape in zip(NAMES, shapes, strict=True)}


def write(folder, arrays, rename="{}".format, compress=bytes):
    for name, array in arrays.items():
        (folder / rename(name)).write_bytes(compress(idx_bytes(array)))


# The shipped files


def test_shipped_digits_have_the_documented_shapes_and_dtype(digits):
    (x_train, y_train), (x_test, y_test) = digits
    assert [a.shape for a in (x_train, y_train, x_test, y_test)] == [
        (60000, 28, 28),
        (60000,),
        (10000, 28, 28),
        (10000,),
    ]
    for array in (x_train, y_train, x_test, y_test):
        assert array.dtype == np.uint8
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_shipped_labels_have_the_known_counts_and_order(digits):
    (_, y_train), (_, y_test) = digits
    assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@pytest.mark.slow
def test_shipped_pixels_have_the_known_mean_and_spread(digits):
    (x_train, _), _ = digits
    assert x_train.min() == 0
    assert x_train.max() == 255
    np.testing.assert_allclose([x_train.mean() / 255, x_train.std() / 255], [0.1307, 0.3081], atol=5e-5)


def test_shipped_images_are_upright(digits):
    """The first image is a 5: row 5 starts at column 12 with grey level 3; transposed, it would not."""
    image = digits[0][0][0]
    assert image[5].nonzero()[0].tolist() == list(range(12, 24))
    assert image[5, 12] == 3
    assert image[:5].sum() == 0


def test_shipped_checksums_are_of_the_uncompressed_files():
    lines = (mnist._SHIPPED / "SHA256SUMS").read_text().splitlines()
    digests = {name: digest for digest, name in map(str.split, lines)}
    assert sorted(digests) == sorted(NAMES)
    for name, digest in digests.items():
        data = gzip.decompress((mnist._SHIPPED / f"{name}.gz").read_bytes())
        assert hashlib.sha256(data).hexdigest() == digest


@pytest.fixture
def shipped_copy(tmp_path, monkeypatch):
    copy = shutil.copytree(mnist._SHIPPED, tmp_path / "mnist")
    monkeypatch.setattr(mnist, "_SHIPPED", copy)
    return copy


@pytest.mark.parametrize(("name", "position"), [(NAMES[3], -1), (NAMES[1], 8), (NAMES[2], 4_000_000)])
def test_one_changed_byte_in_a_shipped_file_is_found(shipped_copy, name, position):
    file = shipped_copy / f"{name}.gz"
    data = bytearray(gzip.decompress(file.read_bytes()))
    expected = hashlib.sha256(data).hexdigest()
    data[position] ^= 1
    file.write_bytes(gzip.compress(data, compresslevel=1))
    text = (
        f"{file}: expected SHA-256 {expected} (of the uncompressed bytes). "
        f"Found: {hashlib.sha256(data).hexdigest()}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        mnist.load_data()


def test_shipped_files_may_be_compressed_otherwise(shipped_copy):
    file = shipped_copy / f"{NAMES[3]}.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()), compresslevel=1))
    assert len(mnist.load_data()[1][1]) == 10000


@pytest.mark.parametrize("sums", [None, "", f"{'0' * 64}  other\n", "\n"])
def test_a_shipped_file_without_a_checksum_is_an_error(shipped_copy, sums):
    file = shipped_copy / "SHA256SUMS"
    file.unlink()
    if sums is not None:
        file.write_text(sums)
    text = f"{file}: expected the SHA-256 of {', '.join(NAMES)}. Found: no such line."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        mnist.load_data()


# A folder of yours


@pytest.mark.parametrize("as_path", [str, lambda folder: folder])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "rename",
    [
        "{}".format,
        "{}.gz".format,
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.replace("-idx", ".idx") + ".gz",
    ],
)
def test_a_folder_in_any_spelling_is_loaded_unchecked(tmp_path, fashion, rename, compress, as_path):
    write(tmp_path, fashion, rename, compress)
    (x_train, y_train), (x_test, y_test) = mnist.load_data(as_path(tmp_path))
    for name, array in zip(NAMES, (x_train, y_train, x_test, y_test), strict=True):
        np.testing.assert_array_equal(array, fashion[name], strict=True)


def test_a_folder_of_a_files_name_is_not_taken_for_the_file(tmp_path, fashion):
    write(tmp_path, fashion, "{}.gz".format)
    (tmp_path / NAMES[0]).mkdir()
    assert mnist.load_data(tmp_path)[0][0].shape == (5, 4, 3)


def test_missing_files_are_all_listed_with_every_spelling(tmp_path, fashion):
    write(tmp_path, {name: fashion[name] for name in (NAMES[0], NAMES[3])})
    text = (
        f"{tmp_path}: expected the files "
        "train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz or "
        "train-labels.idx1-ubyte or train-labels.idx1-ubyte.gz; "
        "t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz or "
        "t10k-images.idx3-ubyte or t10k-images.idx3-ubyte.gz. Found: none of those."
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(text)}$"):
        mnist.load_data(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    folder = tmp_path / "fashion"
    text = f"^{re.escape(str(folder))}: expected .* Found: no such folder.$"
    with pytest.raises(FileNotFoundError, match=text):
        mnist.load_data(folder)


@pytest.mark.parametrize(
    ("name", "rank", "array"),
    [
        (NAMES[0], 3, np.zeros((5, 12), np.uint8)),
        (NAMES[1], 1, np.zeros((5, 1), np.uint8)),
        (NAMES[2], 3, np.zeros((2,), np.uint8)),
        (NAMES[3], 1, np.zeros((2, 4, 3), np.uint8)),
    ],
)
def test_a_wrong_rank_is_an_error(tmp_path, fashion, name, rank, array):
    write(tmp_path, fashion | {name: array})
    text = f"{tmp_path / name}: expected uint8 values of rank {rank}. Found: uint8 of shape {array.shape}."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        mnist.load_data(tmp_path)


def test_a_wrong_dtype_is_an_error(tmp_path, fashion):
    write(tmp_path, fashion)
    file = tmp_path / NAMES[1]
    file.write_bytes(idx_bytes(np.zeros(5, np.int8), code=9))
    text = f"{file}: expected uint8 values of rank 1. Found: int8 of shape (5,)."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        mnist.load_data(tmp_path)


@pytest.mark.parametrize(("images", "labels"), [NAMES[:2], NAMES[2:]])
def test_images_without_their_labels_are_an_error(tmp_path, fashion, images, labels):
    write(tmp_path, fashion | {labels: np.zeros(4, np.uint8)})
    text = (
        f"Expected as many labels as images. Found: {len(fashion[images])} images in {tmp_path / images}, "
        f"4 labels in {tmp_path / labels}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        mnist.load_data(tmp_path)


def test_a_damaged_file_is_named(tmp_path, fashion):
    write(tmp_path, fashion)
    file = tmp_path / NAMES[2]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"^{re.escape(str(file))}: expected 40 bytes .* Found: only 39.$"):
        mnist.load_data(tmp_path)
