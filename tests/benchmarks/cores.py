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
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from engines import ENGINES
from models import MODELS, Case

from tinynet.kernels import streams
from tinynet.kernels.fast import threads
from tinynet.kernels.fast.llvm.chunks import Loop, chunked
from tinynet.kernels.streams import Stream, here

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
    """A stretch of a step: the pieces of a loop, or one piece of what runs in between, or a wait for loops.

    A `launched` loop runs after those before it while the caller goes on, until the caller waits for `number` loops.
    """

    name: str
    pieces: tuple[float, ...]    # seconds each
    kind: str = ""               # "python" or "compiled": loops, whose pieces more than one core may take; "wait"; ""
    launched: bool = False
    number: int = 0


class Cores:
    """A step on a number of cores: when the caller and those that help have time, and what the caller's went to.

    Attributes
    ----------
    now : the caller's time, in seconds.
    spent : what of it went to parts, by their names.
    """

    def __init__(self, number: int, costs: dict[str, Waking]):
        self.now, self.spent = 0.0, Counter[str]()
        self._helpers, self._costs = [0.0] * (number - 1), costs             # from when on each has time
        self._loops, self._ended, self._last = deque[tuple[float, Part]](), 0, 0.0

    def do(self, part: Part) -> None:
        """Do a part."""
        if part.kind == "wait":
            self._wait(part.number)
        elif part.kind == "compiled":
            self._loops.append((self.now, part))
            if not part.launched:
                self._wait(self._ended + len(self._loops))
        else:
            self._spend(part.name, self._end(part, self.now))

    def _wait(self, number: int) -> None:
        """Help with loops until so many have ended."""
        while self._ended < number:
            launched, part = self._loops.popleft()
            self._last = self._end(part, max(launched, self._last))
            self._ended += 1
            self._spend(part.name, self._last)

    def _end(self, part: Part, begin: float) -> float:
        """Return when all pieces of a loop are done that may begin at a time: whoever has time takes the next."""
        if not part.kind:
            return begin + sum(part.pieces)
        waking, helpers = self._costs[part.kind], min(len(self._helpers), len(part.pieces) - (not part.launched))
        called = helpers * waking.put                                        # the caller has woken all others
        free = [(max(self.now, begin) + called, -1), *(
            (max(time, begin + (n + 1) * waking.put + waking.start), n)
            for n, time in enumerate(sorted(self._helpers)[:helpers]))]
        heapq.heapify(free)
        self._helpers.sort()
        ends = []                                                            # of pieces, as the caller learns of them
        for piece in part.pieces:
            time, who = heapq.heappop(free)
            heapq.heappush(free, (time + piece, who))
            if who >= 0:
                self._helpers[who] = time + piece
            ends.append(time + piece + (waking.join if who >= 0 else 0))
        return max(ends, default=begin)

    def _spend(self, name: str, until: float) -> None:
        self.spent[name] += max(0.0, until - self.now)
        self.now = max(self.now, until)


def on_cores(parts: list[Part], number: int, costs: dict[str, Waking]) -> Cores:
    """Return what a step of these parts is on a number of cores, given what threads cost in loops of each kind."""
    cores = Cores(number, costs)
    for part in parts:
        cores.do(part)
    return cores


