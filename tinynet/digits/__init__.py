"""A person's own drawing of a digit, brought to the shape of MNIST's."""

from tinynet.digits.digit import Digit, normalise
from tinynet.digits.reading import read_drawing

__all__ = ["Digit", "normalise", "read_drawing"]
