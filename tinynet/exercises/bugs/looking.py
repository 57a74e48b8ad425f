"""What the scripts that show a symptom print with: a curve, and a report of gradients without its causes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinynet.testing import GradientReport

WIDTH = 40


def curve(values: Sequence[float], what: str = "loss", most: float = 3.0) -> None:
    """Print a value for each epoch, with a bar that is full at `most`.

    >>> curve([2.3, 0.75])
    epoch 1   loss   2.300  ###############################
    epoch 2   loss   0.750  ##########
    """
    for epoch, value in enumerate(values, 1):
        bar = "#" * round(WIDTH * min(value, most) / most) if np.isfinite(value) else ""
        print(f"epoch {epoch}   {what} {value:7.3f}  {bar}".rstrip())


def verdicts(report: GradientReport) -> None:
    """Print which gradients are right, and of a wrong one an entry with both numbers; not what the cause may be."""
    for tensor in report.tensors:
        wrong = tensor.count("wrong")
        if not wrong:
            print(f"{tensor.name:<8} {tensor.shape}: right")
            continue
        masks = tensor.entries("wrong", alone=True)
        index = tuple(int(i) for i in np.argwhere(masks)[0]) if masks.any() else None
        print(f"{tensor.name:<8} {tensor.shape}: WRONG in {wrong} of {masks.size} entries")
        if index is not None and tensor.analytic is not None:
            print(f"         at {list(index)} backward says {tensor.analytic[index]:.4f}, "
                  f"the measured slope is {tensor.numeric[index]:.4f}")
    if not any(tensor.count("wrong") for tensor in report.tensors):
        for failure in report.failures:
            print(f"{failure.tensor}: {failure.message}")
