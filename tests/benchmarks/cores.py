"""What a training step would take on more cores than this machine has, and what it takes on those that it has.

    make bench BENCH=--cores

All work that the engine shares out goes through `threads.for_chunks` and `threads.for_calls`, for compiled loops, and
`threads.parallel_for`, for those in Python, in pieces that do not depend on the number of threads. Each piece is timed
by itself on one thread, in processor time, and so is what runs between two loops, on one core however many there are.
Then the pieces are dealt out as the engine does it: the caller and each thread that helps take the next piece when they
are done with the last. Beside it stands the measured time for each number of cores that the machine has.

What the model leaves out: that cores share a memory bus and, in loops in Python, an interpreter lock, and that a core
is slower when all of them work.
"""

from __future__ import annotations

import ctypes
import heapq
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from engines import ENGINES
from models import MODELS, Case

from tinynet.kernels.fast import threads
from tinynet.kernels.fast.llvm.chunks import Loop, chunked

CORES = (1, 2, 4, 8, 16, 32)
SHOWN = 10                       # parts of a step that are named
CASES = [MODELS[0]._replace(name="MLP, digits"), MODELS[0]._replace(name="MLP, random pixels", digits=False),
         *MODELS[1:]]


class Waking(NamedTuple):
    """What threads cost in a loop of one kind, in seconds."""

    put: float                   # the caller's time for each thread that it calls
    start: float                 # from then until the thread has its first piece
    join: float                  # until the caller goes on, after a thread's last piece


class Part(NamedTuple):
    """A stretch of a step: the pieces of a loop, or one piece of what runs in between, and who ran it."""

    name: str
    pieces: tuple[float, ...]    # seconds each
    kind: str = ""               # of loop, whose pieces more than one core may take; or none

    def on(self, cores: int, costs: dict[str, Waking]) -> float:
        """Return the seconds that it takes on a number of cores, given what threads cost in loops of each kind."""
        workers = min(cores, len(self.pieces)) if self.kind else 1
        if workers == 1:
            return sum(self.pieces)
        waking = costs[self.kind]
        called = (workers - 1) * waking.put                            # the caller has woken all others
        free = [(called, 0), *(((n + 1) * waking.put + waking.start, n + 1) for n in range(workers - 1))]
        heapq.heapify(free)
        ends = []                                                      # of pieces, as the caller learns of them
        for piece in self.pieces:
            begin, worker = heapq.heappop(free)
            heapq.heappush(free, (begin + piece, worker))
            ends.append(begin + piece + (waking.join if worker else 0))
        return max(ends)


