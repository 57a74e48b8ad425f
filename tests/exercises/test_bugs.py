"""``python -m tinynet bugs``: the catalogue fits today's source, guesses are told warmer or colder, nothing is lost."""

import ast
import dataclasses
import re
import sys
import tomllib
from pathlib import Path

import pytest

from tinynet.__main__ import main as tinynet_main
from tinynet.exercises.bugs import find, load
from tinynet.exercises.bugs.catalogue import HEAD, LEVELS, PACKAGE
from tinynet.exercises.bugs.commands import COMMANDS, main
from tinynet.exercises.bugs.folder import Folder, Record
from tinynet.exercises.bugs.guessing import bug_lines, judge, original_line, says_nothing, statements_at
from tinynet.exercises.bugs.running import Run, agrees, run_beside

sys.path.insert(0, str(Path(__file__).parents[1] / "mutants"))

import catalogue

BUGS = load()
SAMPLED = [pytest.param(name, marks=[pytest.mark.exercises] if index % 12 else []) for index, name in enumerate(BUGS)]
DATA = PACKAGE / "exercises" / "bugs" / "data"
TOLD = tomllib.loads((Path(__file__).parent / "bugs_told.toml").read_text())

RIGHT = '''"""What a layer does."""

import numpy


class Layer:
    def forward(self, x):
        """Double it."""
        y = 2 * x
        z = y + 1

        def backward(dy):
            a = dy
            b = 2 * a
            return b
        return z, backward

    def other(self):
        return 1


def apart():
    return 2
'''
BROKEN = RIGHT.replace("b = 2 * a", "b = 3 * a")             # line 14


def test_there_are_three_levels_and_many_bugs():
    entries = [entry for path in DATA.glob("*.toml") for entry in tomllib.loads(path.read_text())["bugs"]]
    assert len(entries) == len(BUGS) >= 40                          # a name twice would be lost
    assert all(sum(bug.level == level for bug in BUGS.values()) >= 10 for level in LEVELS)
    assert set(TOLD) == set(BUGS)


def test_every_bug_fits_todays_source_in_one_place():
    for bug in BUGS.values():
        right, broken = bug.right(), bug.broken()                    # raises where the old text is not there once
        assert {file for file in right if right[file] != broken[file]} == {bug.guilty}


@pytest.mark.parametrize("old", ["what is nowhere", "self"])
def test_a_bug_that_does_not_fit_is_told(old):
    bug = dataclasses.replace(find("dense-1"), old=old)
    with pytest.raises(ValueError, match=r"'dense-1': expected its old text once in layers/dense.py. Found: "):
        bug.broken()


@pytest.mark.parametrize("name", SAMPLED)
def test_the_copy_stands_alone(name):
    bug = BUGS[name]
    right, broken = bug.right(), bug.broken()
    for file, text in broken.items():
        tree = ast.parse(text)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
        assert not {Path(other).stem for other in right} & {"look", *sys.stdlib_module_names}, file


@pytest.mark.parametrize("name", SAMPLED)
def test_its_lines_run_and_are_the_right_guess(name):
    bug = BUGS[name]
    right, broken = bug.right()[bug.guilty], bug.broken()[bug.guilty]
    lines = bug_lines(right, broken)
    tree = ast.parse(broken)
    assert any(not says_nothing(tree, line, broken) for line in lines)
    answer = statements_at(tree, lines)
    last = len(broken.splitlines())
    for line in {*answer, min(answer) - 1 or 1, min(max(answer) + 1, last), 1, last}:
        guess = judge(line, bug.guilty, bug.guilty, right, broken)
        assert guess.right == (line in answer)
        assert guess.right or guess.words.startswith(("Hot", "Warm", "Lukewarm", "Cold"))
    assert len(answer) <= 8


@pytest.mark.parametrize("name", SAMPLED)
def test_nothing_gives_the_answer_away_before_the_solution(name):
    bug = BUGS[name]
    assert len(set(bug.hints)) == 3
    told = " ".join([bug.title, bug.story, bug.look, *bug.hints])
    for change in (bug.new.strip(), bug.old.strip()):
        assert not change or change not in told
    assert all(text.strip() for text in (*bug.hints, bug.why, bug.title, bug.story, bug.look, bug.catch))


