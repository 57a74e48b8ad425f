"""``python -m tinynet exercises``: list, start, check, hint, solution, progress."""

import subprocess
import sys

import pytest

from tinynet.__main__ import main as tinynet_main
from tinynet.exercises import folder
from tinynet.exercises.catalogue import EXERCISES
from tinynet.exercises.command import main

BIAS = "def dense_bias_gradient(dy):\n    return dy.{}(axis=0)\n"


@pytest.fixture
def few():
    """Leave three exercises in the catalogue, so that all are checked at once; afterwards all are there, in order."""
    everything = dict(EXERCISES)
    for name in everything.keys() - {"flatten", "dense_bias_gradient", "relu"}:
        del EXERCISES[name]
    yield
    EXERCISES.clear()
    EXERCISES.update(everything)


def test_it_is_a_command_of_tinynet(capsys):
    assert tinynet_main(["exercises", "list"]) == 0
    printed = capsys.readouterr().out
    assert ["dense_bias_gradient.py", "dense_bias_gradient(dy)"] in [line.split()[-2:] for line in printed.splitlines()]


def test_list_has_names_files_and_signatures(capsys):
    main(["list"])
    printed = capsys.readouterr().out
    for exercise in EXERCISES.values():
        for task in exercise.tasks:
            assert f"{exercise.file}" in printed
            assert task.signature in printed
    assert "output_size(size, kernel_size, stride=1, padding=0)" in printed


