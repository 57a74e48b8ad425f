"""Fashion-MNIST, EMNIST, KMNIST and QMNIST are loaded from files of the form in which they are published."""

import re

import numpy as np
import pytest

from tinynet.datasets import emnist, fashion_mnist, kmnist, qmnist
from tinynet.datasets.idx import write_idx

MNIST_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
               "t10k-labels-idx1-ubyte")
QMNIST_NAMES = ("qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int", "qmnist-test-images-idx3-ubyte",
                "qmnist-test-labels-idx2-int")
IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)             # two of them, higher than wide
TEST = IMAGES[1:] + 100


def emnist_names(split):
    return tuple(f"emnist-{split}-{part}-{values}-ubyte" for part in ("train", "test")
                 for values in ("images-idx3", "labels-idx1"))


def put(folder, names, *arrays, end=""):
    for name, array in zip(names, arrays, strict=True):
        write_idx(folder / f"{name}{end}", array)


def labels(*numbers):
    return np.array(numbers, np.uint8)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("dataset", [fashion_mnist, kmnist])
def test_files_of_mnists_names_are_loaded(tmp_path, dataset, end):
    put(tmp_path, MNIST_NAMES, IMAGES, labels(9, 0), TEST, labels(3), end=end)
    (x_train, y_train), (x_test, y_test) = dataset.load_data(tmp_path)
    for found, expected in ((x_train, IMAGES), (y_train, labels(9, 0)), (x_test, TEST), (y_test, labels(3))):
        np.testing.assert_array_equal(found, expected, strict=True)


def test_of_qmnists_eight_columns_the_first_is_the_class(tmp_path):
    columns = np.array([[7, 0, 2424, 1, 55, 26, 0, 0], [3, 1, 58, 2, 51, 98, 0, 0]], np.int32)
    put(tmp_path, QMNIST_NAMES, IMAGES, columns, TEST, columns[1:], end=".gz")
    (x_train, y_train), (x_test, y_test) = qmnist.load_data(str(tmp_path))
    for found, expected in ((x_train, IMAGES), (y_train, labels(7, 3)), (x_test, TEST), (y_test, labels(3))):
        np.testing.assert_array_equal(found, expected, strict=True)


def test_emnists_images_are_brought_upright(tmp_path):
    """A 7, its bar above and its stem at the right: in the file the bar is at the left, the stem below."""
    seven = np.array([[9, 9, 9], [0, 0, 9], [0, 0, 9], [0, 0, 9]], np.uint8)
    put(tmp_path, emnist_names("digits"), seven.T[None], labels(7), seven.T[None], labels(7))
    (x_train, y_train), (x_test, y_test) = emnist.load_data(tmp_path, split="digits")
    np.testing.assert_array_equal(x_train, seven[None], strict=True)
    np.testing.assert_array_equal(x_test, seven[None], strict=True)
    assert x_train.flags.c_contiguous
    assert [y_train.tolist(), y_test.tolist()] == [[7], [7]]


@pytest.mark.parametrize(("split", "number", "name"), [
    ("byclass", 10, "A"), ("byclass", 36, "a"), ("byclass", 61, "z"),
    ("bymerge", 36, "a"), ("bymerge", 38, "d"), ("balanced", 46, "t"), ("balanced", 35, "Z"), ("balanced", 9, "9"),
    ("letters", 1, "A"), ("letters", 26, "Z"), ("digits", 9, "9"), ("mnist", 0, "0"),
])
def test_a_number_in_emnists_files_is_the_class_of_that_name(tmp_path, split, number, name):
    put(tmp_path, emnist_names(split), TEST, labels(number), TEST, labels(number))
    (_, y_train), (_, y_test) = emnist.load_data(tmp_path, split)
    assert [emnist.CLASS_NAMES[split][label] for label in (*y_train, *y_test)] == [name, name]