@pytest.mark.exercises
def test_many_are_defects_that_the_suite_is_known_to_find():
    seeded = {(mutant.file, mutant.apply((catalogue.PROJECT / mutant.file).read_text()))
              for mutant in catalogue.load() if Path(mutant.file).name in {bug.guilty for bug in BUGS.values()}}
    ours = [bug for bug in BUGS.values() if len(bug.files) == 1
            and (f"tinynet/{bug.file}", bug.broken()[bug.guilty]) in seeded]
    assert len(ours) >= 30


@pytest.mark.parametrize(("line", "words", "distance"), [
    (14, "Right.", (0, 0, 0)),
    (13, "Hot: right file, right function, backward; look one to three lines further down.", (0, 0, 1)),
    (15, "Hot: right file, right function, backward; look one to three lines further up.", (0, 0, 1)),
    (9, "Lukewarm: the bug is in Layer, but not in Layer.forward itself. Ask which way it goes wrong: are the outputs "
        "wrong already, on the way forward, or only what comes back? Look further down.", (0, 1, 5)),
    (19, "Lukewarm: the bug is in Layer, but not in Layer.other itself. Ask which way", (0, 3, 5)),
    (23, "Cold: right file, but apart does what it should. Look further up", (0, 4, 9)),
    (8, "Cold: line 8 of layer.py computes nothing", (0, 99, 0)),
    (3, "Cold: line 3 of layer.py computes nothing", (0, 99, 0)),
    (5, "Cold: line 5 of layer.py computes nothing", (0, 99, 0)),
])
def test_a_guess_is_told_where_to_think(line, words, distance):
    guess = judge(line, "layer.py", "layer.py", RIGHT, BROKEN)
    assert guess.words.startswith(words)
    assert guess.distance == distance
    assert guess.right == (line == 14)


def test_the_wrong_file_is_cold_and_far_lines_are_warm():
    assert judge(3, "base.py", "layer.py", RIGHT, BROKEN).words == ("Cold: nothing in base.py is wrong. Another file "
                                                                   "is.")
    long = "def f(x):\n" + "    x = x + 1\n" * 9 + "    return x\n"
    broken = long.replace("return x", "return -x")
    assert judge(7, "f.py", "f.py", long, broken).words == ("Warm: right file, right function, f; look further down, "
                                                            "more than three lines.")
    assert judge(8, "f.py", "f.py", long, broken).words.startswith("Hot: ")


def test_where_a_line_is_missing_the_lines_around_are_right():
    broken = RIGHT.replace("        z = y + 1\n", "        z = y\n").replace("            a = dy\n", "")
    assert bug_lines(RIGHT, RIGHT.replace("            a = dy\n", "")) == {12, 13}
    assert bug_lines(RIGHT, broken) == {10, 12, 13}


def test_a_guess_counts_lines_in_the_file_as_the_learner_has_it():
    now = BROKEN.replace("        y = 2 * x\n", "        print(x)\n        y = 2 * x\n")
    assert [original_line(line, now, BROKEN) for line in (8, 11, 15)] == [8, 10, 14]
    repaired = BROKEN.replace("b = 3 * a", "b = 2 * a  # here")
    assert original_line(14, repaired, BROKEN) == 14


@pytest.mark.parametrize(("seen", "same"), [
    ("loss 0.250\nx 7", True), ("debug\nloss 0.2502 ##\nmore\nx 7", True), ("x 7\nloss 0.250", False),
    ("loss 0.300\nx 7", False), ("loss nan\nx 7", False), ("loss 0.250\nx 8", False), ("loss 0.250", False),
])
def test_what_is_printed_is_compared_by_its_lines_and_numbers(seen, same):
    assert agrees(Run(seen, True), Run("loss 0.250 #\nx 7", True)) is same
    assert not agrees(Run(seen, False), Run("loss 0.250 #\nx 7", True))


def test_what_the_learner_wrote_is_never_overwritten(tmp_path):
    folder, bug = Folder(tmp_path), find("dense-1")
    written, kept = folder.start(bug)
    assert ([path.name for path in written], kept) == (["dense.py", "look.py"], [])
    assert (tmp_path / "dense-1" / "look.py").read_text() == HEAD + bug.look
    (tmp_path / "dense-1" / "dense.py").write_text("mine")
    (tmp_path / "dense-1" / "look.py").unlink()
    written, kept = folder.start(bug)
    assert ([path.name for path in written], [path.name for path in kept]) == (["look.py"], ["dense.py"])
    assert (tmp_path / "dense-1" / "dense.py").read_text() == "mine"


