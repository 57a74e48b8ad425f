"""Each chapter of the book and each lesson as a notebook and as a script, for a folder of their own.

Jupytext reads both: a chapter's Markdown, of which every ```python block becomes a cell, and a lesson's ``# %%`` cells.
What a chapter shows of outputs and figures is kept in its cells until they are run. Listings of tinynet's own source,
and the code of folded answers, are text.

    python docs/notebooks.py notebooks        # into the folder `notebooks`; `make docs` puts them into the site
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from base64 import b64encode
from functools import cache
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import jupytext
from nbformat import NotebookNode
from nbformat.v4 import new_output

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
EXAMPLES = ROOT / "examples"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

TEXT_ONLY = re.compile(r"<!--\[\[\[cog .*?<!--\[\[\[end\]\]\]-->|<details>.*?</details>", re.DOTALL)
COG = re.compile(r"<!--\[\[\[[^\n]*\]\]\]-->\n?")
PRINTS = re.compile(r"```text\n(.*?)```\n*", re.DOTALL)
PICTURE = re.compile(r"!\[([^\]]*)\]\(pictures/([\w-]+\.png)\)")
LINK = re.compile(r"\]\(([\w-]+)\.md(#[\w-]+)?\)")
FILE = re.compile(r"# (\w+\.py)\n")


@cache
def chapters() -> tuple[Path, ...]:
    """List the pages that have code to run, by name."""
    texts = {page: page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md"))}
    return tuple(page for page, text in texts.items() if "\n```python\n" in TEXT_ONLY.sub("", text))


def lessons() -> list[Path]:
    """List the examples that are written in cells."""
    return [file for file in sorted(EXAMPLES.glob("[!_]*.py")) if file.read_text("utf-8").startswith("# %% [markdown]")]


def cells_of(source: Path) -> NotebookNode:
    """Read a chapter or a lesson as a notebook whose code cells are the blocks as they stand."""
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".md":
        text = COG.sub("", TEXT_ONLY.sub(lambda part: part[0].replace("```python", "```python .noeval"), text))
    notebook = jupytext.reads(text, "md" if source.suffix == ".md" else "py:percent")
    notebook.metadata = NotebookNode(kernelspec=KERNEL)
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
        cell.source = cell.source.replace("```python .noeval", "```python")
    return notebook


def notebook_of(source: Path) -> NotebookNode:
    """Make the notebook of a chapter or a lesson."""
    notebook = cells_of(source)
    for cell, after in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        if cell.cell_type == "code":
            cell.outputs = outputs(cell.source, after)
            cell.source = FILE.sub(r"%%writefile \1\n", cell.source) if FILE.match(cell.source) else drawn(cell.source)
        elif source.suffix == ".md":
            attach_pictures(cell)
            cell.source = LINK.sub(to_notebook, cell.source)
    notebook.cells = [cell for cell in notebook.cells if cell.source]
    return notebook


def script_of(source: Path) -> str:
    """Make the script of a chapter: its cells, and its text as comments; a lesson is a script as it stands."""
    if source.suffix == ".py":
        return source.read_text(encoding="utf-8")
    notebook = cells_of(source)
    for cell in notebook.cells:
        if cell.cell_type == "code" and (file := FILE.match(cell.source)):
            cell.source = f"from pathlib import Path\n\nPath({file[1]!r}).write_text(r'''{cell.source}\n''')"
    return jupytext.writes(notebook, "py:percent")


def outputs(code: str, after: NotebookNode | None) -> list[NotebookNode]:
    """Take what the text after a cell shows of its output, printed and drawn, out of the text."""
    found: list[NotebookNode] = []
    if after is None or after.cell_type == "code" or FILE.match(code):
        return found
    if printed := PRINTS.match(after.source):
        found.append(new_output("stream", name="stdout", text=printed[1]))
        after.source = after.source[printed.end():]
    for alt, file in PICTURE.findall(after.source):
        if f'"{file}"' in code:
            after.source = after.source.replace(f"![{alt}](pictures/{file})", "").strip()
            found.append(new_output("display_data", {"image/png": picture(file), "text/plain": alt}))
    return found


def drawn(code: str) -> str:
    """Let a cell show each figure that it makes: what is assigned to `figure`."""
    lines = code.splitlines()
    for statement in reversed(ast.parse(code).body):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "figure":
            lines.insert(statement.end_lineno, "display(figure)")
    return "\n".join(lines)


def attach_pictures(cell: NotebookNode) -> None:
    """Put the pictures that a text shows into its cell."""
    files = {file for _, file in PICTURE.findall(cell.source)}
    if files:
        cell.attachments = {file: {"image/png": picture(file)} for file in files}
        cell.source = PICTURE.sub(r"![\1](attachment:\2)", cell.source)


def picture(file: str) -> str:
    """Read a picture of the book as notebooks hold it."""
    return b64encode((DOCS / "pictures" / file).read_bytes()).decode()


def to_notebook(link: re.Match[str]) -> str:
    """Let a link to a page lead to its notebook, and one to a heading to what Jupyter names it."""
    page, anchor = DOCS / f"{link[1]}.md", link[2]
    if page not in chapters():
        return f"](../docs/{link[1]}.md)"
    if anchor is None:
        return f"]({link[1]}.ipynb)"
    headings = re.findall(r"^#+ +(.+?) *$", page.read_text(encoding="utf-8"), re.MULTILINE)
    named = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"): heading for heading in headings}
    return f"]({link[1]}.ipynb#{named[anchor[1:]].replace('`', '').replace(' ', '-')})"


def write(folder: Path) -> None:
    """Write all notebooks and scripts, the files that lessons import, and an archive of the notebooks."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in [*chapters(), *lessons()]:
        jupytext.write(notebook_of(source), folder / f"{source.stem}.ipynb")
        (folder / f"{source.stem}.py").write_text(script_of(source), encoding="utf-8")
    for file in EXAMPLES.glob("_*.py"):
        shutil.copy(file, folder)
    with ZipFile(folder / "notebooks.zip", "w", ZIP_DEFLATED) as archive:
        for file in sorted([*folder.glob("*.ipynb"), *folder.glob("_*.py")]):
            archive.write(file, f"notebooks/{file.name}")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "notebooks"))
