"""What a result shows of itself: a line as its repr, text when printed, tables in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple


class Table(NamedTuple):
    """Rows of cells under a head, all of them written already, and a text that stands below."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    below: str = ""

    def lines(self, *widths: int, left: int = 1) -> list[str]:
        """Return the head and the rows as aligned text.

        Parameters
        ----------
        widths : of the columns, with the space between them; without them each is as wide as its widest cell.
        left : number of columns that are aligned to the left; the others are numbers.

        >>> print(*Table(["layer", "zeros"], [["dense_1", "50"]]).lines(), sep="\\n")
        layer    zeros
        dense_1     50
        """
        rows, gap = [self.head, *self.rows], "" if widths else "  "
        widths = widths or tuple(max(map(len, column)) for column in zip(*rows, strict=True))
        return [gap.join(cell.ljust(width) if k < left else cell.rjust(width)
                         for k, (cell, width) in enumerate(zip(row, widths, strict=False))).rstrip() for row in rows]

    def html(self) -> str:
        """Return the table as HTML.

        >>> Table(["layer", "zeros"], [["dense_1", "50"]]).html()
        '<table><tr><th>layer</th><th>zeros</th></tr><tr><td>dense_1</td><td>50</td></tr></table>'
        """
        rows = ["".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
                for tag, row in [("th", self.head), *(("td", row) for row in self.rows)]]
        table = "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>" if self.head else ""
        return table + paragraph(self.below)


class Tabular:
    """Base of results whose repr is a line, however much they hold, and which a notebook shows as tables."""

    def in_short(self) -> str:
        """Say in a line what this is."""
        raise NotImplementedError

    def tables(self) -> list[Table]:
        """Return what a notebook shows."""
        return []

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.in_short()}>"

    def _repr_html_(self) -> str:
        name = type(self).__name__
        return f"<p><b>{name}</b>: {escape(self.in_short())}</p>" + "".join(table.html() for table in self.tables())


def paragraph(text: str) -> str:
    """Return a text as an HTML paragraph that keeps its lines; nothing for no text."""
    return f"<p>{escape(text)}</p>".replace("\n", "<br>") if text else ""


def signed(numbers: Iterable[tuple[str, float]]) -> list[list[str]]:
    """Write names and their numbers as rows: six decimals, with the sign."""
    return [[name, f"{number:+.6f}"] for name, number in numbers]


def shortened(rows: Sequence[Sequence[str]], most: int = 20) -> list[Sequence[str]]:
    """Return at most so many rows, the first and the last, and dots for those between.

    >>> shortened([["1"], ["2"], ["3"], ["4"], ["5"]], most=2)
    [['1'], ['...'], ['5']]
    """
    if len(rows) <= most:
        return list(rows)
    return [*rows[:most // 2], ["..."] * len(rows[0]), *rows[-(most // 2):]]
