"""Is there what the browser tests need? If not, say plainly what is missing, and how to get it."""

import importlib.util
import sys

from installed import NAMES, browser_path


def missing():
    """Return what is missing, in words."""
    if importlib.util.find_spec("playwright") is None:
        yield "Playwright for Python is not installed: python -m pip install playwright"
    if browser_path() is None:
        yield (f"There is no browser: none of {', '.join(NAMES)} is on the path, and TINYNET_BROWSER names none. "
               "On Debian or Ubuntu: apt-get install chromium")


if __name__ == "__main__":
    found = list(missing())
    if found:
        print("The explorer's page was NOT tested in a browser.", *found, sep="\n", file=sys.stderr)
    sys.exit(bool(found))
