"""From a move of the pen to the last map on its canvas: printed, and never asserted, as others may use the machine.

    python -m pytest -s -q -m browser tests/browser -k latency

The engine has a process of its own, as it has where a person draws, and the browser is asked nothing meanwhile.
"""

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from page_files import digits, trained
from shown import STROKE

import tinynet
from tinynet import study

pytestmark = pytest.mark.alone          # `make test-browser` runs it when nothing else runs
PACE = 30                # milliseconds from one move of a hand to the next
HAND = [(x + (u - x) * i / 8, y + (v - y) * i / 8) for (x, y), (u, v) in pairwise(STROKE) for i in range(8)]


@pytest.fixture
def engine(tmp_path):
    """The address of the larger CNN's page, which another process serves."""
    trained("larger CNN").save(tmp_path / "m.safetensors")
    command = [sys.executable, "-m", "tinynet", "explore", str(tmp_path / "m.safetensors"), "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(Path(tinynet.__file__).parents[1])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield next(line.strip() for line in process.stdout if line.startswith("http"))
        process.send_signal(signal.SIGTERM)


def stroke_times(chromium, url):
    """Draw a digit twice, the first time to warm up, and return how long each move took to the last map."""
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.goto(url)
    page.wait_for_selector("html[data-ready]", timeout=180_000)
    box = page.locator("canvas.pen").bounding_box()
    for _ in range(2):
        page.wait_for_timeout(500)
        page.evaluate("performance.clearMeasures()")
        for k, (x, y) in enumerate(HAND):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if k == 0:
                page.mouse.down()
            page.wait_for_timeout(PACE)
        page.mouse.up()
    page.wait_for_timeout(500)
    times = page.evaluate("performance.getEntriesByName('tinynet:stroke').map(each => each.duration)")
    page.close()
    return np.array(times)


def written(what, times):
    return (f"{what}: {len(times)} moves of the pen, ms to the last map: median {np.median(times):.1f}, "
            f"95 % within {np.quantile(times, 0.95):.1f}, least {times.min():.1f}, most {times.max():.1f}")


def test_latency_of_the_served_page(chromium, engine, capsys):
    times = stroke_times(chromium, engine)
    with capsys.disabled():
        print("\n" + written("served", times))
    assert len(times) > 50


def test_latency_of_the_page_file(chromium, tmp_path, capsys):
    path = study.export_page(trained("larger CNN"), tmp_path / "page.html", digits("larger CNN")[0][:3])
    times = stroke_times(chromium, path.as_uri())
    with capsys.disabled():
        print("\n" + written("page file", times))
    assert len(times) > 50
