"""Kuzushiji-MNIST: 70,000 characters of old Japanese handwriting as 28 x 28 grey images, in files named as MNIST's.

Source: T. Clanuwat, M. Bober-Irizar, A. Kitamoto, A. Lamb, K. Yamamoto, D. Ha, "Deep learning for classical Japanese
literature", 2018, https://arxiv.org/abs/1812.01718.
"""

from __future__ import annotations

from functools import partial

from tinynet.datasets.idx import StrPath
from tinynet.datasets.mnist import FILES
from tinynet.datasets.published import Samples, load_pairs, read_classes

__all__ = ["CLASS_NAMES", "load_data"]

HOME = "http://codh.rois.ac.jp/kmnist/"
CLASS_NAMES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")      # one of each row of the syllabary


def load_data(folder: StrPath | None = None) -> tuple[Samples, Samples]:
    """Load the training and the test images: `(x_train, y_train), (x_test, y_test)`.

    Parameters
    ----------
    folder : where the four files are, named as MNIST's, each gzipped or not (see `mnist.load_data`). Nothing is
        downloaded; without a folder the error says which files are wanted, and where they are published.

    Returns
    -------
    x_train (60000, 28, 28), y_train (60000,), x_test (10000, 28, 28), y_test (10000,), all uint8: grey levels from 0,
    background, to 255, ink; and the numbers of the `CLASS_NAMES`, the syllables in Latin letters.

    Raises
    ------
    FileNotFoundError : files are missing; lists them, and the folder.
    ValueError : a file is damaged, or holds something else; or there are not as many labels as images.

    Examples
    --------
    >>> CLASS_NAMES[2]
    'su'
    """
    return load_pairs(folder, FILES, HOME, partial(read_classes, classes=len(CLASS_NAMES)))
