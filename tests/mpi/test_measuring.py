"""What docs/scaling.md is fitted to can be measured: tests/benchmarks/cluster_worker.py, in one process and in two."""

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
quiet = importlib.import_module("quiet")
sys.path.pop(0)
SMALL = {"names": ["MLP"], "shards": 4, "count": 2, "per_shard": 2}


def test_messages_between_two_processes_are_timed():
    found = quiet.Machine().once("messages", {}, 2, 1)
    assert found["gap"] > 0
    assert len(found["sizes"]) == len(found["one way"]) == len(found["both ways"])
    assert min(found["one way"] + found["both ways"]) > 0


@pytest.mark.parametrize("processes", [1, 2])
def test_steps_are_timed_in_any_number_of_processes(processes):
    (steps,) = quiet.Machine().once("steps", SMALL, processes, 1).values()
    assert len(steps) == 2
    assert min(steps) > 0


def test_a_process_alone_can_talk_to_itself():
    (parts,) = quiet.Machine().once("pieces", {**SMALL, "talking": True}, 0, 1).values()
    assert parts["talk"] > 0
    assert parts["step"] > 4 * parts["shard"] > 0


def test_what_fails_is_said():
    with pytest.raises(SystemExit, match=r"(?s)cluster_worker.*failed:.*unexpected keyword argument 'size'"):
        quiet.Machine().once("steps", {"size": 3}, 0, 1)
