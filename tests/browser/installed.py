"""Which browser there is."""

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def browser_path():
    """Return where a browser is installed, None if there is none."""
    return os.environ.get("TINYNET_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
