"""``python -m tinynet``: it says what there is to do, and the demo does it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinynet
from tinynet import demo
from tinynet.__main__ import BESIDE, COMMANDS, main

ROOT = Path(__file__).resolve().parent.parent


def test_without_a_command_it_says_what_there_is_and_where(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in COMMANDS)
    assert f"in {ROOT}:" in printed
    for place in BESIDE.values():
        assert place in printed
        assert (ROOT / place).exists()


def test_where_only_the_package_is_installed_it_says_where_the_rest_is(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(tinynet, "__file__", str(tmp_path / "tinynet" / "__init__.py"))
    main([])
    assert f"in the source, tinynet-{tinynet.__version__}.tar.gz" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["dmo"], ["--nonsense"], ["demo", "--nonsense"]])
def test_what_there_is_not_is_told(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "text"), [
    (["demo", "--limit", "0"], "argument --limit: expected a whole number from 1. Received: 0."),
    (["demo", "--limit", "-5"], "argument --limit: expected a whole number from 1. Received: -5."),
    (["demo", "--epochs", "few"], "argument --epochs: expected a whole number from 0. Received: few."),
    (["demo", "--seed", "-1"], "argument --seed: expected a whole number from 0. Received: -1."),
    (["explore", "--port", "70000"], "argument --port: expected a whole number from 0 to 65535. Received: 70000."),
])
def test_a_number_that_cannot_be_is_told_before_anything_begins(arguments, text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"tinynet {tinynet.__version__}\n"


@pytest.mark.slow
def test_a_command_is_imported_only_when_it_is_asked_for():
    assert all(command.__doc__ for command in COMMANDS.values())
    code = "import sys, tinynet.__main__; print('tinynet.demo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.slow
def test_python_m_runs_it():
    done = subprocess.run([sys.executable, "-m", "tinynet"], capture_output=True, text=True, check=True)
    assert "demo" in done.stdout


@pytest.mark.slow
def test_the_demo_trains_and_shows_a_digit_with_the_probabilities_of_its_model(capsys):
    assert main(["demo", "--limit", "300", "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "Training on 300 digits" in printed
    assert "Epoch 1/1" in printed
    assert "Test error: " in printed
    bars = printed.rstrip("\n").rpartition("\n\n")[2]
    assert len(bars.splitlines()) == 10
    shares = [float(line.split()[1]) for line in bars.splitlines()]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert max(shares) < 50                                                # it is the one it is least sure of


def test_a_drawing_has_the_ink_of_the_digit_where_it_is():
    image = np.zeros((28, 28), np.uint8)
    image[4:6, 3], image[7, 20] = 255, 130
    lines = demo.drawn(image).split("\n")
    assert len(lines) == 14
    assert lines[2] == "   @"
    assert lines[3] == " " * 20 + "+"
    assert not any(line for number, line in enumerate(lines) if number not in (2, 3))
