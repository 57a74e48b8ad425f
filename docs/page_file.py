"""Make the page file that the site carries: the larger CNN, trained once, with a fixed seed, and kept for next time.

    python docs/page_file.py        # `make docs` does it first; the first time takes a minute
"""

from __future__ import annotations

from pathlib import Path

from tinynet.datasets import mnist
from tinynet.explore.command import loaded
from tinynet.explore.exporting.export import page_of
from tinynet.files import atomic

FOLDER = Path(__file__).resolve().parent.parent / "build" / "docs"      # which git ignores
PAGE = FOLDER / "larger-cnn.html"


def main() -> None:
    """Train, unless that was done, and write the page, with links to the chapters beside it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    model = loaded(FOLDER / "larger_cnn.safetensors", train=True)
    _, (x, _) = mnist.load_data()
    atomic.write(PAGE, [page_of(model, x[:60, None].astype("float32") / 255, book="./").encode()])


if __name__ == "__main__":
    main()
