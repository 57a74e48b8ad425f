"""The reference: which names it has, and how they and the chapters are linked; test_docs_site.py builds the pages."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import tinynet.layers
import tinynet.optimizers.schedules

DOCS = Path(__file__).resolve().parent.parent / "docs"
sys.path.insert(0, str(DOCS))
reference = importlib.import_module("reference")
sys.path.remove(str(DOCS))


def test_every_public_name_of_a_room_is_in_the_reference_once():
    public = reference.public()
    assert {f"tinynet.layers.{layer.__name__}" for layer in map(tinynet.layers.__dict__.get, tinynet.layers.__all__)
            if layer.__module__.startswith("tinynet.layers")} <= set(public)
    assert "tinynet.optimizers.schedules.CosineDecay" in public
    assert "CosineDecay" in reference.elsewhere()["tinynet.optimizers"]           # exported there, documented once
    assert len(set(map(id, public.values()))) == len(public)
    assert not any(name.rpartition(".")[2].startswith("_") for name in public)


def test_a_chapter_links_to_what_its_code_imports():
    names = reference.imported(DOCS / "pooling.md")
    assert {"tinynet.layers.MaxPool2D", "tinynet.study.pool_step", "tinynet.testing.check_gradients"} <= set(names)
    assert "tinynet.layers.Dropout" not in names
    assert "tinynet.study.health" in reference.imported(DOCS / "when-it-does-not-learn.md")       # as study.health


def test_a_name_links_to_the_chapter_that_shows_its_source_and_else_to_the_first_that_imports_it():
    chapters = reference.chapters_of()
    assert chapters["tinynet.layers.MaxPool2D"] == ["pooling"]
    assert chapters["tinynet.layers.BatchNormalization"] == ["batch-normalisation"]
    assert chapters["tinynet.layers.GaussianNoise"] == ["dropout"]                # shown nowhere, imported there


def test_a_doctest_behind_parameters_gets_a_heading():
    lines = ["Title.", "", "Parameters", "----------", "x : a number.", "", ">>> 1", "1"]
    reference.head_examples(None, "", "", None, None, lines)
    assert lines[5:] == ["", "Examples", "--------", ">>> 1", "1"]
    plain = ["Title.", "", ">>> 1", "1"]
    reference.head_examples(None, "", "", None, None, plain)
    assert plain == ["Title.", "", ">>> 1", "1"]
