"""Where in the model's input each output looks: its receptive field, with its place."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from tinynet.layers import Conv2D, Layer
from tinynet.layers.base import Shape
from tinynet.layers.pooling import Pooling
from tinynet.study.cost.costs import reach, receptive_field
from tinynet.study.trace import Trace

Field = tuple[int, int, int] | None                  # start of the first output's, size, jump; None: all of the axis


@singledispatch
def padding(layer: Layer, input_shape: Shape) -> tuple[int, int]:
    """Return how many rows a layer adds above its image, and how many columns to the left; (0, 0) without a rule.

    A layer of one's own that pads is given a rule with ``@study.padding.register``, beside that of `reach`.

    >>> padding(Conv2D(8, (5, 3), padding="same"), (1, 28, 28))
    (2, 1)
    """
    return 0, 0


@padding.register(Conv2D)
@padding.register(Pooling)
def _(layer: Conv2D | Pooling, input_shape: Shape) -> tuple[int, int]:
    (top, _), (left, _) = layer.windows.around((input_shape[1], input_shape[2]))
    return top, left


def receptive_fields(steps: list[Any], shapes: list[Shape]) -> list[tuple[Field, Field] | None]:
    """Return the receptive field of each step's output, along rows and columns: (start, size, jump) of each.

    Output p sees the input's cells from ``start + jump * p``, `size` of them. Padding lets the start lie before the
    image: ``start - padding * jump``. See `receptive_field` for the source.

    Parameters
    ----------
    shapes : of what each step is given, without the batch axis; the first is the model's input.

    Returns
    -------
    None for an axis that is seen as a whole, and None for both from a layer on that `reach` has no rule for.
    """
    found: list[tuple[Field, Field] | None] = []
    fields: tuple[Field, Field] | None = ((0, 1, 1), (0, 1, 1)) if len(shapes[0]) == 3 else None
    for step, shape in zip(steps, shapes, strict=True):
        windows = reach(step.layer, shape)
        if fields is None or windows is None:
            fields = None
        else:
            rows, columns = (further(*axis) for axis in zip(fields, windows, padding(step.layer, shape), strict=True))
            fields = rows, columns
        found.append(fields)
    return found


def further(field: Field, window: tuple[int, int] | None, before: int) -> Field:
    """Return the field of a layer's output, from that of its input, its (window, stride) and its padding.

    >>> further((0, 6, 2), (3, 1), before=1)
    (-2, 10, 2)
    """
    grown = receptive_field(field and field[1:], window)
    if field is None or grown is None:
        return None
    return field[0] - before * field[2], *grown


def fields_at(trace: Trace, place: int) -> tuple[Field, Field] | None:
    """Return the receptive fields of one step's output; what makes vectors sees all, and None is not known."""
    if trace.outputs[place].ndim != 4:
        return None, None
    return receptive_fields(trace.steps, [given.shape[1:] for given in trace.inputs])[place]


def cells(field: Field, size: int, at: int) -> np.ndarray:
    """Return the rows (or columns) that output `at` sees of an image of `size`; padding is below 0, or from `size`.

    >>> cells((-1, 3, 2), 28, 0), cells(None, 3, 0)
    (array([-1,  0,  1]), array([0, 1, 2]))
    """
    return np.arange(size) if field is None else field[0] + field[2] * at + np.arange(field[1])


def check_images(trace: Trace, asker: str) -> None:
    """Raise `asker`'s ValueError unless the model's input is images."""
    if trace.inputs[0].ndim != 4:
        raise ValueError(f"{asker}: expected images (N, C, H, W). Received: {trace.inputs[0].shape}.")
