"""Make the documentation's pictures, from a run of the larger CNN's lesson.

    python docs/figures.py            # as they stand: the lesson on all images, a minute or two
"""

from __future__ import annotations

import runpy
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "pictures"


def main() -> None:
    """Run the lesson, and draw its last state."""
    lesson = DOCS.parent / "examples" / "mnist_larger.py"
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = [lesson.name, f"--figures={folder}", *sys.argv[1:]]
        sys.path.insert(0, str(lesson.parent))
        run = runpy.run_path(str(lesson))
        PICTURES.mkdir(exist_ok=True)
        shutil.copy(Path(folder) / "mnist_larger_curves.png", PICTURES / "curves.png")
    digit_through_network(run["model"], run["x_test"][4]).savefig(PICTURES / "digit.png", dpi=110)
    print(f"Pictures: {PICTURES}")


def digit_through_network(model, image: np.ndarray):
    """Draw one image (1, 28, 28), what each convolution and pooling makes of it, and the probabilities."""
    import matplotlib.pyplot as plt

    outputs, x = {}, image[None]
    for step in model.steps():
        x, _ = step.run(x)
        outputs[step.name] = x[0]
    stages = [("input\n28 x 28", image, 1), ("conv2d_1 + ReLU\n30 maps, 24 x 24", outputs["conv2d_1/relu"], 5),
              ("max_pool2d_1\n30 maps, 12 x 12", outputs["max_pool2d_1"], 5),
              ("conv2d_2 + ReLU\n15 maps, 10 x 10", outputs["conv2d_2/relu"], 3),
              ("max_pool2d_2\n15 maps, 5 x 5", outputs["max_pool2d_2"], 3)]
    figure, axes = plt.subplots(1, len(stages) + 1, figsize=(12, 3.4), layout="constrained",
                                width_ratios=[1, 2, 2, 1.3, 1.3, 1.4])
    for axis, (title, maps, columns) in zip(axes, stages, strict=False):
        axis.imshow(mosaic(maps, columns), cmap="magma" if columns > 1 else "gray")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    probabilities = x[0]
    axes[-1].barh(range(10), 100 * probabilities, color="black")
    axes[-1].set(yticks=range(10), xlabel="probability (%)", xlim=(0, 100))
    axes[-1].invert_yaxis()
    axes[-1].set_title(f"softmax\nit is a {probabilities.argmax()}", fontsize=9)
    return figure


def mosaic(maps: np.ndarray, columns: int) -> np.ndarray:
    """Lay maps (C, H, W) out in a grid, with a blank pixel between them."""
    C, H, W = maps.shape
    grid = np.full((-(-C // columns) * (H + 1) - 1, columns * (W + 1) - 1), np.nan)
    for k, one in enumerate(maps):
        row, column = divmod(k, columns)
        grid[row * (H + 1):row * (H + 1) + H, column * (W + 1):column * (W + 1) + W] = one / max(maps.max(), 1e-9)
    return grid


if __name__ == "__main__":
    main()
