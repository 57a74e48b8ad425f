"""Every bug behaves as told, is caught by the check that its solution names, and can be repaired."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tinynet.exercises.bugs import load
from tinynet.exercises.bugs.running import agrees, run_beside

pytestmark = pytest.mark.exercises

TOLD = tomllib.loads((Path(__file__).parent / "bugs_told.toml").read_text())
CHECKS = ("AssertionError", "GradientMismatch", "ContractViolation")


@cache
def of_the_right_files(script, files):
    return run_beside(script, dict(files))


@pytest.mark.parametrize("name", load())
def test_the_symptom_is_as_told_and_the_right_copy_has_none(name):
    bug = load()[name]
    seen, wanted = run_beside(bug.look, bug.broken()), of_the_right_files(bug.look, tuple(bug.right().items()))
    assert wanted.done, wanted.text
    assert seen.done, seen.text
    assert re.search(TOLD[name], seen.text, re.MULTILINE)
    assert not re.search(TOLD[name], wanted.text, re.MULTILINE)
    assert not agrees(seen, wanted)
    assert agrees(wanted, wanted)


@pytest.mark.parametrize("name", load())
def test_the_check_of_the_solution_catches_it_and_passes_what_is_right(name):
    bug = load()[name]
    caught, passed = run_beside(bug.catch, bug.broken()), of_the_right_files(bug.catch, tuple(bug.right().items()))
    assert passed.done, passed.text
    assert not caught.done
    assert any(check in caught.text for check in CHECKS) or name == "cnn-3"         # which crashes


@pytest.mark.parametrize("name", ["mlp-1", "cnn-2"])
def test_a_script_runs_by_itself(name):
    bug = load()[name]
    done = run_beside(f"import runpy; runpy.run_path({bug.guilty!r}, run_name='__main__')", bug.broken())
    assert done.done
    assert "epoch 4   loss" in done.text
