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

# The book's order; checking gradients stands beside it, before the layers of one's own.
CHAPTERS = ("tensors", "dense", "convolution", "pooling", "losses", "backpropagation", "initialisation", "dropout",
            "optimizers", "training", "batch-normalisation", "residual-connections", "gradient-checking",
            "your-own-layer")
EXERCISES: dict[str, Exercise] = {exercise.name: exercise for exercise in sorted((
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
), key=lambda exercise: CHAPTERS.index(exercise.chapter))}


def find(name: str) -> Exercise:
    """Return the exercise of a name; its file's name will do, and its number in the list.

    Raises
    ------
    ValueError : for a name that no exercise has; it says which are near.
    """
    if (found := EXERCISES.get(name.removesuffix(".py"))) is not None:
        return found
    if name.isdigit() and 1 <= int(name) <= len(EXERCISES):
        return list(EXERCISES.values())[int(name) - 1]
    near = get_close_matches(name, EXERCISES, 3, 0.5)
    raise ValueError(f"expected the name of an exercise. Received: {name!r}."
                     + (f" Perhaps {' or '.join(near)}." if near else "")
                     + " `python -m tinynet exercises list` lists them all.")
