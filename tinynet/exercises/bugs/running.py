"""Running a script beside a copy, in a process of its own, and comparing what two copies make it print."""

from __future__ import annotations

import math
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tinynet.exercises.bugs.catalogue import HEAD, Bug

SECONDS = 120
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Run:
    """What a script printed, and whether it came to its end."""

    text: str
    done: bool


def run(script: str, folder: Path) -> Run:
    """Run a script in a folder, whose files it may import; a traceback is part of what it prints, warnings are not."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8",
                                "OPENBLAS_NUM_THREADS": "1"}               # small products: more threads only wait
    paths = [os.path.abspath(path) for path in (str(folder), *sys.path)]     # the folder, then where this tinynet is
    end = f"end {secrets.token_hex(8)}"                  # so that a copy that exits early has not come to its end
    code = f"import sys\nsys.path[:] = {paths}\n{HEAD}{script}\nprint({end!r})"
    try:
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=folder, env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              encoding="utf-8", errors="replace", timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return Run(f"It did not come to an end in {SECONDS} seconds, and was stopped.", False)
    text = done.stdout.rstrip()
    return Run(text.removesuffix(end).rstrip(), text.endswith(end))


def run_beside(script: str, files: Mapping[str, str]) -> Run:
    """Run a script beside files of these texts, in a folder that is removed again."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        return run(script, Path(folder))


def look(bug: Bug, folder: Path) -> tuple[Run, Run]:
    """Run the bug's look in the learner's folder, and beside the right files."""
    with ThreadPoolExecutor() as pool:
        seen, wanted = pool.submit(run, bug.look, folder), pool.submit(run_beside, bug.look, bug.right())
    return seen.result(), wanted.result()


def agrees(seen: Run, wanted: Run) -> bool:
    """Tell whether the lines that are wanted were printed, in their order; prints of the learner's own may be between.

    Numbers may differ by a hundredth, or by one in the last place that is shown, as those of the same formula written
    in another way do. Bars of # are not compared: the numbers beside them are.
    """
    lines = iter(seen.text.splitlines())
    return seen.done == wanted.done and all(any(alike(line, other) for line in lines)
                                            for other in wanted.text.splitlines())


def alike(line: str, wanted: str) -> bool:
    """Compare two lines, word by word and number by number.

    >>> alike("loss 0.251 ###", "loss 0.250 ##"), alike("loss 0.3", "loss 0.5"), alike("loss nan", "loss 0.5")
    (True, False, False)
    """
    line, wanted = line.replace("#", "").rstrip(), wanted.replace("#", "").rstrip()
    if NUMBER.sub("0", line) != NUMBER.sub("0", wanted):
        return False
    return all(math.isclose(float(one), float(other), rel_tol=0.01, abs_tol=last_place(other))
               for one, other in zip(NUMBER.findall(line), NUMBER.findall(wanted), strict=True))


def last_place(number: str) -> float:
    """Return what one in the last place of a number is worth; whole numbers are exact.

    >>> last_place("0.25"), last_place("7"), last_place("1.5e-03")
    (0.01, 0.0, 0.0001)
    """
    digits, _, exponent = number.partition("e")
    places = len(digits.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - places) if places else 0.0
