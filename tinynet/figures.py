"""A figure that a notebook shows where it is returned. Loads matplotlib: import it where something is drawn."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class InlineFigure(Figure):
    """A figure without a window or global state, which a notebook shows by itself, without ``%matplotlib inline``."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=110)
        return file.getvalue()
