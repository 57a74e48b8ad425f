"""Each chapter and lesson is a notebook, made by docs/notebooks.py, that runs from top to bottom in a fresh kernel.

What is run takes minutes and needs the extra ``notebooks``: `make test-notebooks`.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from zipfile import ZipFile

import pytest
from test_docs import Block, blocks, can_run, prose, same_output

pytest.importorskip("jupytext", reason="make docs installs it")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))
notebooks = importlib.import_module("notebooks")
sys.path.remove(str(ROOT / "docs"))
CHAPTERS = {page.stem: page for page in notebooks.chapters()}
LESSONS = {lesson.stem: lesson for lesson in notebooks.lessons()}
SHORTER = r"\g<0>\nargs.epochs, args.limit = 1, 1000"        # put below the line that reads the command line
FIGURES = {"mnist_mlp": 2, "mnist_simple_cnn": 2, "mnist_larger": 1, "predict_digit": 3, "look_inside": 25,
           "photographs": 2, "mnist_fast": 0, "mnist_record": 0}


@cache
def notebook(name: str):
    return notebooks.notebook_of({**CHAPTERS, **LESSONS}[name])


def pictures(cell) -> int:
    """Count the pictures that a cell shows."""
    return sum("image/png" in output.get("data", {}) for output in cell.get("outputs", ()))


def printed(cell) -> str:
    return "".join(output.text for output in cell.get("outputs", ()) if output.get("name") == "stdout")


def test_every_lesson_and_every_page_with_code_is_made():
    assert set(LESSONS) == set(FIGURES)
    assert set(CHAPTERS) == {page.stem for page in (ROOT / "docs").glob("*.md")
                             if blocks(notebooks.TEXT_ONLY.sub("", page.read_text(encoding="utf-8")))}
    assert {"tensors", "convolution", "your-own-layer"} <= set(CHAPTERS)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_a_cell_for_each_block_and_what_it_shows(name):
    expected = blocks(notebooks.TEXT_ONLY.sub("", CHAPTERS[name].read_text(encoding="utf-8")))
    cells = [cell for cell in notebook(name).cells if cell.cell_type == "code"]
    assert len(cells) == len(expected)
    for cell, block in zip(cells, expected, strict=True):
        first = f"%%writefile {block.file}\n" if block.file else ""
        assert cell.source.replace("\ndisplay(figure)", "").rstrip() == (
            first + block.code.removeprefix(f"# {block.file}\n")).rstrip()
        assert printed(cell) == ("" if block.file else block.shown or "")


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_loses_neither_words_nor_pictures(name):
    text = CHAPTERS[name].read_text(encoding="utf-8")
    cells = notebook(name).cells
    text_of = [cell.source for cell in cells if cell.cell_type == "markdown"]
    alts = [output.get("data", {}).get("text/plain", "") for cell in cells for output in cell.get("outputs", ())]
    words = " ".join([*text_of, *(f"![{alt}](" for alt in alts)]).split()
    assert {word for word in prose(CHAPTERS[name]).split() if word.isalpha()} <= {*words}
    attached = sum(len(cell.get("attachments", ())) for cell in cells)
    assert sum(map(pictures, cells)) + attached == text.count("](pictures/")
    assert not any("](pictures/" in part or "[[[cog" in part for part in text_of)


@pytest.mark.slow
def test_links_lead_to_other_notebooks_and_files():
    files = {f"{name}.ipynb" for name in CHAPTERS}
    for name in CHAPTERS:
        for cell in notebook(name).cells:
            for link in re.findall(r"\]\(([^)\s]+)\)", cell.source if cell.cell_type == "markdown" else ""):
                file = link.partition("#")[0]
                assert (link[0] == "#" or link.startswith(("http", "attachment:")) or file in files
                        or (ROOT / "docs" / file).is_file()), (name, link)


def test_a_link_to_a_heading_is_written_as_jupyter_names_it():
    assert "(losses.ipynb#ReLU's-slope-at-0)" in " ".join(cell.source for cell in notebook("pooling").cells)


def test_a_file_of_a_chapter_is_written_by_its_cell_and_by_the_script():
    cells = notebook("your-own-layer").cells
    assert any(cell.source.startswith("%%writefile layer_norm.py\nimport numpy") for cell in cells)
    assert "Path('layer_norm.py').write_text(r'''# layer_norm.py\n" in notebooks.script_of(CHAPTERS["your-own-layer"])


def test_folded_answers_and_listings_are_text(tmp_path):
    folded = "<details>\n<summary>Answers</summary>\n\n```python\nprint(1)\n```\n\n</details>\n"
    listing = "<!--[[[cog show('file.py', 'f') ]]]-->\n```python\ndef f():\n    pass\n```\n<!--[[[end]]]-->\n"
    page = tmp_path / "page.md"
    page.write_text(f"# A\n\n{folded}\n{listing}\n```python\n2\n```\n", encoding="utf-8")
    text, code = notebooks.cells_of(page).cells
    assert code.source == "2"
    assert "```python\nprint(1)\n```" in text.source
    assert "```python\ndef f():\n    pass\n```" in text.source


def test_written_are_notebooks_scripts_and_an_archive_of_all(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "chapters", lambda: (CHAPTERS["pooling"],))
    notebooks.write(tmp_path / "site")
    made = json.loads((tmp_path / "site" / "pooling.ipynb").read_text(encoding="utf-8"))
    assert made["metadata"]["kernelspec"]["name"] == "python3"
    assert (tmp_path / "site" / "mnist_mlp.py").read_bytes() == LESSONS["mnist_mlp"].read_bytes()
    with ZipFile(tmp_path / "site" / "notebooks.zip") as archive:
        assert {f"notebooks/{name}" for name in ("pooling.ipynb", "mnist_mlp.ipynb", "_common.py")} <= set(
            archive.namelist())


def executed(made, folder: Path):
    """Run a notebook in a fresh kernel, in a folder; return it with its outputs."""
    client = pytest.importorskip("nbclient", reason="make test-notebooks installs it")
    pytest.importorskip("ipykernel", reason="make test-notebooks installs it")
    made = made.copy()
    made.cells = [cell.copy() for cell in made.cells]
    client.NotebookClient(made, timeout=3600, resources={"metadata": {"path": str(folder)}}).execute()
    return made


@pytest.mark.long
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_in_a_fresh_kernel_with_its_figures_inline(name, tmp_path):
    made = notebook(name)
    for cell in made.cells:
        if cell.cell_type == "code" and not can_run(Block(cell.source, 0, None)):
            cell.metadata["tags"] = ["skip-execution"]
    ran = executed(made, tmp_path)
    for before, after in zip(made.cells, ran.cells, strict=True):
        if before.cell_type == "code" and "tags" not in before.metadata and ">>>" not in before.source:
            assert pictures(after) == max(pictures(before), before.source.count("display(figure)")), before.source
            assert not printed(before) or same_output(printed(before), printed(after)), before.source


@pytest.mark.long
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_runs_in_a_fresh_kernel_with_its_figures_inline(name, tmp_path):
    made = notebooks.notebook_of(LESSONS[name])
    for cell in made.cells:
        cell.source = re.sub(r"^args = .*", SHORTER, cell.source, flags=re.MULTILINE)
    for file in (ROOT / "examples").glob("_*.py"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    draw_a_seven(tmp_path / "drawing.png")
    draw_squares(tmp_path / "photographs")
    ran = executed(made, tmp_path)
    assert sum(map(pictures, ran.cells)) >= FIGURES[name]


def draw_a_seven(file: Path) -> None:
    from PIL import Image, ImageDraw

    paper = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(paper).line([(60, 50), (140, 50), (90, 150)], fill=0, width=14)
    paper.save(file)


def draw_squares(folder: Path) -> None:
    from PIL import Image

    for colour in ("red", "green", "blue"):
        (folder / colour).mkdir(parents=True)
        for number in range(20):
            Image.new("RGB", (30 + number, 40), colour).save(folder / colour / f"{number}.png")


@pytest.mark.long
@pytest.mark.parametrize("name", ["tensors", "your-own-layer"])
def test_the_script_of_a_chapter_runs(name, tmp_path):
    (tmp_path / "chapter.py").write_text(notebooks.script_of(CHAPTERS[name]), encoding="utf-8")
    ran = subprocess.run([sys.executable, "chapter.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
                         env={**os.environ, "MPLBACKEND": "agg"})
    assert ran.returncode == 0, ran.stderr
