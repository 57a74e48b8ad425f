"""When kernels are compiled, or loaded: seconds in which nothing else happens, for whoever shows how far a training is.

`tinynet.kernels.fast` tells it of each; here it can be asked without loading numba.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter


class Compilation:
    """What is compiled in this process.

    Attributes
    ----------
    seconds : how long compiling and loading have taken so far.
    listeners : functions that are called when a compilation begins.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.listeners: set[Callable[[], None]] = set()
        self._begun: list[float] = []                     # kernels that call others are compiled around them

    def begin(self, only_loads: bool = False) -> None:
        """A kernel begins to be compiled, or to be loaded as it was kept."""
        self._begun.append(perf_counter())
        if len(self._begun) == 1 and not only_loads:
            for listener in list(self.listeners):
                listener()

    def end(self) -> None:
        """It is there, or is not to be had."""
        begun = self._begun.pop()
        if not self._begun:
            self.seconds += perf_counter() - begun


compilation = Compilation()                               # one at a time: numba holds a lock
