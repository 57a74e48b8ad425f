"""A drawing of your own, brought to the shape of MNIST's digits: see `tinynet.digits`."""

from tinynet.digits import Digit, normalise, read_drawing
from tinynet.digits.digit_figure import plot_digit
from tinynet.digits.ink import find_ink
from tinynet.digits.scaling import centre, centre_of_mass, crop, fit, resize

__all__ = ["Digit", "centre", "centre_of_mass", "crop", "find_ink", "fit", "normalise", "plot_digit", "read_drawing",
           "resize"]
