"""The table of a gradient report as text: columns that say something, aligned."""

from __future__ import annotations

from collections.abc import Callable

WIDTH = 100                      # columns: a report fits a terminal, and pytest's output

# Columns, and whether their cells are worth showing.
COLUMNS: dict[str, Callable[[list[str]], bool]] = {
    "tensor": any, "checked": any,
    "on kink": lambda cells: bool(set(cells) - {"", "0"}), "skipped": lambda cells: bool(set(cells) - {"", "0"}),
    "rel err": any, "abs err": any, "worst at": any, "analytic": any, "numeric": any, "est err": any, "step": any}


def table(rows: list[dict[str, str]]) -> list[str]:
    """Format rows of cells as aligned columns; a column without information is left out.

    >>> print("\\n".join(table([{"tensor": "x", "checked": "6", "skipped": "0"}])))
    tensor  checked
    x             6
    """
    columns = []
    for cells in zip(*cells_shown(rows), strict=True):
        width = max(map(len, cells))
        columns.append([cell.ljust(width) if cells[0] == "tensor" else cell.rjust(width) for cell in cells])
    wide = ["  ".join(cells) for cells in zip(*columns, strict=True)]
    narrow = [" ".join(cells) for cells in zip(*columns, strict=True)]
    return wide if max(map(len, wide), default=0) <= WIDTH else narrow


def cells_shown(rows: list[dict[str, str]]) -> list[list[str]]:
    """Return the names of the columns with information, and below them their cells.

    >>> cells_shown([{"tensor": "x", "checked": "6", "skipped": "0"}])
    [['tensor', 'checked'], ['x', '6']]
    """
    names = [name for name, worth_showing in COLUMNS.items() if worth_showing([row.get(name, "") for row in rows])]
    return [names, *([row.get(name, "") for name in names] for row in rows)]
