"""What `cluster.py` has measured, by one process or by those that mpiexec starts; each prints a line of JSON.

``messages`` times messages between two processes, ``pieces`` a training step's parts in one, and ``steps`` whole steps.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np
from engines import batch as batch_of
from engines import compiled
from models import MODELS, Case

from tinynet import distributed
from tinynet.distributed.gradients import Gradients, LayerSum
from tinynet.distributed.processes import MPIProcesses
from tinynet.distributed.together import Together
from tinynet.distributed.twins import Twin
from tinynet.kernels import buffers
from tinynet.training import team

SIZES = [64, 512, 4096, *(2 ** k for k in range(13, 23))]
MANY = 64                                  # small messages at once
BYTE = np.dtype(np.uint8)
WARM = 3                                   # steps before those that count


def messages() -> dict[str, Any]:
    """Time messages between two processes, into memory from the pool, as gradients are: seconds, the medians."""
    processes = mpi()
    comm, other, rank = processes.comm, 1 - processes.rank, processes.rank
    there_and_back, both_ways = [], []
    for size in SIZES:
        sent, one_way, exchanged = np.zeros(size, np.uint8), [], []
        for _ in range(100 if size < 1e6 else 40):
            comm.Barrier()
            begin = time.perf_counter()
            for sends in (rank == 0, rank == 1):
                processes.wait(comm.Isend(sent, other) if sends else
                               comm.Irecv(buffers.empty((size,), BYTE), other))
            one_way.append((time.perf_counter() - begin) / 2)
            comm.Barrier()
            begin = time.perf_counter()
            requests = comm.Irecv(buffers.empty((size,), BYTE), other), comm.Isend(sent, other)
            for request in requests:
                processes.wait(request)
            exchanged.append(time.perf_counter() - begin)
        there_and_back.append(statistics.median(one_way))
        both_ways.append(statistics.median(exchanged))
    few, gaps = np.zeros((2, MANY, 64), np.uint8), []
    requests = [comm.Recv_init(row, other) for row in few[0]] + [comm.Send_init(row, other) for row in few[1]]
    for _ in range(50):                                                  # begun and awaited by MPI, not by Python
        comm.Barrier()
        begin = time.perf_counter()
        processes.mpi.Prequest.Startall(requests)
        processes.mpi.Request.Waitall(requests)
        gaps.append((time.perf_counter() - begin) / MANY)
    return {"sizes": SIZES, "one way": there_and_back, "both ways": both_ways, "gap": statistics.median(gaps)}


def steps(names: list[str], shards: int, count: int, per_shard: int) -> dict[str, list[float]]:
    """Return the seconds of the steps of each model, from one's beginning to that of the next."""
    together = Together(distributed.processes_of("mpi"), shards)
    train_step, begun = Together.train_step, list[float]()

    def timed(*args: Any) -> Any:
        begun.append(time.perf_counter())
        return train_step(*args)

    found = {}
    with put(Together, "train_step", timed):
        for case in cases(names, shards * per_shard):
            begun.clear()
            train(case, together, count + WARM + 1)
            found[case.name] = np.diff(begun)[WARM:].tolist()
    return found


def pieces(names: list[str], shards: int, count: int, per_shard: int, talking: bool) -> dict[str, Any]:
    """Return what the parts of a step take in one process, in processor time: medians of `count` steps.

    With `talking` there is another training, in which the process sends all messages, to itself.
    """
    silent = Together(distributed.processes_of("single"), shards)
    to_itself = Together(mpi(), shards) if talking else None
    found = {}
    for case in cases(names, shards * per_shard):
        found[case.name] = parts(case, silent, count)
        if to_itself:
            found[case.name]["talk"] = parts(case, to_itself, count)["talk"]
    return found


