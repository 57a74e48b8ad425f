"""The seeded defects: read from defects/*.toml, a file an area, and checked against the source they are to break.

An entry is a small mistake that somebody could make::

    [[mutants]]
    name = "dense-bias-gradient-averaged"
    why = "The loss has divided by the batch size already; the mean divides once more."
    file = "tinynet/layers/dense.py"          # or once, at the head of the area
    old = 'drows.sum(axis=0)'                 # stands in the file exactly once
    new = 'drows.mean(axis=0)'
"""

import tomllib
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[2]
DEFECTS = Path(__file__).parent / "defects"


class Mutant(NamedTuple):
    """One defect: in `file`, the text `old` becomes `new`."""

    name: str
    area: str
    file: str
    old: str
    new: str
    why: str

    def apply(self, source: str) -> str:
        """Return the file's text with the defect in it, or raise a ValueError unless it fits in exactly one place."""
        count = source.count(self.old)
        if count != 1:
            raise ValueError(f"Mutant {self.name!r} ({self.area}.toml): expected its old text once in {self.file}. "
                             f"Found: {count} times. Has the source changed? The old text is:\n{self.old}")
        return source.replace(self.old, self.new)


def load() -> list[Mutant]:
    """Return all defects, area by area."""
    mutants = []
    for path in sorted(DEFECTS.glob("*.toml")):
        area = tomllib.loads(path.read_text())
        mutants += [Mutant(**{"file": area.get("file"), **entry, "area": path.stem}) for entry in area["mutants"]]
    return mutants
