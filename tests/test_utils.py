"""One-hot labels and seeds."""

import numpy as np
import pytest

from tinynet.utils import new_generator, normalize, set_random_seed, to_categorical


def test_labels_become_one_hot_rows():
    y = to_categorical([0, 2, 1])
    assert y.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert y.dtype == np.float32


@pytest.mark.parametrize("y", [[1, 0], [[1], [0]], np.array([1, 0], np.uint8), np.array([1.0, 0.0]), (1, 0),
                               np.array([True, False])], ids=repr)
def test_labels_of_any_kind(y):
    assert to_categorical(y, 3).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_num_classes_is_the_width_whatever_the_labels():
    assert to_categorical([1], 5).tolist() == [[0, 1, 0, 0, 0]]
    assert to_categorical([], 4).shape == (0, 4)


def test_labels_of_sequences_get_one_axis_more(rng):
    labels = rng.integers(0, 4, (2, 3))
    y = to_categorical(labels, 4)
    assert y.shape == (2, 3, 4)
    np.testing.assert_array_equal(y.argmax(axis=-1), labels)
    assert (y.sum(axis=-1) == 1).all()


def test_dtype_is_the_one_asked_for():
    assert to_categorical([0], dtype="int64").dtype == np.int64


@pytest.mark.parametrize(("y", "num_classes", "text"), [
    ([0, 3], 3, r"to_categorical: expected labels from 0 to 2\. Received: 0 to 3\."),
    ([-1, 1], None, r"expected labels from 0 to 1\. Received: -1 to 1\."),
    ([0.5], None, "to_categorical: expected class labels, whole numbers from 0. Received: float64 such as"),
    (["a"], None, "expected class labels"),
    ([np.nan], None, "expected class labels"),
    ([np.inf], None, "expected class labels"),
], ids=["too large", "negative", "fraction", "string", "nan", "infinity"])
def test_labels_that_are_none_are_refused(y, num_classes, text):
    with pytest.raises(ValueError, match=text):
        to_categorical(y, num_classes)


def test_generators_after_a_seed_differ_and_all_repeat():
    def numbers():
        set_random_seed(7)
        return [new_generator().random() for _ in range(3)]
    first = numbers()
    assert len(set(first)) == 3
    assert numbers() == first


def test_another_seed_leads_elsewhere():
    set_random_seed(7)
    one = new_generator().random()
    set_random_seed(8)
    assert new_generator().random() != one


def test_a_seed_of_ones_own_stands_outside_the_row():
    set_random_seed(7)
    first = new_generator().random()
    set_random_seed(7)
    assert new_generator(3).random() == new_generator(3).random()
    assert new_generator().random() == first


@pytest.mark.parametrize("seed", [-1, 1.5, "7", None, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="Expected a seed, a whole number from 0"):
        set_random_seed(seed)


def test_numpys_whole_numbers_are_seeds_too():
    set_random_seed(np.int64(7))
    one = new_generator().random()
    set_random_seed(7)
    assert new_generator().random() == one


def test_normalize_divides_by_the_norm_along_an_axis():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(normalize(x, axis=0), [[1, 1], [0, 0]])
    np.testing.assert_allclose(normalize(x, order=1), [[3 / 7, 4 / 7], [0, 0]])
    np.testing.assert_allclose(normalize(x, order=np.inf), [[0.75, 1], [0, 0]])
