"""MNIST: 70,000 handwritten digits as 28 x 28 grey images, read from the files inside the package.

By Yann LeCun and Corinna Cortes, CC BY-SA 3.0; see data/mnist/README.md.

Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11), 1998; http://yann.lecun.com/exdb/mnist/.
"""

import hashlib
from pathlib import Path

import numpy as np

from tinynet.datasets.idx import StrPath, parse_idx, read_idx_bytes
from tinynet.datasets.published import Samples, check_counts, check_values, find_files

__all__ = ["load_data"]

_SHIPPED = Path(__file__).parent / "data" / "mnist"
_TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
FILES = _TRAIN + _TEST


def load_data(path: StrPath | None = None) -> tuple[Samples, Samples]:
    """Load the training and the test digits: `(x_train, y_train), (x_test, y_test)`.

    Parameters
    ----------
    path : a folder of four IDX files named as MNIST's (Fashion-MNIST's, say), each gzipped or not:
        `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`,
        with or without `.gz`, or with `.idx` for `-idx`. None: the files that are part of tinynet, checked against
        their SHA-256.

    Returns
    -------
    x_train (60000, 28, 28), y_train (60000,), x_test (10000, 28, 28), y_test (10000,), all uint8: grey levels from 0,
    background, to 255, ink; and digits 0 to 9. From a folder of yours, (N, H, W) and (N,).

    Raises
    ------
    FileNotFoundError : a file is missing; lists the names looked for, and the folder.
    ValueError : a file is damaged, is not the one that is part of tinynet, does not hold uint8 images (rank 3) or
        labels (rank 1); or there are not as many labels as images.

    Examples
    --------
    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, x_test.shape
    ((60000, 28, 28), (10000, 28, 28))
    >>> y_train[:5]
    array([5, 0, 4, 1, 9], dtype=uint8)
    """
    folder = _SHIPPED if path is None else Path(path)
    files = find_files(folder, FILES)
    digests = _read_digests(folder / "SHA256SUMS") if path is None else None
    return _load_pair(_TRAIN, files, digests), _load_pair(_TEST, files, digests)


def _load_pair(names: tuple[str, str], files: dict[str, Path], digests: dict[str, str] | None) -> Samples:
    images, labels = (_load(files[name], rank, None if digests is None else digests[name])
                      for name, rank in zip(names, (3, 1), strict=True))
    check_counts((images, labels), files[names[0]], files[names[1]])
    return images, labels


def _load(file: Path, rank: int, digest: str | None) -> np.ndarray:
    data = read_idx_bytes(file)
    found = None if digest is None else hashlib.sha256(data).hexdigest()
    if found != digest:
        raise ValueError(f"{file}: expected SHA-256 {digest} (of the uncompressed bytes). Found: {found}.")
    return check_values(parse_idx(data, file), file, rank)


def _read_digests(file: Path) -> dict[str, str]:
    """Return the lines `digest  name` of a SHA256SUMS file as a dict from name to digest."""
    lines = file.read_text(encoding="ascii").splitlines() if file.is_file() else []
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if absent := [name for name in FILES if name not in digests]:
        raise ValueError(f"{file}: expected the SHA-256 of {', '.join(absent)}. Found: no such line.")
    return digests
