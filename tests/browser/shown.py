"""A page of the explorer in a browser: what a person does with it, and what is watched meanwhile."""

import base64
import json
import re
from urllib.parse import urlsplit

import numpy as np

from tinynet.digits import from_ink

WATCH = """
    window.shifts = [];
    const shift = ({ value, hadRecentInput }) => ({ value, expected: hadRecentInput });
    new PerformanceObserver(list => window.shifts.push(...list.getEntries().map(shift)))
        .observe({ type: "layout-shift", buffered: true });
"""
SEEN = """map => {
    const canvas = map.parentElement.querySelector("canvas"), size = [map.offsetHeight, map.offsetWidth];
    const copy = Object.assign(document.createElement("canvas"), { width: size[1], height: size[0] });
    const context = copy.getContext("2d", { willReadFrequently: true });
    const scale = canvas.width / map.parentElement.offsetWidth;
    context.imageSmoothingEnabled = false;
    context.drawImage(canvas, map.offsetLeft * scale, map.offsetTop * scale, size[1] * scale, size[0] * scale,
                      0, 0, size[1], size[0]);
    return [size, Array.from(context.getImageData(0, 0, size[1], size[0]).data)];
}"""
QUIET = 80               # milliseconds
STROKE = [(.3, .2), (.5, .17), (.68, .25), (.66, .4), (.5, .48), (.68, .56), (.7, .72), (.52, .83), (.3, .78)]    # a 3


class Shown:
    """One page, from when it is ready."""

    def __init__(self, browser, url, at="", context=None):
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **(context or {})})
        self.page = self.context.new_page()
        self.said, self.hosts, self.flying, self.runs, self.drawings = [], set(), set(), [], []
        self.host = urlsplit(url).netloc
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("websocket", self._talks)
        self.page.on("requestfinished", self._answered)
        self.page.on("requestfailed", self._answered)
        self.page.add_init_script(WATCH)
        self.page.goto(url + at)
        self.ready()

    def _answered(self, request):
        self.flying.discard(request)

    def _asked(self, request):
        self.flying.add(request)
        self.hosts.add(urlsplit(request.url).netloc)
        if request.url.endswith("/api/run"):
            self.runs.append(json.loads(request.post_data))

    def _talks(self, socket):
        self.hosts.add(urlsplit(socket.url).netloc)
        socket.on("framesent", self._drew)
        for answered in ("framereceived", "close"):
            socket.on(answered, lambda _: self.flying.discard("drawing"))

    def _drew(self, message):
        self.flying.add("drawing")
        self.drawings.append(json.loads(message))
        if self.ink().any():
            self.runs.append(self.drawings[-1] | {"pixels": from_ink(self.ink()).image.ravel()})

    def ready(self):
        self.page.wait_for_selector("html[data-ready]", timeout=180_000)         # kernels may be compiled first

    def close(self):
        self.context.close()

    def expect_in_order(self):
        """Nothing was said on the console, nobody else was asked, nothing went wrong, and nothing jumped."""
        assert self.said == []
        assert {host for host in self.hosts if host} <= {self.host}
        assert self.problem() == "", self.problem()
        assert self.shift() < 0.1

    def problem(self):
        return self.page.locator("#problem").text_content()

    def shift(self, even_expected=False):
        """Return by how much things have jumped: all of it, or without what follows a click, as browsers count it."""
        return self.page.evaluate("all => window.shifts.filter(({expected}) => all || !expected)"
                                  ".reduce((sum, {value}) => sum + value, 0)", even_expected)

    # What a person does.

    def draw(self, points=STROKE, steps=4, pause=0):
        """Draw a stroke with the mouse; points are shares of the canvas, pauses milliseconds."""
        box = self.page.locator("canvas.pen").bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=steps)
            if pause:
                self.page.wait_for_timeout(pause)
        self.page.mouse.up()
        self.settle()

    def settle(self):
        """Wait until no request is in flight, none has followed for a while, and the explanation is of now."""
        quiet = 0
        while quiet < QUIET:
            self.page.wait_for_timeout(20)
            busy = self.flying or self.page.evaluate("document.querySelector('[aria-busy=true]') !== null")
            quiet = 0 if busy else quiet + 20

    def wait_for(self, condition):
        """Wait until a condition in JavaScript holds. (Playwright's own way is against the page's security policy.)"""
        self.wait_until(lambda: self.page.evaluate(condition), condition)

    def wait_until(self, holds, what):
        for _ in range(600):
            if holds():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"Not in 30 seconds: {what}")

    def button(self, name, exact=False):
        return self.page.get_by_role("button", name=name, exact=exact)

    def tab(self, name):
        self.page.get_by_role("tab", name=name).click()

    def point(self, row, channel=0, place=(0.5, 0.5)):
        """Click on a map; place is the share of its height and width. Return what is explained then."""
        map_ = self.page.locator(f'[data-row="{row}"] .map').nth(channel)
        map_.evaluate("element => element.scrollIntoView({ block: 'center' })")
        self.page.wait_for_selector(f'[data-row="{row}"] canvas')
        box = map_.bounding_box()
        self.page.mouse.click(box["x"] + place[1] * box["width"], box["y"] + place[0] * box["height"])
        return self.explained()

    # What it shows.

    def explained(self):
        """Return the place that is marked, once it is explained: what the title says it is."""
        self.settle()
        return self.page.locator("#view-explain .of").text_content()

    def numbers(self, within="body"):
        """Return the shown numbers by name, as they are in full."""
        found = self.page.locator(within).locator("[data-number]:visible").evaluate_all(
            "all => all.map(({dataset}) => [dataset.number, dataset.value])")
        return {name: np.nan if value == "null" else float(value) for name, value in found}

    def terms(self):
        """Return where the left factors of all terms of the explained number stand, and factors and products (T, k)."""
        every = self.page.get_by_role("button", name=re.compile(r"\d terms$"))
        if every.is_visible():
            every.click()
        rows = self.page.locator("[data-term]").evaluate_all(
            "all => all.map(row => [row.querySelector('button').textContent,"
            " ...[...row.querySelectorAll('[data-number]')].map(({dataset}) => Number(dataset.value))])")
        return [tuple(json.loads(row[0])) for row in rows], np.array([row[1:] for row in rows])

    def place(self):
        """Return the numbers in the title's last brackets."""
        return tuple(json.loads(re.findall(r"\[[\d, ]*\]", self.page.locator("#view-explain .of").text_content())[-1]))

    def ink(self):
        """Return what was drawn last, 1 where there is ink."""
        drawing = self.drawings[-1]
        levels = np.frombuffer(base64.b64decode(drawing["pixels"]), np.uint8)
        return levels.reshape(drawing["height"], drawing["width"]) / 255

    def pixels(self):
        """Return what the model was run on last."""
        return np.array(self.runs[-1]["pixels"])

    def picture(self, row, channel=0):
        """Return the colours of a map as they are seen, in the middle of each number (height, width, 4)."""
        maps = self.page.locator(f'[data-row="{row}"] .maps')
        height, width = map(int, re.findall(r"\d+", maps.get_attribute("aria-label"))[-2:])
        size, data = maps.locator(".map").nth(channel).evaluate(SEEN)
        rows = (np.arange(height) + 0.5) * size[0] // height
        columns = (np.arange(width) + 0.5) * size[1] // width
        return np.array(data).reshape(*size, 4)[np.ix_(rows.astype(int), columns.astype(int))]
