"""The file of an exercise as text: what `start` writes, and what `solution` shows, both made of the solution's source."""

from __future__ import annotations

import ast
import inspect

from tinynet.exercises.exercise import Exercise

HEAD = '''"""{title}

Chapter {chapter} of the book. To check it: python -m tinynet exercises check {name}
"""
'''
IMPORTS = {"np.": "import numpy as np", "Callable": "from collections.abc import Callable"}


def to_fill_in(exercise: Exercise) -> str:
    """Return the file with every function's body left out, but for its docstring."""
    return written(exercise, [without_body(inspect.getsource(task.solution)) for task in exercise.tasks])


def solved(exercise: Exercise) -> str:
    """Return the file with the solution."""
    return written(exercise, [inspect.getsource(task.solution) for task in exercise.tasks])


def written(exercise: Exercise, functions: list[str]) -> str:
    """Put a file together: its title, what it imports, its functions."""
    head = HEAD.format(title=exercise.title, chapter=exercise.chapter, name=exercise.name)
    imports = sorted((line for sign, line in IMPORTS.items() if any(sign in text for text in functions)),
                     key=lambda line: "numpy" in line)
    return head + "".join(f"\n{line}\n" for line in imports) + "".join(f"\n\n{text.strip()}\n" for text in functions)


def without_body(source: str) -> str:
    """Return a function's source with its body replaced by a line that says that it is unfinished.

    >>> print(without_body('def one():\\n    "The number 1."\\n    return 1\\n'))
    def one():
        "The number 1."
        raise NotImplementedError("one: write it here, in place of this line")
    """
    function = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    docstring = function.body[0]
    lines = source.splitlines()[:docstring.end_lineno]
    return "\n".join([*lines, f'    raise NotImplementedError("{function.name}: write it here, in place of this line")'])

