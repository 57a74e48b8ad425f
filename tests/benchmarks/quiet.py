"""Measuring on a machine that others use: how much of it they took meanwhile, and once more if that was too much."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CORES = len(os.sched_getaffinity(0))
QUIET = 0.05                               # of the machine, that others may take
TRIES = 3


class Machine:
    """Has `cluster_worker.py` measure, again where others disturb it.

    Attributes
    ----------
    disturbed : the part of the machine that others took, each time.
    """

    def __init__(self, tries: int = TRIES) -> None:
        self.tries = tries
        self.disturbed: list[float] = []

    def run(self, work: str, arguments: dict[str, Any], processes: int = 0, threads: int = 1) -> Any:
        """Return what is measured in so many processes, 0: without mpiexec; of some runs the least disturbed."""
        tried: list[tuple[float, Any]] = []
        while len(tried) < self.tries and (not tried or tried[-1][0] > QUIET):
            begin, busy, own = time.perf_counter(), ticks(), children()
            result = self.once(work, arguments, processes, threads)
            available = CORES * (time.perf_counter() - begin)
            tried.append((max(0.0, ticks() - busy - children() + own) / available, result))
        disturbed, result = min(tried, key=lambda each: each[0])
        self.disturbed.append(disturbed)
        return result

    def once(self, work: str, arguments: dict[str, Any], processes: int, threads: int) -> Any:
        """Return what the worker prints."""
        command = [sys.executable, str(HERE / "cluster_worker.py"), work, json.dumps(arguments)]
        if processes:
            command = [str(Path(sys.executable).with_name("mpiexec")), "-n", str(processes), *command]
        done = subprocess.run(command, capture_output=True, text=True, cwd=HERE, check=False, env={
            **os.environ, "TINYNET_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)})
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)


def ticks() -> float:
    """Return the seconds that the machine's cores have worked, for whomever."""
    numbers = [int(number) for number in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _, _, interrupts, soft_interrupts, _ = numbers
    return (user + nice + system + interrupts + soft_interrupts) / os.sysconf("SC_CLK_TCK")


def children() -> float:
    """Return the seconds that processes started here have worked."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
