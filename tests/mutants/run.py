"""Put every seeded defect into a copy of the project, run the suite there, and print which checks found it.

``python tests/mutants/run.py`` prints the kill matrix: a row a mutant, a column a kind of check::

    x  a test of this kind failed: it found the defect (the line below names the first such test)
    .  its tests that run the mutated function passed
       none of its tests runs the mutated function; or it is not asked, see `kinds.ROOMS`

The exit code is 1 if a mutant survives. --only NAME, --each N and --kinds choose, --jobs N runs N at a time, --json
FILE writes it all down. Nothing is ever changed in the checkout: every mutant gets a copy of its own, with its own
compiled kernels, made from one snapshot in which the suite was first seen to pass. Of a kind, the tests that ran
the mutated function there are run until the first fails; before a mutant counts as a survivor, all tests are run.
"""

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from catalogue import PROJECT, load
from kinds import KINDS, files_of, kind_of, kinds_for

TIME_LIMIT = 1200           # seconds: a mutant may loop for ever


class Outcome(NamedTuple):
    """What a kind of check made of a mutant: its first failing test (None if all passed), and how many it has."""

    test: str | None
    tests: int


def main():
    arguments = read_arguments()
    mutants = some_of_each([mutant for mutant in load() if arguments.only in mutant.name
                            and {*kinds_for(mutant.file)} & {*arguments.kinds}], arguments.each)
    if not mutants:
        sys.exit(f"No mutant has {arguments.only!r} in its name, and is for {', '.join(arguments.kinds)} to find.")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tinynet-mutants-") as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        asked = [kind for kind in arguments.kinds if any(kind in kinds_for(mutant.file) for mutant in mutants)]
        lab = Lab(Path(folder), asked)
        list(pool.map(lab.control, lab.kinds))
        print(f"Nothing mutated: all tests pass. {time.perf_counter() - started:.0f} s", flush=True)
        rows = []
        for mutant, (outcomes, seconds) in zip(mutants, pool.map(lab.examine, mutants), strict=True):
            rows.append((mutant, outcomes))
            print(f"{len(rows):4} of {len(mutants)} {seconds:4.0f} s  {mutant.name}: "
                  f"{', '.join(killers(outcomes)) or 'SURVIVED'}", flush=True)
    print(matrix(rows, asked))
    print(f"{(time.perf_counter() - started) / 60:.0f} minutes")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([
            {**mutant._asdict(), "outcomes": {kind: outcome._asdict() for kind, outcome in outcomes.items()}}
            for mutant, outcomes in rows], indent=1))
    return 0 if all(killers(outcomes) for _, outcomes in rows) else 1


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", metavar="NAME", help="mutants with this in their name")
    parser.add_argument("--each", type=int, metavar="N", help="so many of each area, spread over it, instead of all")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of check to run")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many mutants at a time")
    parser.add_argument("--json", metavar="FILE", help="where to write all outcomes")
    return parser.parse_args()


