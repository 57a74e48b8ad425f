"""`plot_model`: a model's layers as boxes, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tinynet.layers.base import Layer
from tinynet.models import Sequential
from tinynet.models.summary import expanded
from tinynet.registry import class_name
from tinynet.study import drawing
from tinynet.study.drawing import StrPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE, LETTER, MARGIN, GAP = 0.17, 0.075, 0.1, 0.25              # inches, for text of 8 points


def plot_model(model: Sequential, to_file: StrPath | None = "model.png", show_shapes: bool = False,
               show_dtype: bool = False, show_layer_names: bool = False, rankdir: str = "TB",
               expand_nested: bool = False, dpi: int = 200, show_layer_activations: bool = False,
               show_trainable: bool = False) -> Figure:
    """Draw the layers of a model, in order, and write the picture to a file; return the figure.

    Parameters
    ----------
    to_file : where to write it, in the format that its name ends with; None writes nothing.
    show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable : what each box says.
    rankdir : ``"TB"``, from top to bottom, or ``"LR"``, from left to right.
    expand_nested : whether the layers of models inside it are drawn too, each after its model.
    dpi : dots in an inch, of a picture made of dots.
    """
    model.expect(bool(model.layers), "a model with layers", "an empty one")
    model.expect(rankdir in ("TB", "LR"), "rankdir 'TB' or 'LR'", repr(rankdir))
    named = zip(model.layer_names, model.layers, strict=True)
    texts = []
    for name, layer in expanded(named) if expand_nested else named:
        said = {"": f"{name} ({type(layer).__name__})" if show_layer_names else type(layer).__name__,
                "activation: ": activation_of(layer) if show_layer_activations else "",
                "input: ": shape_text(layer.input_shape) if show_shapes else "",
                "output: ": shape_text(layer.output_shape) if show_shapes else "",
                "dtype: ": str(model.dtype) if show_dtype else "",
                "trainable: ": str(layer.trainable) if show_trainable else ""}
        texts.append([f"{what}{text}" for what, text in said.items() if text])
    figure = draw_chain(texts, down=rankdir == "TB")
    if to_file is not None:
        figure.savefig(to_file, dpi=dpi)
    return figure


def activation_of(layer: Layer) -> str:
    """Return the name of a layer's activation, if it has one."""
    activation = getattr(layer, "activation", None)
    return "" if activation is None else class_name(activation).lower()


def shape_text(shape: tuple[int, ...] | None) -> str:
    """Write the shape of a batch.

    >>> shape_text((1, 28, 28)), shape_text(None)
    ('(None, 1, 28, 28)', '?')
    """
    return "?" if shape is None else str((None, *shape))


def draw_chain(texts: list[list[str]], down: bool) -> Figure:
    """Draw a box for each list of lines, and an arrow to the next; the axes are in inches, from the upper left."""
    from matplotlib.patches import Rectangle

    width = max(LETTER * len(line) for lines in texts for line in lines) + 2 * MARGIN
    height = max(map(len, texts)) * LINE + 2 * MARGIN
    step = (0, height + GAP) if down else (width + GAP, 0)
    size = (width + step[0] * (len(texts) - 1) + 2 * GAP, height + step[1] * (len(texts) - 1) + 2 * GAP)
    figure, ax = drawing.canvas(size=size)
    ax.set_axis_off()
    ax.set(xlim=(0, size[0]), ylim=(size[1], 0))
    for (x, y), lines in zip(corners(len(texts), step), texts, strict=True):
        ax.add_patch(Rectangle((x, y), width, height, facecolor="0.95", edgecolor="black"))
        ax.text(x + width / 2, y + height / 2, "\n".join(lines), ha="center", va="center", fontsize=8)
        if (x, y) != (GAP, GAP):
            to = (x + width / 2, y) if down else (x, y + height / 2)
            start = (to[0], to[1] - GAP) if down else (to[0] - GAP, to[1])
            ax.annotate("", to, start, arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0})
    return figure


def corners(count: int, step: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Yield the upper left corners of the boxes."""
    for k in range(count):
        yield GAP + k * step[0], GAP + k * step[1]
