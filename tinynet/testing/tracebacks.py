"""An exception in one line, for a report."""

from __future__ import annotations

import traceback
from pathlib import Path


def exception_text(error: Exception) -> str:
    """Return what an exception says, and the line of the layer's own code that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    # NumPy's frames are the innermost ones, but the mistake is in the line that called it.
    frame = next((frame for frame in reversed(frames) if "site-packages" not in frame.filename), frames[-1])
    where = f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}"
    return f"raised {type(error).__name__}: {error} ({where})"
