"""Pictures of digits as people make them: digits drawn as polylines, and what light, paper and camera do to them."""

import numpy as np
from PIL import Image, ImageDraw

STROKES = {1: [(.5, .05), (.5, .95)],
           2: [(.2, .25), (.35, .08), (.6, .06), (.78, .22), (.72, .42), (.45, .68), (.2, .94), (.82, .94)],
           4: [(.62, .95), (.62, .05), (.15, .65), (.9, .65)],
           7: [(.2, .08), (.8, .08), (.58, .45), (.42, .95)],
           0: [(.5 + .3 * np.sin(t), .5 - .45 * np.cos(t)) for t in np.linspace(0, 6.3, 40)]}
SIDE, BOX = 300, (75, 55, 150, 190)                    # of a page, and of the digit on it: left, top, width, height


def draw(image, digit, box=BOX, width=15, ink=50):
    """Draw a digit into a box of an image."""
    left, top, w, h = box
    points = [(left + x * w, top + y * h) for x, y in STROKES[digit]]
    pen = ImageDraw.Draw(image)
    pen.line(points, fill=ink, width=width, joint="curve")
    for x, y in points:
        pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=ink)
    return image


def page(digit=2, paper=235, ink=50, width=15, box=BOX, size=(SIDE, SIDE), mode="L"):
    """Draw a digit on a page."""
    return draw(Image.new(mode, size, paper), digit, box, width, ink)


def lined(colour, step, digit=2, squared=False, tilt=0):
    """Draw a digit on ruled or squared paper, turned by `tilt` degrees."""
    image = Image.new("L", (SIDE, SIDE), 235)
    pen = ImageDraw.Draw(image)
    for at in range(step // 2, SIDE, step):
        pen.line([0, at, SIDE, at], fill=colour, width=2)
        if squared:
            pen.line([at, 0, at, SIDE], fill=colour, width=2)
    image = draw(image, digit)
    return image.rotate(tilt, Image.BICUBIC).crop((20, 20, SIDE - 20, SIDE - 20)) if tilt else image


def framed(width, digit=2, margin=25):
    """Draw a digit on a page with a frame."""
    image = page(digit)
    ImageDraw.Draw(image).rectangle([margin, margin, SIDE - 1 - margin, SIDE - 1 - margin], outline=60, width=width)
    return image


def cut_close(image):
    """Cut a drawing to its ink."""
    dark = np.asarray(image) < 128
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    return image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))


def on_table(sheet, table=0.25, left=60, top=60, right=60, bottom=60):
    """Lay a sheet (H, W) on a table of which so much is seen on each side."""
    return np.pad(sheet, ((top, bottom), (left, right)), constant_values=table)


def photograph(brightness, grain=0.02):
    """Add the grain of a camera to brightness (H, W) from 0 to 1; return the picture."""
    noise = np.random.default_rng(0).normal(0, grain, brightness.shape)
    return Image.fromarray(np.uint8(255 * np.clip(brightness + noise, 0, 1)))


def soft(step, wide=0.05):
    """Return a shadow's edge, from 0 to 1."""
    return 1 / (1 + np.exp(-step / wide))


GREY = np.asarray(page()) / 255
Y, X = np.mgrid[:SIDE, :SIDE] / SIDE
WOOD = 0.35 + 0.08 * np.sin(np.arange(420) / 6 + 2 * np.sin(np.arange(420)[:, None] / 60))
UNEVEN = {
    "30 % darker at one end": GREY * (1 - 0.3 * X),
    "70 % darker at one end": GREY * (1 - 0.7 * (0.6 * X + 0.4 * Y)),
    "under a lamp": GREY * (1 - 1.2 * ((X - 0.5)**2 + (Y - 0.5)**2)),
    "in the shadow of a hand": GREY * (1 - 0.5 * soft(Y - 0.7) * soft(0.5 - X)),
    "across the edge of a shadow": GREY * np.where(X + 0.3 * Y > 0.62, 0.55, 1),
    "on a table": on_table(GREY),
    "on a table seen on the left": on_table(GREY, top=0, right=0, bottom=0),
    "on a table seen on two sides": on_table(GREY, right=0, bottom=0),
    "on a table, and unevenly lit": on_table(GREY * (1 - 0.4 * X)),
    "on a wooden table": np.where(np.pad(np.ones_like(GREY), 60), on_table(GREY), WOOD),
    "a blackboard on a wall": on_table(0.1 + 0.7 * (235 / 255 - GREY), table=0.95),
    "chalk, unevenly lit": (0.15 + 0.8 * (235 / 255 - GREY)) * (1 - 0.4 * X),
}
PAPERS = {
    "ruled": lined(180, 40), "ruled in the colour of the ink": lined(60, 40),
    "ruled and tilted": lined(170, 40, tilt=3),
    "squared": lined(180, 24, squared=True), "squared in the colour of the ink": lined(60, 24, squared=True),
    "in a thin frame": framed(2), "in a thick frame": framed(7), "in a frame at the edge": framed(4, margin=0),
    "a 0 in a frame": framed(3, digit=0),
}
COLOURS = {"yellow on white": ((255, 255, 255), (255, 255, 60)), "red on green": ((0, 130, 0), (240, 0, 40)),
           "blue on red": ((200, 0, 0), (0, 40, 255)), "green on pink": ((255, 180, 190), (120, 225, 140)),
           "red on white": ((255, 255, 255), (220, 20, 20))}
MORE_THAN_ONE = {
    "side by side": draw(page(4, box=(20, 60, 120, 170)), 2, (160, 60, 120, 170)),
    "a 1 and a 0": draw(page(1, box=(10, 60, 120, 170)), 0, (150, 90, 120, 130)),
    "one above the other": draw(page(4, box=(60, 20, 120, 120)), 2, (70, 160, 120, 120)),
    "one of them cut off": draw(page(4, box=(10, 40, 120, 170)), 2, (190, 40, 130, 170)),
    "three": draw(draw(page(1, box=(0, 80, 100, 140)), 7, (100, 80, 100, 140)), 2, (195, 80, 100, 140)),
}
EMPTY = {
    "white": np.ones((50, 60)), "black": np.zeros((3, 3)), "a single pixel": np.ones((1, 1)),
    "grain": np.asarray(photograph(np.full((200, 200), 0.8))) / 255,
    "grain, unevenly lit": np.asarray(photograph(0.8 * (1 - 0.5 * X))) / 255,
    "noise": np.random.default_rng(0).random((100, 100)),
    "a sheet on a table": np.asarray(photograph(on_table(np.full((200, 200), 0.9)))) / 255,
}
