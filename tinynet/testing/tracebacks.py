"""An exception in one line, for a report."""

from __future__ import annotations

import traceback
from pathlib import Path

TESTING = Path(__file__).parent


def exception_text(error: Exception) -> str:
    """Return what an exception says, and the line of the user's own code that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    # NumPy's frames are the innermost ones, but the mistake is in the line that called it; the outermost are ours.
    users = [frame for frame in frames if "site-packages" not in frame.filename
             and TESTING not in Path(frame.filename).parents]
    where = f" ({Path(users[-1].filename).name}:{users[-1].lineno}, in {users[-1].name})" if users else ""
    return f"raised {type(error).__name__}: {error}{where}"
