"""Where in the model's input each output looks: its receptive field, with its position."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

import numpy as np

from tinynet.layers import Conv2DTranspose, Layer, RandomCrop, Residual, ZeroPadding2D
from tinynet.layers.base import Shape
from tinynet.steps.step import Step
from tinynet.study.cost.costs import Axis, Windowed, inner_steps, reach, receptive_field
from tinynet.study.trace import Trace

Field = tuple[int, int, int] | None                  # start of the first output's, size, jump; None: the whole axis
Fields = tuple[Field, Field] | None                  # along rows and along columns; None: not known
OWN_CELL: Fields = ((0, 1, 1), (0, 1, 1))


@singledispatch
def padding(layer: Layer, input_shape: Shape) -> tuple[int, int]:
    """Return how many rows a layer adds above its image, and how many columns to the left; (0, 0) without a rule.

    A layer of your own that pads needs a rule, added with ``@study.padding.register``, beside that of `reach`.

    >>> from tinynet.layers import Conv2D
    >>> padding(Conv2D(8, (5, 3), padding="same"), (1, 28, 28))
    (2, 1)
    """
    return 0, 0


@padding.register
def _(layer: Windowed, input_shape: Shape) -> tuple[int, int]:
    (top, _), (left, _) = layer.windows.around((input_shape[1], input_shape[2]))
    return top, left


@padding.register
def _(layer: RandomCrop, input_shape: Shape) -> tuple[int, int]:
    (_, H, W) = input_shape                                       # in inference the window is in the middle
    return -((H - layer.height) // 2), -((W - layer.width) // 2)


@padding.register
def _(layer: Conv2DTranspose, input_shape: Shape) -> tuple[int, int]:
    (rows, columns), (_, H, W) = layer.windows.reach(), input_shape
    _, ((top, _), (left, _)) = layer.placement((H, W))
    return rows - 1 - top, columns - 1 - left         # at stride 1 it is a convolution of the image in a wide margin


@padding.register
def _(layer: ZeroPadding2D, input_shape: Shape) -> tuple[int, int]:
    (top, _), (left, _) = layer.padding
    return top, left


def receptive_fields(steps: Sequence[Step], shapes: Sequence[Shape]) -> list[Fields]:
    """Return the receptive field of each step's output, along rows and columns: (start, size, jump) of each.

    Output p sees the `size` cells of the input from ``start + jump * p`` on. With padding the start may lie outside
    the image: ``start - padding * jump``. See `receptive_field` for the source.

    Parameters
    ----------
    shapes : of each step's input, without the batch axis; the first is the model's input.

    Returns
    -------
    None for an axis that is seen as a whole, and None for both from a layer on that `reach` has no rule for.
    """
    return fields_through(steps, shapes, OWN_CELL if len(shapes[0]) == 3 else None)


def fields_through(steps: Sequence[Step], shapes: Sequence[Shape], fields: Fields) -> list[Fields]:
    """Return the field of each step's output, from that of the first one's input."""
    found: list[Fields] = []
    for step, shape in zip(steps, shapes, strict=True):
        windows = reach(step.layer, shape)
        if fields is None or windows is None:
            fields = None
        else:
            rows, columns = (field_after(*axis) for axis in
                             zip(fields, windows, padding(step.layer, shape), strict=True))
            fields = rows, columns
        found.append(fields)
    return found


@padding.register(Residual)
def _(layer: Residual, input_shape: Shape) -> tuple[int, int]:
    rows, columns = (0 if field is None else -field[0] for field in block_fields(layer, input_shape) or (None, None))
    return rows, columns


@reach.register(Residual)
def _(layer: Residual, input_shape: Shape) -> tuple[Axis, Axis] | None:
    fields = block_fields(layer, input_shape)
    if fields is None:
        return None
    rows, columns = (None if field is None else field[1:] for field in fields)
    return rows, columns


def block_fields(block: Residual, input_shape: Shape) -> Fields:
    """Return what an output of x + f(x) sees of x, along rows and columns: what f sees, and its own cell."""
    steps, shapes, _ = zip(*inner_steps(block, input_shape), strict=True)
    seen = fields_through(steps, shapes, OWN_CELL)[-1]
    if seen is None or any(field is not None and field[2] != 1 for field in seen):
        return None                                              # steps of another size: its own cell moves
    rows, columns = (None if field is None else with_own_cell(*field) for field in seen)
    return rows, columns


def with_own_cell(start: int, size: int, jump: int) -> Field:
    """Return a field that has cell 0 of the first output in it, too.

    >>> with_own_cell(-1, 3, 1), with_own_cell(1, 2, 1)
    ((-1, 3, 1), (0, 3, 1))
    """
    first = min(start, 0)
    return first, max(start + size, 1) - first, jump


def field_after(field: Field, window: tuple[int, int] | None, before: int) -> Field:
    """Return the field of a layer's output, from that of its input, its (window, stride) and its padding before.

    >>> field_after((0, 6, 2), (3, 1), before=1)
    (-2, 10, 2)
    """
    enlarged = receptive_field(field and field[1:], window)
    if field is None or enlarged is None:
        return None
    return field[0] - before * field[2], *enlarged


def fields_at(trace: Trace, index: int) -> Fields:
    """Return the receptive fields of one step's output: (None, None), the whole image, if that is vectors."""
    if trace.outputs[index].ndim != 4:
        return None, None
    return receptive_fields(trace.steps, [x.shape[1:] for x in trace.inputs])[index]


def seen_cells(field: Field, size: int, position: int) -> np.ndarray:
    """Return the rows (or columns) that the output at `position` sees of an image of `size`.

    Those below 0, or from `size` on, are padding.

    >>> seen_cells((-1, 3, 2), 28, 0), seen_cells(None, 3, 0)
    (array([-1,  0,  1]), array([0, 1, 2]))
    """
    return np.arange(size) if field is None else field[0] + field[2] * position + np.arange(field[1])
