"""A pytest plugin for the copies: it picks the tests, notes what they run, and vouches for the source they import.

What it is to do stands in the JSON file that TINYNET_WITNESS names; what it saw goes beside it, in ``....seen``.
"""

import json
import os
import sys
import threading
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from kinds import kind_of

ORDERS = Path(os.environ["TINYNET_WITNESS"])
ASKED = json.loads(ORDERS.read_text())      # root: the copy; file: the mutated one; kinds; tests: None is all; record
ROOT = Path(ASKED["root"])
SOURCE = ROOT / "tinynet", ROOT / "examples"

# The suite's fast profile, the same examples every time; a failure is not made smaller, nor remembered.
settings.register_profile("mutants", max_examples=25, deadline=None, derandomize=True, database=None,
                          phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))

failed: dict[str, str] = {}                 # the first failing test of each kind
ran: Counter[str] = Counter()
running: dict[int, object] = {}             # code objects called since the last look, by identity
calls = defaultdict(set)                    # by a test, by what it needs in its file, by the import of all ("")


def note(frame, event, argument):
    """Note what is called, as a profiler."""
    if event == "call":
        running[id(frame.f_code)] = frame.f_code


def look(whose):
    """Put down the functions of tinynet and of the examples called since the last look."""
    for code in [*running.values()]:
        path = Path(code.co_filename)
        if any(map(path.is_relative_to, SOURCE)):
            calls[whose].add(f"{path.relative_to(ROOT)}:{code.co_firstlineno}")
    running.clear()


def pytest_configure():
    if ASKED["record"]:
        threading.setprofile(note)
        sys.setprofile(note)


def pytest_collection_modifyitems(items):
    tests = None if ASKED["tests"] is None else set(ASKED["tests"])
    items[:] = [item for item in items if kind_of(item.nodeid) in ASKED["kinds"] and not item.get_closest_marker("long")
                and (tests is None or item.nodeid in tests)]


def pytest_collection_finish(session):
    ran.update(kind_of(item.nodeid) for item in session.items)
    look("")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if kind_of(item.nodeid) in failed:
        pytest.skip("the defect is found")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    look(item.location[0])                  # fixtures: some are shared by all tests of a file
    yield
    look(item.nodeid)


def pytest_runtest_logreport(report):
    if report.failed:
        failed.setdefault(kind_of(report.nodeid), report.nodeid)


def pytest_sessionfinish():
    sys.setprofile(None)
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "tinynet"
               or any(map(Path(getattr(module, "__file__", None) or "").is_relative_to, SOURCE))]
    files = {str(Path(module.__file__).relative_to(ROOT)): module.__spec__ for module in modules}     # or it raises
    spec = files.get(ASKED["file"])
    if spec is not None:                    # no stale bytecode: what was imported is the text in the file
        assert spec.loader.get_code(spec.name) == compile(Path(spec.origin).read_text(), spec.origin, "exec")
    seen = {"failed": failed, "ran": ran, "imported": sorted(files),
            "calls": {whose: sorted(called) for whose, called in calls.items()}}
    ORDERS.with_suffix(".seen").write_text(json.dumps(seen))
