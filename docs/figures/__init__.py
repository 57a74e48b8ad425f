"""The figures of the documentation: a module a chapter, a function a figure.

Every public function of a module in this folder draws one figure and returns it; ``conv_patch`` makes
``pictures/conv-patch.png``. One that needs a trained model has a parameter `limit`, the number of training images to
use (None: all of them), so that the tests can draw it in seconds. Helpers begin with an underscore.

    python docs/figures                       # draw them all: minutes
    python docs/figures conv-patch pool-ties  # these two
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent / "pictures"


def all_figures() -> dict[str, Callable[..., Any]]:
    """Return every figure's function by the name of its picture; a name that two modules have is a ValueError."""
    found: dict[str, Callable[..., Any]] = {}
    for file in sorted(HERE.glob("[!_]*.py")):
        module = importlib.import_module(f"{__name__}.{file.stem}")
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and name[0] != "_":
                picture = name.replace("_", "-")
                if picture in found:
                    raise ValueError(f"Two functions draw {picture}.png: one in {found[picture].__module__}, one in "
                                     f"{module.__name__}.")
                found[picture] = function
    return found


def draw(picture: str, folder: Path = PICTURES, limit: int | None = None, dpi: int = 110) -> Path:
    """Draw one picture into `folder`, and return its path; `limit` is passed on to a function that has it."""
    function = all_figures()[picture]
    figure = function(limit=limit) if "limit" in inspect.signature(function).parameters else function()
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{picture}.png", dpi=dpi)
    return folder / f"{picture}.png"
