"""Grouped convolution: channels and filters are cut into groups, and each group is convolved by itself.

Group g of G sees channels g C/G to (g + 1) C/G, and makes as many of the F outputs: with kernels of C/G channels, so
with a G-th of the weights and of the multiplications. It is G convolutions of any kernel set, side by side, and so are
its gradients.

Source: Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural networks",
section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import numpy as np

from tinynet.kernels.geometry import Pair


def grouped(k: ModuleType, groups: int) -> ModuleType | Grouped:
    """Return the convolutions of a kernel set for so many groups; for one, the set itself."""
    return k if groups == 1 else Grouped(k, groups)


class Grouped:
    """The convolutions of a kernel set for G groups: the same functions, of kernels (F, C/G, kh, kw)."""

    def __init__(self, k: ModuleType, groups: int):
        self.k, self.groups = k, groups

    def conv2d(self, x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
        """Put the outputs of the groups one behind the other."""
        return np.concatenate([self.k.conv2d(*part, strides, dilation) for part in self.cut((x, 1), (kernel, 0))], 1)

    def conv2d_kernel_gradient(self, x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                               dilation: Pair) -> np.ndarray:
        """Give the kernels of each group what its own channels and gradients say."""
        return np.concatenate([self.k.conv2d_kernel_gradient(*part, kernel_size, strides, dilation)
                               for part in self.cut((x, 1), (dy, 1))], 0)

    def conv2d_input_gradient(self, dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                              dilation: Pair) -> np.ndarray:
        """Give the channels of each group what its own filters send back."""
        return np.concatenate([self.k.conv2d_input_gradient(*part, input_size, strides, dilation)
                               for part in self.cut((dy, 1), (kernel, 0))], 1)

    def cut(self, *arrays: tuple[np.ndarray, int]) -> Iterator[tuple[np.ndarray, ...]]:
        """Cut each array along its axis, and yield the parts of each group."""
        return zip(*(np.split(array, self.groups, axis) for array, axis in arrays), strict=True)
