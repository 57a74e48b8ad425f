"""What a training step costs on several processes: measured here in pieces, put together by a model, and drawn to 256.

    make .venv/installed-mpi
    .venv/bin/python tests/benchmarks/cluster.py --json docs/figures/scaling.json
    .venv/bin/python docs/figures scaling

Messages between two processes and the parts of a step in one are timed, and lines are fitted to them; `cost.py` puts
them together to a step on several processes. Real steps on 1, 2 and 4 processes of one thread stand beside what it
says: they are not used in the fit. Where there are fewer cores than processes, all of a step takes as much longer.
The figures of other networks are assumed, not measured.

Rounds take turns, so that a slow moment of the machine meets all; of each figure the lowest of the rounds' medians
counts. What is measured while others take more than a twentieth of the machine is measured again, a few times; the run
says how much they took of it in the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cost import Layer, Network, Pieces, Step, step
from models import MODELS
from quiet import CORES, Machine

SHARDS = 8
PER_SHARD = (25, 200)                      # samples; of the steps that are held against the model
CONFIGURATIONS = [(SHARDS, 8), (SHARDS, 25), (SHARDS, 200), (32, 8)]                     # shards, samples in each
FORESEEN = (8, 64, 256)
BATCH, MANY_SHARDS, IMAGES = 2048, 256, 200            # of strong scaling; of a process in weak scaling
PROCESSES = (1, 2, 4)
ASSUMED = (Network("10 Gbit/s Ethernet", 30e-6, 2e-6, 1.1e9), Network("100 Gbit/s fabric", 2e-6, 0.2e-6, 11e9))
NAMES = [case.name for case in MODELS]
Steps = dict[tuple[int, int, int], dict[str, float]]                # of processes, threads, samples in a shard


class Line(NamedTuple):
    """A line through measured points, ``at_zero + slope * x``, with standard errors."""

    at_zero: float
    slope: float
    errors: tuple[float, float]
    off: float                             # the largest distance, as a part of the point's value


def fitted(x: list[float], y: list[float]) -> Line:
    """Return the line with the least squares of relative errors, so that small points count as much as large ones.

    >>> [round(number, 6) for number in fitted([1, 2, 4], [5, 7, 11])[:2]]
    [3.0, 2.0]
    """
    wanted = np.array(y)
    columns = np.stack([np.ones(len(x)), np.array(x, float)], axis=1)
    scale = np.abs(columns).max(axis=0)
    weighted = columns / scale / wanted[:, None]
    found = np.linalg.lstsq(weighted, np.ones(len(x)), rcond=None)[0]
    off = weighted @ found - 1
    spread = (off @ off) / max(1, len(x) - 2) * np.linalg.inv(weighted.T @ weighted)
    a, b = (found / scale).round(15).tolist()
    return Line(a, b, tuple((np.sqrt(np.diag(spread)) / scale).tolist()), float(np.abs(off).max()))


def lowest(found: list[Any]) -> Any:
    """Return the lowest of each number, over things that are built alike."""
    first = found[0]
    if isinstance(first, dict):
        return {key: lowest([each[key] for each in found]) for key in first}
    if isinstance(first, list):
        return [lowest(list(column)) for column in zip(*found, strict=True)]
    return min(found)


def network_here(machine: Machine, rounds: int) -> Network:
    """Measure messages between two processes; print and return what was fitted."""
    found = lowest([machine.run("messages", {}, 2) for _ in range(rounds)])
    print("\nMessages between two processes, us:\n\n| bytes | one way | both ways at once |\n|---|---|---|")
    for size, one, both in zip(found["sizes"], found["one way"], found["both ways"], strict=True):
        print(f"| {size:,} | {1e6 * one:.1f} | {1e6 * both:.1f} |")
    for kind in ("one way", "both ways"):
        line = fitted(found["sizes"], found[kind])
        print(f"{kind}: {1e6 * line.at_zero:.1f} +- {1e6 * line.errors[0]:.1f} us, and {1e9 * line.slope:.3f} +- "
              f"{1e9 * line.errors[1]:.3f} ns a byte ({1e-9 / line.slope:.1f} GB/s); a size is off by up to "
              f"{line.off:.0%}")
    print(f"one of many small messages at once: {1e6 * found['gap']:.1f} us")
    return Network("shared memory", line.at_zero, found["gap"], 1 / line.slope, False, CORES)


def pieces_here(machine: Machine, rounds: int, count: int) -> list[Pieces]:
    """Measure the parts of a step of each model; print and return what was fitted."""
    alone: dict[tuple[int, int], list] = {configuration: [] for configuration in CONFIGURATIONS}
    crowded = []
    usual = {"names": NAMES, "shards": SHARDS, "count": count, "per_shard": PER_SHARD[0]}
    for _ in range(rounds):
        for shards, per_shard in CONFIGURATIONS:
            talking = (shards, per_shard) == (SHARDS, PER_SHARD[0])
            alone[shards, per_shard].append(machine.run("pieces", {
                **usual, "shards": shards, "per_shard": per_shard, "talking": talking}))
        crowded.append(machine.run("pieces", {**usual, "count": 3 * count, "talking": False}, 2))
    found = {configuration: lowest(each) for configuration, each in alone.items()}
    together = lowest(crowded)
    print("\nThe parts of a step, ms:\n\n| | " + " | ".join(NAMES) + " |\n|---|" + "---|" * len(NAMES))
    fits = [pieces_of(name, {key: each[name] for key, each in found.items()}, together[name]) for name in NAMES]
    all_pieces = [pieces for pieces, _ in fits]
    print(row("gradients, MB", [sum(layer.size for layer in pieces.layers) / 1e6 for pieces in all_pieces], ".2f"))
    for name, field in (("a shard", "shard"), ("and for each sample", "sample")):
        errors = [1e3 * line.errors[field == "sample"] for _, line in fits]
        print(row(name, [f"{1e3 * getattr(pieces, field):.3f} +- {error:.3f}" for pieces, error in
                         zip(all_pieces, errors, strict=True)], ""))
    print(row("where the line is off most", [line.off for _, line in fits], ".0%"))
    for name, field in (("adding the gradients of two shards", "add"), ("update", "update"), ("the rest", "rest"),
                        ("besides, for each shard computed here", "own"),
                        ("for each shard of the batch", "told"), ("in each of several processes", "talk")):
        print(row(name, [1e3 * getattr(pieces, field) for pieces in all_pieces], ".3f"))
    print(row("times as long where both cores compute", [pieces.crowding for pieces in all_pieces], ".2f"))
    for pieces in all_pieces:
        print(f"{pieces.name}, in the order of backward: " + ", ".join(
            f"{layer.size / 1e3:.0f} kB after {layer.ready:.0%} of a shard" for layer in pieces.layers))
    return all_pieces


def row(name: str, values: list[Any], form: str) -> str:
    """Return a row of a Markdown table."""
    return f"| {name} | " + " | ".join(format(value, form) for value in values) + " |"


def pieces_of(name: str, found: dict[tuple[int, int], dict], crowded: dict) -> tuple[Pieces, Line]:
    """Fit a model's pieces; return the line of a shard's time, too."""
    usual = found[SHARDS, PER_SHARD[0]]
    line = fitted([per_shard for _, per_shard in found], [each["shard"] for each in found.values()])
    rests = {shards: each["step"] - shards * each["shard"] - each["adding"] - each["update"] - each["told"]
             for (shards, per_shard), each in found.items() if per_shard == 8}
    few, many = sorted(rests)
    own = max(0.0, (rests[many] - rests[few]) / (many - few))
    return Pieces(name, tuple(Layer(*layer) for layer in usual["layers"]), tuple(usual["ends"]), line.at_zero,
                  line.slope, add=usual["adding"] / (SHARDS - 1), update=usual["update"],
                  rest=max(0.0, rests[few] - few * own), own=own, told=usual["told"] / SHARDS,
                  talk=max(0.0, usual["talk"]), crowding=crowded["shard"] / usual["shard"]), line


def steps_here(machine: Machine, rounds: int, count: int) -> Steps:
    """Return the seconds of real steps: for processes, threads and samples in a shard, by model."""
    found: dict[tuple[int, int, int], list] = {}
    for _ in range(rounds):
        for per_shard in PER_SHARD:
            for processes, threads in [*((processes, 1) for processes in PROCESSES), (1, 2)]:
                taken = machine.run("steps", {"names": NAMES, "shards": SHARDS, "count": count, "per_shard": per_shard},
                                    processes, threads)
                found.setdefault((processes, threads, per_shard), []).append(
                    {name: float(np.median(times)) for name, times in taken.items()})
    return {key: lowest(each) for key, each in found.items()}


def check(all_pieces: list[Pieces], network: Network, measured: Steps) -> list[dict[str, Any]]:
    """Print and return what the model says of steps, beside what they took."""
    rows = []
    print("\n| model | batch | processes | model, ms | measured, ms | error |\n|---|---|---|---|---|---|")
    for pieces in all_pieces:
        for per_shard in PER_SHARD:
            for processes in PROCESSES:
                said = sum(step(pieces, network, processes, SHARDS, SHARDS * per_shard))
                taken = measured[processes, 1, per_shard][pieces.name]
                rows.append({"model": pieces.name, "batch": SHARDS * per_shard, "processes": processes, "said": said,
                             "measured": taken})
                print(f"| {pieces.name} | {SHARDS * per_shard} | {processes} | {1e3 * said:.1f} | {1e3 * taken:.1f} | "
                      f"{said / taken - 1:+.0%} |")
    print("\nTwo processes of one thread, as a multiple of one process of two threads:")
    for pieces in all_pieces:
        print(f"{pieces.name:<12}" + "".join(
            f"  batch {SHARDS * n}: {1e3 * measured[2, 1, n][pieces.name]:.1f} / "
            f"{1e3 * measured[1, 2, n][pieces.name]:.1f} = "
            f"{measured[2, 1, n][pieces.name] / measured[1, 2, n][pieces.name]:.2f}" for n in PER_SHARD))
    return rows


def foresee(all_pieces: list[Pieces], networks: list[Network]) -> None:
    """Print what the model says of more processes than there are here, and what most of a step is then."""
    head = "| model | network | " + " | ".join(map(str, FORESEEN)) + f" | most of a step on {FORESEEN[-1]}, ms |"
    print(f"\nStrong: times as fast as one process with {SHARDS} shards; batch {BATCH}, in {MANY_SHARDS} shards\n")
    print(f"{head}\n|---|---|---|---|---|---|")
    for pieces in all_pieces:
        alone = sum(step(pieces, networks[0], 1, SHARDS, BATCH))
        for network in networks:
            steps = [step(pieces, network, n, MANY_SHARDS, BATCH) for n in FORESEEN]
            print(foreseen(pieces, network, [f"{alone / sum(terms):.1f}" for terms in steps], steps[-1]))
    for shards in (SHARDS, MANY_SHARDS):
        print(f"one process, {shards} shards, ms: " + ", ".join(
            f"{pieces.name} {1e3 * sum(step(pieces, networks[0], 1, shards, BATCH)):.0f}" for pieces in all_pieces))
    print(f"\nWeak: time of one process / time, a shard of {IMAGES} each\n\n{head}\n|---|---|---|---|---|---|")
    for pieces in all_pieces:
        for network in networks:
            alone, *steps = [step(pieces, network, n, n, n * IMAGES) for n in (1, *FORESEEN)]
            print(foreseen(pieces, network, [f"{sum(alone) / sum(terms):.0%}" for terms in steps], steps[-1]))


def foreseen(pieces: Pieces, network: Network, cells: list[str], terms: Step) -> str:
    """Return a row of a Markdown table."""
    largest = sorted(terms._asdict().items(), key=lambda item: -item[1])[:4]
    named = ", ".join(f"{name} {1e3 * seconds:.1f}" for name, seconds in largest)
    return f"| {pieces.name} | {network.name} | {' | '.join(cells)} | {named} |"


def main() -> None:
    """Measure, fit, check, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of each measurement")
    parser.add_argument("--count", type=int, default=12, help="steps in each")
    parser.add_argument("--tries", type=int, default=3, help="of what others disturb")
    parser.add_argument("--json", type=Path, help="file for what was fitted; docs/figures draws from it")
    args = parser.parse_args()
    if importlib.util.find_spec("mpi4py") is None:
        parser.error("expected mpi4py, and MPICH with its mpiexec: make .venv/installed-mpi")
    machine = Machine(args.tries)
    network = network_here(machine, args.rounds)
    all_pieces = pieces_here(machine, args.rounds, args.count)
    rows = check(all_pieces, network, steps_here(machine, args.rounds, args.count))
    foresee(all_pieces, [network._replace(cores=None), *ASSUMED])
    print(f"\nOthers took {statistics.median(machine.disturbed):.0%} of the machine meanwhile, at most "
          f"{max(machine.disturbed):.0%}.")
    if args.json:
        args.json.write_text(json.dumps({
            "networks": [network._replace(cores=None), *ASSUMED], "pieces": all_pieces, "checked": rows},
            indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
