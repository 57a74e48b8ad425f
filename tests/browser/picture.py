"""Draw docs/pictures/explorer.png: the larger CNN, a digit drawn with the mouse, and what one number of it is made of.

    python tests/browser/picture.py figures/larger_cnn.safetensors
"""

import io
import sys
from pathlib import Path

from installed import browser_path
from PIL import Image
from shown import Shown

from tinynet import load_model
from tinynet.explore import explore

PICTURE = Path(__file__).parents[2] / "docs/pictures/explorer.png"
COLOURS = 128                    # enough for two ramps and the letters; a third of the bytes


def draw(file):
    """Serve the page on the model of a file, draw a digit on it, choose a number, and keep what is seen."""
    from playwright.sync_api import sync_playwright
    model = load_model(file)
    model.name = "larger CNN"
    with explore(model) as explorer, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path())
        shown = Shown(browser, explorer.url, "#sample=0&at=conv2d_2:4.4.5")
        shown.draw()
        shown.page.evaluate("document.activeElement.blur()")
        shown.settle()
        seen = Image.open(io.BytesIO(shown.page.screenshot()))
        browser.close()
    seen.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)


if __name__ == "__main__":
    draw(sys.argv[1])
