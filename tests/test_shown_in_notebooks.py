"""What a notebook shows of a result: a figure where there is one, a table, and in any case no flood of numbers."""

import pickle
import runpy
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from tinynet import Sequential, kernels, study
from tinynet.callbacks import History
from tinynet.figures import InlineFigure
from tinynet.layers import Conv2D, Dense, Flatten, MaxPool2D
from tinynet.tables import Table, shortened
from tinynet.testing import check_gradients, check_layer

EXAMPLES = Path(__file__).parent.parent / "examples"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def shown():
    """Make one of each result that a user gets to see, by name."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 1, 8, 8)).astype("float32"), np.eye(3)[np.arange(6) % 3]
    model = Sequential([Conv2D(2, 3, activation="relu", input_shape=(1, 8, 8)), MaxPool2D(), Flatten(),
                        Dense(3, activation="softmax")], seed=0)
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    recorder = study.HealthRecorder(x, y)
    with kernels.use("im2col"):
        history = model.fit(x, y, epochs=2, verbose=0, callbacks=[recorder])
        health = study.health(model, x, y)
        gradients = check_gradients(Dense(2), rng.normal(size=(2, 3)))
        return {
            "History": history, "HealthRecorder": recorder, "Trace": study.Trace(model, x), "Health": health,
            "StepHealth": health.steps[1], "ParameterHealth": health.parameters[0],
            "Histogram": health.parameters[0].gradient,
            "Confusion": study.confusion(model, x, y), "Calibration": study.calibration(model, x, y),
            "Misclassified": study.misclassified(model, x, 1 - y), "Profile": study.profile(model, 2, 1),
            "a weight's GradientTerms": study.conv_gradient(model, "conv2d_1", x, y, weight=(0, 0, 0, 0)),
            "a pixel's GradientTerms": study.conv_gradient(model, "conv2d_1", x, y, pixel=(0, 4, 4)),
            "ConvStep": study.conv_step(model, "conv2d_1", x, (0, 1, 1)),
            "DenseStep": study.dense_step(model, "dense_1", x, (1,)),
            "PoolStep": study.pool_step(model, "max_pool2d_1", x, (0, 1, 1)),
            "SoftmaxStep": study.softmax_step(model, x, y),
            "IntegratedGradients": study.integrated_gradients(model, x, steps=2),
            "ExcitingPatches": study.exciting_patches(model, "conv2d_1", x, count=2),
            "Maximised": study.maximise(model, "dense_1", [0, 2], steps=1),
            "PrincipalComponents": study.pca(model, x)["dense_1"],
            "LossSurface": study.loss_surface(model, x, y, points=2), "Plan": model.plan(),
            "KernelComparison": study.KernelComparison("Dense", (3,), {"fast": {"y": 0.0}}, {"y": 1.0}, {"fast": 1.0},
                                                       {"fast": 2.0}),
            "GradientReport": gradients, "TensorReport": gradients["kernel"],
            "ContractReport": check_layer(lambda: Dense(2), (3,), rules=["runs", "output_shape"]),
        }


WITHOUT_TABLE = {"StepHealth", "ParameterHealth", "Histogram"}                 # parts of others, and one row of theirs


def test_no_repr_is_a_flood_of_numbers_nor_an_address(shown):
    lines = {name: repr(thing) for name, thing in shown.items() if name not in ("Plan", "GradientReport")}
    assert {name: line for name, line in lines.items() if len(line) > 250 or "\n" in line or " at 0x" in line} == {}
    assert max(len(repr(shown[name])) for name in ("Plan", "GradientReport")) < 1500     # these are tables themselves


def test_a_notebook_shows_results_as_tables(shown):
    html = {name: thing._repr_html_() for name, thing in shown.items() if name not in WITHOUT_TABLE}
    assert {name: text for name, text in html.items() if "<table><tr><th>" not in text or len(text) > 10_000} == {}


def test_the_reprs_say_what_the_results_hold(shown):
    history = shown["History"].history
    assert repr(shown["History"]) == (f"<History: 2 epochs; in the end loss {history['loss'][-1]:.4g}, "
                                      f"accuracy {history['accuracy'][-1]:.4g}>")
    assert repr(History()) == "<History: no epochs yet>"
    assert repr(shown["HealthRecorder"]) == "<HealthRecorder: 3 records, after 0 to 2 updates>"
    assert repr(study.HealthRecorder([], [])) == "<HealthRecorder: no records yet>"
    assert repr(shown["Trace"]) == "<Trace: Sequential, 6 steps, samples (6, 1, 8, 8)>"
    assert repr(shown["ConvStep"]) == "<ConvStep: conv2d_1: filter 0, output pixel (1, 1), sample 0>"
    assert "<td>conv2d_1/relu</td><td>(6, 2, 6, 6)</td>" in shown["Trace"]._repr_html_()


def test_a_history_shows_its_epochs_from_1_and_of_many_the_first_and_the_last():
    history = History()
    for epoch in range(100):
        history.on_epoch_end(epoch, {"loss": 1 / (1 + epoch), "note": "new"} if epoch > 2 else {"loss": 2.0})
    html = history._repr_html_()
    assert html.count("<tr>") == 22
    assert "<td>1</td><td>2</td>" in html
    assert "<td>100</td><td>0.01</td>" in html


def test_what_is_printed_and_what_a_notebook_shows_have_the_same_cells(shown):
    for name in ("Health", "Confusion", "Calibration", "Profile", "SoftmaxStep", "Misclassified"):
        text = str(shown[name])
        for table in shown[name].tables():
            assert all(cell in text for row in [table.head, *table.rows] for cell in row), name


def test_a_table_escapes_what_html_would_take_for_markup():
    assert "<td>a &lt; b</td>" in Table([""], [["a < b"]]).html()


def test_a_table_is_cut_in_its_middle():
    assert shortened([[str(k)] for k in range(9)], most=4) == [["0"], ["1"], ["..."], ["7"], ["8"]]


@pytest.mark.parametrize("draw", [
    lambda shown: shown["History"].plot(), lambda shown: shown["PoolStep"].plot(),
    lambda shown: shown["DenseStep"].plot(), lambda shown: shown["GradientReport"].plot()],
    ids=["history", "grid", "canvas", "gradient check"])
def test_every_figure_shows_itself(shown, draw):
    assert isinstance(draw(shown), InlineFigure)


def test_a_figure_is_a_picture_without_pyplot_and_can_be_copied():
    figure = InlineFigure((1, 1))
    assert figure._repr_png_().startswith(PNG)
    assert type(pickle.loads(pickle.dumps(figure))) is InlineFigure


def test_a_lesson_in_a_notebook_shows_each_figure_once(tmp_path, monkeypatch, capsys):
    displayed, shell = [], types.ModuleType("IPython")
    shell.get_ipython, shell.version_info = lambda: None, (9, 0)
    module = types.ModuleType("IPython.display")
    module.Image, module.display = lambda filename: Path(filename).read_bytes(), displayed.append
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    common = runpy.run_path(str(EXAMPLES / "_common.py"))
    before = common["plt"].get_fignums()
    common["save"](common["plt"].figure(figsize=(1, 1)), tmp_path, "curves.png")
    assert [image.startswith(PNG) for image in displayed] == [True]
    assert common["plt"].get_fignums() == before                               # closed: no cell shows it again
