"""One training on several processes, of one machine or many, with the same weights to the bit for any number of them.

In a script, before `fit`; nothing else changes::

    from tinynet import distributed

    distributed.use("mpi")
    model.fit(x, y, ...)

Run by ``mpiexec -n 4 python train.py``, four processes share the work of every batch. A batch is cut into a fixed
number of shards, whose gradients are added in a fixed tree, whoever computes them.
"""

from __future__ import annotations

from tinynet.checks import check_int
from tinynet.distributed.processes import Processes, of_mpi
from tinynet.distributed.together import Together
from tinynet.registry import pick
from tinynet.training import team

__all__ = ["rank", "size", "use"]

SHARDS = 8                                            # of a batch
BACKENDS = {"mpi": of_mpi, "single": Processes}
_started: dict[str, Processes] = {}


class use:  # noqa: N801  (reads as a verb: `distributed.use("mpi")`)
    """Let `fit` share its work: ``distributed.use("mpi")`` from now on, ``with distributed.use("mpi"):`` for a block.

    The batches are those of `fit` without it, and so are the loss, the metrics and what dropout drops; the gradients
    are the same but for rounding. Callbacks, progress and files are those of process 0; what callbacks change, all
    processes have. When `fit` returns, all have the same weights and history.

    Parameters
    ----------
    backend : ``"mpi"``, the processes that mpiexec has started; ``"single"``, this one alone, in shards as well, for
        the same bits where there is no MPI.
    shards : how many shards a batch is cut into, as `np.array_split` cuts; at least as many as there are processes.
        The bits of the weights depend on it.

    Raises
    ------
    ImportError : if mpi4py or an MPI library is missing.
    ValueError : for more processes than shards; by `fit`, where a process has another model, other settings, data or
        versions than process 0, before the first step.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_dim=1)])
    >>> model.compile("sgd", "mse")
    >>> with use("single", shards=2):
    ...     history = model.fit([[1.0], [2.0], [3.0]], [[1.0], [2.0], [3.0]], verbose=0)
    >>> round(history.history["loss"][0], 4)
    4.6667
    """

    def __init__(self, backend: str = "mpi", shards: int = SHARDS):
        self._before = team.current()
        self._chosen = Together(processes_of(backend), check_int(shards, "distributed.use: shards"))
        team.set_current(self._chosen)

    def __enter__(self) -> None:
        team.set_current(self._chosen)

    def __exit__(self, *exception: object) -> None:
        team.set_current(self._before)


def processes_of(backend: str) -> Processes:
    """Return the processes of a backend: they are found once."""
    start = pick("backend", backend, BACKENDS)
    if backend not in _started:
        _started[backend] = start()
    return _started[backend]


def rank() -> int:
    """Return the number of this process, from 0; 0 where `use` was not called.

    >>> rank(), size()
    (0, 1)
    """
    return _processes().rank


def size() -> int:
    """Return how many processes train together; 1 where `use` was not called."""
    return _processes().size


def _processes() -> Processes:
    together = team.current()
    return together.processes if isinstance(together, Together) else Processes()
