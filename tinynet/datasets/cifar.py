"""What CIFAR-10 and CIFAR-100 have in common: colour images in files of two forms, binary and pickled by Python 2.

    binary    of each image 1 or 2 bytes, its labels, then 3072: rows of red, rows of green, rows of blue, 32 each
    Python    a dictionary: b"data", an array (N, 3072) of the same bytes, and lists of N labels

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009; the page at `HOME` for the forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinynet.datasets.idx import StrPath, file_error
from tinynet.datasets.pickled import array_of, read_pickle
from tinynet.datasets.published import Samples, check_classes, find_files

HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"
_PIXELS = 3 * 32 * 32
_MOST_IMAGES = 50_000                          # in a file; CIFAR-100's training file has as many
_MOST_BESIDE = 200                             # bytes beside an image in a pickle, where its file's name is


@dataclass(frozen=True)
class Labels:
    """Where the labels are: in which list of a Python file, in which of the bytes before an image of a binary one."""

    key: bytes
    column: int
    columns: int
    classes: int


def load_batches(folder: StrPath | None, train: Sequence[str], test: str, labels: Labels) -> tuple[Samples, Samples]:
    """Load `(x_train, y_train), (x_test, y_test)` from the files of these names, binary (`.bin`) or Python's."""
    files = find_files(folder, [*train, test], HOME, lambda name: [f"{name}.bin", name])
    batches = [_read_batch(files[name], labels) for name in train]
    x_train, y_train = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return (x_train, y_train), _read_batch(files[test], labels)


def _read_batch(file: Path, labels: Labels) -> Samples:
    """Return the images (N, 3, 32, 32) and the labels (N,) of a file."""
    read = _read_binary if file.suffix == ".bin" else _read_python
    images, classes = read(file, labels)
    return images.reshape(-1, 3, 32, 32).copy(), check_classes(classes, file, labels.classes)


def _read_binary(file: Path, labels: Labels) -> Samples:
    record, size = labels.columns + _PIXELS, file.stat().st_size
    if size % record or not 0 < size <= _MOST_IMAGES * record:
        raise file_error(file, f"1 to {_MOST_IMAGES:,} images of {record} bytes, {labels.columns} of them labels",
                         f"{size} bytes")
    records = np.fromfile(file, np.uint8, size).reshape(-1, record)
    return records[:, labels.columns:], records[:, labels.column]


def _read_python(file: Path, labels: Labels) -> Samples:
    most = _MOST_IMAGES * (_PIXELS + _MOST_BESIDE)
    if file.stat().st_size > most:
        raise file_error(file, f"a pickle of at most {most:,} bytes", f"{file.stat().st_size} bytes")
    contents = read_pickle(file.read_bytes(), file)
    match contents:
        case {b"data": data, labels.key: list(classes)}:
            images = array_of(data, file)
        case _:
            raise file_error(file, f"a dictionary with data and a list of {labels.key.decode()}", "something else")
    if images.shape != (len(classes), _PIXELS):
        raise file_error(file, f"an array ({len(classes)}, {_PIXELS}), a row for each of the {labels.key.decode()}",
                         f"an array {images.shape}")
    if not all(type(label) is int and 0 <= label < labels.classes for label in classes):
        raise file_error(file, f"labels from 0 to {labels.classes - 1}", "something else")
    return images, np.array(classes, np.uint8)
