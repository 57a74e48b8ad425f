"""Running a learner's code aside, in a forked child with a time limit: an endless loop stops nothing else."""

from __future__ import annotations

import faulthandler
import multiprocessing
import re
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import IO, NamedTuple

from tinynet.exercises.marking.outcome import Outcome
from tinynet.exercises.marking.places import Place, last_own

Key = tuple[str, int]                            # the name of a task, the number of a trial
Found = tuple[Key, Outcome]
PATIENCE = 6                                     # times the limit, by the clock: a process that waits does not compute


class Run(NamedTuple):
    """What came of all trials, and whether a time limit was kept."""

    outcomes: dict[Key, Outcome]
    limited: bool


def can_fork() -> bool:
    """Whether a process can be forked here: not on Windows."""
    return "fork" in multiprocessing.get_all_start_methods()


def run_aside(work: Callable[[], Iterable[Found]], limit: float) -> Run:
    """Collect what `work` yields, in a child process that ends after `limit` seconds of computing; without fork, here.

    Where the child ends before its work does, the last outcome says so, under the key ("", 0).
    """
    if not can_fork():
        return Run(dict(work()), limited=False)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryFile("w+") as log:
        child = context.Process(target=send_all, args=(work, sender, log, limit))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)      # of forks beside threads: the child uses none
            child.start()
        sender.close()
        outcomes = dict(received(receiver, (PATIENCE + 1) * limit))
        if outcomes.pop(("", -1), None) is None:                     # the sign that all is done
            child.kill()
            outcomes["", 0] = ended_early(log, limit)
        child.join()
    return Run(outcomes, limited=True)


def send_all(work: Callable[[], Iterable[Found]], sender: Connection, log: IO[str], limit: float) -> None:
    """Do the work in the child: each outcome is sent as it comes."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    faulthandler.register(signal.SIGPROF, file=log, chain=True)      # the line, and then the end, whatever runs
    signal.setitimer(signal.ITIMER_PROF, limit)                      # of computing: others may use the machine, too
    faulthandler.dump_traceback_later(PATIENCE * limit, exit=True, file=log)     # of sleeping
    for found in work():
        sender.send(found)
    signal.setitimer(signal.ITIMER_PROF, 0)
    faulthandler.cancel_dump_traceback_later()
    sender.send((("", -1), Outcome()))


def received(receiver: Connection, patience: float) -> Iterator[Found]:
    """Yield what the child sends, until it ends or is silent for too long."""
    try:
        while receiver.poll(patience):
            yield receiver.recv()
    except EOFError:
        return


def ended_early(log: IO[str], limit: float) -> Outcome:
    """Say why a child did not come to its end: at which line it was when its time was over."""
    log.seek(0)
    frames = re.findall(r'File "(.*)", line (\d+)', log.read())       # innermost first
    if not frames:
        return Outcome("crash", message="the process that ran it has ended itself")
    place = last_own(Place(file, int(line)) for file, line in reversed(frames))
    return Outcome("endless", message=f"{limit:.0f} seconds", place=place)
