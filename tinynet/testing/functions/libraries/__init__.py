"""Libraries whose functions differentiate themselves. None is imported here that its user has not imported."""

from __future__ import annotations

import sys
from typing import Any

from tinynet.testing.functions.libraries.autograd import Autograd
from tinynet.testing.functions.libraries.jax import Jax
from tinynet.testing.functions.libraries.library import Library
from tinynet.testing.functions.libraries.mygrad import MyGrad
from tinynet.testing.functions.libraries.pytorch import PyTorch

LIBRARIES: dict[str, type[Library]] = {"torch": PyTorch, "jax": Jax, "mygrad": MyGrad, "autograd": Autograd}


def recognised(f: Any, args: tuple[Any, ...]) -> Library:
    """Return the library of a function: by the function, by its arguments, or by what it makes of NumPy arrays.

    Raises
    ------
    TypeError : if it is that of no library that has been imported.
    """
    loaded = [LIBRARIES[name]() for name in LIBRARIES if name in sys.modules]
    for library in loaded:
        if library.owns(f, args):
            return library
    for library in loaded:
        if library.differentiates(f, args):
            return library
    known = ", ".join(library.title for library in LIBRARIES.values())
    raise TypeError(f"check_function: expected a function of {known}, with that library imported and its arrays as "
                    "arguments. For a function of plain NumPy, which does not differentiate itself, use "
                    "check_vjp(f, vjp, *args), with the vjp that you wrote.")
