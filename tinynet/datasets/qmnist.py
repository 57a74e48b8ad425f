"""QMNIST: MNIST made again from the same forms, with all 60,000 test digits, and of each digit who wrote it.

Source: C. Yadav, L. Bottou, "Cold case: the lost MNIST digits", 2019, https://arxiv.org/abs/1905.10498.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinynet.datasets.idx import StrPath, file_error, read_idx
from tinynet.datasets.published import Samples, check_classes, check_values, load_pairs

__all__ = ["CLASS_NAMES", "load_data"]

HOME = "https://github.com/facebookresearch/qmnist"
FILES = ("qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int",
         "qmnist-test-images-idx3-ubyte", "qmnist-test-labels-idx2-int")
CLASS_NAMES = tuple("0123456789")
_COLUMNS = 8      # class, series, writer, number in the series, class in NIST's files, place in them, two that are 0


def load_data(folder: StrPath | None = None) -> tuple[Samples, Samples]:
    """Load the training and the test digits: `(x_train, y_train), (x_test, y_test)`.

    Parameters
    ----------
    folder : where the four files are, each gzipped or not: `qmnist-train-images-idx3-ubyte`,
        `qmnist-train-labels-idx2-int`, `qmnist-test-images-idx3-ubyte` and `qmnist-test-labels-idx2-int`. Nothing is
        downloaded; without a folder the error says which files are wanted, and where they are published.

    Returns
    -------
    x_train (60000, 28, 28), y_train (60000,), x_test (60000, 28, 28), y_test (60000,), all uint8: grey levels from 0,
    background, to 255, ink; and digits 0 to 9, the first of the eight columns of the files of labels. `read_idx` reads
    the others, such as the third, the writer. The first 10,000 test digits are those of MNIST.

    Raises
    ------
    FileNotFoundError : files are missing; lists them, and the folder.
    ValueError : a file is damaged, or holds something else; or there are not as many labels as images.

    Examples
    --------
    >>> CLASS_NAMES[3]
    '3'
    """
    return load_pairs(folder, FILES, HOME, _read_labels)


def _read_labels(file: Path) -> np.ndarray:
    columns = check_values(read_idx(file), file, 2, "int32")
    if columns.shape[1] != _COLUMNS:
        raise file_error(file, f"{_COLUMNS} numbers for each digit", columns.shape[1])
    return check_classes(columns[:, 0], file, len(CLASS_NAMES))
