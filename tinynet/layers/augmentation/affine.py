"""Images moved, turned, scaled and sheared: by a matrix, which says where each output pixel is taken from."""

from __future__ import annotations

from typing import ClassVar, Unpack

import numpy as np

from tinynet.layers.augmentation.base import FactorLike, Range, Warp
from tinynet.layers.noise import NoiseOptions
from tinynet.registry import Config


class RandomAffine(Warp):
    """Move, turn, scale and shear each image by amounts of its own, all in one pass; in training only.

    The pixel at ``o = (row, column)``, seen from the middle of the image, is taken from ``rotation @ shear @ zoom @ o -
    shift``. One pass blurs an image once, where four layers in turn would blur it four times.

    Parameters
    ----------
    rotation : as a fraction of a full turn; positive is counterclockwise. This and all others: one number f draws
        uniformly from (-f, f), a pair (lowest, highest) from there.
    height_zoom, width_zoom : by what fraction more of the image is shown: positive makes things smaller. Without a
        width_zoom both are the same, and proportions stay.
    x_shear, y_shear : by how many columns for each row, and by how many rows for each column.
    height_shift, width_shift : as fractions of the image; positive is down, and right.
    fill_mode, fill_value : what lies outside the image: ``"reflect"``, ``"nearest"`` or ``"constant"``, a number.
    seed : see `tinynet.layers.noise.Noise`.

    >>> image = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> down = RandomAffine(height_shift=(1 / 3, 1 / 3), fill_mode="constant", input_shape=(1, 3, 3))
    >>> _ = down.build((1, 3, 3), np.random.default_rng(0))
    >>> down(image, training=True)[0, 0]
    array([[0., 0., 0.],
           [0., 1., 2.],
           [3., 4., 5.]])
    """

    def __init__(self, rotation: FactorLike = 0.0, height_zoom: FactorLike = 0.0, width_zoom: FactorLike | None = None,
                 x_shear: FactorLike = 0.0, y_shear: FactorLike = 0.0, height_shift: FactorLike = 0.0,
                 width_shift: FactorLike = 0.0, fill_mode: str = "reflect", fill_value: float = 0.0,
                 **kwargs: Unpack[NoiseOptions]):
        super().__init__(fill_mode, fill_value, **kwargs)
        self.rotation = self.factor(rotation, "rotation")
        self.height_zoom = self.factor(height_zoom, "height_zoom", least=-1)
        self.width_zoom = None if width_zoom is None else self.factor(width_zoom, "width_zoom", least=-1)
        self.x_shear, self.y_shear = self.factor(x_shear, "x_shear"), self.factor(y_shear, "y_shear")
        self.height_shift = self.factor(height_shift, "height_shift")
        self.width_shift = self.factor(width_shift, "width_shift")

    def places(self, N: int, H: int, W: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw a matrix for each image; return where it takes the pixels from."""
        ranges = (self.rotation, self.height_zoom, self.width_zoom or (0, 0), self.x_shear, self.y_shear,
                  self.height_shift, self.width_shift)
        low, high = np.array(ranges).T
        turn, zoom_h, zoom_w, shear_x, shear_y, down, right = (low + (high - low) * self.uniform(N, len(ranges))).T
        zoom_w = zoom_h if self.width_zoom is None else zoom_w
        sin, cos, one, zero = np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn), np.ones(N), np.zeros(N)
        matrix = (as_matrices(cos, sin, -sin, cos) @ as_matrices(one, shear_y, shear_x, one)
                  @ as_matrices(1 + zoom_h, zero, zero, 1 + zoom_w))               # (N, 2, 2)
        middle = np.array([(H - 1) / 2, (W - 1) / 2])
        rows, columns = np.indices((H, W)) - middle[:, None, None]
        shift = middle - np.stack([down * H, right * W], axis=1)                   # (N, 2)
        places = np.einsum("nij,jpq->inpq", matrix, np.stack([rows, columns])) + shift.T[:, :, None, None]
        return places[0], places[1]

    def get_config(self) -> Config:
        names = ("rotation", "height_zoom", "width_zoom", "x_shear", "y_shear", "height_shift", "width_shift")
        return {**super().get_config(), **{name: as_list(getattr(self, name)) for name in names}}


def as_list(pair: Range | None) -> list[float] | None:
    """Return a range as a file can hold it."""
    return pair and list(pair)


def as_matrices(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Return the matrices [[a, b], [c, d]] (N, 2, 2) of N numbers each."""
    return np.stack([a, b, c, d], axis=-1).reshape(-1, 2, 2)


class OneOfAffine(RandomAffine):
    """Base of layers that do one of these things; `named` are Keras's arguments, and `RandomAffine`'s."""

    named: ClassVar[dict[str, str]]

    def get_config(self) -> Config:
        settings = {theirs: as_list(getattr(self, ours)) for theirs, ours in self.named.items()}
        return {**Warp.get_config(self), **settings}


class RandomTranslation(OneOfAffine):
    """Move each image by up to these fractions of its height and width, down and right where positive; training only.

    Parameters
    ----------
    height_factor, width_factor : one number f, for (-f, f), or a pair (lowest, highest).
    fill_mode, fill_value, seed : see `RandomAffine`.
    """

    named: ClassVar = {"height_factor": "height_shift", "width_factor": "width_shift"}

    def __init__(self, height_factor: FactorLike, width_factor: FactorLike, fill_mode: str = "reflect", *,
                 fill_value: float = 0.0, **kwargs: Unpack[NoiseOptions]):
        super().__init__(height_shift=height_factor, width_shift=width_factor, fill_mode=fill_mode,
                         fill_value=fill_value, **kwargs)


class RandomRotation(OneOfAffine):
    """Turn each image by up to this fraction of a full turn, counterclockwise where positive; training only.

    Parameters
    ----------
    factor : one number f, for (-f, f), or a pair (lowest, highest).
    fill_mode, fill_value, seed : see `RandomAffine`.
    """

    named: ClassVar = {"factor": "rotation"}

    def __init__(self, factor: FactorLike, fill_mode: str = "reflect", *, fill_value: float = 0.0,
                 **kwargs: Unpack[NoiseOptions]):
        super().__init__(rotation=factor, fill_mode=fill_mode, fill_value=fill_value, **kwargs)


class RandomZoom(OneOfAffine):
    """Show up to this fraction more of each image, so that things get smaller, or less where negative; training only.

    Parameters
    ----------
    height_factor, width_factor : one number f, for (-f, f), or a pair (lowest, highest); without a width_factor
        proportions stay.
    fill_mode, fill_value, seed : see `RandomAffine`.
    """

    named: ClassVar = {"height_factor": "height_zoom", "width_factor": "width_zoom"}

    def __init__(self, height_factor: FactorLike, width_factor: FactorLike | None = None, fill_mode: str = "reflect", *,
                 fill_value: float = 0.0, **kwargs: Unpack[NoiseOptions]):
        super().__init__(height_zoom=height_factor, width_zoom=width_factor, fill_mode=fill_mode,
                         fill_value=fill_value, **kwargs)


class RandomShear(OneOfAffine):
    """Shear each image by up to this many columns for each row, and rows for each column; training only.

    Parameters
    ----------
    x_factor, y_factor : one number f, for (-f, f), or a pair (lowest, highest).
    fill_mode, fill_value, seed : see `RandomAffine`.
    """

    named: ClassVar = {"x_factor": "x_shear", "y_factor": "y_shear"}

    def __init__(self, x_factor: FactorLike = 0.0, y_factor: FactorLike = 0.0, *, fill_mode: str = "reflect",
                 fill_value: float = 0.0, **kwargs: Unpack[NoiseOptions]):
        super().__init__(x_shear=x_factor, y_shear=y_factor, fill_mode=fill_mode, fill_value=fill_value, **kwargs)