def test_class_names_are_as_many_as_the_classes():
    assert len(fashion_mnist.CLASS_NAMES) == len(kmnist.CLASS_NAMES) == len(qmnist.CLASS_NAMES) == 10
    assert {split: len(set(names)) for split, names in emnist.CLASS_NAMES.items()} == {
        "byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10}


@pytest.mark.parametrize(("dataset", "first", "home"), [
    (fashion_mnist, MNIST_NAMES[0], "https://github.com/zalandoresearch/fashion-mnist"),
    (kmnist, MNIST_NAMES[0], "http://codh.rois.ac.jp/kmnist/"),
    (qmnist, QMNIST_NAMES[0], "https://github.com/facebookresearch/qmnist"),
    (emnist, emnist_names("balanced")[0], "https://www.nist.gov/itl/products-and-services/emnist-dataset"),
])
def test_missing_files_are_named_and_where_they_are_published(tmp_path, dataset, first, home):
    with pytest.raises(FileNotFoundError, match=(
            f"^{re.escape(str(tmp_path))}: expected the files {first} or {first}.gz or .*, as published at "
            f"{re.escape(home)}. Found: none of those.$")):
        dataset.load_data(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"with the files {first} .*{re.escape(home)}. Nothing is downloaded.$"):
        dataset.load_data()


def test_only_what_is_missing_is_named(tmp_path):
    put(tmp_path, QMNIST_NAMES[:3], IMAGES, np.zeros((2, 8), np.int32), TEST)
    with pytest.raises(FileNotFoundError, match=f"expected the files {QMNIST_NAMES[3]} or {QMNIST_NAMES[3]}.gz or "
                       r"qmnist-test-labels.idx2-int or qmnist-test-labels.idx2-int.gz, as published at"):
        qmnist.load_data(tmp_path)


@pytest.mark.parametrize(("place", "array", "said"), [
    (0, np.zeros((2, 12), np.uint8), "expected uint8 values of rank 3. Found: uint8 of shape (2, 12)."),
    (1, np.zeros(2, np.int8), "expected uint8 values of rank 1. Found: int8 of shape (2,)."),
    (1, labels(9, 10), "expected labels from 0 to 9. Found: 10."),
    (3, labels(200), "expected labels from 0 to 9. Found: 200."),
])
def test_files_of_something_else_are_named(tmp_path, place, array, said):
    put(tmp_path, MNIST_NAMES, IMAGES, labels(9, 0), TEST, labels(3))
    write_idx(tmp_path / MNIST_NAMES[place], array)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{tmp_path / MNIST_NAMES[place]}: {said}')}$"):
        fashion_mnist.load_data(tmp_path)


@pytest.mark.parametrize(("number", "wrong"), [(0, "0"), (27, "27")])
def test_a_letter_below_1_or_above_26_is_told(tmp_path, number, wrong):
    put(tmp_path, emnist_names("letters"), TEST, labels(number), TEST, labels(1))
    with pytest.raises(ValueError, match=rf"expected labels from 1 to 26\. Found: {wrong}\.$"):
        emnist.load_data(tmp_path, "letters")


@pytest.mark.parametrize(("columns", "said"), [
    (np.zeros((2, 7), np.int32), "expected 8 numbers for each digit. Found: 7."),
    (np.zeros(2, np.int32), "expected int32 values of rank 2. Found: int32 of shape (2,)."),
    (np.full((2, 8), -1, np.int32), "expected labels from 0 to 9. Found: -1."),
    (np.full((2, 8), 256, np.int32), "expected labels from 0 to 9. Found: 256."),
])
def test_labels_of_another_form_than_qmnists_are_told(tmp_path, columns, said):
    put(tmp_path, QMNIST_NAMES, IMAGES, columns, TEST, np.zeros((1, 8), np.int32))
    with pytest.raises(ValueError, match=f"^{re.escape(f'{tmp_path / QMNIST_NAMES[1]}: {said}')}$"):
        qmnist.load_data(tmp_path)


@pytest.mark.parametrize("place", [1, 3])
def test_images_without_their_labels_are_told(tmp_path, place):
    put(tmp_path, MNIST_NAMES, IMAGES, labels(9, 0), TEST, labels(3))
    write_idx(tmp_path / MNIST_NAMES[place], labels(1, 2, 3))
    with pytest.raises(ValueError, match=rf"^Expected as many labels as images. Found: \d images in .*, 3 labels in .*"
                       f"{MNIST_NAMES[place]}.$"):
        kmnist.load_data(tmp_path)


def test_a_split_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"a split among byclass, .*, mnist\. Received: 'letter'\.$"):
        emnist.load_data(tmp_path, "letter")
