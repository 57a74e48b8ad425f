"""MyGrad: functions of its tensors, first derivatives."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tinynet.testing.functions.libraries.library import Flat, Library


class MyGrad(Library):
    """MyGrad."""

    title = "MyGrad"
    highest_order = 1

    def __init__(self) -> None:
        self.mygrad = sys.modules["mygrad"]

    def is_array(self, leaf: Any) -> bool:
        """Return whether this is a tensor."""
        return isinstance(leaf, self.mygrad.Tensor)

    def to_numpy(self, leaf: Any) -> Any:
        """Return a floating tensor as an array."""
        return np.array(leaf.data) if self.is_array(leaf) and leaf.dtype.kind == "f" else leaf

    def run(self, flat: Flat, xs: list[Any]) -> list[np.ndarray]:
        """Return the outputs."""
        return [np.array(y.data if self.is_array(y) else y) for y in flat(*self.tensors(xs))]

    def pull(self, flat: Flat, dys: list[Any], xs: list[Any]) -> list[Any]:
        """Return the gradients; zeros where no gradient arrives."""
        tensors = self.tensors(xs)
        ys = [(y, dy) for y, dy in zip(flat(*tensors), dys, strict=True) if self.is_array(y) and not y.constant]
        if ys:
            sum((y * dy).sum() for y, dy in ys).backward()
        return [np.zeros_like(x) if tensor.grad is None else np.array(tensor.grad)
                for x, tensor in zip(xs, tensors, strict=True)]

    def tensors(self, xs: list[Any]) -> list[Any]:
        """Return tensors of copies: MyGrad makes arrays read-only while a graph needs them."""
        return [self.mygrad.tensor(np.array(x), constant=False) for x in xs]
