"""What an exercise is: functions to fill in, with their solutions, the calls that try them, and the usual mistakes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Answer = Callable[..., object]


class Judged(Exception):                         # noqa: N818 - it is no error of ours
    """What an exercise's own way of trying an answer found wrong: its cause, and the words for it."""

    def __init__(self, cause: str, words: str) -> None:
        super().__init__(words)
        self.cause = cause


class Trial(NamedTuple):
    """One call that tries an answer.

    Attributes
    ----------
    name : what is special about it, for people: "a batch of 2, by hand".
    args : what the answer is called with.
    when : conditions that hold here and not everywhere, cause -> words, such as {"stride": "the stride is not 1"}.
    """

    name: str
    args: tuple[object, ...]
    when: dict[str, str] = {}                                        # noqa: RUF012 - never written to


class Mistake(NamedTuple):
    """A mistake that people make, as the change that makes it of the solution.

    Attributes
    ----------
    cause : its short name, fixed: what `check(...).cause` is.
    words : what to tell somebody who made it: what was done, and why it is wrong.
    edits : pairs (old, new) of pieces of the solution's source; each old one stands there once.
    """

    cause: str
    words: str
    edits: tuple[tuple[str, str], ...]


def mistake(cause: str, words: str, *edits: tuple[str, str]) -> Mistake:
    """Write a `Mistake` down: its cause, its words, and each edit as a pair."""
    return Mistake(cause, words, edits)


def call(answer: Answer, *args: object) -> object:
    """Try an answer by calling it, as most are."""
    return answer(*args)


def with_backward(answer: Answer, *args: object) -> object:
    """Try an answer that returns (y, backward): its y, and what backward makes of the last argument, dy."""
    *given, dy = args
    returned = answer(*given)
    if not (isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1])):
        raise TypeError(f"expected (y, backward), an array and a function. Received: {type(returned).__name__}")
    y, gradients = returned[0], returned[1](dy)
    return (y, *gradients) if isinstance(gradients, (tuple, list)) else (y, gradients)


@dataclass(frozen=True)
class Task:
    """One function to fill in.

    Attributes
    ----------
    solution : the right answer; its docstring is the text of the task.
    trials : a function from a generator to the calls that try an answer, small ones by hand first.
    mistakes : the mistakes that are known by what they lead to.
    by_hand : ``by_hand(index, *args)`` writes one entry of the output out, as an expression of the arguments.
    axes : what the axes of the output are called; one tuple for each output where there are several.
    returns : names of the outputs, where there are several.
    whole : whether the output is whole numbers.
    tolerance, floor : how far an entry may be off, as a fraction of the largest one, and at least.
    observe : how an answer is tried, if it is not only called: ``observe(answer, *args)`` returns the output.
    judges : whether `observe` judges by itself: it returns True, or a remark on what is right all the same, or raises
        `Judged`.
    may_share : whether the output may share memory with an argument.
    backward : for a gradient, what it is the gradient of: with that, `tinynet.testing` looks at what no known mistake
        explains.
    """

    solution: Answer
    trials: Callable[[np.random.Generator], Iterable[Trial]]
    mistakes: Sequence[Mistake] = ()
    by_hand: Callable[..., str] | None = None
    axes: tuple[tuple[str, ...], ...] = ()
    returns: tuple[str, ...] = ()
    whole: bool = False
    tolerance: float = 1e-4
    floor: float = 1e-7
    observe: Callable[..., object] = call
    judges: bool = False
    may_share: bool = False
    backward: Backward | None = None

    @property
    def name(self) -> str:
        """The name of the function to fill in."""
        return self.solution.__name__

    @property
    def signature(self) -> str:
        """The function's name with its arguments, as `list` shows it."""
        parameters = inspect.signature(self.solution).parameters.values()
        shown = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
        return f"{self.name}({', '.join(shown)})"

    @property
    def arguments(self) -> list[str]:
        """The names of the arguments."""
        return list(inspect.signature(self.solution).parameters)


class Backward(NamedTuple):
    """How `tinynet.testing` can look at a gradient: as that of ``forward(*args)``.

    Attributes
    ----------
    forward : the function whose gradient it is.
    args : ``args(*arguments of the task)`` are the arguments of forward.
    wrt : position, among them, of the one that the gradient belongs to.
    vjp : ``vjp(answer, dy, *args)`` calls the answer as the task says.
    """

    forward: Callable[..., object]
    args: Callable[..., tuple[object, ...]]
    wrt: int
    vjp: Callable[..., object]


@dataclass(frozen=True)
class Exercise:
    """A step of the way: one function to fill in, or a few that belong together.

    Attributes
    ----------
    title : what it is about, in a line.
    chapter : the page of the book that explains it, without its ending.
    tasks : the functions.
    hints : three, from the direction to nearly the line.
    limit : seconds that all trials together may take.
    imports : what its file imports, where that is more than NumPy.
    parts : classes to fill in before the functions: those of their methods that have a docstring.
    given : functions that its file has already; the last one runs when the file is run.
    name : of the exercise and of its file; without one, that of its first function.
    """

    title: str
    chapter: str
    tasks: tuple[Task, ...]
    hints: tuple[str, str, str]
    limit: float = 10.0
    name: str = ""
    imports: str = ""
    parts: tuple[type, ...] = ()
    given: tuple[Callable[..., object], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.tasks[0].name)

    @property
    def file(self) -> str:
        """The name of the file that it is filled in in."""
        return f"{self.name}.py"
