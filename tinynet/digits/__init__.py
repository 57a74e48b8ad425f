"""A person's own drawing of a digit, brought to the shape of MNIST's."""

from tinynet.digits.digit import Digit, from_ink, normalise
from tinynet.digits.reading import read_drawing

__all__ = ["Digit", "from_ink", "normalise", "read_drawing"]
