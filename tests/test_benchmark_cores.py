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
AT_ONCE = {"python": cores.Waking(0, 0, 0), "compiled": cores.Waking(0, 0, 0)}
SLOWLY = {"python": cores.Waking(put=1, start=10, join=5), "compiled": cores.Waking(put=0, start=2, join=0)}


def seconds(number, costs, *parts):
    return cores.on_cores(parts, number, costs).now


@pytest.mark.parametrize(("number", "expected"), [(1, 10), (2, 5), (3, 4), (16, 4)])
@pytest.mark.parametrize("kind", ["python", "compiled"])
def test_pieces_go_to_whoever_is_done(number, expected, kind):
    assert seconds(number, AT_ONCE, cores.Part("loop", (4, 2, 2, 1, 1), kind)) == expected      # 4 + 1 and 2 + 2 + 1


def test_waking_delays_the_others_and_the_caller_waits_for_the_last():
    assert seconds(2, SLOWLY, cores.Part("loop", (20, 20), "python")) == 1 + 10 + 20 + 5
    assert seconds(2, SLOWLY, cores.Part("loop", (6, 6), "python")) == 1 + 6 + 6       # before the other is awake
    assert seconds(2, SLOWLY, cores.Part("loop", (6, 6), "compiled")) == 2 + 6


@pytest.mark.parametrize("part", [cores.Part("between", (7,)), cores.Part("one piece", (7,), "compiled")])
def test_what_is_not_shared_takes_as_long_on_any_number_of_cores(part):
    assert {seconds(number, SLOWLY, part) for number in (1, 2, 32)} == {7}


def launched(*pieces):
    return cores.Part("loop", pieces, "compiled", launched=True)


def wait(number):
    return cores.Part("wait", (), "wait", number=number)


PYTHON = cores.Part("python", (10,))


@pytest.mark.parametrize(("number", "expected"), [(1, 10 + 12), (2, 12), (3, 10), (8, 10)])
def test_a_launched_loop_runs_while_python_goes_on(number, expected):
    """Alone, the other does ten of its twelve pieces until the caller helps; two are done before."""
    step = cores.on_cores([launched(*[1] * 12), PYTHON, wait(1)], number, AT_ONCE)
    assert step.now == pytest.approx(expected - (number == 2))                 # the last two pieces, one each
    assert step.spent["python"] == 10
    assert step.spent["loop"] == step.now - 10


def test_loops_end_one_after_the_other():
    """The second begins when all pieces of the first are done, though a core has time before."""
    assert seconds(3, AT_ONCE, launched(5, 1), launched(2, 2), PYTHON, wait(2)) == 10
    assert seconds(3, AT_ONCE, launched(15, 1), launched(2, 2), PYTHON, wait(2)) == 15 + 2


def test_who_waits_for_a_loop_does_not_wait_for_later_ones():
    parts = launched(12), launched(8, 8), wait(1), PYTHON, wait(2)
    step = cores.on_cores(parts, 2, AT_ONCE)
    assert step.spent == {"loop": 12 + 6, "python": 10}          # 2 of the second piece are done by then
    assert step.now == 28


def test_the_parts_of_a_step_are_its_loops_and_what_is_between(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "1")
    model = Sequential([Dense(256, activation="relu"), Dense(10, activation="softmax")], input_shape=(400,), seed=0)
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    x, y = np.random.default_rng(0).random((200, 400), np.float32), np.eye(10, dtype=np.float32)[np.arange(200) % 10]
    threads = cores.threads
    before = threads.parallel_for, threads.for_chunks, threads.for_calls, threads.in_stream
    parts = cores.typical(lambda: model.train_on_batch(x, y), rounds=3)
    assert (threads.parallel_for, threads.for_chunks, threads.for_calls, threads.in_stream) == before
    names = [part.name for part in parts]
    assert names[-1] == "after the last loop"
    assert names.count("adam_loop") == 4
    assert all(names[k] == f"before {names[k + 1]}" for k in range(0, len(names) - 1, 2) if names[k + 1] != "wait")
    loops = [part for part in parts if part.kind == "compiled"]
    assert all(part.launched for part in loops)
    of_loss = [part.name for part in loops].index("few_losses_loop") + 1
    assert [part.number for part in parts if part.kind == "wait"] == [of_loss, len(loops)]
    assert [len(part.pieces) for part in loops if part.name == "by_tiles"] == [16, 16]


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
