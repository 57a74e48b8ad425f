"""The pytest plugin, in a pytest of its own: the fixture, the seed, and what is printed of a wrong gradient."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

WRONG = """
    import numpy as np
    from tinynet.testing import check_vjp

    def square(x):
        return x ** 2

    def square_vjp(dy, x):
        return dy * x
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest on a file of tests in this process; return its result."""
    monkeypatch.setenv("COLUMNS", "200")
    def run(code, *options):
        pytester.makepyfile(code)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "pytest_tinynet", *options)
    return run


def test_a_failure_shows_the_test_and_the_report_and_nothing_of_tinynet(run):
    result = run(WRONG + """
    def test_square():
        check_vjp(square, square_vjp, np.arange(1.0, 4.0))
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([
        ">*check_vjp(square, square_vjp, np.arange(1.0, 4.0))",
        "E*tinynet.testing.GradientMismatch: square: GRADIENTS ARE WRONG.",
        "E*tensor  checked *", "E*x * 3 *",
        "E*Likely cause: every entry is half of what it should be*"])
    text = result.stdout.str()
    assert "site-packages" not in text
    assert "/tinynet/testing/" not in text
    assert "def check_vjp" not in text


def test_the_summary_names_the_cause(run):
    result = run(WRONG + """
    def test_square():
        check_vjp(square, square_vjp, np.arange(1.0, 4.0))

    def test_other():
        assert 1 == 2
    """, "-rf", "--tb=no")
    result.stdout.fnmatch_lines(["FAILED *::test_square - square: x: every entry is half*",
                                 "FAILED *::test_other - assert 1 == 2"])


def test_the_fixture_checks_with_the_seed_and_says_how_to_repeat_it(run):
    code = WRONG + """
    def test_seed(gradients):
        print("drawn", gradients.seed, int(gradients.rng.integers(1000)), np.random.default_rng(17).integers(1000))
        gradients.check_vjp(square, lambda dy, x: 2 * x * dy, gradients.rng.normal(size=3))
        gradients.check_vjp(square, square_vjp, gradients.rng.normal(size=3))
    """
    result = run(code, "--gradients-seed=17")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["gradients: --gradients-seed=17", ">*gradients.check_vjp(square, square_vjp, *",
                                 "*repeat with --gradients-seed=17"])
    drawn, = (line.split() for line in result.outlines if line.startswith("drawn"))
    assert drawn[1] == "17"
    assert drawn[2] == drawn[3]
    assert "pytest_tinynet.py" not in result.stdout.str()
    assert "--gradients-seed" not in "".join(run(code).outlines[:6])          # 0, as ever, is not worth a line


def test_all_four_checks_take_the_seed_and_another_one(run):
    result = run("""
    import numpy as np
    from tinynet.layers import Tanh
    import tinynet.testing

    def test_seeds(gradients, monkeypatch):
        seen = []
        for name in ("check_vjp", "check_function", "check_loss", "check_gradients"):
            monkeypatch.setattr(tinynet.testing, name, lambda *args, **settings: seen.append((args, settings)))
            getattr(gradients, name)(name)
            getattr(gradients, name)(name, seed=3, rtol=1)
        assert [args[0] for args, _ in seen[::2]] == ["check_vjp", "check_function", "check_loss", "check_gradients"]
        assert [settings for _, settings in seen] == 4 * [{"seed": 5}, {"seed": 3, "rtol": 1}]

    def test_right(gradients):
        gradients.check_gradients(Tanh(), input_shape=(3,))
        gradients.check_loss(lambda x: ((x ** 2).sum(), 2 * x), np.ones(2))
    """, "--gradients-seed=5")
    result.assert_outcomes(passed=2)


def test_a_random_seed_is_printed(run):
    result = run("def test_nothing(): pass", "--gradients-seed=random")
    seeds = [line.partition("=")[2] for line in result.outlines if line.startswith("gradients: ")]
    assert len(seeds) == 1
    assert 0 <= int(seeds[0]) < 2 ** 32


@pytest.mark.parametrize("seed", ["some", "-1", "1.5"])
def test_what_is_no_seed_is_refused(run, seed):
    result = run("def test_nothing(): pass", f"--gradients-seed={seed}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --gradients-seed: expected *. Received: {seed}."])


@pytest.mark.long
def test_processes_of_xdist_share_a_random_seed(pytester):
    pytester.makepyfile("""
    import pytest
    @pytest.mark.parametrize("k", range(4))
    def test_seed(gradients, k):
        raise ValueError(f"seed {gradients.seed}")
    """)
    result = pytester.runpytest_subprocess("-p", "pytest_tinynet", "-n2", "--gradients-seed=random")
    seeds = {line.split()[-1] for line in result.outlines if "ValueError: seed" in line}
    assert len(seeds) == 1


def test_the_plugin_loads_neither_numpy_nor_tinynet():
    code = "import sys, pytest_tinynet; print(*{'numpy', 'numba', 'tinynet'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_the_package_announces_it():
    import tomllib
    from pathlib import Path
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"pytest_tinynet": "pytest_tinynet"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {
        "tinynet/testing/pytest_plugin.py": "pytest_tinynet.py"}