def parts(case: Case, together: Together, count: int) -> dict[str, Any]:
    """Train; return the seconds of a step and of its parts."""
    times: dict[str, list[float]] = {name: [] for name in ("step", "shard", "adding", "update", "told")}
    times["talk"] = [0.0]                                          # before the first step
    ends: list[list[float]] = []                                   # of the steps of backward, as parts of a shard
    ready: dict[str, int] = {}                                     # after which of them a parameter's gradient is there
    run_shard = Twin.run

    def timed(name: str, function: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            begin = time.thread_time()
            result = function(*args, **kwargs)
            times[name].append(time.thread_time() - begin)
            return result
        return call

    def talking(function: Callable) -> Callable:
        def call(*args: Any) -> Any:
            begin = time.thread_time()
            result = function(*args)
            times["talk"][-1] += time.thread_time() - begin
            return result
        return call

    def train_step(*args: Any) -> Any:
        begun.append(time.process_time())
        times["talk"].append(0.0)
        return original(*args)

    def with_ends(twin: Twin, data: Any, samples: int, after_step: Callable | None) -> Any:
        at: list[float] = []

        def note() -> None:
            at.append(time.thread_time() - begin)
            for name in twin.model.grads:
                ready.setdefault(name, len(at) - 1)
            if after_step:
                after_step()
        begin = time.thread_time()
        result = run_shard(twin, data, samples, note)
        times["shard"].append(time.thread_time() - begin)
        ends.append([end / times["shard"][-1] for end in at])
        return result

    begun: list[float] = []
    original = Together.train_step
    with ExitStack() as stack:
        for owner, name, value in [
                (Twin, "run", with_ends), (Together, "train_step", train_step),
                (Gradients, "finish", timed("adding", Gradients.finish)),
                (Together, "put_together", timed("told", Together.put_together)),
                *((owner, name, talking(getattr(owner, name))) for owner, names in
                  ((MPIProcesses, ("all_of", "from_one")), (LayerSum, ("send", "result"))) for name in names)]:
            stack.enter_context(put(owner, name, value))
        model = train(case, together, count + WARM + 1, lambda model: setattr(
            model.optimizer, "update", timed("update", model.optimizer.update)))
    times["step"] = np.diff(begun).tolist()
    kept = {name: values[WARM * (together.shards if name == "shard" else 1):] for name, values in times.items()}
    typical = [statistics.median(column) for column in zip(*ends, strict=True)]
    layers: dict[str, tuple[int, float]] = {}
    for name in reversed(list(model.trainable_params())):                # a layer's kernel and bias are sent together
        layer = name.partition("/")[0]
        size, last = layers.get(layer, (0, 0.0))
        layers[layer] = size + model.params[name].nbytes, max(last, typical[ready[name]])
    return {**{name: statistics.median(values) for name, values in kept.items()}, "ends": typical,
            "layers": list(layers.values())}


def mpi() -> MPIProcesses:
    """Return the processes of MPI, also if there is one alone, which then sends its messages to itself."""
    from mpi4py import MPI
    return MPIProcesses(MPI)


def cases(names: list[str], batch: int) -> Iterator[Case]:
    """Yield the models, each with batches of so many digits."""
    return (case._replace(batch=batch) for case in MODELS if case.name in names)


def train(case: Case, together: Together, count: int, before: Callable[[Any], None] = lambda model: None) -> Any:
    """Train a model for so many steps; return it."""
    model = compiled(case)
    before(model)
    x, labels = batch_of(case._replace(batch=case.batch * count))
    with put(team, "_current", together):
        model.fit(x, np.eye(10, dtype=np.float32)[labels], case.batch, verbose=0, shuffle=False)
    return model


@contextmanager
def put(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put something in an attribute's place for a block."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


WORK = {"messages": messages, "pieces": pieces, "steps": steps}

if __name__ == "__main__":
    result = WORK[sys.argv[1]](**json.loads(sys.argv[2]))
    with suppress(ImportError):
        from mpi4py import MPI
        if MPI.COMM_WORLD.Get_rank():
            sys.exit()
    print(json.dumps(result), flush=True)
