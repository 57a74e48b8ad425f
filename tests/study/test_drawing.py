"""What all figures share: numbers that can be read on their cells, dots on what is below 0, one scale for a row."""

import numpy as np
import pytest

from tinynet.study import drawing


def drawn(array, limit=1.0, signed=True):
    return drawing.show(drawing.canvas()[1], np.asarray(array, float), limit, signed)


def written(image):
    """Return the text on each cell, by (row, column), with its colour."""
    cells = {}
    for text in image.axes.texts:
        column, row = text.get_position()
        cells[row, column] = text.get_text(), text.get_color()
    return cells


@pytest.mark.parametrize(("signed", "colours"), [(True, ["white", "black", "white"]),
                                                 (False, ["white", "white", "black"])])
def test_numbers_are_white_on_dark_cells_and_black_on_light_ones(signed, colours):
    image = drawn([[-1.0, 0.0, 1.0]], signed=signed)
    drawing.write_numbers(image)
    assert [written(image)[0, column][1] for column in range(3)] == colours


@pytest.mark.parametrize(("limit", "texts"), [
    (1.0, ["-0.25", "0.00", "1.00"]), (50.0, ["-0.2", "0.0", "1.0"]), (500.0, ["-0", "0", "1"]),
    (0.002, ["-0.25000", "0.00000", "1.00000"])])
def test_numbers_have_three_digits_of_the_largest_and_no_minus_zero(limit, texts):
    image = drawn([[-0.25, -1e-9, 1.0]], limit)
    drawing.write_numbers(image)
    assert [written(image)[0, column][0] for column in range(3)] == [text.removeprefix("-") if text == "-0" else text
                                                                     for text in texts]


def test_each_number_stands_on_its_own_cell_and_blank_ones_have_none():
    image = drawn([[1.0, 2.0, np.nan], [4.0, 5.0, 6.0]], limit=6.0)
    drawing.write_numbers(image)
    assert {place: text for place, (text, _) in written(image).items()} == {
        (0, 0): "1.00", (0, 1): "2.00", (1, 0): "4.00", (1, 1): "5.00", (1, 2): "6.00"}


def test_cells_that_are_clearly_below_zero_have_a_dot():
    image = drawn([[-1.0, 1.0, -0.1], [-0.2, 0.0, np.nan]])
    drawing.stipple(image, 0.1)
    dots, = image.axes.collections
    assert dots.get_offsets().tolist() == [[0, 0], [0, 1]]                       # (column, row)


def test_signed_numbers_are_drawn_around_zero_and_others_from_zero_up():
    for signed, limits, colours in ((True, (-2, 2), drawing.SIGNED), (False, (0, 2), drawing.POSITIVE)):
        image = drawn([[1.0]], 2.0, signed)
        assert (image.norm.vmin, image.norm.vmax) == limits
        assert image.get_cmap().name == colours
    assert drawn([[0.0]], 0.0).norm.vmax == 1


def test_what_is_above_zero_is_red_what_is_below_is_blue_and_ink_is_black():
    image = drawn([[-1.0, 0.0, 1.0]])
    below, zero, above = (image.cmap(image.norm(value))[:3] for value in (-1, 0, 1))
    assert below[2] > 2 * below[0]
    assert above[0] > 2 * above[2]
    assert min(zero) > 0.9
    pixels = drawing.show_dotted(drawing.canvas()[1], np.array([[0.0, 1.0]]), np.array([0.0, 1.0]), 0.1)
    assert [pixels.cmap(pixels.norm(value))[:3] for value in (0, 1)] == [(1, 1, 1), (0, 0, 0)]


def test_a_scale_is_the_largest_finite_size_of_all():
    assert drawing.scale_of(np.array([1.0, -3.0, np.inf]), np.array([[2.0, np.nan]])) == 3
    assert drawing.scale_of(np.array([np.nan])) == 0


@pytest.mark.parametrize(("image", "scale", "colours", "dots"), [
    ([[0.5, 1.0]], [0.0, 1.0], drawing.PIXELS, 0), ([[-1.0, 1.0]], [-1.0, 1.0], drawing.SIGNED, 1),
    ([[0.5, 1.0]], [-1.0, 1.0], drawing.SIGNED, 0)])
def test_pixels_are_grey_and_what_has_signs_is_coloured_with_dots(image, scale, colours, dots):
    shown = drawing.show_dotted(drawing.canvas()[1], np.array(image), np.array(scale), 0.1)
    assert shown.get_cmap().name == colours
    assert sum(len(found.get_offsets()) for found in shown.axes.collections) == dots


def test_the_results_of_a_sum_are_black_and_its_parts_grey():
    ax = drawing.canvas()[1]
    drawing.draw_sum(ax, {"first": 1.5, "second": -0.5, "sum": 1.0}, results=1)
    assert [bar.get_width() for bar in ax.patches] == [1.5, -0.5, 1.0]
    assert [bar.get_facecolor()[:3] for bar in ax.patches] == [(0.6,) * 3, (0.6,) * 3, (0.0,) * 3]
    assert [text.get_text() for text in ax.texts] == ["+1.500", "-0.500", "+1.000"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second", "sum"]
    assert ax.yaxis_inverted()                                                   # the first stands on top
