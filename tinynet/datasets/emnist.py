"""EMNIST: letters and digits as 28 x 28 grey images, made as MNIST was; six splits of the same forms.

In the files each image is transposed, rows for columns; here they are upright. The labels of the letters, from 1 in
their file, are counted from 0 here, as all others are.

Source: G. Cohen, S. Afshar, J. Tapson, A. van Schaik, "EMNIST: an extension of MNIST to handwritten letters", 2017,
https://arxiv.org/abs/1702.05373.
"""

from __future__ import annotations

from functools import partial
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np

from tinynet.checks import invalid
from tinynet.datasets.idx import StrPath
from tinynet.datasets.published import Samples, load_pairs, read_classes

__all__ = ["CLASS_NAMES", "load_data"]

HOME = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
_MERGED = tuple(digits + ascii_uppercase + "abdefghnqrt")      # without the small letters that look like large ones
CLASS_NAMES = {
    "byclass": tuple(digits + ascii_uppercase + ascii_lowercase),
    "bymerge": _MERGED,
    "balanced": _MERGED,
    "letters": tuple(ascii_uppercase),                         # large and small ones as one class
    "digits": tuple(digits),
    "mnist": tuple(digits),
}


def load_data(folder: StrPath | None = None, split: str = "balanced") -> tuple[Samples, Samples]:
    """Load the training and the test images of a split: `(x_train, y_train), (x_test, y_test)`.

    Parameters
    ----------
    folder : where the split's four files are, each gzipped or not: `emnist-SPLIT-train-images-idx3-ubyte`,
        `emnist-SPLIT-train-labels-idx1-ubyte`, and `test` for `train`. Nothing is downloaded; without a folder the
        error says which files are wanted, and where they are published (all in one archive, gzip.zip).
    split : "byclass" (62 classes, 814,255 images) and "bymerge" (47), as many of each as people write; "balanced"
        (47, 131,600), as many of each; "letters" (26, 145,600), "digits" (10, 280,000) and "mnist" (10, 70,000).

    Returns
    -------
    x_train (N, 28, 28), y_train (N,), x_test, y_test, all uint8: grey levels from 0, background, to 255, ink, upright;
    and the numbers, from 0, of the `CLASS_NAMES[split]`.

    Raises
    ------
    FileNotFoundError : files are missing; lists them, and the folder.
    ValueError : there is no such split; a file is damaged, or holds something else; or there are not as many labels as
        images.

    Examples
    --------
    >>> {split: len(names) for split, names in CLASS_NAMES.items()}
    {'byclass': 62, 'bymerge': 47, 'balanced': 47, 'letters': 26, 'digits': 10, 'mnist': 10}
    """
    if split not in CLASS_NAMES:
        raise invalid("emnist.load_data", f"a split among {', '.join(CLASS_NAMES)}", repr(split))
    names = [f"emnist-{split}-{part}-{values}-ubyte" for part in ("train", "test") for values in
             ("images-idx3", "labels-idx1")]
    read_labels = partial(read_classes, classes=len(CLASS_NAMES[split]), first=int(split == "letters"))
    (x_train, y_train), (x_test, y_test) = load_pairs(folder, names, HOME, read_labels)
    return (_upright(x_train), y_train), (_upright(x_test), y_test)


def _upright(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 2, 1))
