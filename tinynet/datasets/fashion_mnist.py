"""Fashion-MNIST: 70,000 articles of clothing as 28 x 28 grey images, in files of MNIST's names and form.

Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
algorithms", 2017, https://arxiv.org/abs/1708.07747.
"""

from __future__ import annotations

from functools import partial

from tinynet.datasets.idx import StrPath
from tinynet.datasets.mnist import FILES
from tinynet.datasets.published import Samples, load_pairs, read_classes

__all__ = ["CLASS_NAMES", "load_data"]

HOME = "https://github.com/zalandoresearch/fashion-mnist"
CLASS_NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def load_data(folder: StrPath | None = None) -> tuple[Samples, Samples]:
    """Load the training and the test images: `(x_train, y_train), (x_test, y_test)`.

    Parameters
    ----------
    folder : where the four files are, named as MNIST's, each gzipped or not (see `mnist.load_data`). Nothing is
        downloaded; without a folder the error says which files are wanted, and where they are published. Debian's
        package dataset-fashion-mnist puts them into /usr/share/datasets/fashion-mnist.

    Returns
    -------
    x_train (60000, 28, 28), y_train (60000,), x_test (10000, 28, 28), y_test (10000,), all uint8: grey levels from 0,
    background, to 255; and the numbers of the `CLASS_NAMES`.

    Raises
    ------
    FileNotFoundError : files are missing; lists them, and the folder.
    ValueError : a file is damaged, or holds something else; or there are not as many labels as images.

    Examples
    --------
    >>> CLASS_NAMES[9]
    'Ankle boot'
    """
    return load_pairs(folder, FILES, HOME, partial(read_classes, classes=len(CLASS_NAMES)))
