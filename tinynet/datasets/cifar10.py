"""CIFAR-10: 60,000 colour photographs of 32 x 32 pixels, of ten classes.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from tinynet.datasets.cifar import Labels, load_batches
from tinynet.datasets.idx import StrPath
from tinynet.datasets.published import Samples

__all__ = ["CLASS_NAMES", "load_data"]

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_LABELS = Labels(b"labels", column=0, columns=1, classes=len(CLASS_NAMES))


def load_data(folder: StrPath | None = None) -> tuple[Samples, Samples]:
    """Load the training and the test images: `(x_train, y_train), (x_test, y_test)`.

    Parameters
    ----------
    folder : where the files are, out of the published archive: those of the binary version, `data_batch_1.bin` to
        `data_batch_5.bin` and `test_batch.bin`, or of the Python version, the same without `.bin`, which are pickles
        and are read without being run. Nothing is downloaded; without a folder the error says where they are
        published.

    Returns
    -------
    x_train (50000, 3, 32, 32), y_train (50000,), x_test (10000, 3, 32, 32), y_test (10000,), all uint8: red, green and
    blue from 0 to 255, channels first, and the numbers of the `CLASS_NAMES`.

    Raises
    ------
    FileNotFoundError : files are missing; lists them, and the folder.
    ValueError : a file is damaged, or holds something else.

    Examples
    --------
    >>> CLASS_NAMES[3]
    'cat'
    """
    return load_batches(folder, _TRAIN, "test_batch", _LABELS)
