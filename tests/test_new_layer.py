"""A layer that is made public is known wherever it must be; each failure says where to add it.

CONTRIBUTING.md has the same places as a checklist.
"""

import inspect
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from test_layer_contract import LAYERS

from tinynet import Sequential, layers, study
from tinynet.testing import strategies

sys.path.insert(0, str(Path(__file__).parent / "mutants"))

from catalogue import PROJECT, load

MUTANTS = load()
ALL = {getattr(layers, name) for name in layers.__all__}
KINDS = sorted(ALL - {layers.Layer, layers.Input}, key=lambda kind: kind.__name__)      # Input computes nothing

SHAPES = [(5,), (4, 3), (2, 6, 5), (2, 6, 4)]

pytestmark = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@cache
def drawn():
    """Return a layer, with its ``input_shape``, of each kind that the strategies draw, by its class."""
    found = {}

    for number in range(20):                             # as a rule a few are enough
        @seed(number)
        @settings(max_examples=200, database=None, phases=[Phase.generate])
        @given(st.one_of([st.tuples(strategies.calls(shape), st.just(shape)) for shape in SHAPES]))
        def draw(drawn):
            (kind, config), shape = drawn
            found[kind] = lambda: kind(**config, input_shape=shape)
        draw()
        if found.keys() >= set(KINDS):
            break
    return {kind: make() for kind, make in found.items()}


def has_rule(function, kind):
    return function.dispatch(kind) is not function.dispatch(object)


@pytest.mark.rest
def test_hypothesis_draws_it(kind):
    assert kind in drawn(), f"Let `calls` draw {kind.__name__}, in tinynet/testing/layer_calls.py."


@pytest.mark.rest
def test_study_knows_what_it_sees_and_what_it_costs(kind):
    if kind not in drawn():
        pytest.skip("first let `calls` draw it; then this test tells what else is missing")
    model = Sequential([drawn()[kind]])
    model.build(model.input_shape)
    for leaf in {step.layer for step in model.steps()}:
        name = type(leaf).__name__
        assert has_rule(study.reach, type(leaf)), f"Give {name} a rule of `reach`, in tinynet/study/cost/costs.py."
        assert not leaf.params or has_rule(study.multiply_adds, type(leaf)), (
            f"{name} has parameters: give it a rule of `multiply_adds`, in tinynet/study/cost/costs.py.")
        assert "padding" not in leaf.get_config() or has_rule(study.padding, type(leaf)), (
            f"{name} pads: give it a rule of `padding`, in tinynet/study/receptive_fields.py.")


def test_the_contract_is_tested_with_the_oracle_of_the_tests(kind):
    assert kind in {type(make()) for make, _ in LAYERS.values()}, (
        f"Add {kind.__name__} to LAYERS, in tests/test_layer_contract.py.")


def test_defects_are_seeded_into_it(kind):
    file = Path(inspect.getsourcefile(kind)).resolve().relative_to(PROJECT).as_posix()
    assert file in {mutant.file for mutant in MUTANTS}, f"Seed some defects into {file}, in tests/mutants/defects."


def test_the_book_tells_of_it(kind):
    pages = " ".join(page.read_text(encoding="utf-8") for page in (PROJECT / "docs").glob("*.md"))
    assert kind.__name__.lower() in pages.lower(), f"Tell of {kind.__name__} on a page of docs."


def test_the_changelog_tells_of_it(kind):
    assert kind.__name__ in (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8"), (
        f"Add {kind.__name__} to CHANGELOG.md.")


def test_what_has_a_forward_is_public(kind):
    module = inspect.getmodule(kind)
    with_forward = {thing for thing in vars(module).values() if inspect.isclass(thing)
                    and thing.__module__ == module.__name__ and "forward" in vars(thing)}
    assert with_forward <= ALL, (
        f"Import {with_forward - ALL} in tinynet/layers/__init__.py, and add it to __all__ there.")
