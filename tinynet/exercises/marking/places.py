"""Lines of a learner's own: where an answer went wrong, among all the lines of NumPy and of Python itself."""

from __future__ import annotations

import linecache
import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType, TracebackType
from typing import NamedTuple

import numpy as np

import tinynet

# Nobody's own: libraries, Python itself, this package, and what was made at run time.
LIBRARIES = tuple(str(Path(folder).resolve()) for folder in
                  (sysconfig.get_path("stdlib"), *np.__path__, *tinynet.__path__))


class Place(NamedTuple):
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        """The file's name, the line's number and what stands there."""
        text = linecache.getline(self.file, self.line).strip()
        name = "the cell" if "ipykernel" in self.file or self.file.startswith("<") else Path(self.file).name
        return f"{name}, line {self.line}" + (f":  {text}" if text else "")


def is_own(file: str) -> bool:
    """Whether a file is neither a library's nor Python's."""
    return not file.startswith("<frozen") and not str(Path(file).resolve()).startswith(LIBRARIES)


def last_own(places: Iterable[Place]) -> Place | None:
    """Return the innermost of some lines, outermost first, that is somebody's own."""
    own = [place for place in places if is_own(place.file)]
    return own[-1] if own else None


def of_error(error: BaseException) -> Place | None:
    """Return the line at which an exception came up; that of the mistake itself, if the file cannot be read."""
    if isinstance(error, SyntaxError) and error.filename:
        return Place(error.filename, error.lineno or 1)
    return last_own(of_traceback(error.__traceback__))


def of_caller(error: BaseException, answer: Callable[..., object], place: Place | None) -> Place | None:
    """Return the innermost line of the answer's file on the way to an exception in another file of somebody's own."""
    code = getattr(answer, "__code__", None)
    if code is None or place is None or place.file == code.co_filename:
        return None
    way = reversed(list(of_traceback(error.__traceback__)))
    return next((one for one in way if one.file == code.co_filename), None)


def of_traceback(traceback: TracebackType | None) -> Iterable[Place]:
    """Go through the lines of a traceback, outermost first."""
    while traceback is not None:
        yield Place(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
        traceback = traceback.tb_next


def of_definition(answer: Callable[..., object]) -> Place | None:
    """Return the line at which a function begins."""
    code = getattr(answer, "__code__", None)
    return Place(code.co_filename, code.co_firstlineno) if code is not None else None


def of_return(run: Callable[[], object], answer: Callable[..., object]) -> Place | None:
    """Run something that calls `answer`, and return the line at which that returned."""
    code, found = getattr(answer, "__code__", None), of_definition(answer)

    def watch(frame: FrameType, event: str, arg: object) -> None:
        nonlocal found
        if event == "return" and frame.f_code is code:
            found = Place(frame.f_code.co_filename, frame.f_lineno)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        run()
    except Exception:                            # it is told elsewhere: here only the line is asked for
        return found
    finally:
        sys.setprofile(before)
    return found


def of_failure(run: Callable[[], object]) -> Place | None:
    """Run something and return the line at which it failed; None if it did not."""
    try:
        run()
    except Exception as error:
        return of_error(error)
    return None
