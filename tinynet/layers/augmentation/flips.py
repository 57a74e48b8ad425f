"""Photographs mirrored, or cropped: pixels at other places, none of them changed."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.checks import is_int
from tinynet.layers.augmentation.base import Augmentation
from tinynet.layers.base import Backward, LayerOptions, Shape, as_floating
from tinynet.layers.windows import as_choice
from tinynet.registry import Config

MODES = {"horizontal": (False, True), "vertical": (True, False), "horizontal_and_vertical": (True, True)}


class RandomFlip(Augmentation):
    """Mirror half of the images, left to right, upside down, or each with its own chance; training only.

    The gradient is mirrored back.

    Parameters
    ----------
    mode : ``"horizontal"`` (left to right), ``"vertical"`` or ``"horizontal_and_vertical"``.
    seed : see `tinynet.layers.noise.Noise`.
    """

    def __init__(self, mode: str = "horizontal_and_vertical", seed: int | None = None,
                 **kwargs: Unpack[LayerOptions]):
        super().__init__(seed=seed, **kwargs)
        self.mode = as_choice(mode, self, "mode", MODES)

    def augment(self, x: np.ndarray) -> tuple[np.ndarray, Backward]:
        """Mirror some images of a batch."""
        vertical, horizontal = (self.uniform(len(x), 2) < np.array(MODES[self.mode]) / 2).T

        def mirrored(images: np.ndarray) -> np.ndarray:
            y = images.copy()
            y[vertical] = y[vertical, :, ::-1]
            y[horizontal] = y[horizontal, :, :, ::-1]
            return y
        return mirrored(x), mirrored                                    # twice mirrored is what it was

    def get_config(self) -> Config:
        return {**super().get_config(), "mode": self.mode}


class RandomCrop(Augmentation):
    """Cut a window of (height, width) out of each image, at a random place; in inference, out of the middle.

    The gradient of the pixels that were cut away is 0.

    Parameters
    ----------
    height, width : of the window, no larger than the image.
    seed : see `tinynet.layers.noise.Noise`.
    """

    def __init__(self, height: int, width: int, seed: int | None = None, **kwargs: Unpack[LayerOptions]):
        super().__init__(seed=seed, **kwargs)
        for what, size in (("height", height), ("width", width)):
            self.expect(is_int(size, 1), f"{what}, a whole number from 1", repr(size))
        self.height, self.width = int(height), int(width)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return (C, height, width)."""
        C, H, W = super().build(input_shape, rng)
        self.expect(self.height <= H and self.width <= W, f"images of at least {self.height} x {self.width}", (H, W))
        self.output_shape = C, self.height, self.width
        return self.output_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        self.expect(x.ndim == 4 and x.shape[2] >= self.height and x.shape[3] >= self.width,
                    f"input (N, C, H, W) of at least {self.height} x {self.width}", x.shape)
        x = as_floating(x)
        room = np.array(x.shape[2:]) - (self.height, self.width)
        corners = ((self.uniform(len(x), 2) * (room + 1)).astype(int) if training
                   else np.tile(room // 2, (len(x), 1)))                # (N, 2), the upper left ones
        windows = [(slice(top, top + self.height), slice(left, left + self.width)) for top, left in corners]
        y = np.empty((*x.shape[:2], self.height, self.width), x.dtype)
        for image, crop, (rows, columns) in zip(x, y, windows, strict=True):
            crop[:] = image[:, rows, columns]

        def backward(dy: np.ndarray) -> np.ndarray:
            dx = np.zeros(x.shape, dy.dtype)
            for image, crop, (rows, columns) in zip(dx, dy, windows, strict=True):
                image[:, rows, columns] = crop
            return dx
        return y, backward

    def get_config(self) -> Config:
        return {**super().get_config(), "height": self.height, "width": self.width}
