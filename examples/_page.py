"""A guided tour as a web page: stops, each a function that draws one figure, and the page that shows them."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from _common import show_in_notebook

DPI = 110                                              # as study's figures are saved


class Stop(NamedTuple):
    """One figure of the tour: the words are the function's docstring, the code shown is the function's own.

    The docstring has two paragraphs: what you see, and what to notice. In the second, ``{said}`` stands for what `says`
    makes of the result: what is true of this model alone is computed from it.
    """

    title: str
    draw: Callable[[], Any]                            # returns a figure, or what can be printed and plotted
    uses: Callable[..., Any] | None = None             # a function of the tour's own, whose code is shown too
    says: Callable[[Any], str] | None = None

    @property
    def name(self) -> str:
        return self.draw.__name__

    def words(self, found: Any) -> list[str]:
        """Return what you see, and what to notice, of a result."""
        said = self.says(found) if self.says else ""
        parts = (inspect.getdoc(self.draw) or "").split("\n\n")
        return [" ".join(part.replace("{said}", said).split()) for part in parts]

    def code(self, names: Mapping[str, str]) -> str:
        """Return the function's body without its docstring: a variable of `names` is written as what it stands for.

        What the function returns is printed and plotted, if it can be, and else shown as it is.
        """
        source = textwrap.dedent(inspect.getsource(self.draw))
        body = ast.parse(source).body[0].body[1:]                                               # type: ignore[attr-defined]
        lines = source.splitlines()[body[0].lineno - 1:body[-1].end_lineno]
        code = textwrap.dedent("\n".join(lines))
        if re.search(r"^return [\w.]*plot", code, re.MULTILINE):                        # a figure
            code = re.sub(r"^return ", "", code, flags=re.MULTILINE)
        else:
            code = re.sub(r"^return ", "found = ", code, flags=re.MULTILINE) + "\nprint(found)\nfound.plot()"
        before = f"{inspect.getsource(self.uses)}\n\n" if self.uses else ""
        return re.sub(r"\b[a-z_]+\b", lambda word: f'"{names[word[0]]}"' if word[0] in names else word[0],
                      before + code)


class Tour:
    """Chapters of stops, in the order they are written.

    ::

        tour = Tour()
        tour.chapter("Forward", "What the chapter is about.")

        @tour.stop("The way through")
        def way():
            \"""What you see.

            What to notice.
            \"""
            return study.plot_activations(model, x)

    In the code shown, the variables of `names` are written as what they stand for: ``"conv2d_1"``.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names, self.chapters = names, list[tuple[str, str, list[Stop]]]()

    def chapter(self, title: str, words: str, *pages: str) -> None:
        """Begin a chapter; `pages` of the book go with it."""
        self.chapters.append((title, marked(words) + "".join(f" {book_page(page)}" for page in pages), []))

    def stop(self, title: str, when: object = True, uses: Callable[..., Any] | None = None,
             says: Callable[[Any], str] | None = None) -> Callable[..., Any]:
        """Add the function below as a stop, if `when` is true: see `Stop`."""
        def add(draw: Callable[[], Any]) -> Callable[[], Any]:
            if when:
                self.chapters[-1][2].append(Stop(title, draw, uses, says))
            return draw
        return add

    def write(self, folder: Path, title: str, *words: str) -> Path:
        """Draw all figures into a folder, write its index.html, and return where that is."""
        folder.mkdir(parents=True, exist_ok=True)
        contents, parts, count = [], [], 0
        for chapter, about, stops in [each for each in self.chapters if each[2]]:
            entries = []
            parts.append(CHAPTER.substitute(title=marked(chapter), words=about))
            for stop in stops:
                count += 1
                print(f"  {count:2}  {stop.title}", flush=True)
                entries.append(f'<li value="{count}"><a href="#{stop.name}">{marked(stop.title)}</a></li>')
                parts.append(shown(stop, count, folder, self.names))
            contents.append(f"<h3>{marked(chapter)}</h3><ol>{''.join(entries)}</ol>")
        page = PAGE.substitute(title=escape(title), words="\n".join(f"<p>{marked(part)}</p>" for part in words),
                               contents="\n".join(f"<div>{part}</div>" for part in contents), stops="\n".join(parts))
        (folder / "index.html").write_text(page, encoding="utf-8")
        return folder / "index.html"


def shown(stop: Stop, number: int, folder: Path, names: Mapping[str, str]) -> str:
    """Draw a stop's figure into the folder; return its part of the page, with the result in numbers."""
    found = stop.draw()
    figure = found.plot() if hasattr(found, "plot") else found
    text = str(found) if figure is not found else ""
    file = f"{stop.name}.png"
    figure.savefig(folder / file, dpi=DPI)
    show_in_notebook(folder / file)
    width, height = (round(DPI * inches) for inches in figure.get_size_inches())
    see, notice = stop.words(found)
    return STOP.substitute(
        name=stop.name, number=number, title=marked(stop.title), see=marked(see), notice=marked(notice), file=file,
        width=width, height=height, alt=escape(f"{stop.title}. {see}".replace("`", "")), code=escape(stop.code(names)),
        numbers=NUMBERS.substitute(text=escape(text)) if text else "")