class Recorder:
    """Stands in the place of the functions of `threads`: runs all loops on one thread, and times their pieces."""

    def __init__(self) -> None:
        self.originals = {name: getattr(threads, name) for name in ("parallel_for", "for_chunks", "for_calls")}
        self.users = [(module, name) for name, original in self.originals.items()
                      for path, module in [*sys.modules.items()]
                      if path.startswith("tinynet") and vars(module).get(name) is original]
        self.parts: list[Part] = []
        self.mark = 0.0                                                # when the last loop ended

    def run(self, step: Callable[[], object]) -> list[Part]:
        """Run a step and return its parts, in order."""
        self.parts = []
        self.put({name: getattr(self, name) for name in self.originals})
        try:
            self.mark = time.thread_time()
            step()
            self.serial("after the last loop")
        finally:
            self.put(self.originals)
        return self.parts

    def put(self, functions: dict[str, Callable[..., None]]) -> None:
        """Let all that share work out call these functions."""
        for module, name in self.users:
            vars(module)[name] = functions[name]

    def serial(self, name: str) -> None:
        """Note what has run since the last loop."""
        self.parts.append(Part(name, (time.thread_time() - self.mark,)))

    def parallel_for(self, work: Callable[[int, int], object], n: int, chunk_size: int, serial: bool = False) -> None:
        """Do what `threads.parallel_for` does, and note how long each piece takes."""
        if getattr(threads._loops, "running", False):                  # inside a piece of another loop
            self.originals["parallel_for"](work, n, chunk_size, serial)
        else:
            self.time_pieces(sys._getframe(1).f_code.co_qualname, work, n, chunk_size, "" if serial else "python")

    def for_chunks(self, loop: Callable[..., None], n: int, chunk_size: int, *args: object) -> None:
        """Do what `threads.for_chunks` does, and note how long each chunk takes."""
        if getattr(threads._loops, "running", False):
            self.originals["for_chunks"](loop, n, chunk_size, *args)
        else:
            size = max(1, chunk_size)

            def work(start: int, stop: int) -> None:                   # as a helper that finds those before taken
                numbers, taken = Loop(stop, size), ctypes.c_int64(start // size)
                loop(ctypes.addressof(numbers), ctypes.addressof(taken), *args)
            self.time_pieces(loop.__name__, work, n, size, "compiled")

    def for_calls(self, function: int, calls: np.ndarray, *more: int) -> None:
        """Do what `threads.for_calls` does, and note how long each call takes."""
        def work(start: int, stop: int) -> None:
            self.originals["for_calls"](function, calls[start:stop], *more)
        self.time_pieces(sys._getframe(1).f_code.co_qualname, work, len(calls), 1, "compiled")

    def time_pieces(self, name: str, work: Callable[[int, int], object], n: int, size: int, kind: str) -> None:
        """Do one piece after the other, and note how long each takes."""
        self.serial(f"before {name}")
        times = []
        for start in range(0, n, size):
            begin = time.thread_time()
            work(start, min(start + size, n))
            times.append(time.thread_time() - begin)
        self.parts.append(Part(name, tuple(times), kind))
        self.mark = time.thread_time()


def typical(step: Callable[[], object], rounds: int = 40) -> list[Part]:
    """Return the parts of a step, each piece's time the median of many rounds."""
    for _ in range(5):
        step()
    recorder = Recorder()
    runs = [recorder.run(step) for _ in range(rounds)]
    kinds = [[(part.name, len(part.pieces)) for part in run] for run in runs]
    alike = [run for run, kind in zip(runs, kinds, strict=True) if kind == kinds[-1]]
    return [Part(part.name, tuple(map(statistics.median, zip(*(run[k].pieces for run in alike), strict=True))),
                 part.kind) for k, part in enumerate(alike[0])]


def waking_times() -> dict[str, Waking]:
    """Measure what threads cost in loops of each kind."""
    return {"python": waking_in_python(), "compiled": waking_in_compiled_code()}


@chunked
def turn(start: int, stop: int, rounds: int, numbers: np.ndarray) -> None:
    """Take some time for each of numbers (n, ...): each round waits for the last."""
    for n in range(start, stop):
        for _ in range(rounds):
            numbers[n, 0] = numbers[n, 0] * 0.5 + 1


def waking_in_compiled_code(rounds: int = 300) -> Waking:
    """Measure by how much longer than one chunk two take on two threads; the median."""
    os.environ["TINYNET_NUM_THREADS"] = "2"
    numbers = np.zeros((2, 64))                                        # far apart in memory
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for n, found in times.items():
            began = time.perf_counter()
            threads.for_chunks(turn, n, 1, 40_000, numbers)
            found.append(time.perf_counter() - began)
    return Waking(0.0, max(0.0, statistics.median(times[2]) - statistics.median(times[1])), 0.0)


def waking_in_python(rounds: int = 300) -> Waking:
    """Measure what it takes to wake a thread, and to wait for it; medians."""
    os.environ["TINYNET_NUM_THREADS"] = "2"
    found: list[Waking] = []
    for _ in range(rounds):
        began: dict[int, float] = {}
        ended: dict[int, float] = {}

        def work(start: int, stop: int, began: dict = began, ended: dict = ended) -> None:
            me = threads.threading.get_ident()
            began.setdefault(me, time.perf_counter())
            time.sleep(2e-4 if len(began) == 1 else 4e-4)              # the worker ends last
            ended[me] = time.perf_counter()
        called = time.perf_counter()
        threads.parallel_for(work, 2, 1)
        done, me = time.perf_counter(), threads.threading.get_ident()
        if len(began) == 2:
            worker = next(key for key in began if key != me)
            found.append(Waking(began[me] - called, began[worker] - began[me], done - ended[worker]))
    return Waking(*(max(0.0, statistics.median(column)) for column in zip(*found, strict=True)))


def simulate(case: Case, costs: dict[str, Waking], real: dict[int, float]) -> None:
    """Print the milliseconds of a step for each number of cores, what they are made of, and the measured ones."""
    os.environ["TINYNET_NUM_THREADS"] = "1"
    parts = typical(ENGINES["tinynet"](case)[0])
    times = [1e3 * sum(part.on(cores, costs) for part in parts) for cores in CORES]
    title = f"{case.name}, batch {case.batch}"
    print(f"\n{title:<46}" + "".join(f"{cores:>9}" for cores in CORES) + "  cores")
    print_row("simulated, ms", times)
    print(f"{'measured, ms':<46}" + "".join(f"{real[cores]:>9.3f}" if cores in real else "" for cores in CORES))
    print(f"{'simulated, times as fast as on one core':<46}" + "".join(f"{times[0] / ms:>9.2f}" for ms in times))
    named: dict[str, list[Part]] = {}
    for part in parts:
        named.setdefault(part.name, []).append(part)
    rows = {f"{name}, {sum(len(part.pieces) for part in group)} pieces":
            [1e3 * sum(part.on(cores, costs) for part in group) for cores in CORES] for name, group in named.items()}
    longest = sorted(rows, key=lambda name: -rows[name][CORES.index(8)])           # the critical path on 8 cores
    for name in longest[:SHOWN]:
        print_row(f"  {name}", rows[name])
    print_row("  the rest", [sum(rows[name][k] for name in longest[SHOWN:]) for k in range(len(CORES))])


def print_row(name: str, milliseconds: list[float]) -> None:
    """Print a name, and a time for each number of cores."""
    print(f"{name:<46}" + "".join(f"{ms:>9.3f}" for ms in milliseconds), flush=True)


def show(measure: Callable[[Case, list[int]], dict[int, float]]) -> None:
    """Simulate all cases, beside what `measure` returns: milliseconds of a step for each number of threads."""
    costs = waking_times()
    for kind, waking in costs.items():
        print("a thread in a loop in {} code: {:.1f} us of the caller's time, {:.1f} us until it starts, {:.1f} us "
              "until the caller goes on".format(kind, *(1e6 * seconds for seconds in waking)))
    for case in CASES:
        simulate(case, costs, measure(case, [cores for cores in CORES if cores <= len(os.sched_getaffinity(0))]))
