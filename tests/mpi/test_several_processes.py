"""The same bits for any number of processes, also after kills; and whatever goes wrong ends all of them."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mpi_ready import mpiexec

TRAIN = Path(__file__).with_name("train.py")
SECONDS = 120                              # after which a training that hangs is given up
MODELS = ["mlp", "simple", "larger", "normalised"]


def started(processes, *arguments):
    command = [sys.executable, "-W", "error", TRAIN, *map(str, arguments)]
    if processes:
        command = [mpiexec(), "-n", str(processes), *command]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "TINYNET_NUM_THREADS": "1"})


def run(processes, *arguments):
    """Train, in so many processes (0: without mpiexec); return what was printed, and whether it went well."""
    process = started(processes, *arguments)
    try:
        return process.communicate(timeout=SECONDS)[0], process.returncode == 0
    finally:
        process.kill()


def digests(processes, *arguments):
    """Train; return the SHA-256 of each model, which is the same in all processes."""
    printed, well = run(processes, *arguments)
    found = re.findall("([a-z]+): weights and history ([0-9a-f]{64})", printed)
    counted = Counter(found)
    assert well, printed
    assert set(counted.values()) == {processes or 1}, printed
    return dict(found)


@cache
def alone(*arguments):
    return digests(0, *arguments)


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 8])
def test_the_weights_are_the_same_for_any_number_of_processes(processes):
    assert digests(processes, *MODELS) == alone(*MODELS)
    assert len(set(alone(*MODELS).values())) == len(MODELS)


def test_other_shards_are_another_sum():
    assert digests(3, "larger", "--shards", 5) == alone("larger", "--shards", 5)
    assert alone("larger", "--shards", 5)["larger"] != alone(*MODELS)["larger"]


def test_a_training_that_is_killed_goes_on_with_another_number_of_processes(tmp_path):
    killed_again_and_again(tmp_path, "normalised", kills=3, seed=1)


@pytest.mark.long
def test_a_training_that_is_killed_twenty_times_goes_on(tmp_path):
    killed_again_and_again(tmp_path, "normalised", kills=20, seed=2)


def killed_again_and_again(tmp_path, model, kills, seed):
    """Kill a process at random, at a random moment, and go on with another number; the end is that of no kill."""
    rng, sizes, interrupted = np.random.default_rng(seed), [2, 3, 1, 4], 0
    trained = [model, "--epochs", 4 * kills]                             # more than are done before the last kill
    arguments = [*trained, "--backup", tmp_path / "backup"]
    for kill in range(kills):
        size = sizes[kill % len(sizes)]
        for path in tmp_path.glob("*.pid"):
            path.unlink()
        process = started(size, *arguments, "--seconds", 0.2)
        begun = time.monotonic()
        while len(pids := [path.read_text() for path in tmp_path.glob("*.pid")]) < size or "" in pids:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() - begun < SECONDS
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 2))
        begun = time.monotonic()
        os.kill(int(rng.choice(pids)), signal.SIGKILL)
        printed = process.communicate(timeout=SECONDS)[0]
        interrupted += "weights and history" not in printed
        assert time.monotonic() - begun < 10
    assert interrupted == kills
    assert digests(sizes[kills % len(sizes)], *arguments) == alone(*trained)


@pytest.mark.parametrize(("wrong", "named"), [
    ("data", "process 2 differs from process 0 in the data, x and y"),
    ("model", "process 2 differs from process 0 in the"),
    ("dtype", "process 2 differs from process 0 in the model's dtype: expected 'float32'. Received: 'float64'"),
    ("settings", "process 2 differs from process 0 in the model's optimizer, class: expected Adam. Received: SGD"),
    ("epochs", "process 2 differs from process 0 in fit's epochs: expected 2. Received: 3"),
    ("layer", "process 2 of 3 .* failed, and all end with it: ValueError: a layer's own mistake"),
    ("stop", "process 2 ended while others wait for it"),
    ("exit", r"BAD TERMINATION|\A\Z"), ("kill", "BAD TERMINATION")])   # MPICH's mpiexec may return the code alone
def test_what_goes_wrong_in_one_process_ends_all_and_is_said(wrong, named):
    begun = time.monotonic()
    printed, well = run(3, "larger", "--wrong", wrong, "--on", 2)
    assert not well
    assert re.search(named, printed), printed
    assert "weights and history" not in printed
    assert time.monotonic() - begun < 60


def test_a_callback_that_fails_ends_all():
    printed, well = run(3, "mlp", "--wrong", "callback")
    assert not well
    assert "process 0 of 3 (counted from 0) failed, and all end with it: ValueError: a callback's own" in printed


def test_a_loss_that_is_not_finite_is_told_everywhere_by_the_shard_that_has_it():
    printed, well = run(3, "larger", "--wrong", "nan", "--on", 2)
    assert not well
    assert re.search(r"TrainingDiverged: The loss is nan in epoch [12], .* output of 'goes_wrong_1'", printed), printed


def test_more_processes_than_shards_are_refused():
    printed, well = run(3, "mlp", "--shards", 2)
    assert not well
    assert "expected at most as many processes as shards, 2" in printed
    assert "Received: 3 processes" in printed