class Recorder:
    """Stands in the place of the functions of `threads`: runs all loops on one thread, and times their pieces."""

    def __init__(self) -> None:
        names = "parallel_for", "for_chunks", "for_calls", "in_stream"
        self.originals = {name: getattr(threads, name) for name in names}
        self.users = [(module, name) for name, original in self.originals.items()
                      for path, module in [*sys.modules.items()]
                      if path.startswith("tinynet") and vars(module).get(name) is original]
        self.parts: list[Part] = []
        self.mark = 0.0                                                # when the last loop ended

    def run(self, step: Callable[[], object]) -> list[Part]:
        """Run a step and return its parts, in order."""
        self.parts, self.loops = [], ctypes.c_int64(0)
        self.put({name: getattr(self, name) for name in self.originals})
        try:
            self.mark = time.thread_time()
            step()
            self.serial("after the last loop")
        finally:
            self.put(self.originals)
        return self.parts

    def put(self, functions: dict[str, Callable[..., Any]]) -> None:
        """Let all that share work out call these functions."""
        for module, name in self.users:
            vars(module)[name] = functions[name]

    def serial(self, name: str) -> None:
        """Note what has run since the last loop."""
        self.parts.append(Part(name, (time.thread_time() - self.mark,)))

    def in_stream(self, run: Callable[[], Any]) -> Any:
        """Do what `threads.in_stream` does, and note where loops are waited for."""
        here.stream = Stream(self.loops, self.loops, self.wait)
        try:
            return run()
        finally:
            streams.synchronize()
            here.stream = None

    def wait(self, number: int) -> None:
        """Note a wait for loops; they have ended."""
        self.serial("before a wait")
        self.parts.append(Part("wait", (), "wait", number=number))
        self.mark = time.thread_time()

    def parallel_for(self, work: Callable[[int, int], object], n: int, chunk_size: int, serial: bool = False) -> None:
        """Do what `threads.parallel_for` does, and note how long each piece takes."""
        if here.running:                                               # inside a piece of another loop
            self.originals["parallel_for"](work, n, chunk_size, serial)
        else:
            self.time_pieces(sys._getframe(1).f_code.co_qualname, work, n, chunk_size, "" if serial else "python")

    def for_chunks(self, loop: Callable[..., None], n: int, chunk_size: int, *args: object, alive: object = ()) -> None:
        """Do what `threads.for_chunks` does, and note how long each chunk takes."""
        if here.running:
            self.originals["for_chunks"](loop, n, chunk_size, *args)
        else:
            size = max(1, chunk_size)

            def work(start: int, stop: int) -> None:                   # as a helper that finds those before taken
                numbers, taken = Loop(stop, size), ctypes.c_int64(start // size)
                loop(ctypes.addressof(numbers), ctypes.addressof(taken), *args)
            self.time_pieces(loop.__name__, work, n, size, "compiled")

    def for_calls(self, function: int, calls: np.ndarray, *more: int, alive: object = ()) -> None:
        """Do what `threads.for_calls` does, and note how long each call takes."""
        def work(start: int, stop: int) -> None:
            stream, here.stream = here.stream, None
            self.originals["for_calls"](function, calls[start:stop], *more)
            here.stream = stream
        self.time_pieces(sys._getframe(1).f_code.co_qualname, work, len(calls), 1, "compiled")

    def time_pieces(self, name: str, work: Callable[[int, int], object], n: int, size: int, kind: str) -> None:
        """Do one piece after the other, and note how long each takes."""
        launched = kind == "compiled" and streams.launches()
        if here.stream is not None and kind == "compiled":
            if launched:
                here.stream.keep()
            self.loops.value += 1
        self.serial(f"before {name}")
        times = []
        for start in range(0, n, size):
            begin = time.thread_time()
            work(start, min(start + size, n))
            times.append(time.thread_time() - begin)
        self.parts.append(Part(name, tuple(times), kind, launched))
        self.mark = time.thread_time()


def typical(step: Callable[[], object], rounds: int = 40) -> list[Part]:
    """Return the parts of a step, each piece's time the median of many rounds."""
    for _ in range(5):
        step()
    recorder = Recorder()
    runs = [recorder.run(step) for _ in range(rounds)]
    kinds = [[(part.name, len(part.pieces)) for part in run] for run in runs]
    alike = [run for run, kind in zip(runs, kinds, strict=True) if kind == kinds[-1]]
    return [part._replace(pieces=tuple(map(statistics.median, zip(*(run[k].pieces for run in alike), strict=True))))
            for k, part in enumerate(alike[0])]


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
    steps = [on_cores(parts, cores, costs) for cores in CORES]
    times = [1e3 * step.now for step in steps]
    title = f"{case.name}, batch {case.batch}"
    print(f"\n{title:<46}" + "".join(f"{cores:>9}" for cores in CORES) + "  cores")
    print_row("simulated, ms", times)
    print(f"{'measured, ms':<46}" + "".join(f"{real[cores]:>9.3f}" if cores in real else "" for cores in CORES))
    print(f"{'simulated, times as fast as on one core':<46}" + "".join(f"{times[0] / ms:>9.2f}" for ms in times))
    counts = Counter[str]()
    for part in parts:
        counts[part.name] += len(part.pieces)
    longest = [name for name, _ in steps[CORES.index(8)].spent.most_common()]      # the critical path on 8 cores
    for name in longest[:SHOWN]:
        print_row(f"  {name}, {counts[name]} pieces", [1e3 * step.spent[name] for step in steps])
    print_row("  the rest", [1e3 * sum(step.spent[name] for name in longest[SHOWN:]) for step in steps])


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