def test_start_makes_the_folder_and_never_writes_over_a_file(few, tmp_path, capsys):
    folder = tmp_path / "mine"
    assert main(["start", "--folder", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == {"flatten.py", "dense_bias_gradient.py", "relu.py"}
    (folder / "relu.py").write_text("mine")
    (folder / "flatten.py").unlink()
    assert main(["start", "--folder", str(folder)]) == 0
    assert "1 files written" in capsys.readouterr().out
    assert (folder / "relu.py").read_text() == "mine"


@pytest.mark.slow
def test_check_returns_2_for_unfinished_1_for_wrong_0_for_right(few, tmp_path, capsys):
    here = ["--folder", str(tmp_path)]
    assert main(["check", *here]) == 2                                        # no file at all
    main(["start", *here])
    assert main(["check", *here]) == 2
    assert main(["check", "dense_bias_gradient", *here]) == 2
    assert "dense_bias_gradient.py, line " in capsys.readouterr().out
    (tmp_path / "dense_bias_gradient.py").write_text(BIAS.format("mean"))
    assert main(["check", "dense_bias_gradient", *here]) == 1
    assert main(["check", *here]) == 1
    assert "you took the mean over the batch" in capsys.readouterr().out
    (tmp_path / "dense_bias_gradient.py").write_text(BIAS.format("sum"))
    assert main(["check", "dense_bias_gradient.py", *here]) == 0
    assert "Next: relu (relu.py)" in capsys.readouterr().out
    assert main(["check", *here]) == 2
    capsys.readouterr()
    for name in EXERCISES:
        main(["solution", name, "--yes", *here])
        (tmp_path / f"{name}.py").write_text(capsys.readouterr().out)
    assert main(["check", *here]) == 0


@pytest.mark.parametrize(("text", "cause"), [
    ("def relu(x)\n    return x\n", "Python cannot read the file: SyntaxError"),
    ("import numpyy\n", "Reading the file failed: ModuleNotFoundError: No module named 'numpyy'"),
    ("raise SystemExit\n", "Reading the file failed: SystemExit"),
])
def test_a_file_that_cannot_be_read_is_told_with_its_line(text, cause, few, tmp_path, capsys):
    (tmp_path / "relu.py").write_text(text)
    assert main(["check", "relu", "--folder", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert cause in printed
    assert "relu.py, line 1:" in printed


def test_what_is_imported_from_another_exercise_is_unfinished_there(tmp_path, capsys):
    main(["start", "--folder", str(tmp_path)])
    (tmp_path / "relu.py").write_text("from flatten import flatten\n\n\ndef relu(x):\n    return flatten(x)\n")
    assert main(["check", "relu", "--folder", str(tmp_path)]) == 2
    assert "flatten.py, line " in capsys.readouterr().out


def test_hints_come_one_at_a_time_and_are_remembered(few, tmp_path, capsys):
    here = ["--folder", str(tmp_path)]
    for number in (1, 2, 3, 3):
        main(["hint", "relu", *here])
        printed = capsys.readouterr().out
        assert [line for line in printed.splitlines() if line.startswith("Hint ")] == [
            f"Hint {k} of 3: {text}" for k, text in enumerate(EXERCISES["relu"].hints[:number], 1)]
    assert "the last one" in printed
    main(["progress", *here])
    assert capsys.readouterr().out.splitlines()[3].split()[-1] == "3"


def test_a_solution_is_shown_after_a_question_and_writes_no_file(few, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda question: print(question) or "n")
    assert main(["solution", "relu", "--folder", str(tmp_path)]) == 1
    assert "You have seen 0 of 3 hints of relu." in capsys.readouterr().out
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert main(["solution", "relu", "--folder", str(tmp_path)]) == 0
    assert "return np.maximum(x, 0)" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_without_anybody_to_ask_the_solution_is_not_shown(tmp_path, capsys, monkeypatch):
    def nobody(question):
        raise EOFError
    monkeypatch.setattr("builtins.input", nobody)
    assert main(["solution", "relu", "--folder", str(tmp_path)]) == 1
    assert "add --yes" in capsys.readouterr().out


def test_progress_is_a_table(few, tmp_path, capsys):
    (tmp_path / "dense_bias_gradient.py").write_text(BIAS.format("mean"))
    main(["start", "--folder", str(tmp_path)])
    capsys.readouterr()
    assert main(["progress", "--folder", str(tmp_path)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[:4] == [["exercise", "chapter", "state", "score", "hints"],
                        ["flatten", "tensors", "unfinished", "0%"],
                        ["dense_bias_gradient", "dense", "wrong", "20%"],
                        ["relu", "losses", "unfinished", "0%"]]
    assert rows[-1] == ["0", "of", "3", "done."]


@pytest.mark.slow
def test_what_has_not_changed_is_not_marked_again(few, tmp_path, capsys, monkeypatch):
    here = ["--folder", str(tmp_path)]
    marked = []
    mark = folder.mark
    monkeypatch.setattr(folder, "mark", lambda exercise, *rest: marked.append(exercise.name) or mark(exercise, *rest))
    main(["start", *here])
    (tmp_path / "dense_bias_gradient.py").write_text(BIAS.format("mean"))
    (tmp_path / "relu.py").write_text("from flatten import flatten\n\n\ndef relu(x):\n    return flatten(x)\n")
    main(["progress", *here])
    assert sorted(marked) == ["dense_bias_gradient", "flatten", "relu"]
    marked.clear()
    main(["progress", *here])
    assert marked == []
    (tmp_path / "flatten.py").write_text("def flatten(x):\n    return x.reshape(len(x), -1)\n")     # relu imports it
    capsys.readouterr()
    main(["progress", *here])
    assert sorted(marked) == ["flatten", "relu"]
    assert capsys.readouterr().out.splitlines()[1].split() == ["flatten", "tensors", "right", "100%"]
    main(["start", *here])
    assert "Go on with dense_bias_gradient.py" in capsys.readouterr().out


def test_without_a_command_it_says_what_there_is(capsys):
    assert main([]) == 0
    assert "a table of what is done" in capsys.readouterr().out


def test_the_number_in_the_list_will_do(tmp_path, capsys):
    assert main(["hint", "1", "--folder", str(tmp_path)]) == 0
    assert "Hint 1 of 3: What does the first axis of x count?" in capsys.readouterr().out


def test_a_file_that_is_not_there_may_be_elsewhere(tmp_path, capsys):
    assert main(["check", "flatten", "--folder", str(tmp_path)]) == 2
    assert "--folder FOLDER" in capsys.readouterr().out


def test_all_lines_of_a_file_that_are_to_be_filled_in_are_named(tmp_path, capsys):
    main(["start", "--folder", str(tmp_path)])
    lines = (tmp_path / "network.py").read_text().splitlines()
    open_lines = [k for k, line in enumerate(lines, 1) if "NotImplementedError" in line]
    capsys.readouterr()
    assert main(["check", "network", "--folder", str(tmp_path)]) == 2
    printed = " ".join(capsys.readouterr().out.split())
    assert f"network.py, line {open_lines[-1]}:" in printed
    assert f"So are lines {', '.join(map(str, open_lines[:-1]))}." in printed


@pytest.mark.slow
@pytest.mark.parametrize("command", [pytest.param("exercises list", marks=pytest.mark.long), "bugs list"])
def test_a_reader_that_has_read_enough_is_no_error(command):
    with subprocess.Popen([sys.executable, "-m", "tinynet", *command.split()], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_wrong_name_is_told_with_what_is_near(capsys):
    with pytest.raises(SystemExit):
        main(["check", "softmx"])
    assert "Perhaps softmax" in capsys.readouterr().err
