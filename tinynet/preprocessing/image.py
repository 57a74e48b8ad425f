"""What prepares images in scripts written for Keras. It is elsewhere here, and asking for it says where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

INSTEAD = {
    "ImageDataGenerator": "layers that change images, such as RandomRotation, RandomTranslation, RandomZoom and "
                          "RandomFlip of tinynet.layers, in front of the model's others; fit takes arrays and "
                          "generators of batches, datasets.image_folder.load_data reads folders of images",
}

if not TYPE_CHECKING:                                     # for which any name would be there
    def __getattr__(name: str) -> Any:
        """Raise an error that says what there is instead: an ImportError, as `from` would replace another's words."""
        if name in INSTEAD:
            raise ImportError(f"{__name__}: expected {INSTEAD[name]}. Received: {name}.")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
