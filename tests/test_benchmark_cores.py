"""`make bench BENCH=--cores`: how the pieces of a step are dealt out to cores that are not here."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.layers import Dense

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))
cores = importlib.import_module("cores")
bench = importlib.import_module("bench")
sys.path.pop(0)
AT_ONCE = {"python": cores.Waking(0, 0, 0)}
SLOWLY = {"python": cores.Waking(put=1, start=10, join=5), "compiled": cores.Waking(put=0, start=2, join=0)}


@pytest.mark.parametrize(("number", "seconds"), [(1, 10), (2, 5), (3, 4), (16, 4)])
def test_pieces_go_to_whoever_is_done(number, seconds):
    part = cores.Part("loop", (4, 2, 2, 1, 1), "python")                     # two cores: 4 + 1 and 2 + 2 + 1
    assert part.on(number, AT_ONCE) == seconds


def test_waking_delays_the_others_and_the_caller_waits_for_the_last():
    assert cores.Part("loop", (20, 20), "python").on(2, SLOWLY) == 1 + 10 + 20 + 5
    assert cores.Part("loop", (6, 6), "python").on(2, SLOWLY) == 1 + 6 + 6       # before the other is awake
    assert cores.Part("loop", (6, 6), "compiled").on(2, SLOWLY) == 2 + 6


@pytest.mark.parametrize("part", [cores.Part("between", (7,)), cores.Part("small", (3, 4))])
def test_what_is_not_shared_takes_as_long_on_any_number_of_cores(part):
    assert {part.on(number, SLOWLY) for number in (1, 2, 32)} == {7}


def test_the_parts_of_a_step_are_its_loops_and_what_is_between(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "1")
    monkeypatch.setattr("tinynet.kernels.fast.blas.is_narrower", lambda: False)
    model = Sequential([Dense(300, activation="relu"), Dense(10, activation="softmax")], input_shape=(400,), seed=0)
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    x, y = np.random.default_rng(0).random((200, 400), np.float32), np.eye(10, dtype=np.float32)[np.arange(200) % 10]
    before = cores.threads.parallel_for, cores.threads.for_chunks
    parts = cores.typical(lambda: model.train_on_batch(x, y), rounds=3)
    assert (cores.threads.parallel_for, cores.threads.for_chunks) == before
    names = [part.name for part in parts]
    assert names[-1] == "after the last loop"
    assert names.count("adam_loop") == 4
    assert all(names[k] == f"before {names[k + 1]}" for k in range(0, len(names) - 1, 2))
    products = [part for part in parts if part.name == "blas_in_pieces"]
    assert [(len(part.pieces), part.kind) for part in products] == [(8, "compiled"), (8, "compiled")]


def test_the_benchmark_shows_it(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "argv", ["bench.py", "--cores"])
    monkeypatch.setattr(cores, "show", shown.append)
    bench.main()
    assert shown == [bench.on_cores]


def test_options_are_shown_with_a_column_for_each_network():
    rows = {"Dense": {"tinynet": 1.0}, "MLP: sgd": {"tinynet": 2.04, "pytorch tuned": 3.0, "pytorch tuned ratio": 1.5},
            "record: sgd": {"tinynet": 7.0}}
    assert bench.side_by_side(rows).splitlines() == [
        "| what | MLP | record |", "| --- | --- | --- |", "| sgd | 2.0, 1.50 | 7.0 |"]
    assert bench.side_by_side({"Dense": {"tinynet": 1.0}}).splitlines() == ["| what |", "| --- |"]
