"""A model from layers that were called one on the other, as Keras's functional API has it."""

from __future__ import annotations

from typing import Any

from tinynet.checks import invalid
from tinynet.layers.input import Chain, Input
from tinynet.models.sequential import Sequential


class Functional(Sequential):
    """``Model(inputs, outputs)``: the `Sequential` of the layers between an `Input` and what was made of it.

    Layers on a straight way are all that there is. For x + f(x) there is `Residual`; other branches are a layer of
    one's own, which calls others.

    Parameters
    ----------
    inputs : an `Input`.
    outputs : what the last of the layers returned that were called, the first on the input, each on what the one before
        returned.
    name : what the model is called.

    >>> from tinynet.layers import Dense
    >>> inputs = Input((784,))
    >>> x = Dense(128, activation="relu")(inputs)
    >>> Functional(inputs, Dense(10, activation="softmax")(x)).layers
    [<Dense 'dense_1', 100,480 parameters>, <Dense 'dense_2', 1,290 parameters>]
    """

    def __new__(cls, inputs: Input | list[Input], outputs: Chain | list[Chain],              # type: ignore[misc]
                name: str | None = None) -> Sequential:
        """Return the `Sequential`."""
        first, last = (each[0] if isinstance(each, (list, tuple)) and len(each) == 1 else each
                       for each in (inputs, outputs))
        if not (isinstance(first, Input) and isinstance(last, Chain)):
            raise invalid("Model", "one Input, and one output that layers have made of it: x = layer(x). Several, and "
                          "branches, are a layer of one's own, which calls others; x + f(x) is Residual([...])",
                          f"{described(inputs)} and {described(outputs)}")
        if last.source is not first:
            raise invalid("Model", "outputs that begin with its inputs", f"{last}, which begin with another Input")
        return Sequential([first, *last.called], name)

    def __init_subclass__(cls, **kwargs: Any):
        raise TypeError("Model: expected to be called, Model(inputs, outputs). Received: a subclass of it. What "
                        "computes in a way of its own is a layer of one's own, in a Sequential.")


def described(given: object) -> str:
    """Write what was given."""
    return f"{len(given)} of them" if isinstance(given, (list, tuple)) else repr(given)
