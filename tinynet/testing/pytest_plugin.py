"""The pytest plugin: the fixture `gradients`, ``--gradients-seed``, and the cause of a wrong gradient in the summary.

It is installed as ``pytest_tinynet``, beside the package, because pytest loads it in every run, also where no gradient
is checked: tinynet is imported when the fixture is used.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tinynet.testing import GradientReport

SEED = pytest.StashKey[int]()
USED = pytest.StashKey[bool]()         # by a test, which then depends on the seed


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--gradients-seed``."""
    parser.getgroup("gradients", "gradient checks, of tinynet").addoption(
        "--gradients-seed", default="0", metavar="N|random",
        help="seed of the fixture `gradients`, its checks and its rng (default: 0); `random` draws one, and prints it")


def pytest_configure(config: pytest.Config) -> None:
    """Settle the seed; processes of pytest-xdist get that of the first."""
    seed = getattr(config, "workerinput", {}).get("gradients_seed", config.getoption("gradients_seed"))
    try:
        config.stash[SEED] = random.SystemRandom().randrange(2 ** 32) if seed == "random" else int(seed)
    except ValueError:
        raise pytest.UsageError(f"--gradients-seed: expected a whole number, or random. Received: {seed}.") from None
    if config.stash[SEED] < 0:
        raise pytest.UsageError(f"--gradients-seed: expected 0 or more. Received: {seed}.")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Hand the seed to a process of pytest-xdist."""
    node.workerinput["gradients_seed"] = node.config.stash[SEED]         # type: ignore[attr-defined]


def pytest_report_header(config: pytest.Config) -> str | None:
    """Print a seed that was drawn or chosen."""
    chosen = config.getoption("gradients_seed") != "0"
    return f"gradients: --gradients-seed={config.stash[SEED]}" if chosen else None


class Gradients:
    """Gradient checks with the seed of this run; each takes what the function of `tinynet.testing` takes.

    Attributes
    ----------
    seed : of ``--gradients-seed``.
    rng : a generator with that seed, the same at the beginning of each test: for arguments to check at.
    """

    def __init__(self, seed: int):
        import numpy as np

        from tinynet import testing
        self.seed, self.rng = seed, np.random.default_rng(seed)
        self.testing = testing

    def check_vjp(self, *args: object, **settings: object) -> GradientReport:
        """Check a pair of functions: ``gradients.check_vjp(f, vjp, x)``."""
        __tracebackhide__ = True
        return self._check(self.testing.check_vjp, args, settings)

    def check_function(self, *args: object, **settings: object) -> GradientReport:
        """Check a function that differentiates itself: ``gradients.check_function(f, x)``."""
        __tracebackhide__ = True
        return self._check(self.testing.check_function, args, settings)

    def check_loss(self, *args: object, **settings: object) -> GradientReport:
        """Check a whole loss: ``gradients.check_loss(value_and_grad, params)``."""
        __tracebackhide__ = True
        return self._check(self.testing.check_loss, args, settings)

    def check_gradients(self, *args: object, **settings: object) -> GradientReport:
        """Check a layer, a loss or a model of tinynet: ``gradients.check_gradients(layer, x)``."""
        __tracebackhide__ = True
        return self._check(self.testing.check_gradients, args, settings)

    def _check(self, check: Callable[..., GradientReport], args: tuple[object, ...],
               settings: dict[str, object]) -> GradientReport:
        __tracebackhide__ = True
        return check(*args, **{"seed": self.seed, **settings})


@pytest.fixture
def gradients(request: pytest.FixtureRequest) -> Gradients:
    """Gradient checks with the seed of ``--gradients-seed``, and a generator with that seed."""
    request.node.stash[USED] = True
    return Gradients(request.config.stash[SEED])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport,
                                                                                           pytest.TestReport]:
    """Name the cause in the summary's line, and say how a check with the fixture is repeated."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, AssertionError) and type(error).__name__ == "GradientMismatch":
        crash = getattr(report.longrepr, "reprcrash", None)
        if crash is not None:
            crash.message = in_one_line(error.report)                     # type: ignore[attr-defined]
        if item.stash.get(USED, False):
            report.sections.append(("gradients", f"repeat with --gradients-seed={item.config.stash[SEED]}"))
    return report


def in_one_line(report: GradientReport) -> str:
    """Return what is wrong first, and its likely cause."""
    first = report.failures[0]
    what = ": ".join(filter(None, (first.tensor, first.explanation or first.message)))
    more = f" (and {len(report.failures) - 1} more)" if len(report.failures) > 1 else ""
    return f"{report.target}: {what}{more}"
