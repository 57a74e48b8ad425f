"""A planted bug shrinks to the smallest layer that shows it, printed as a call that can be pasted into a test."""

import pytest
from hypothesis import Phase, given, settings

import tinynet.layers
from tinynet import kernels
from tinynet.layers import AveragePool2D, Conv2D, Dense, MaxPool2D, Softmax
from tinynet.testing import check_gradients, strategies

# How the results of a backward are spoilt.

def last_column_lost(layer, x, dy, dx):
    if layer.windows.strides[1] > 1 and dx is not None:
        dx = dx.copy()
        dx[..., -1] = 0
    return dx


def height_for_width(layer, x, dy, dx):
    height, width = layer.windows.size
    return dx * width / height


def padding_counted_twice(layer, x, dy, dx):
    return dx * 2 if layer.windows.padding == "same" and x.shape[2] % layer.windows.strides[0] else dx


def mean_for_sum(layer, x, dy, dx):
    if layer.use_bias:
        layer.grads["bias"] = layer.grads["bias"] / len(x)
    return dx


def mean_added(layer, x, dy, dx):
    return dx + dy.mean(axis=-1, keepdims=True)


BUGS = {                          # the layer, the method whose backward is spoilt, how, and the example that is left
    "a convolution loses the last column with strides": (
        Conv2D, "linear", last_column_lost,
        "Conv2D(filters=1, kernel_size=(1, 1), strides=(1, 2), input_shape=(1, 1, 1))"),
    "average pooling takes the height for the width": (
        AveragePool2D, "forward", height_for_width,
        "AveragePool2D(pool_size=(1, 2), padding='same', input_shape=(1, 1, 1))"),
    "max pooling counts padding twice": (
        MaxPool2D, "forward", padding_counted_twice,
        "MaxPool2D(pool_size=(2, 1), padding='same', input_shape=(1, 1, 1))"),
    "a dense layer takes the mean for the bias": (
        Dense, "linear", mean_for_sum, "Dense(units=1, input_shape=(1,))"),
    "a softmax has a term too many": (
        Softmax, "forward", mean_added, "Softmax(input_shape=(1,))"),
}


def plant(monkeypatch, kind, method, spoil):
    right = getattr(kind, method)

    def wrong(self, x, training=False):
        y, backward = right(self, x, training)
        return y, lambda dy, **options: spoil(self, x, dy, backward(dy, **options))
    monkeypatch.setattr(kind, method, wrong)


@pytest.mark.parametrize("bug", [
    pytest.param(name, marks=pytest.mark.slow if BUGS[name][0] is Dense else pytest.mark.long)
    for name in BUGS])
@pytest.mark.rest
def test_a_planted_bug_shrinks_to_a_call_that_can_be_pasted(bug, monkeypatch):
    kind, method, spoil, smallest = BUGS[bug]

    @settings(strategies.settings, database=None, derandomize=True, max_examples=1000,
              phases=[Phase.generate, Phase.shrink])
    @given(strategies.layers())
    def test(layer):
        check_gradients(layer)

    with kernels.use("im2col"):                                          # nothing is compiled for what is drawn
        with monkeypatch.context() as planted:
            plant(planted, kind, method, spoil)
            with pytest.raises(AssertionError) as caught:
                test()
        printed = caught.value.__notes__[0].partition("layer=")[2].rpartition(",")[0]
        assert squeezed(printed) == squeezed(smallest)
        check_gradients(pasted(printed))                                 # right, where the bug is not
        plant(monkeypatch, kind, method, spoil)
        assert not check_gradients(pasted(printed), raises=False).passed


def squeezed(text):
    return "".join(text.split()).replace(",)", ")")


def pasted(text):
    return eval(text, vars(tinynet.layers).copy())
