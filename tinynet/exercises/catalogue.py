"""All exercises, in the order in which they are meant to be done."""

from __future__ import annotations

from difflib import get_close_matches

from tinynet.exercises.chapters import (
    checking,
    columns,
    convolution,
    convolution_gradients,
    dense,
    losses,
    network,
    networks,
    optimizers,
    pooling,
    regularisation,
    tensors,
)
from tinynet.exercises.exercise import Exercise

EXERCISES: dict[str, Exercise] = {exercise.name: exercise for exercise in (
    *tensors.EXERCISES,
    *dense.EXERCISES,
    *losses.EXERCISES,
    *convolution.EXERCISES,
    *convolution_gradients.EXERCISES,
    *columns.EXERCISES,
    *pooling.EXERCISES,
    *regularisation.EXERCISES,
    *networks.EXERCISES,
    *optimizers.EXERCISES,
    *checking.EXERCISES,
    *network.EXERCISES,
)}


def find(name: str) -> Exercise:
    """Return the exercise of a name; its file's name will do.

    Raises
    ------
    ValueError : for a name that no exercise has; it says which are near.
    """
    if (found := EXERCISES.get(name.removesuffix(".py"))) is not None:
        return found
    near = get_close_matches(name, EXERCISES, 3, 0.5)
    raise ValueError(f"expected the name of an exercise. Received: {name!r}."
                     + (f" Perhaps {' or '.join(near)}." if near else "")
                     + " `python -m tinynet exercises list` lists them all.")
