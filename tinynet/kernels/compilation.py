"""When kernels are compiled: seconds in which nothing else happens, for whoever shows how far a training is.

`tinynet.kernels.fast.compiling` tells it of each compilation; here it can be asked without loading numba.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter


class Compilation:
    """What is compiled in this process.

    Attributes
    ----------
    seconds : how long it has taken so far.
    listeners : functions that are called when it begins.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.listeners: list[Callable[[], None]] = []
        self._begun: list[float] = []                     # kernels that call others are compiled around them

    def begin(self) -> None:
        """A kernel begins to be compiled."""
        self._begun.append(perf_counter())
        if len(self._begun) == 1:
            for listener in list(self.listeners):
                listener()

    def end(self) -> None:
        """It is compiled, or has failed to be."""
        begun = self._begun.pop()
        if not self._begun:
            self.seconds += perf_counter() - begun


compilation = Compilation()                               # one at a time: numba holds a lock
