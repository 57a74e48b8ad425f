"""How fast: the three models, cold starts, single images, how cost grows; beside other engines, if installed.

    make bench                                            # this engine
    python tests/benchmarks/bench.py --with pytorch=/path/to/python --with keras=/path/to/python
    ... --options [--only-named TEXT]                     # each layer, optimizer, option, activation: options.py
    ... --cores                                           # a step on cores that are not here: cores.py
    ... --json results.json --figures folder --only models

Every engine runs in a process of its own and they take turns, a few steps each, so that a slow moment of the machine
meets all of them, and the idle threads of one do not slow the other: while one works, the others wait for an order.
PyTorch runs twice: as it is installed, and with glibc's malloc told to keep the memory it is given back, which saves it
page faults ("tuned"). The ratio is another engine's time divided by ours, turn by turn; its median is given. GFLOP/s
count every multiplication of the model, also those by zeros, which an engine may pass over.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cores
import numpy as np
from models import GRID, MODELS, Case, multiply_adds
from options import CASES, IN_KERAS

HERE = Path(__file__).resolve().parent
TUNED = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "2000000000", "MALLOC_TOP_PAD_": "500000000"}


class Worker:
    """One engine's process; `start` seconds pass from its start to its first finished step."""

    def __init__(self, engine: str, python: str, case: Case, what: str = "train", env: dict[str, str] | None = None):
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd=HERE,
            env={**os.environ, "TINYNET_NUM_THREADS": str(case.threads), "OMP_NUM_THREADS": str(case.threads),
                 "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **(env or {})})
        self.ask({"case": case, "what": what})
        self.start = time.perf_counter() - begin

    def ask(self, order: dict) -> object:
        """Send an order, and return the answer."""
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(self.process.stderr.read()[-2000:])
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def engines(others: list[str]) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Return label -> (engine, python, environment) of all that are there: ours, and those named or importable."""
    named = dict(entry.split("=", 1) for entry in others)
    found = {"tinynet": ("tinynet", sys.executable, {})}
    for engine, module in (("pytorch", "torch"), ("keras", "keras, tensorflow")):
        python = named.get(engine, sys.executable)
        if subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0:
            found[engine] = (engine, python, {})
            if engine == "pytorch":
                found["pytorch tuned"] = (engine, python, TUNED)
    return found


def take_turns(found: dict, case: Case, what: str, turns: int, seconds: float) -> dict[str, dict]:
    """Time a case on every engine, `turns` turns each of about `seconds`; return figures by label."""
    workers = {label: Worker(engine, python, case, what, env) for label, (engine, python, env) in found.items()}
    steps = {}
    for label, worker in workers.items():
        worker.ask({"run": 3})
        steps[label] = max(3, min(200, int(1e3 * seconds / statistics.median(worker.ask({"run": 3})))))
    times: dict[str, list[list[float]]] = {label: [] for label in workers}
    for _ in range(turns):
        for label, worker in workers.items():
            worker.ask({"run": 1})
            times[label].append(worker.ask({"run": steps[label]}))
    mine = [statistics.median(turn) for turn in times["tinynet"]]
    result = {}
    for label, worker in workers.items():
        flat = np.concatenate(times[label])
        ratios = [statistics.median(turn) / ours for turn, ours in zip(times[label], mine, strict=True)]
        result[label] = {"ms": float(np.median(flat)), "low": float(np.percentile(flat, 10)),
                         "high": float(np.percentile(flat, 90)), "ratio": statistics.median(ratios),
                         "peak_mb": worker.ask({"peak": True}), "start_s": worker.start}
        worker.close()
    return result


def options(found: dict, turns: int, seconds: float, named: str) -> dict[str, dict[str, float]]:
    """Time all that a user may change, in turns with the others; print rows of Markdown, and return the figures."""
    few = {label: found[label] for label in ("tinynet", "pytorch tuned", "keras") if label in found}
    workers = {label: Worker(engine, python, MODELS[0], env=env) for label, (engine, python, env) in few.items()}
    others = [label for label in few if label != "tinynet"]
    results: dict[str, dict[str, float]] = {}
    print(f"\n| what | tinynet, ms | {''.join(f'{label}, ms | ratio | ' for label in others)}")
    print("|---" * (2 + 2 * len(others)) + "|")
    for name in [name for name in CASES if named in name]:
        taking = {label: worker for label, worker in workers.items() if label != "keras" or name in IN_KERAS}
        times: dict[str, list[float]] = {label: [] for label in taking}
        for worker in taking.values():
            worker.ask({"option": name})
            worker.ask({"run": 2})
        for _ in range(turns):
            for label, worker in taking.items():
                count = max(3, min(200, int(1e3 * seconds / min(worker.ask({"run": 2})))))
                times[label].append(statistics.median(worker.ask({"run": count})))
        row = results[name] = {label: statistics.median(each) for label, each in times.items()}
        for label in list(times)[1:]:
            ratios = [theirs / ours for theirs, ours in zip(times[label], times["tinynet"], strict=True)]
            row[f"{label} ratio"] = statistics.median(ratios)
        beside = [f"{row[label]:.3f} | {row[f'{label} ratio']:.2f} | " if label in row else "- | - | "
                  for label in others]
        print(f"| {name} | {row['tinynet']:.3f} | {''.join(beside)}", flush=True)
    for worker in workers.values():
        worker.close()
    print(side_by_side(results))
    return results


def side_by_side(results: dict[str, dict[str, float]]) -> str:
    """Return the training steps once more, in Markdown: a column for each network, milliseconds and ratios."""
    steps = {tuple(name.split(": ", 1)): row for name, row in results.items() if ": " in name}
    networks, whats = (list(dict.fromkeys(parts)) for parts in zip(*steps, strict=True)) if steps else ([], [])
    cells = {where: ", ".join([f"{row['tinynet']:.1f}", *(f"{row[key]:.2f}" for key in row if key.endswith("ratio"))])
             for where, row in steps.items()}
    lines = [["what", *networks], ["---"] * (1 + len(networks)),
             *([what, *(cells.get((network, what), "") for network in networks)] for what in whats)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def on_cores(case: Case, numbers: list[int]) -> dict[int, float]:
    """Return the milliseconds of a step for each number of threads, measured in turns."""
    workers = {number: Worker("tinynet", sys.executable, case._replace(threads=number)) for number in numbers}
    times: dict[int, list[float]] = {number: [] for number in numbers}
    for _ in range(7):
        for number, worker in workers.items():
            worker.ask({"run": 2})
            times[number].append(statistics.median(worker.ask({"run": 20})))
    for worker in workers.values():
        worker.close()
    return {number: statistics.median(turns) for number, turns in times.items()}


def sgemm_peak() -> float:
    """Return the GFLOP/s of NumPy's largest float32 products here, on all the threads BLAS takes."""
    a = np.random.default_rng(0).standard_normal((2048, 2048), dtype=np.float32)
    best = 0.0
    for _ in range(8):
        start = time.perf_counter()
        a @ a
        best = max(best, 2 * 2048 ** 3 / (time.perf_counter() - start) / 1e9)
    return best


def cold_starts(found: dict) -> dict[str, float]:
    """Return seconds from process start to the larger CNN's first step: compiled code cached, or not.

    And what of it is beyond the time that NumPy and numba take to be imported.
    """
    case = MODELS[2]
    with tempfile.TemporaryDirectory() as empty:
        env = {"NUMBA_CACHE_DIR": empty}
        result = {"tinynet, empty cache": _start("tinynet", sys.executable, case, env),
                  "tinynet, warm cache": min(_start("tinynet", sys.executable, case, env) for _ in range(3))}
    for label, (engine, python, extra) in found.items():
        if label not in ("tinynet", "pytorch tuned"):
            result[label] = min(_start(engine, python, case, extra) for _ in range(3))
    imported = [_imported("numpy, numba") for _ in range(3)]
    result["import tinynet"], result["import numpy, numba"] = min(_imported("tinynet") for _ in range(3)), min(imported)
    for cache in ("empty", "warm"):
        result[f"{cache} cache, beyond them"] = result[f"tinynet, {cache} cache"] - min(imported)
    return result


def _imported(modules: str) -> float:
    code = f"import time; t = time.perf_counter(); import {modules}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def _start(engine: str, python: str, case: Case, env: dict[str, str]) -> float:
    worker = Worker(engine, python, case, env=env)
    worker.close()
    return worker.start


def show(title: str, rows: dict[str, dict[str, dict]], peak: float, cases: list[Case], what: str = "train") -> None:
    """Print a table: a row for each case and engine."""
    print(f"\n{title}\n{'':<22}{'engine':<15}{'median ms':>10}{'10-90 %':>17}{'ratio':>8}{'GFLOP/s':>9}"
          f"{'of peak':>9}{'s an epoch':>12}{'peak MB':>9}")
    for case in cases:
        for label, figures in rows[case.name].items():
            flops = 2 * multiply_adds(case, what == "train") * case.batch
            rate = flops / figures["ms"] / 1e6
            print(f"{case.name if label == 'tinynet' else '':<22}{label:<15}{figures['ms']:>10.3f}"
                  f"{figures['low']:>9.3f}-{figures['high']:<7.3f}{figures['ratio']:>8.2f}{rate:>9.1f}"
                  f"{rate / peak:>8.0%} "
                  f"{figures['ms'] * 60_000 / case.batch / 1e3:>11.1f}{figures['peak_mb']:>9.0f}", flush=True)


def draw(results: dict, folder: Path) -> None:
    """Draw the ratios of the growth grid."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    grid = results["grid"]
    others = [label for label in next(iter(grid.values())) if label != "tinynet"]
    figure, axis = plt.subplots(figsize=(9, 0.32 * len(grid) + 1.5), layout="constrained")
    for k, label in enumerate(others):
        axis.plot([grid[name][label]["ratio"] for name in grid], range(len(grid)), "os^"[k % 3], label=label)
    axis.axvline(1, color="black", lw=1)
    axis.set(yticks=range(len(grid)), yticklabels=list(grid), xscale="log",
             xlabel="time of the other engine / time of tinynet (right of 1: tinynet is faster)")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("{x:g}")
    axis.invert_yaxis()
    axis.grid(alpha=0.3)
    axis.legend()
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "growth.png", dpi=110)
    print(f"Figure: {folder / 'growth.png'}")


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--with", dest="others", action="append", default=[], metavar="ENGINE=PYTHON",
                        help="pytorch or keras, and the interpreter that has it")
    parser.add_argument("--only", choices=("models", "start", "latency", "grid"), help="one part of it")
    parser.add_argument("--turns", type=int, help="of each engine: 7, and 3 of an option")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a turn")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="folder for a figure of the growth")
    parser.add_argument("--options", action="store_true", help="each layer, optimizer, option and activation instead")
    parser.add_argument("--only-named", default="", metavar="TEXT", help="of them, those with this in their name")
    parser.add_argument("--cores", action="store_true", help="a training step on 1 to 32 cores, simulated, instead")
    args = parser.parse_args()
    turns = args.turns or (3 if args.options else 7)
    if args.cores:
        cores.show(on_cores)
        return
    if args.options:
        figures = options(engines(args.others), turns, args.seconds / 4, args.only_named)
        if args.json:
            args.json.write_text(json.dumps(figures, indent=1))
        return
    found, peak = engines(args.others), sgemm_peak()
    print(f"sgemm here: {peak:.0f} GFLOP/s; engines: {', '.join(found)}")
    results: dict = {"sgemm_gflops": peak}
    if args.only in (None, "models"):
        results["models"] = {case.name: take_turns(found, case, "train", turns, args.seconds) for case in MODELS}
        show("A training step, batch 200", results["models"], peak, MODELS)
    if args.only in (None, "latency"):
        single = [case._replace(batch=1) for case in MODELS]
        results["latency"] = {case.name: take_turns(found, case, "predict", turns, args.seconds)
                              for case in single}
        show("Predicting one image", results["latency"], peak, single, "predict")
    if args.only in (None, "grid"):
        few = {label: found[label] for label in ("tinynet", "pytorch tuned") if label in found}
        results["grid"] = {case.name: take_turns(few, case, "train", turns, args.seconds / 2) for case in GRID}
        show("How the cost of a training step grows", results["grid"], peak, GRID)
        for label in set(few) - {"tinynet"}:
            ratios = [row[label]["ratio"] for row in results["grid"].values()]
            print(f"against {label}: median ratio {statistics.median(ratios):.2f}, lowest {min(ratios):.2f}")
    if args.only in (None, "start"):
        results["start"] = cold_starts(found)
        print("\nSeconds from process start to the end of the first step, larger CNN")
        print("\n".join(f"{label:<24}{seconds:6.2f}" for label, seconds in results["start"].items()))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    if args.figures and "grid" in results:
        draw(results, args.figures)


if __name__ == "__main__":
    main()
