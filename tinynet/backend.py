"""What scripts written for Keras ask of its backend. Images here are channels first, and only that."""

from __future__ import annotations


def image_data_format() -> str:
    """Return ``"channels_first"``: images are (N, C, H, W)."""
    return "channels_first"


def set_image_data_format(data_format: str) -> None:
    """Accept ``"channels_first"``; anything else is a ValueError."""
    if data_format != "channels_first":
        raise ValueError(f"Images are channels first here, (N, C, H, W). Expected 'channels_first'. "
                         f"Received: {data_format!r}.")


def image_dim_ordering() -> str:
    """Return ``"th"``, the old name of channels first (Theano's order)."""
    return "th"


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Accept ``"th"``; anything else is a ValueError."""
    if dim_ordering != "th":
        raise ValueError(f"Images are channels first here, (N, C, H, W). Expected 'th'. "
                         f"Received: {dim_ordering!r}.")


def clear_session() -> None:
    """Do nothing: a model, its names and its random numbers are its own, and go when it does."""


def floatx() -> str:
    """Return ``"float32"``, the dtype of a model unless ``Sequential(dtype=)`` says otherwise."""
    return "float32"


def epsilon() -> float:
    """Return 1e-7, the small number of the losses' clipping and of the optimizers."""
    return 1e-7
