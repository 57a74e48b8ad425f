"""A folder of images of your own: a sub-folder for each class, whose name is the class's."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from tinynet.checks import invalid, is_int
from tinynet.datasets.idx import StrPath, file_error

__all__ = ["load_data"]

_ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".png"}
_FORMATS = ("BMP", "GIF", "JPEG", "PNG")                     # Pillow knows dozens more, that nobody would miss here
_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}    # Keras's names, Pillow's


def load_data(folder: StrPath, image_size: tuple[int, int] | None = None,
              color_mode: str = "rgb") -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Load all images of a folder that has a sub-folder for each class: `x, y, class_names`.

    Parameters
    ----------
    folder : with sub-folders, such as `cats` and `dogs`; in them, at any depth, images whose names end in .bmp, .gif,
        .jpeg, .jpg or .png. Other files, and names that begin with a dot, are passed over.
    image_size : (rows, columns), to which every image is resized, whatever its shape; None if they all have one size.
    color_mode : "rgb", "grayscale" or "rgba": 3, 1 or 4 channels.

    Returns
    -------
    x (N, C, H, W) uint8, from 0 to 255, in the order of the classes and, in each, of the files' names; y (N,) int64,
    the number of each one's class; and the names of the classes, sorted. `tinynet.utils.train_test_split` shuffles and
    splits them. Of a moving GIF there is the first picture; a photograph is turned the way up that it says.

    Raises
    ------
    FileNotFoundError : there is no such folder, or no sub-folder in it, or one without images.
    ValueError : a file cannot be read as an image, or is of another size than the first; names it. An image of more
        than 89 million pixels is refused, and one of more than 8 bits for each channel.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cats", "dogs"):
    ...         Path(folder, name).mkdir()
    ...         Image.new("RGB", (4, 3), "white").save(Path(folder, name, "one.png"))
    ...     x, y, class_names = load_data(folder)
    >>> x.shape, y.tolist(), class_names
    ((2, 3, 3, 4), [0, 1], ('cats', 'dogs'))
    """
    if color_mode not in _MODES:
        raise invalid("image_folder.load_data", f"a color_mode among {', '.join(_MODES)}", repr(color_mode))
    if not (image_size is None or (isinstance(image_size, (tuple, list)) and len(image_size) == 2
                                   and all(is_int(size, 1) for size in image_size))):
        raise invalid("image_folder.load_data", "image_size, a number of rows and one of columns", repr(image_size))
    classes = _find_images(Path(folder))
    files = [file for files in classes.values() for file in files]
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes.values()])
    return _read_images(files, image_size, _MODES[color_mode]), labels, tuple(classes)


def _find_images(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each class, sorted, the classes too."""
    inside = folder.iterdir() if folder.is_dir() else ()
    names = sorted(path.name for path in inside if path.is_dir() and not _hidden(path, folder))
    if not names:
        found = "a folder without any" if folder.is_dir() else "no such folder"
        raise FileNotFoundError(f"{folder}: expected a folder with a sub-folder of images for each class. "
                                f"Found: {found}.")
    classes = {name: sorted(path for path in (folder / name).rglob("*") if path.suffix.lower() in _ENDINGS
                            and path.is_file() and not _hidden(path, folder)) for name in names}
    for name, files in classes.items():
        if not files:
            raise FileNotFoundError(f"{folder / name}: expected images, of names that end in "
                                    f"{', '.join(sorted(_ENDINGS))}. Found: none.")
    return classes


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _read_images(files: list[Path], image_size: tuple[int, int] | None, mode: str) -> np.ndarray:
    """Return the images (N, C, H, W) in the files; there is room for them once the first has been read."""
    first = _read_image(files[0], image_size, mode)
    images = np.empty((len(files), *first.shape), np.uint8)
    images[0] = first
    for place, file in enumerate(files[1:], 1):
        image = _read_image(file, image_size, mode)
        if image.shape != first.shape:
            sizes = [" x ".join(map(str, shape[1:])) for shape in (first.shape, image.shape)]
            raise file_error(file, f"{sizes[0]} pixels (rows x columns) as in {files[0]}, or image_size= for all",
                             sizes[1])
        images[place] = image
    return images


def _read_image(file: Path, image_size: tuple[int, int] | None, mode: str) -> np.ndarray:
    """Return the image (C, H, W) in a file."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=_FORMATS) as image:
                deep = image.mode[0] in "IF"
                if not deep:
                    upright = ImageOps.exif_transpose(image).convert(mode)
    except Exception as error:                     # decoders of damaged bytes raise whatever they come upon
        why = str(error) or type(error).__name__
        raise file_error(file, "an intact image, BMP, GIF, JPEG or PNG", why) from error
    if deep:
        raise file_error(file, "an image of 8 bits for each channel", f"one of mode {image.mode}")
    if image_size is not None:
        upright = upright.resize(image_size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(upright).reshape(upright.height, upright.width, -1).transpose(2, 0, 1)
