"""Every exercise is whole: its solution passes, its file is unfinished, and known mistakes are told apart."""

import ast

import numpy as np
import pytest
from answers import TASKS, marked

from tinynet.exercises.catalogue import EXERCISES, find
from tinynet.exercises.folder import Folder
from tinynet.exercises.marking.variants import make
from tinynet.exercises.source import solved, to_fill_in

NAMES = list(EXERCISES)
SHORT = [name for name in NAMES if name != "network"]
KNOWN = [(task.name, number) for _, task in TASKS.values() for number in range(len(task.mistakes))]


def test_there_are_at_least_25_and_the_last_is_the_network():
    assert len(EXERCISES) >= 25
    assert NAMES[-1] == "network"


@pytest.mark.parametrize("name", NAMES)
def test_it_has_three_hints_a_chapter_and_trials(name):
    exercise = EXERCISES[name]
    assert len({*exercise.hints}) == 3
    for task in exercise.tasks:
        assert task.solution.__doc__
        trials = list(task.trials(np.random.default_rng(0)))
        assert len(trials) >= 3
        assert len({trial.name for trial in trials}) == len(trials)


def test_they_come_in_the_order_of_the_book(request):
    index = (request.config.rootpath / "docs" / "index.md").read_text()
    chapters = [exercise.chapter for exercise in EXERCISES.values() if exercise.chapter != "gradient-checking"]
    places = [index.index(f"]({chapter}.md)") for chapter in chapters]
    assert places == sorted(places)


def test_its_chapter_is_a_page_of_the_book(request):
    pages = {path.stem for path in (request.config.rootpath / "docs").glob("*.md")}
    assert {exercise.chapter for exercise in EXERCISES.values()} <= pages


@pytest.mark.parametrize("name", NAMES)
def test_its_files_are_python_and_alike_but_for_the_bodies(name):
    exercise = find(name)
    empty, full = (ast.parse(text) for text in (to_fill_in(exercise), solved(exercise)))
    shown = [[(type(node), getattr(node, "name", None), ast.get_docstring(node)) for node in ast.walk(tree)
              if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node)]
             for tree in (empty, full)]
    assert shown[0] == [entry for entry in shown[1] if entry in shown[0]]
    assert to_fill_in(exercise).count("NotImplementedError") >= len(exercise.tasks)


@pytest.mark.long
def test_in_a_folder_the_empty_files_are_unfinished_and_the_solutions_right(tmp_path):
    folder = Folder(tmp_path)
    for exercise in EXERCISES.values():
        assert folder.start(exercise)
        assert folder.check(exercise).unfinished
    for exercise in EXERCISES.values():
        folder.file(exercise).write_text(solved(exercise))
    for exercise in EXERCISES.values():
        verdict = folder.check(exercise)
        assert verdict.passed, verdict
        assert (verdict.score, verdict.cause) == (1, None)


def told_apart(name, number):
    """A mistake that is known is wrong, named, and mistaken for no other."""
    _, task = TASKS[name]
    mistake = task.mistakes[number]
    answer = make(task.solution, (mistake,))
    assert answer is not None, f"{name}: {mistake.edits} do not fit the solution"
    verdict = marked(name, answer)
    assert verdict.cause == mistake.cause, f"{mistake}\n{verdict}"
    assert "Or: " not in str(verdict), f"{mistake}\n{verdict}"


@pytest.mark.slow
def test_every_hundredth_known_mistake_is_told_from_the_others():
    for case in KNOWN[::100]:
        told_apart(*case)


@pytest.mark.long
@pytest.mark.parametrize(("name", "number"), KNOWN)
def test_every_known_mistake_is_told_from_the_others(name, number):
    told_apart(name, number)


@pytest.mark.parametrize("name", ["relux", "soft_max", "conv"])
def test_a_name_that_there_is_not_is_refused_with_what_is_near(name):
    with pytest.raises(ValueError, match=r"expected the name of an exercise"):
        find(name)


def test_a_files_name_will_do():
    assert find("relu.py").name == "relu"
