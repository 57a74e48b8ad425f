"""The table that `model.summary()` prints."""

from __future__ import annotations

from collections.abc import Iterable

from tinynet.layers.base import Layer, count_numbers


def summary(model: Layer, layers: Iterable[tuple[str, Layer]], line_length: int = 65) -> str:
    """Return a table of a model's layers, given by name: name (type), output shape, parameters; and the totals."""
    first, second = int(line_length * 0.45), int(line_length * 0.85)

    def row(*cells: str) -> str:
        name, shape, count = cells
        return f"{name[:first - 1]:<{first}}{shape[:second - first - 1]:<{second - first}}{count}"

    lines = [f"Model: \"{model.name or 'sequential'}\"", "_" * line_length,
             row("Layer (type)", "Output Shape", "Param #"), "=" * line_length]
    for name, layer in layers:
        shape = "?" if layer.output_shape is None else str((None, *layer.output_shape))
        count = str(count_numbers(layer.weights())) if layer.has_weights() else "0 (unbuilt)"
        lines += [row(f"{name} ({type(layer).__name__})", shape, count), "_" * line_length]
    total, trainable = count_numbers(model.weights()), sum(p.size for p in model.trainable_params().values())
    lines[-1] = "=" * line_length
    return "\n".join([*lines, f"Total params: {total:,}", f"Trainable params: {trainable:,}",
                      f"Non-trainable params: {total - trainable:,}", "_" * line_length])
