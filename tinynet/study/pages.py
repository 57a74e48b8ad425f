"""The page on which every number of a model can be touched: served, or as one file."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from numpy.typing import ArrayLike

from tinynet.models import Sequential
from tinynet.study.drawing import StrPath


class Served(Protocol):
    """A page that is being served."""

    url: str
    model: Sequential

    def stop(self) -> None:
        """End it; once more is no error."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None, /) -> None: ...


def explore(model: Sequential, x: ArrayLike | None = None, y: ArrayLike | None = None, *, port: int = 0,
            open_browser: bool | None = None) -> Served:
    """Serve a page on a copy of a model: see `tinynet.explore.explore`, which this calls."""
    from tinynet.explore.explorer import explore
    return explore(model, x, y, port=port, open_browser=open_browser)


def export_page(model: Sequential, path: StrPath, x: ArrayLike | None = None) -> Path:
    """Write the page on a model into one file: see `tinynet.explore.exporting.export.export_page`, which this calls."""
    from tinynet.explore.exporting.export import export_page
    return Path(export_page(model, path, x))
