"""Try the checker on right and on wrong functions, and count false alarms and misses::

    python tests/checker_trial/run.py                       # right ones with 20 seeds, 20 of them with 1000
    python tests/checker_trial/run.py --seeds 1 --many 0
    python tests/checker_trial/run.py --only "beside kinks" --only float16
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing import get_context
from statistics import median
from typing import NamedTuple

from cases import Case, false_alarm, right_cases
from mistakes import MILLION, Mistake, missed, mistakes

RIGHT, WRONG = right_cases(), mistakes()
OFTEN = 20                                                      # so many right ones are tried with many more seeds
BLOCK = 20                                                      # seeds that one process tries in a row
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class Work(NamedTuple):
    """Checks of one right or wrong function, with some seeds."""

    wrong: bool
    index: int
    seeds: range

    @property
    def what(self) -> Case | Mistake:
        """The function."""
        return WRONG[self.index] if self.wrong else RIGHT[self.index]


class Done(NamedTuple):
    """What came of it: the seeds with a false alarm or a miss, and the checks' processor times in seconds."""

    work: Work
    bad: list[str]
    times: list[float]


def try_it(work: Work) -> Done:
    """Run the checks of one piece of work; an exception is as bad as a wrong verdict."""
    bad, times = [], []
    for seed in work.seeds:
        start = time.process_time()
        try:
            if missed(WRONG[work.index], seed) if work.wrong else false_alarm(RIGHT[work.index], seed):
                bad.append(f"seed {seed}")
        except Exception:
            bad.append(f"seed {seed}: {traceback.format_exc(limit=-1).strip().splitlines()[-1]}")
        times.append(time.process_time() - start)
    return Done(work, bad, times)


def everything(options: argparse.Namespace) -> Iterator[Work]:
    """List the work, what takes longest first."""
    def chosen(what: Case | Mistake) -> bool:
        return (all(text in f"{what.family}, {what.name}" for text in options.only)
                and not (options.small and what.family == MILLION))
    wrong = [i for i in range(0, len(WRONG), options.stride) if chosen(WRONG[i])]
    yield from (Work(True, i, range(1)) for i in sorted(wrong, key=lambda i: WRONG[i].family != MILLION))
    often = range(0, len(RIGHT), len(RIGHT) // OFTEN)[:OFTEN]
    for i in range(0, len(RIGHT), options.stride):
        seeds = max(options.seeds, options.many if i in often else 0)
        if chosen(RIGHT[i]):
            yield from (Work(False, i, range(seeds)[first:first + BLOCK]) for first in range(0, seeds, BLOCK))


def table(title: str, what: str, results: list[Done]) -> None:
    """Print a row for each family."""
    print(f"\n{title:<26}{'functions':>10}{'checks':>8}{what:>14}{'median':>10}{'longest':>10}")
    families: dict[str, list[Done]] = defaultdict(list)
    for done in results:
        families[done.work.what.family].append(done)
    for family, those in [*families.items(), ("together", results)]:
        times = [seconds for done in those for seconds in done.times]
        print(f"{family:<26}{len({done.work.index for done in those}):>10}{len(times):>8}"
              f"{sum(len(done.bad) for done in those):>14}{median(times):>8.3f} s{max(times):>8.2f} s")


def show(done: Done) -> None:
    """Print what went wrong in a piece of work at once, and the time of one of the longest."""
    what = done.work.what
    if done.bad or what.family == MILLION:
        verdict = ("MISSED" if done.work.wrong else "FALSE ALARM") if done.bad else "found"
        print(f"{verdict}: {what.family}: {what.name}; {'; '.join(done.bad)} [{max(done.times):.2f} s]", flush=True)


def main() -> int:
    """Run the trial; return 1 if there are misses or false alarms."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="seeds of every right function")
    parser.add_argument("--many", type=int, default=1000, help=f"seeds of {OFTEN} of them")
    parser.add_argument("--stride", type=int, default=1, help="try every so-manieth function only")
    parser.add_argument("--only", action="append", default=[], help="try those with this text in family or name")
    parser.add_argument("--small", action="store_true", help="leave out those of 1000 x 1000, which take minutes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    options = parser.parse_args()

    start, results, work = time.perf_counter(), [], list(everything(options))
    checks = sum(len(piece.seeds) for piece in work)
    os.environ.update(ONE_THREAD)                               # for the processes: there are as many as cores
    with get_context("spawn").Pool(options.jobs) as pool:
        for done in pool.imap_unordered(try_it, work):
            results.append(done)
            show(done)
            if len(results) % 50 == 0:
                tried = sum(len(done.times) for done in results)
                print(f"    {tried} of {checks} checks, {time.perf_counter() - start:.0f} s", flush=True)
    for wrong, title, what in ((False, "right functions", "false alarms"), (True, "wrong gradients", "missed")):
        if those := [done for done in results if done.work.wrong == wrong]:
            those.sort(key=lambda done: (done.work.index, done.work.seeds.start))
            table(title, what, those)
    print(f"\n{time.perf_counter() - start:.0f} s, {options.jobs} processes")
    return 1 if any(done.bad for done in results) else 0


if __name__ == "__main__":
    sys.exit(main())