def book_page(name: str) -> str:
    """Return a link to a page of the book as `make docs` builds it, from figures/look_inside and from site/tour."""
    return f'<a href="../../site/{name}.html">In the book: {name.replace("-", " ")}.</a>'


def marked(text: str) -> str:
    """Escape a text for HTML; what stands in backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


CHAPTER = Template("<h2>$title</h2>\n<p>$words</p>")

NUMBERS = Template("<details><summary>In numbers</summary><pre>$text</pre></details>")

STOP = Template("""<section id="$name">
<h3><span>$number</span> $title</h3>
<p><b>What you see.</b> $see</p>
<a href="$file"><img src="$file" alt="$alt" width="$width" height="$height" loading="lazy"></a>
<p><b>What to notice.</b> $notice</p>
<pre><code>$code</code></pre>
$numbers
<p class="up"><a href="#contents">Contents</a></p>
</section>""")

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { --ink: #222; --paper: #fdfdfb; --line: #d8d8d2; --code: #f1f1ec; --accent: #b04a00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --paper: #1b1c1e; --line: #44464a; --code: #27292c; --accent: #ffa45c; }
}
body { color: var(--ink); background: var(--paper); font: 17px/1.55 Georgia, "DejaVu Serif", serif;
       max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1, h2, h3, nav, summary { font-family: system-ui, "DejaVu Sans", sans-serif; line-height: 1.25; }
h1 { font-size: 1.9rem; margin: 0.5rem 0; }
h2 { font-size: 1.45rem; margin: 3.5rem 0 0.5rem; padding-top: 1rem; border-top: 3px solid var(--accent); }
h3 { font-size: 1.12rem; margin: 2.5rem 0 0.4rem; }
h3 span { color: var(--accent); margin-right: 0.3em; }
p { max-width: 44rem; margin: 0.6rem 0; }
a { color: var(--accent); }
nav { font-size: 0.86rem; columns: 15rem; column-gap: 1.5rem; margin: 1.5rem 0; padding: 1rem 0;
      border: solid var(--line); border-width: 1px 0; }
nav div { break-inside: avoid; }
nav h3 { font-size: 0.95rem; margin: 0 0 0.2rem; }
nav ol { margin: 0 0 0.9rem; padding-left: 1.8rem; }
section > a { display: block; overflow-x: auto; }
img { max-width: 100%; height: auto; background: white; border-radius: 4px; margin: 0.4rem 0; }
.up { font-size: 0.86rem; }
@media (max-width: 44rem) {
  img { max-width: none; width: 44rem; }
  section > a::before { content: "The figure is wider than the screen: move it sideways."; font-size: 0.8rem;
                        position: sticky; left: 0; }
}
pre { background: var(--code); padding: 0.6rem 0.9rem; overflow-x: auto; border-radius: 4px; margin: 0.6rem 0; }
pre, code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 0.82rem; line-height: 1.4; }
p code { font-size: 0.9em; }
summary { cursor: pointer; font-size: 0.9rem; color: var(--accent); }
</style>
</head>
<body>
<h1>$title</h1>
$words
<nav aria-label="Contents" id="contents">
$contents
</nav>
<main>
$stops
</main>
</body>
</html>
""")