def some_of_each(mutants, count):
    """Return `count` mutants of each area (all if None), spread over the area."""
    areas = [list(area) for _, area in groupby(mutants, lambda mutant: mutant.area)]
    return [mutant for area in areas for mutant in area[::max(1, len(area) // (count or len(area)))][:count]]


class Lab:
    """A snapshot of the project, and copies of it with a defect each."""

    def __init__(self, folder, kinds):
        self.folder, self.kinds = folder, kinds
        self.base = copy(PROJECT, folder / "base")
        self.tests = defaultdict(set)                        # of a function, "file:line": all tests that run it

    def control(self, kind):
        """Run a kind of check on the snapshot: it must pass; note which functions every test runs."""
        where = copy(self.base, self.folder / kind)
        seen = run(where, [kind], record=True)
        if not isinstance(seen, dict) or seen["failed"]:
            raise SystemExit(f"Nothing is mutated, and the suite fails. Mend it first: {seen}")
        calls = defaultdict(set, {whose: set(called) for whose, called in seen["calls"].items()})
        for test in [whose for whose in calls if "::" in whose]:
            for function in calls[test] | calls[test.partition("::")[0]] | calls[""]:
                self.tests[function].add(test)
        for compiled in (where / "tinynet").rglob("*.nb[ic]"):               # kernels that were compiled for the first
            kept = self.base / compiled.relative_to(where)                    # time need not be compiled again
            kept.parent.mkdir(exist_ok=True)
            shutil.copy2(compiled, kept)
        shutil.rmtree(where)

    def examine(self, mutant):
        """Return the outcome of every kind of check on a mutant, and the seconds it took."""
        started, where = time.perf_counter(), copy(self.base, self.folder / mutant.name)
        path = where / mutant.file
        functions = run_by(where, mutant)
        source = mutant.apply(path.read_text())
        path.unlink()
        path.write_text(source)
        for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*"):               # its bytecode and kernels
            stale.unlink()
        kinds = [kind for kind in self.kinds if kind in kinds_for(mutant.file)]
        tests = None if functions is None else sorted(
            test for test in set().union(*(self.tests[f] for f in functions)) if kind_of(test) in kinds)
        outcomes = self.outcomes(where, kinds, mutant, tests)
        if tests is not None and not killers(outcomes):
            outcomes = self.outcomes(where, kinds, mutant, None)
        shutil.rmtree(where)
        return dict.fromkeys(self.kinds, Outcome(None, 0)) | outcomes, time.perf_counter() - started

    def outcomes(self, where, kinds, mutant, tests):
        """Run kinds of check on a mutant."""
        if tests == []:
            return dict.fromkeys(kinds, Outcome(None, 0))
        seen = run(where, kinds, mutant, tests)
        if isinstance(seen, dict):
            return {kind: Outcome(seen["failed"].get(kind), seen["ran"].get(kind, 0)) for kind in kinds}
        if len(kinds) == 1:
            return {kinds[0]: Outcome(seen, 1)}
        return {kind: outcome for one in kinds for kind, outcome in self.outcomes(where, [one], mutant, tests).items()}


def run(where, kinds, mutant=None, tests=None, record=False):
    """Run the tests of some kinds in a copy; return what the witness saw, or in words how it came to an early end."""
    orders = where / "orders.json"
    orders.write_text(json.dumps({"root": str(where), "file": mutant and mutant.file, "kinds": kinds, "tests": tests,
                                  "record": record}))
    files = files_of(kinds) if tests is None else sorted({test.partition("::")[0] for test in tests})
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment |= {"TINYNET_WITNESS": str(orders), "TINYNET_HYPOTHESIS_PROFILE": "mutants",
                    "PYTHONPATH": f"{where}{os.pathsep}{where / 'tests' / 'mutants'}"}
    try:
        done = subprocess.run([sys.executable, "-m", "pytest", "-p", "witness", "-p", "no:cacheprovider", *files],
                              cwd=where, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        return f"(did not end in {TIME_LIMIT} s)"
    if done.returncode < 0:
        return f"(crashed with signal {-done.returncode})"
    report = orders.with_suffix(".seen")
    if done.returncode not in (0, 1, 5) or not report.exists():              # passed, failed, none of these kinds
        raise SystemExit(f"{mutant.name if mutant else 'control'}: pytest could not run.\n{done.stdout}{done.stderr}")
    seen = json.loads(report.read_text())
    report.unlink()
    if mutant and seen["ran"] and mutant.file not in seen["imported"]:
        raise SystemExit(f"{mutant.name}: {mutant.file} was not imported.")
    return seen


def copy(project, to):
    """Copy what the suite needs, with its modification times, so that compiled files stay valid."""
    for part in ("tinynet", "tests", "examples"):
        shutil.copytree(project / part, to / part)
    shutil.copy2(project / "pyproject.toml", to)
    return to


def run_by(root, mutant):
    """Return the functions, "file:line", one of which runs wherever the mutated lines do; None: import runs them.

    A compiled function cannot be seen running; those that mention it stand for it.
    """
    source = (root / mutant.file).read_text()
    first = source[:source.index(mutant.old)].count("\n") + 1
    last = first + mutant.old.count("\n")
    around = [f for f in functions_of(source) if f.body[0].lineno <= first and last <= f.end_lineno]
    if not around:
        return None
    function = max(around, key=lambda f: f.lineno)
    if "compiled" not in map(ast.unparse, function.decorator_list):
        return {f"{mutant.file}:{begin(function)}"}
    name = f"{Path(mutant.file).stem}.{function.name}("
    return {f"{path.relative_to(root)}:{begin(f)}" for path in (root / mutant.file).parent.glob("*.py")
            for f in functions_of(path.read_text()) if name in ast.unparse(f)}


def functions_of(source):
    """List the functions in a file, inner ones too."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]


def begin(function):
    """Return the line a function's code object says it begins in: that of its first decorator."""
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])


def killers(outcomes):
    """List the kinds that found the defect."""
    return [kind for kind, outcome in outcomes.items() if outcome.test]


def matrix(rows, kinds):
    """Write the kill matrix, area by area, and the score."""
    width = max(len(mutant.name) for mutant, _ in rows) + 2
    lines, area = [], None
    for mutant, outcomes in rows:
        if mutant.area != area:
            area = mutant.area
            lines += ["", f"{area:<{width}}{'  '.join(kinds)}"]
        marks = ("x" if outcome.test else "." if outcome.tests else " " for outcome in outcomes.values())
        cells = "  ".join(f"{mark:^{len(kind)}}" for kind, mark in zip(kinds, marks, strict=True))
        lines.append(f"{mutant.name:<{width}}{cells}".rstrip())
        lines.append("    " + next((o.test for o in outcomes.values() if o.test), f"SURVIVED: {mutant.why}"))
    found = [killers(outcomes) for _, outcomes in rows]
    lines.append("")
    for kind in kinds:
        by_it, alone = sum(kind in by for by in found), sum(by == [kind] for by in found)
        lines.append(f"{kind:>8}: {by_it:3} killed, {alone:2} of them by no other kind; {KINDS[kind]}")
    survivors = [mutant.name for mutant, outcomes in rows if not killers(outcomes)]
    lines += ["", *(f"SURVIVED: {name}" for name in survivors), f"{len(rows) - len(survivors)} of {len(rows)} killed"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
