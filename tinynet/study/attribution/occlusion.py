"""By how much the target's logit falls when a part of the image is covered."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.study.arguments import Target, check_images, expect
from tinynet.study.attribution.targets import target_logits
from tinynet.training.data import as_samples
from tinynet.training.model import Model


def occlusion(model: Model, x: ArrayLike, target: Target = None, size: int = 4, stride: int = 1,
              fill: float = 0.0) -> np.ndarray:
    """Return how much the target's logit falls when each pixel is covered (N, H, W).

    A square slides over the image and hides what is under it: ``logit(x) - logit(x with the square filled)``. A
    pixel's value is the mean over all positions of the square that cover it. Positive: the square hid evidence for the
    class; negative: evidence against it. The model runs once for every position of the square.
    Source: Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2.

    Parameters
    ----------
    x : images for the model (N, C, H, W).
    target : a class for all samples, or one for each (N,); None takes each sample's largest logit.
    size : side of the square in pixels.
    stride : how far it moves; the last position of a row or column is moved back so that it ends at the edge.
    fill : value of the covered pixels, in all channels; 0 is paper without ink.

    Raises
    ------
    ValueError : for other inputs than images, a square larger than they are or that skips pixels, or a wrong target.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense, Flatten
    >>> model = Sequential([Flatten(input_shape=(1, 2, 2)), Dense(1, kernel_initializer="ones")])
    >>> occlusion(model, [[[[1, 2], [3, 4]]]], size=1)[0]
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    x = as_samples(x, model.dtype)
    check_images(x, "occlusion")
    N, _, H, W = x.shape
    expect(1 <= stride <= size <= min(H, W), f"a stride from 1 to the size, and a size up to {min(H, W)}",
           f"stride {stride}, size {size}", "occlusion")
    target, unoccluded = target_logits(model, x, target, "occlusion")
    total, covered = np.zeros((N, H, W), x.dtype), np.zeros((H, W), x.dtype)
    for top in starts(H, size, stride):
        for left in starts(W, size, stride):
            square = np.s_[top:top + size, left:left + size]
            hidden = x.copy()
            hidden[:, :, *square] = fill
            drop = unoccluded - target_logits(model, hidden, target, "occlusion")[1]         # (N,)
            total[:, *square] += drop[:, None, None]
            covered[square] += 1
    return total / covered


def starts(length: int, size: int, stride: int) -> list[int]:
    """Return where windows of a size start along an axis; the last one ends at the edge.

    >>> starts(10, 4, 3), starts(10, 4, 4)
    ([0, 3, 6], [0, 4, 6])
    """
    found = list(range(0, length - size + 1, stride))
    return found if found[-1] == length - size else [*found, length - size]
