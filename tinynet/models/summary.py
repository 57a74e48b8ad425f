"""The table that `model.summary()` prints."""

from __future__ import annotations

from collections.abc import Iterable

from tinynet.layers.base import Layer
from tinynet.layers.stack import Stack
from tinynet.layers.variables import count_numbers


def summary(model: Layer, layers: Iterable[tuple[str, Layer]], line_length: int = 65, show_trainable: bool = False
            ) -> str:
    """Return a table of a model's layers, given by name: name (type), output shape, parameters; and the totals."""
    first, second = (int(line_length * part) for part in ((0.4, 0.75) if show_trainable else (0.45, 0.85)))

    def row(name: str, shape: str, count: str, trainable: str) -> str:
        begin = f"{name[:first - 1]:<{first}}{shape[:second - first - 1]:<{second - first}}{count}"
        return f"{begin:<{line_length - 9}}{trainable:>9}" if show_trainable else begin

    lines = [f"Model: \"{model.name or 'sequential'}\"", "_" * line_length,
             row("Layer (type)", "Output Shape", "Param #", "Trainable"), "=" * line_length]
    for name, layer in layers:
        shape = "?" if layer.output_shape is None else str((None, *layer.output_shape))
        count = str(count_numbers(layer.weights)) if layer.has_weights() else "0 (unbuilt)"
        trained = "Y" if layer.trainable else "N"
        lines += [row(f"{name} ({type(layer).__name__})", shape, count, trained), "_" * line_length]
    total, trainable = count_numbers(model.weights), sum(p.size for p in model.trainable_params().values())
    lines[-1] = "=" * line_length
    return "\n".join([*lines, f"Total params: {total:,}", f"Trainable params: {trainable:,}",
                      f"Non-trainable params: {total - trainable:,}", "_" * line_length])


def expanded(layers: Iterable[tuple[str, Layer]]) -> list[tuple[str, Layer]]:
    """List layers by name, each stack of them followed by its own, ``sequential_1/dense_1``."""
    found: list[tuple[str, Layer]] = []
    for name, layer in layers:
        found.append((name, layer))
        if isinstance(layer, Stack):
            inner = zip(layer.layer_names, layer.layers, strict=True)
            found += expanded((f"{name}/{key}", part) for key, part in inner)
    return found
