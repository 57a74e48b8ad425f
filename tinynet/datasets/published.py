"""Data sets as they are published: files of certain names in a folder, of which some are pairs, images and labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tinynet.datasets.idx import StrPath, file_error, read_idx

Samples = tuple[np.ndarray, np.ndarray]            # images (N, H, W) or (N, C, H, W), labels (N,), both uint8


def idx_spellings(name: str) -> list[str]:
    """List the names that an IDX file is found under: gzipped or not, with `-idx` or, unpacked by some, `.idx`."""
    return [f"{stem}{end}" for stem in (name, name.replace("-idx", ".idx")) for end in ("", ".gz")]


def find_files(folder: StrPath | None, names: Sequence[str], home: str | None = None,
               spellings: Callable[[str], list[str]] = idx_spellings) -> dict[str, Path]:
    """Return where each file is, by its name; all of them are looked for before the first is read.

    Raises a FileNotFoundError that lists the missing ones, and says where they are published.
    """
    missing = [" or ".join(spellings(name)) for name in names]
    if folder is None:
        raise FileNotFoundError(f"load_data: expected a folder with the files {'; '.join(missing)}, as published at "
                                f"{home}. Nothing is downloaded.")
    folder = Path(folder)
    found = {name: [folder / spelling for spelling in spellings(name) if (folder / spelling).is_file()]
             for name in names}
    missing = [words for name, words in zip(names, missing, strict=True) if not found[name]]
    if missing:
        where = "none of those" if folder.is_dir() else "no such folder"
        published = "" if home is None else f", as published at {home}"
        raise FileNotFoundError(f"{folder}: expected the files {'; '.join(missing)}{published}. Found: {where}.")
    return {name: files[0] for name, files in found.items()}


def load_pairs(folder: StrPath | None, names: Sequence[str], home: str,
               read_labels: Callable[[Path], np.ndarray]) -> tuple[Samples, Samples]:
    """Load `(x_train, y_train), (x_test, y_test)` from four IDX files, `names` in that order."""
    found = find_files(folder, names, home)
    files = [found[name] for name in names]
    return _load_pair(files[0], files[1], read_labels), _load_pair(files[2], files[3], read_labels)


def _load_pair(images: Path, labels: Path, read_labels: Callable[[Path], np.ndarray]) -> Samples:
    samples = check_values(read_idx(images), images, 3), read_labels(labels)
    check_counts(samples, images, labels)
    return samples


def read_classes(file: Path, classes: int, first: int = 0) -> np.ndarray:
    """Read the labels (N,) of an IDX file, counted from 0; in the file they are counted from `first`."""
    return check_classes(check_values(read_idx(file), file, 1), file, classes, first)


def check_values(values: np.ndarray, file: Path, rank: int, dtype: str = "uint8") -> np.ndarray:
    """Return the array of a file if it is of that dtype and rank, or raise a ValueError."""
    if values.dtype != dtype or values.ndim != rank:
        raise file_error(file, f"{dtype} values of rank {rank}", f"{values.dtype} of shape {values.shape}")
    return values


def check_classes(labels: np.ndarray, file: Path, classes: int, first: int = 0) -> np.ndarray:
    """Return labels, counted from 0, as uint8, or raise a ValueError for one that is none of the classes."""
    wrong = labels[(labels < first) | (labels >= first + classes)]
    if wrong.size:
        raise file_error(file, f"labels from {first} to {first + classes - 1}", wrong[0])
    return (labels - first).astype(np.uint8)


def check_counts(samples: Samples, images: Path, labels: Path) -> None:
    """Raise a ValueError unless there are as many labels as images."""
    if len(samples[0]) != len(samples[1]):
        raise ValueError(f"Expected as many labels as images. Found: {len(samples[0])} images in {images}, "
                         f"{len(samples[1])} labels in {labels}.")
