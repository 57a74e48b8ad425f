"""The report: a table that fits a terminal, failures that can be read and caught, and a picture."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from wrong_layers import Spoiled, at, change, times

from tinynet import Sequential
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, ReLU
from tinynet.testing import GradientMismatch, GradientReport, check_gradients


def wrong_report():
    layer = Spoiled(Conv2D(4, (3, 2)), times("kernel", 3))
    return check_gradients(layer, np.random.default_rng(0).normal(size=(3, 2, 5, 6)), raises=False)


def test_a_mismatch_is_an_assertion_error_that_carries_the_report():
    with pytest.raises(AssertionError) as caught:
        check_gradients(Spoiled(Dense(5), times("bias", -1)), input_shape=(4,))
    assert isinstance(caught.value, GradientMismatch)
    assert isinstance(caught.value.report, GradientReport)
    assert str(caught.value) == str(caught.value.report)
    assert not caught.value.report.passed


def test_a_failing_report_reads_like_this():
    lines = str(wrong_report()).splitlines()
    assert lines[0] == "Spoiled: GRADIENTS ARE WRONG."
    assert lines[1].split() == ["tensor", "checked", "rel", "err", "abs", "err", "worst", "at", "analytic", "numeric",
                                "est", "err", "step"]
    assert [line.split()[0] for line in lines[2:5]] == ["x", "kernel", "bias"]
    text = " ".join(" ".join(lines).split())
    assert "kernel: 48 of 48 entries measured are wrong, by up to 66.7 %; worst at [" in text
    assert "Likely cause: every entry is 3 times what it should be, and the batch size is 3:" in text


@pytest.mark.rest
def test_the_table_fits_100_columns_even_for_a_model():
    net = Sequential([Conv2D(3, (3, 3), activation="relu", input_shape=(1, 5, 5)), Dropout(0.5), Flatten(),
                      Dense(3, activation="softmax")])
    net.compile(loss="mse")
    for report in (check_gradients(net, y=np.eye(3)), wrong_report()):
        assert max(map(len, str(report).splitlines())) <= 100


def test_the_numbers_of_a_tensor_can_be_read():
    report = wrong_report()
    kernel = report["kernel"]
    assert kernel.shape == kernel.analytic.shape == kernel.numeric.shape == (4, 2, 3, 2)
    np.testing.assert_allclose(kernel.analytic, 3 * kernel.numeric)
    assert kernel.max_relative_error == pytest.approx(2 / 3)
    assert kernel.max_absolute_error == pytest.approx(np.abs(2 * kernel.numeric).max())
    assert kernel.numeric[kernel.at] == kernel.worst.measured.value
    assert (kernel.count("wrong"), report["bias"].count("right")) == (48, 4)
    with pytest.raises(KeyError, match="Known: x, kernel, bias"):
        report["weights"]


def test_the_cells_of_a_row_are_the_numbers_of_the_worst_entry():
    report = check_gradients(Spoiled(Dense(3), change("kernel", at((1, 2), 1.5))), input_shape=(4,), raises=False)
    kernel = report["kernel"]
    assert (kernel.count("right"), kernel.count("wrong"), kernel.at) == (11, 1, (1, 2))
    row = kernel.row()
    assert (row["tensor"], row["checked"], row["on kink"], row["skipped"]) == ("kernel", "12", "0", "0")
    assert (row["analytic"], row["numeric"]) == (f"{kernel.analytic[1, 2]:.4g}", f"{kernel.analytic[1, 2] / 1.5:.4g}")
    assert row["rel err"] == "3.3e-01"                                                # a third of what is claimed
    assert row["abs err"] == f"{abs(kernel.analytic[1, 2]) / 3:.1e}"
    assert row["worst at"] == "[1,2]"
    assert row["step"] == f"{kernel.worst.measured.step:.0e}"


def test_on_a_kink_the_numeric_slope_of_a_row_is_the_rightful_one_next_to_the_claim():
    row = check_gradients(ReLU(), np.zeros((1, 1)))["x"].row()
    assert (row["checked"], row["on kink"], row["analytic"], row["numeric"]) == ("0", "1", "0", "0")


def test_of_a_large_tensor_only_what_was_measured_by_itself_has_a_numeric_slope():
    kernel = check_gradients(Dense(50), input_shape=(40,), directions=7)["kernel"]
    assert np.isfinite(kernel.numeric).sum() == 7
    np.testing.assert_allclose(kernel.numeric[np.isfinite(kernel.numeric)],
                               kernel.analytic[np.isfinite(kernel.numeric)])
    assert kernel.count("right") == 2000


def test_a_report_is_shown_as_its_table():
    report = wrong_report()
    assert repr(report) == str(report)


@pytest.mark.rest
def test_the_plot_has_axes_for_every_tensor(tmp_path):
    figure = wrong_report().plot(tmp_path / "gradients.png")
    assert [axes.get_title() for axes in figure.axes] == ["x (3, 2, 5, 6)", "kernel (4, 2, 3, 2)", "bias (4,)"]
    assert (tmp_path / "gradients.png").stat().st_size > 10_000
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == ["wrong (48)"]


def test_the_plot_has_measured_slopes_to_the_right_and_analytic_ones_upwards():
    report = wrong_report()
    axes = report.plot().axes[1]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("measured slope", "analytic slope")
    points, kernel = axes.collections[0].get_offsets(), report["kernel"]
    np.testing.assert_allclose(points, np.stack([kernel.numeric.ravel(), kernel.analytic.ravel()], axis=1))
    place, = axes.texts
    assert place.get_text() == f"worst: kernel{list(kernel.at)}"
    assert place.xy == (kernel.numeric[kernel.at], kernel.analytic[kernel.at])


def test_the_plot_has_a_colour_and_a_mark_for_each_verdict_and_one_range_for_both_axes():
    layer = Spoiled(ReLU(), change("x", at((0, 3), 2)))
    report = check_gradients(layer, np.array([[0.0, 1.0, 2.0, 3.0]]), raises=False)
    axes, = report.plot().axes
    drawn = {points.get_label(): to_hex(points.get_facecolor()[0]) for points in axes.collections if points.get_label()
             and not points.get_label().startswith("_")}
    assert drawn == {"right (2)": "#0072b2", "right, on a kink (1)": "#e69f00", "wrong (1)": "#d55e00"}
    assert axes.get_xlim() == axes.get_ylim()
    bars, = (lines for lines in axes.collections if isinstance(lines, LineCollection))      # the interval of the kink
    kink = report["x"].measurements[0].measured
    np.testing.assert_allclose(bars.get_segments()[0][:, 0],
                               [kink.value - kink.half_width, kink.value + kink.half_width])


def test_slopes_of_groups_are_divided_by_the_length_of_their_direction_and_hollow():
    report = check_gradients(Dense(50), input_shape=(40,), directions=7)
    axes = report.plot().axes[1]
    single, groups = axes.collections
    assert (single.get_label(), groups.get_label()) == ("right (7)", "right (7 in groups)")
    assert len(groups.get_facecolor()) == 0
    wanted = [m.analytic / np.linalg.norm(m.direction) for m in report["kernel"].measurements if not m.single]
    np.testing.assert_allclose(groups.get_offsets()[:, 1], wanted)


def test_where_both_modes_were_checked_each_axes_says_which():
    titles = [axes.get_title() for axes in check_gradients(Dropout(0.5), input_shape=(4,)).plot().axes]
    assert titles == ["x (3, 4)\nin inference", "x (3, 4)\nin training"]


def test_the_plot_draws_into_axes_of_the_caller():
    from matplotlib.figure import Figure
    figure = Figure()
    report = check_gradients(ReLU(), np.array([[0.0, 1.0, 2.0]]))
    assert report.plot(ax=figure.subplots()) is figure
    axes, = figure.axes
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"right (2)", "right, on a kink (1)"}


def test_the_plot_of_nothing_measured_is_empty():
    axes, = GradientReport("nothing").plot().axes
    assert not axes.axison
    assert not axes.collections


@pytest.mark.slow
def test_matplotlib_and_hypothesis_are_loaded_when_they_are_needed_only():
    code = ("import sys, tinynet.testing; from tinynet.layers import Dense;"
            "tinynet.testing.check_gradients(Dense(2), input_shape=(2,));"
            "sys.exit('matplotlib' in sys.modules or 'hypothesis' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entries_measured_one_by_one_are_told_from_those_seen_only_in_groups():
    kernel = check_gradients(Spoiled(Dense(50), change("kernel", at((3, 7), 2))), input_shape=(40,), directions=7,
                             raises=False)["kernel"]
    assert (kernel.count("right", alone=True) + kernel.count("wrong", alone=True), kernel.alone.sum()) == (101, 101)
    assert kernel.count("right", alone=False) == 2000 - 101
    assert np.argwhere(kernel.entries("wrong", alone=True)).tolist() == [[3, 7]]
    assert not kernel.entries("wrong", alone=False).any()
    assert kernel.row()["checked"] == "101+1899"


def test_where_every_entry_was_measured_no_groups_are_shown():
    assert check_gradients(Dense(3), input_shape=(4,))["kernel"].row()["checked"] == "12"
