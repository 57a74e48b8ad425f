"""The model of docs/scaling.md: what a step costs on several processes, by hand; and how it is fitted."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tinynet.distributed import Processes, Together
from tinynet.distributed.twins import Twin
from tinynet.training import team

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))
cost, cluster, quiet, worker = map(importlib.import_module, ("cost", "cluster", "quiet", "cluster_worker"))
models = importlib.import_module("models")
sys.path.pop(0)
SLOW = cost.Network("slow", latency=1.0, gap=0.25, bandwidth=100.0, overlaps=False)
ROUND = cost.Pieces("round numbers", layers=(cost.Layer(400, 0.5), cost.Layer(80, 1.0)), ends=(0.5, 0.8, 1.0),
                    shard=4.0, sample=0.5, add=3.0, update=7.0, rest=2.0, own=0.5, told=0.25, talk=11.0)


def test_alone_nothing_is_said():
    assert cost.step(ROUND, SLOW, 1, 8, 96) == cost.Step(
        shards=8 * (4 + 0.5 * 12), adding=7 * 3, update=7, rest=2 + 8 * 0.5, told=8 * 0.25, talk=0, waiting=0, small=0)


def test_four_processes_by_hand():
    first, second = (1 + 2 * 0.25 + 3) + (2 + 3), (1 + 2 * 0.25 + 0.6) + (2 + 0.6)       # 300 and 60 bytes twice
    assert cost.step(ROUND, SLOW, 4, 8, 96) == pytest.approx((
        2 * 10, (1 + 3 / 4) * 3, 7, 2 + 2 * 0.5, 8 * 0.25, 11, first + second, 6 * 2))


def test_the_process_with_most_shards_is_waited_for():
    assert cost.step(ROUND, SLOW, 3, 8, 96).shards == 3 * 10
    assert cost.step(ROUND, SLOW, 5, 8, 96).shards == cost.step(ROUND, SLOW, 7, 8, 96).shards == 2 * 10


def test_a_long_gather_goes_round_a_ring():
    long = cost.SHORT * 8.0
    assert cost.gather(long, 8, SLOW._replace(bandwidth=long)) == 7 + 7 / 8
    assert cost.gather(8.0, 8, SLOW._replace(bandwidth=8.0)) == 3 + 7 / 8


def test_a_network_twice_as_fast_takes_half_the_time():
    fast = SLOW._replace(latency=0.5, gap=0.125, bandwidth=200.0)
    before, after = (cost.step(ROUND, network, 8, 8, 96) for network in (SLOW, fast))
    assert (after.waiting, after.small) == pytest.approx((before.waiting / 2, before.small / 2))
    assert after[:6] == before[:6]


def test_twice_the_bandwidth_halves_the_time_of_bytes_alone():
    at_once = SLOW._replace(latency=0.0, gap=0.0)
    assert cost.waiting(ROUND, at_once._replace(bandwidth=200.0), 8, 10) == cost.waiting(ROUND, at_once, 8, 10) / 2


def test_bytes_sent_and_received_grow_to_twice_the_gradients_however_many_processes():
    at_once = SLOW._replace(latency=0.0, gap=0.0)
    took = [cost.waiting(ROUND, at_once, processes, 10) for processes in (2, 4, 256)]
    assert took == pytest.approx([2 * 4.8 * part for part in (1 / 2, 3 / 4, 255 / 256)])


@pytest.mark.parametrize(("processes", "times"), [(1, 1), (2, 1.5), (4, 3), (8, 6)])
def test_processes_that_share_cores_take_as_much_longer(processes, times):
    crowded = ROUND._replace(crowding=1.5)
    apart = cost.step(crowded, SLOW, processes, 8, 96)
    assert cost.step(crowded, SLOW._replace(cores=2), processes, 8, 96) == pytest.approx([times * t for t in apart])
    enough = 1 if processes == 1 else 1.5
    assert cost.step(crowded, SLOW._replace(cores=99), processes, 8, 96) == pytest.approx([enough * t for t in apart])


def test_messages_hide_behind_the_backward_that_is_left():
    # two processes, a shard of 10 seconds. 400 bytes: sent at 5, 2 seconds; noticed at 8, summed up by 10
    network = cost.Network("hides", 0.0, 0.0, 100.0)
    first = ROUND._replace(layers=ROUND.layers[:1])
    assert cost.waiting(first, network, 2, 10) == 0
    assert cost.waiting(first, network._replace(bandwidth=80.0), 2, 10) == 0.5      # 5 to 7.5, then 8 to 10.5
    assert cost.waiting(ROUND, network, 2, 10) == pytest.approx(0.8)                # 80 bytes more, from 10 on
    assert cost.waiting(ROUND, network._replace(overlaps=False), 2, 10) == pytest.approx(4.8)


def test_messages_wait_for_each_other():
    at_the_end = ROUND._replace(layers=tuple(layer._replace(ready=1.0) for layer in ROUND.layers))
    assert cost.waiting(at_the_end, cost.Network("hides", 0.0, 0.0, 100.0), 2, 10) == pytest.approx(2 * (2 + 0.4))


def test_hiding_never_costs_more_than_it_saves():
    rng = np.random.default_rng(0)
    for _ in range(200):
        ends = np.sort(rng.random(6))
        pieces = ROUND._replace(ends=tuple(ends), layers=tuple(
            cost.Layer(rng.integers(1, 2_000_000), end) for end in ends[[0, 2, 3]]))
        network = cost.Network("any", *rng.random(2), rng.uniform(1e4, 1e7))
        hidden = cost.waiting(pieces, network, 8, rng.uniform(1, 50))
        assert 0 <= hidden <= cost.waiting(pieces, network._replace(overlaps=False), 8, 10)


def test_a_line_is_fitted_with_its_errors():
    exact = cluster.fitted([1, 10, 100, 1000], [5.2, 7, 25, 205])
    assert exact[:2] == pytest.approx((5, 0.2))
    assert max(exact.errors) < 1e-9 > exact.off
    noisy = cluster.fitted([0, 0, 1e9, 1e9], [0.9, 1.1, 0.9, 1.1])         # no slope: twice the same mean
    assert noisy.slope == pytest.approx(0, abs=1e-12)
    assert noisy.at_zero == pytest.approx(np.mean([1 / 0.9, 1 / 1.1]) / np.mean([1 / 0.81, 1 / 1.21]))
    assert noisy.errors[0] == pytest.approx(0.1, rel=0.05)                # 0.1 * sqrt(4 / 2), of two points with x = 0


def test_pieces_come_back_from_json():
    assert cost.pieces_from(json.loads(json.dumps(ROUND))) == ROUND


def test_the_lowest_of_the_rounds_counts():
    assert cluster.lowest([{"a": [3, 1.0], "b": 2}, {"a": [2, 5.0], "b": 4}]) == {"a": [2, 1.0], "b": 2}


def test_pieces_are_what_a_step_is_made_of():
    rests = {8: 2 + 8 * 0.5, 32: 2 + 32 * 0.5}
    found = {(shards, n): {"shard": 4 + 0.5 * n, "adding": (shards - 1) * 3.0, "update": 7.0, "told": shards * 0.25,
                           "step": shards * (4 + 0.5 * n) + (shards - 1) * 3 + 7 + shards * 0.25 + rests[shards],
                           "talk": 11.0, "ends": ROUND.ends, "layers": ROUND.layers}
             for shards, n in cluster.CONFIGURATIONS}
    pieces, line = cluster.pieces_of("round numbers", found, {"shard": 1.5 * (4 + 0.5 * 25)})
    assert pieces[:3] == ROUND[:3]
    assert pieces[3:] == pytest.approx([*ROUND[3:-1], 1.5])
    assert line.off < 1e-9


@pytest.mark.parametrize(("others", "runs", "kept"), [
    ([0.01, 0.9], 1, 0), ([0.5, 0.02, 0.9], 2, 1), ([0.5, 0.3, 0.4], 3, 1)])
def test_what_others_disturb_is_measured_again(others, runs, kept, monkeypatch):
    machine, now = quiet.Machine(), [0.0, 0.0]
    done = []

    def once(*_):
        now[0] += 10
        now[1] += 10 * quiet.CORES * others[len(done)]
        done.append(len(done))
        return done[-1]
    monkeypatch.setattr(machine, "once", once)
    monkeypatch.setattr(quiet.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(quiet, "ticks", lambda: now[1])
    monkeypatch.setattr(quiet, "children", lambda: 0.0)
    assert machine.run("steps", {}) == kept
    assert len(done) == runs
    assert machine.disturbed == pytest.approx([others[kept]])


def test_parts_of_a_real_step(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "1")
    case = models.Case("small", (64,), (("dense", 32), ("dense", 10)), batch=8)
    run, current = Twin.run, team.current()
    parts = worker.parts(case, Together(Processes(), 4), count=3)
    assert (Twin.run, team.current()) == (run, current)
    assert [size for size, _ in parts["layers"]] == [4 * (32 * 10 + 10), 4 * (64 * 32 + 32)]     # as backward has them
    assert 0 < parts["layers"][0][1] < parts["layers"][1][1] <= 1
    assert parts["ends"] == sorted(parts["ends"])
    assert parts["step"] > 4 * parts["shard"] > 0
