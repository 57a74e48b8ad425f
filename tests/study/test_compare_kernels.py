"""The comparison's differences are those of the kernel sets' arrays."""

import sys
from time import sleep

import numpy as np
import pytest
from study_models import samples, twisted

from tinynet import Sequential, kernels, study
from tinynet.layers import Conv2D, Dense, Layer, MaxPool2D


def convolution(dtype="float64"):
    model = Sequential([Conv2D(3, (3, 2), strides=(2, 1), padding="same", activation="relu", input_shape=(2, 7, 6))],
                       dtype=dtype, seed=0)
    return model.layers[0]


def test_all_sets_give_the_same_numbers():
    x = np.random.default_rng(0).normal(size=(4, 2, 7, 6))
    comparison = study.compare_kernels(convolution(), x, repeats=1)
    assert list(comparison.differences) == ["naive", "im2col", "fast"]
    assert list(comparison.largest) == ["y", "dx", "dkernel", "dbias"]
    for differences in comparison.differences.values():
        assert max(differences.values()) < 1e-13
    assert comparison.largest["y"] == pytest.approx(np.abs(convolution()(x)).max())
    assert min([*comparison.forward_ms.values(), *comparison.backward_ms.values()]) > 0


def test_a_set_that_errs_is_seen(monkeypatch):
    layer, x = convolution(), np.random.default_rng(0).normal(size=(4, 2, 7, 6))
    im2col = sys.modules["tinynet.kernels.im2col"]
    right, wrong_place = im2col.conv2d_input_gradient, (1, 1, 3, 2)

    def wrong(dy, kernel, input_size, strides, dilation):
        dx = right(dy, kernel, input_size, strides, dilation)
        if len(dx) == 4:
            dx[wrong_place] += 0.125
        return dx
    monkeypatch.setattr(im2col, "conv2d_input_gradient", wrong)
    differences = study.compare_kernels(layer, x, repeats=1).differences["im2col"]
    assert differences["dx"] == pytest.approx(0.125)
    assert max(differences[key] for key in ("y", "dkernel", "dbias")) < 1e-13


@pytest.mark.parametrize("layer", [MaxPool2D(), Dense(3, input_shape=(2, 4, 4)), twisted().layers[3]])
def test_poolings_dense_layers_and_models_are_compared_too(layer):
    shape = (3, 4, 4) if "inner" in str(layer) else (2, 4, 4)
    if layer.output_shape is None:
        Sequential([layer]).build(shape)
    shape = layer.input_shape
    comparison = study.compare_kernels(layer, np.random.default_rng(1).normal(size=(2, *shape)), repeats=1)
    assert all(max(found.values()) < 1e-5 for found in comparison.differences.values())
    assert set(comparison.largest) == {"y", "dx", *(f"d{key}" for key in layer.params)}


def test_grads_and_the_kernel_set_stay_as_they_were():
    model, (x, y) = twisted(), samples()
    model.objective(x, y)[2]()
    before = dict(model.grads)
    with kernels.use("im2col"):
        study.compare_kernels(model, x[:1], repeats=1)
        assert kernels.current().__name__.endswith("im2col")
    assert all(model.grads[key] is array for key, array in before.items())


@pytest.mark.slow
def test_the_table_and_the_bars_have_the_numbers(tmp_path):
    comparison = study.compare_kernels(convolution("float32"), np.ones((2, 2, 7, 6)), repeats=1)
    lines = str(comparison).splitlines()
    assert lines[1].split()[-4:] == ["y", "dx", "dkernel", "dbias"]
    for line, name in zip(lines[2:], comparison.differences, strict=False):
        assert line.split() == [name, f"{comparison.forward_ms[name]:.3f}", f"{comparison.backward_ms[name]:.3f}",
                                *(f"{number:.1e}" for number in comparison.differences[name].values())]
    ax = comparison.plot(path=tmp_path / "kernels.png").axes[0]
    assert [bars.get_label() for bars in ax.containers] == ["forward", "backward"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["naive", "im2col", "fast"]
    bars = [bar.get_width() for bar in ax.patches]
    assert bars == [*comparison.forward_ms.values(), *comparison.backward_ms.values()]


def test_each_time_is_that_of_its_own_way():
    class Slow(Layer):
        def forward(self, x, training=False):
            sleep(0.002)

            def backward(dy):
                sleep(0.02)
                return dy
            return x, backward
    comparison = study.compare_kernels(Slow(), np.ones((1, 2)), repeats=1)
    for name, milliseconds in comparison.forward_ms.items():
        assert 2 <= milliseconds < 20 <= comparison.backward_ms[name], name


def test_no_samples_are_an_error():
    with pytest.raises(ValueError, match="expected samples"):
        study.compare_kernels(convolution(), np.zeros((0, 2, 7, 6)))
