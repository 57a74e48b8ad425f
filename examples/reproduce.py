"""Train the three models over several seeds, and print their test errors beside the notebook's.

The models are those of the three lessons beside this file, run as they stand.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import runpy
import sys
import tempfile
from pathlib import Path

import numpy as np

NOTEBOOK = {"mnist_mlp": ("baseline MLP", 1.82), "mnist_simple_cnn": ("simple CNN", 1.22),
            "mnist_larger": ("larger CNN", 0.94)}


def run(lesson: str, seed: int, options: list[str]) -> tuple[float, float]:
    """Run a lesson; return its test error in percent and its seconds an epoch."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        sys.argv = [lesson, f"--seed={seed}", f"--figures={folder}", *options]
        result = runpy.run_path(str(Path(__file__).with_name(f"{lesson}.py")))
    return 100 - 100 * result["scores"][1], result["seconds"] / max(1, len(result["history"].epoch))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0")
    parser.add_argument("--epochs", type=int, help="epochs instead of each model's own")
    parser.add_argument("--limit", type=int, metavar="N", help="train on the first N images only")
    args = parser.parse_args()
    options = [f"--{key}={value}" for key in ("epochs", "limit") if (value := getattr(args, key)) is not None]
    rows = []
    for lesson, (name, notebook) in NOTEBOOK.items():
        errors, seconds = [], []
        for seed in range(args.seeds):
            error, pace = run(lesson, seed, options)
            errors.append(error)
            seconds.append(pace)
            print(f"{name}, seed {seed}: test error {error:.2f} %, {pace:.1f} s an epoch", flush=True)
        spread = np.std(errors, ddof=1) if len(errors) > 1 else 0.0
        rows.append(f"| {name} | {notebook:.2f} % | {np.mean(errors):.2f} % | {spread:.2f} | "
                    f"{' '.join(f'{error:.2f}' for error in errors)} | {np.median(seconds):.1f} |")
    print(f"\n| model | notebook, one run | tinynet, mean | sd | seeds 0 to {args.seeds - 1} | seconds an epoch |")
    print("|---|---|---|---|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    main()
