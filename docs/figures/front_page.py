"""The README's pictures, from a run of the larger CNN's lesson."""

from __future__ import annotations

import runpy
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

LESSON = Path(__file__).resolve().parent.parent.parent / "examples" / "mnist_larger.py"


def curves(limit: int | None = None):
    """Draw loss and error over the epochs."""
    run = _lesson(limit)
    return run["curves"](run["history"].history, "Larger CNN")


def digit(limit: int | None = None):
    """Draw one image (1, 28, 28), what each convolution and pooling makes of it, and the probabilities."""
    import matplotlib.pyplot as plt

    run = _lesson(limit)
    image, outputs = run["x_test"][4], {}
    x = image[None]
    for step in run["model"].steps():
        x, _ = step.run(x)
        outputs[step.name] = x[0]
    stages = [("input\n28 x 28", image, 1), ("conv2d_1 + ReLU\n30 maps, 24 x 24", outputs["conv2d_1/relu"], 5),
              ("max_pool2d_1\n30 maps, 12 x 12", outputs["max_pool2d_1"], 5),
              ("conv2d_2 + ReLU\n15 maps, 10 x 10", outputs["conv2d_2/relu"], 3),
              ("max_pool2d_2\n15 maps, 5 x 5", outputs["max_pool2d_2"], 3)]
    figure, axes = plt.subplots(1, len(stages) + 1, figsize=(12, 3.4), layout="constrained",
                                width_ratios=[1, 2, 2, 1.3, 1.3, 1.4])
    for axis, (title, maps, columns) in zip(axes, stages, strict=False):
        axis.imshow(_mosaic(maps, columns), cmap="magma" if columns > 1 else "gray")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    probabilities = x[0]
    axes[-1].barh(range(10), 100 * probabilities, color="black")
    axes[-1].set(yticks=range(10), xlabel="probability (%)", xlim=(0, 100))
    axes[-1].invert_yaxis()
    axes[-1].set_title(f"softmax\nit is a {probabilities.argmax()}", fontsize=9)
    return figure


@cache
def _lesson(limit: int | None) -> dict[str, Any]:
    """Run the lesson, on the first `limit` training images (None: as it stands); return its variables."""
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--figures={folder}", *([] if limit is None else [f"--limit={limit}", "--epochs=2"])]
        with patch.object(sys, "argv", [LESSON.name, *options]), \
                patch.object(sys, "path", [str(LESSON.parent), *sys.path]):
            return runpy.run_path(str(LESSON))


def _mosaic(maps: np.ndarray, columns: int) -> np.ndarray:
    """Lay maps (C, H, W) out in a grid, with a blank pixel between them."""
    C, H, W = maps.shape
    grid = np.full((-(-C // columns) * (H + 1) - 1, columns * (W + 1) - 1), np.nan)
    for k, one in enumerate(maps):
        row, column = divmod(k, columns)
        grid[row * (H + 1):row * (H + 1) + H, column * (W + 1):column * (W + 1) + W] = one / max(maps.max(), 1e-9)
    return grid