def test_what_is_remembered_is_read_again_and_damage_is_told(tmp_path, capsys):
    folder = Folder(tmp_path)
    folder.remember(find("dense-1"), Record(hints=2, guesses=3, end="found", distance=[0, 0, 0]))
    folder.remember(find("relu-1"), Record(hints=1))
    assert folder.record(find("dense-1")) == Record(2, 3, "found", [0, 0, 0])
    assert folder.record(find("pool-1")) == Record()
    assert main(["progress", "--folder", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"dense-1 +1 +found +3 +2\n", printed)
    assert re.search(r"relu-1 +1 +open +0 +1\n", printed)
    assert f"Level 1: 1 of {sum(bug.level == 1 for bug in BUGS.values())} found" in printed
    (tmp_path / "bugs.json").write_text('{"dense-1": {"hunts": 1}}')
    assert main(["progress", "--folder", str(tmp_path)]) == 2
    assert "Move it away to begin a new record" in capsys.readouterr().err


def test_guesses_and_hints_are_counted_and_the_answer_is_not_shown_unasked(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tinynet.exercises.bugs.commands.reveal", lambda bug: print("REVEALED"))
    monkeypatch.chdir(tmp_path)
    Folder(tmp_path).start(find("flatten-1"))
    text = (tmp_path / "flatten-1" / "flatten.py").read_text().splitlines()
    line = next(number for number, each in enumerate(text, 1) if 'order="F"' in each)
    for near, words in (line - 30, "."), (line - 2, "Warmer than before."), (line - 20, "Colder than before."):
        assert main(["guess", "flatten-1", f"flatten.py:{near}"]) == 1
        printed = " ".join(capsys.readouterr().out.split())
        assert printed.endswith(words)
        assert ("than before" in printed) == (words != ".")
    assert main(["hint", "flatten-1"]) == 0
    assert "2 hints left" in capsys.readouterr().out
    assert main(["solution", "flatten-1"]) == 2                      # nobody is there to be asked
    assert "--yes" in capsys.readouterr().out
    assert main(["guess", "flatten-1", str(line)]) == 0
    printed = capsys.readouterr().out
    assert "Found with guess number 4 and 1 hint." in printed
    assert "REVEALED" in printed
    assert main(["guess", "flatten-1", str(line - 2)]) == 1          # after the end nothing counts any more
    assert main(["guess", "flatten-1", str(line)]) == 0
    assert "Found with guess number 4 and 1 hint." in capsys.readouterr().out
    assert main(["solution", "flatten-1"]) == 0                      # it is known now
    assert main(["solution", "pool-1", "--yes"]) == 0
    assert Folder(tmp_path).record(find("pool-1")).end == "shown"


def test_neither_the_place_of_a_comment_nor_a_long_line_points_at_a_bug():
    for bug in load().values():
        right, broken = (files[bug.guilty].split("\n") for files in (bug.right(), bug.broken()))
        assert max(map(len, broken)) <= 120, bug.name
        for before, after in zip(right, broken, strict=False):
            if len(right) == len(broken) and before != after and "  # " in before and "  # " in after:
                room = len(after[:after.index("  # ")].rstrip()) + 2
                assert after.index("# ") == max(before.index("# "), room), bug.name


@pytest.mark.parametrize(("arguments", "words"), [
    (["guess", "dense-1", "dense.py:3"], "dense-1 was not started in"),
    (["check", "dense-1"], "python -m tinynet bugs start dense-1 --folder "),
    (["hint", "dense-11"], "Did you mean 'dense-1'?"),
    (["guess", "relu-1", "dense.py:3"], "expected FILE:LINE, with a file of relu-1: activations.py."),
    (["guess", "relu-1", "activations.py:0"], "expected a line from 1 to"),
    (["guess", "relu-1", "activations.py"], "expected FILE:LINE"),
    (["guess", "loss-5", "12"], "expected FILE:LINE, with a file of loss-5: base.py, regression.py."),
])
def test_what_was_not_understood_is_told_in_words(arguments, words, tmp_path, capsys):
    for name in ("relu-1", "loss-5"):
        Folder(tmp_path).start(find(name))
    assert main([*arguments, "--folder", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_the_list_names_every_bug_and_the_help_every_command(tmp_path, capsys):
    assert tinynet_main(["bugs", "list", "--folder", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf"^{name} +{re.escape(', '.join(bug.right()))} +{re.escape(bug.title)}$", printed, re.M)
               for name, bug in BUGS.items())
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in COMMANDS)


@pytest.mark.slow
def test_start_writes_the_next_bug_and_shows_what_is_seen(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in BUGS:
        if name != "flatten-1":
            Folder(tmp_path).start(find(name))
    assert main(["start"]) == 0
    printed = capsys.readouterr().out
    assert "flattened: 1.0 3.0 2.0 4.0" in printed
    assert "flattened: 1.0 2.0 3.0 4.0" in printed                   # beside a copy without the bug
    assert "python -m tinynet bugs guess flatten-1 flatten.py:LINE" in printed
    assert main(["check", "flatten-1"]) == 2                         # nothing was repaired yet
    assert main(["start"]) == 0
    assert "All bugs were started." in capsys.readouterr().out


@pytest.mark.exercises
def test_a_repair_in_words_of_ones_own_is_right(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Folder(tmp_path).start(find("flatten-1"))
    copy = tmp_path / "flatten-1" / "flatten.py"
    broken = copy.read_text()
    copy.write_text(broken.replace("), order=\"F\"), backward", ") + 0), backward"))
    monkeypatch.setattr("tinynet.exercises.bugs.commands.reveal", lambda bug: print("REVEALED"))
    assert main(["check", "flatten-1"]) == 0
    assert "REVEALED" in capsys.readouterr().out
    assert Folder(tmp_path).record(find("flatten-1")).end == "repaired"
    assert main(["symptom", "flatten-1"]) == 0
    assert "the symptom is gone" in capsys.readouterr().out


@pytest.mark.exercises
def test_a_symptom_that_is_hidden_is_no_repair(tmp_path, capsys):
    bug = find("dropout-2")
    Folder(tmp_path).start(bug)
    copy = tmp_path / bug.name / "dropout.py"
    copy.write_text(copy.read_text() + "\n\nprint('looking')\n")
    assert main(["check", bug.name, "--folder", str(tmp_path)]) == 1
    assert "The symptom is still there" in capsys.readouterr().out
    copy.write_text("raise SystemExit")
    assert main(["check", bug.name, "--folder", str(tmp_path)]) == 1
    assert "(It stopped before its end.)" in capsys.readouterr().out
    hidden = "\n        if x.size == 1000:\n            mask = (mask == 0) * scale"  # right for what the symptom shows
    copy.write_text(bug.broken()["dropout.py"].replace("< threshold) * scale", "< threshold) * scale" + hidden))
    assert main(["check", bug.name, "--folder", str(tmp_path)]) == 1
    assert "the check that is made for this bug fails still" in capsys.readouterr().out


@pytest.mark.exercises
def test_the_solution_shows_the_difference_and_what_the_check_says(tmp_path, capsys):
    assert main(["solution", "dense-2", "--yes", "--folder", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert '-                self.grads["bias"] = drows.mean(axis=0)' in printed
    assert '+                self.grads["bias"] = drows.sum(axis=0)' in printed
    assert "check_gradients(Dense(2), input_shape=(3,))" in printed
    assert "Likely cause: every entry is 1/3 of what it should be" in printed


@pytest.mark.exercises
def test_a_copy_that_exits_early_has_not_come_to_its_end():
    assert run_beside("print(7)", {}) == Run("7", True)
    assert run_beside("print(7)\nraise SystemExit", {}) == Run("7", False)
    assert not run_beside("1 / 0", {}).done


@pytest.mark.exercises
def test_the_page_shows_what_is_printed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (PACKAGE.parent / "docs" / "find-the-bug.md").read_text()
    shown = [command for block in re.findall(r"```text\n(.*?)\n```", page, re.DOTALL)
             for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    assert len(shown) >= 4
    for command in shown:
        line, _, printed = command.partition("\n")
        tinynet_main(line.split()[3:])
        tiny = re.compile(r"\d(\.\d+)?e-(09|1\d)|\s+")              # rounding, which differs by machine
        assert tiny.sub(" ", capsys.readouterr().out).strip() == tiny.sub(" ", printed).strip()


@pytest.mark.exercises
def test_an_endless_loop_is_stopped(monkeypatch):
    monkeypatch.setattr("tinynet.exercises.bugs.running.SECONDS", 3)
    assert run_beside("while True: pass", {}) == Run("It did not come to an end in 3 seconds, and was stopped.", False)
