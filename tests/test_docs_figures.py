"""The documentation's pictures are those that docs/figures draws, and all of it draws."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
PHOTOGRAPHED = {"tour", "explorer"}             # in a browser: examples/look_inside.py, tests/browser/picture.py
SAMPLE = {"conv-windows", "pool-routing"}
FEW = 400                                       # images to train on, where a figure is of a trained model

sys.path.insert(0, str(DOCS))
figures = importlib.import_module("figures")
sys.path.remove(str(DOCS))


def drawn_by_its_page(picture: str) -> bool:
    """Tell whether a page has code that writes the picture, which tests/test_docs.py runs."""
    return any(f'"{picture}.png"' in page.read_text(encoding="utf-8") for page in PAGES)


def test_pages_show_the_figures_that_are_drawn_and_no_others():
    shown = {picture for page in PAGES for picture in
             re.findall(r"!\[[^\]]+\]\((?:docs/)?pictures/([^)]+)\.png\)", page.read_text(encoding="utf-8"))}
    by_pages = {picture for picture in shown if drawn_by_its_page(picture)}
    assert shown - by_pages - PHOTOGRAPHED == set(figures.all_figures())
    assert shown == {picture.stem for picture in figures.PICTURES.iterdir()}


def test_pictures_are_of_modest_size():
    assert {picture.name: picture.stat().st_size for picture in figures.PICTURES.iterdir()
            if picture.stat().st_size > 150_000} == {}


@pytest.mark.slow
@pytest.mark.parametrize("picture", [pytest.param(picture, marks=() if picture in SAMPLE else pytest.mark.book)
                                     for picture in figures.all_figures()])
def test_figure_draws(picture, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    file = figures.draw(picture, tmp_path, limit=FEW, dpi=55)
    image = imread(file)
    assert min(image.shape[:2]) >= 75
    assert len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 10                   # it is not blank


def test_a_picture_that_two_modules_draw_is_refused(tmp_path, monkeypatch):
    for name in ("one", "other"):
        (tmp_path / f"{name}.py").write_text("def twin():\n    pass\n", encoding="utf-8")
    monkeypatch.setattr(figures, "HERE", tmp_path)
    monkeypatch.setattr(figures, "__path__", [str(tmp_path)])
    with pytest.raises(ValueError, match=r"Two functions draw twin\.png"):
        figures.all_figures()
