"""Where scripts written for Keras look for what prepares images, see `tinynet.preprocessing.image`."""

from tinynet.preprocessing import image

__all__ = ["image"]
