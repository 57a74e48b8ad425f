"""Figures of the page on scaling."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from tinynet.study.drawing import HIGHLIGHT, grid

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "benchmarks"))
cost, cluster = map(importlib.import_module, ("cost", "cluster"))          # the model of the page, and what fits it
sys.path.pop(0)

PROCESSES = [2 ** k for k in range(9)]
STYLES = ("-", "--", ":")


def scaling() -> Any:
    """Draw what the model says of 1 to 256 processes, from what `cluster.py` has measured."""
    kept = json.loads((HERE / "scaling.json").read_text(encoding="utf-8"))
    networks = [cost.Network(*network) for network in kept["networks"]]
    figure, axes = grid(2, 3, (11, 6.8), sharex=True, sharey="row")
    for (strong, weak), values in zip(axes.T, kept["pieces"], strict=True):
        pieces = cost.pieces_from(values)
        alone = sum(cost.step(pieces, networks[0], 1, cluster.SHARDS, cluster.BATCH))
        strong.plot(PROCESSES, PROCESSES, color="0.8", linewidth=1)
        for network, style in zip(networks, STYLES, strict=True):
            steps = [sum(cost.step(pieces, network, n, cluster.MANY_SHARDS, cluster.BATCH)) for n in PROCESSES]
            strong.plot(PROCESSES, [alone / step for step in steps], style, color="black", label=network.name)
            steps = [sum(cost.step(pieces, network, n, n, n * cluster.IMAGES)) for n in PROCESSES]
            weak.plot(PROCESSES, [steps[0] / step for step in steps], style, color="black", label=network.name)
        few = [sum(cost.step(pieces, networks[2], n, cluster.SHARDS, cluster.BATCH)) for n in PROCESSES[:4]]
        strong.plot(PROCESSES[:4], [alone / step for step in few], "o-", color=HIGHLIGHT, markersize=4,
                    label=f"{cluster.SHARDS} shards, {networks[2].name}")
        strong.set(xscale="log", yscale="log", title=pieces.name)
        strong.set_xticks(PROCESSES, map(str, PROCESSES))
        strong.set_yticks([1, 4, 16, 64], ["1", "4", "16", "64"])
        weak.set(xlabel="processes", ylim=(0, 1.05))
        for ax in (strong, weak):
            ax.minorticks_off()
            ax.grid(color="0.9")
            ax.tick_params(labelsize=8)
    axes[0, 0].set_ylabel("strong: times as fast as one process,\n"
                          f"batch {cluster.BATCH} in {cluster.MANY_SHARDS} shards")
    axes[1, 0].set_ylabel(f"weak: time of one process / time,\na shard of {cluster.IMAGES} images each")
    axes[0, 0].legend(fontsize=8, loc="upper left")
    return figure
