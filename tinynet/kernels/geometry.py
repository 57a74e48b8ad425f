"""How many windows fit an image: the arithmetic that all kernel sets and layers share.

Sizes, strides and dilation are pairs (rows, columns). A window of h rows with dilation d spans ``d * (h - 1) + 1``
rows of the image.
"""

import numpy as np

Pair = tuple[int, int]


def output_size(size: Pair, window: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Pair:
    """Return how many windows fit an image of some size (H, W) along each axis: (P, Q).

    >>> output_size((28, 28), (5, 5), (1, 1)), output_size((7, 8), (3, 2), (2, 3), (1, 2))
    ((24, 24), (3, 2))
    """
    (H, W), (kh, kw), (s, t), (d, e) = size, window, strides, dilation
    return (H - d * (kh - 1) - 1) // s + 1, (W - e * (kw - 1) - 1) // t + 1


def expect_gradients(dy: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless upstream gradients have the output's shape: compiled loops would read beside others."""
    if dy.shape != shape:
        raise ValueError(f"Expected upstream gradients of the shape of the output, {shape}. Received: {dy.shape}.")
