"""The file of an exercise as text: what `start` writes and `solution` shows, both made of the solution's source."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable

from tinynet.exercises.exercise import Exercise

HEAD = '''"""{title}

Chapter {chapter} of the book: docs/{chapter}.md. To check it: python -m tinynet exercises check {name}
"""
'''
CALLABLE, NUMPY = "from collections.abc import Callable\n", "import numpy as np"


def to_fill_in(exercise: Exercise) -> str:
    """Return the file with all bodies left out, but for their docstrings."""
    return written(exercise, without_bodies)


def solved(exercise: Exercise) -> str:
    """Return the file with the solution."""
    return written(exercise, str)


def written(exercise: Exercise, how: Callable[[str], str]) -> str:
    """Put a file together: its title, what it imports, its classes and functions, each written in some way."""
    own: list[Callable[..., object]] = [*exercise.parts, *(task.solution for task in exercise.tasks)]
    pieces = [how(inspect.getsource(piece)) for piece in own]
    pieces += [inspect.getsource(piece) for piece in exercise.given]
    if exercise.given:
        pieces.append(f'if __name__ == "__main__":\n    {exercise.given[-1].__name__}()')
    used = [CALLABLE] if any("Callable" in piece for piece in pieces) else []
    imports = exercise.imports or "\n".join([*used, NUMPY])
    head = HEAD.format(title=exercise.title, chapter=exercise.chapter, name=exercise.name)
    return "\n\n\n".join([f"{head}\n{imports}".rstrip(), *(piece.strip() for piece in pieces)]) + "\n"


def without_bodies(source: str) -> str:
    """Replace the bodies of a function, or of the methods of a class, by a line that says that it is unfinished.

    What has no docstring is given, and stays.

    >>> print(without_bodies('def one():\\n    "The number 1."\\n    return 1\\n'))
    def one():
        "The number 1."
        raise NotImplementedError("one: write it here, in place of this line")
    """
    lines = source.splitlines()
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    for function in sorted(functions, key=lambda node: -node.lineno):
        if ast.get_docstring(function) is not None:
            begin, indent = function.body[0].end_lineno, " " * function.body[0].col_offset
            todo = f'{indent}raise NotImplementedError("{function.name}: write it here, in place of this line")'
            lines[begin:function.end_lineno] = [todo]
    return "\n".join(lines)
