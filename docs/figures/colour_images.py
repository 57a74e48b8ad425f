"""Figures of the chapter on colour images."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.study.drawing import grid

CLASSES = ("red disc", "red square", "green disc", "green square")
PARTS = ("channel red", "channel green", "channel blue", "mean: grey")


def colour_images() -> Any:
    """Draw an image of each class, and of the first its three channels and their mean, beside those of a green one."""
    rng = np.random.default_rng(4)
    images = [_image(label, rng) for label in range(4)]
    figure, axes = grid(2, 6, (11, 4))
    for row, pair in zip(axes, ((0, 1), (2, 3)), strict=True):
        for ax, label in zip(row, pair, strict=False):
            ax.imshow(images[label].transpose(1, 2, 0))
            ax.set_title(CLASSES[label], fontsize=9)
        disc = images[pair[0]]
        parts = (*disc, disc.mean(axis=0))
        for ax, part, title in zip(row[2:], parts, PARTS, strict=True):
            ax.imshow(part, cmap="gray", vmin=0, vmax=1)
            ax.set_title(title, fontsize=9)
        for ax in row:
            ax.set(xticks=[], yticks=[])
    return figure


def _image(label: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one image (3, 32, 32), as the chapter's code does; the discs of both colours in one place and light."""
    rows, columns = np.mgrid[:32, :32]
    a, b = rows - (15 if label % 2 == 0 else 18), columns - (14 if label % 2 == 0 else 17)
    distance = np.hypot(a, b) if label % 2 == 0 else np.maximum(abs(a), abs(b))
    image = np.full((3, 32, 32), 0.25)
    image[:, distance < 7] = 0.85 * np.eye(3)[label // 2][:, None]
    return np.clip(image + rng.normal(0, 0.05, image.shape), 0, 1)
