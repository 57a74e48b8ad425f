"""The numbers of ConvStep, PoolStep, DenseStep and SoftmaxStep are the engine's, with padding, strides and dilation."""

import numpy as np
import pytest
from layers_for_tests import Scale
from scipy.special import softmax
from study_models import samples, twisted

from tinynet import Sequential, study
from tinynet.kernels.im2col import im2col
from tinynet.layers import AveragePool2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D

MODEL, (X, Y) = twisted(), samples()              # float64; two runs may differ in the last bit
FOUND = study.activations(MODEL, X)


def approx(number):
    """Allow for the last bits of a float64."""
    return pytest.approx(number, rel=1e-12, abs=1e-14)


def some_indices(name, seed=0, count=40):
    """Return some indices into a step's output, its corners among them."""
    shape = FOUND[name].shape
    rng = np.random.default_rng(seed)
    ends = [tuple(np.where(rng.random(4) < 0.5, 0, np.array(shape) - 1)) for _ in range(8)]
    return ends + [tuple(rng.integers(shape)) for _ in range(count)]


@pytest.mark.parametrize(("name", "inputs"), [("first", X), ("inner/conv2d_1", FOUND["scale_1"])])
def test_every_number_of_a_convolution_is_the_engines(name, inputs):
    layer = {"first": MODEL.layers[0], "inner/conv2d_1": MODEL.layers[3].layers[0]}[name]
    windows, nonlinearity = layer.windows, {"first": np.tanh, "inner/conv2d_1": lambda z: max(z, 0)}[name]
    padded = windows.pad(inputs, 0)
    columns = im2col(padded, windows.size, windows.strides, windows.dilation)
    for n, f, p, q in some_indices(name):
        step = study.conv_step(MODEL, name, X, (f, p, q), n)
        kernel = layer.params["kernel"]
        np.testing.assert_array_equal(step.kernel, kernel[f])
        np.testing.assert_array_equal(step.products, step.patch * kernel[f])
        for (c, i, j), pixel in np.ndenumerate(step.patch):                            # the definition, by hand
            h, w = (p * windows.strides[0] + i * windows.dilation[0], q * windows.strides[1] + j * windows.dilation[1])
            assert pixel == approx(padded[n, c, h, w])
            top, left = (pad[0] for pad in windows.around(inputs.shape[2:]))
            assert (step.rows[i], step.columns[j]) == (h - top, w - left)
            inside = 0 <= h - top < inputs.shape[2] and 0 <= w - left < inputs.shape[3]
            assert step.padding[i, j] == (not inside)
        np.testing.assert_allclose(step.channel_sums, [part.sum() for part in step.products], rtol=1e-14)
        assert step.sum == pytest.approx(step.channel_sums.sum(), abs=1e-13)
        assert step.bias == layer.params["bias"][f]
        assert step.z == approx(FOUND[name][n, f, p, q])
        assert step.z == pytest.approx(step.sum + step.bias, abs=1e-13)
        assert step.y == approx(FOUND[f"{name}/{step.activation}"][n, f, p, q])
        assert step.y == approx(nonlinearity(step.z))
        np.testing.assert_allclose(step.column_matrix, columns[n], rtol=1e-12)
        np.testing.assert_array_equal(step.column, step.patch.ravel())
        np.testing.assert_array_equal(step.row, kernel[f].ravel())
        assert step.column_index == p * FOUND[name].shape[3] + q
        assert step.row @ step.column == pytest.approx(step.sum, abs=1e-13)


def test_a_layer_itself_or_its_name_means_the_same():
    both = MODEL.layers[3].layers[0], "inner/conv2d_1"
    one, other = (study.conv_step(MODEL, layer, X, (1, 2, 3)) for layer in both)
    assert str(one) == str(other)


def test_a_convolution_without_bias_and_nonlinearity():
    model = Sequential([Conv2D(2, 2, use_bias=False, input_shape=(1, 3, 3))], seed=1)
    step = study.conv_step(model, model.layers[0], np.ones((1, 1, 3, 3)), (1, -1, 0))
    assert (step.at, step.bias, step.activation, step.y) == ((1, 1, 0), 0, "", step.z)
    assert "(z)" not in str(step)


def test_the_text_has_the_real_numbers():
    step = study.conv_step(MODEL, "first", X, (2, 0, 0), 1)
    text = str(step)
    for number in (*step.patch.ravel(), *step.kernel.ravel(), *step.products.ravel()):
        assert f"{number:8.3f}" in text
    for number in (*step.channel_sums, step.sum, step.bias, step.z, step.y):
        assert f"{number:+.6f}" in text
    assert "outside the image are zeros" in text
    assert step.padding.any()
    assert f"column {step.column_index} of the columns {step.column_matrix.shape}" in text


def test_many_channels_are_shortened_to_the_strongest():
    model = Sequential([Conv2D(1, 2, input_shape=(7, 3, 3))], seed=0)
    x = np.random.default_rng(0).normal(size=(1, 7, 3, 3))
    step = study.conv_step(model, "conv2d_1", x, (0, 1, 1))
    order = np.argsort(-np.abs(step.channel_sums))
    assert step.strongest(3) == order[:3].tolist()
    assert f"the other 4 channels: {step.channel_sums[order[3:]].sum():+.6f}" in str(step)


def matrices(figure):
    """Return the axes of im2col's three matrices: the last row of a convolution's figure, the sums left out."""
    return [ax for ax in figure.axes if ax.images and ax.get_label() != "<colorbar>"][-3:]


@pytest.mark.slow
def test_a_convolution_is_drawn_with_its_numbers(tmp_path):
    step = study.conv_step(MODEL, "first", X, (2, 0, 0), 1)
    figure = step.plot(tmp_path / "step.png")
    images = [np.ma.filled(ax.images[0].get_array(), 0) for ax in figure.axes
              if ax.images and ax.get_label() != "<colorbar>"]
    c, d = step.strongest(2)
    of_channel = slice(c * step.kernel[c].size, (c + 1) * step.kernel[c].size)
    wanted = [step.image[c], step.patch[c], step.kernel[c], step.products[c], step.image[d], step.patch[d],
              step.kernel[d], step.products[d], step.kernel_matrix[:5, of_channel],        # filter 2 of 3, pixel 0
              step.column_matrix[of_channel, :4], (step.kernel_matrix @ step.column_matrix)[:5, :4]]
    assert len(images) == len(wanted)
    for drawn, array in zip(images, wanted, strict=True):
        np.testing.assert_allclose(drawn, array, atol=1e-14)
    written = {text.get_text() for ax in figure.axes for text in ax.texts}
    numbers = [step.channel_sums[c], step.channel_sums[d], step.bias, step.z, step.y]
    decimals = 3 - int(np.floor(np.log10(np.abs(numbers).max())))                     # four digits of the largest
    assert {f"{number:+.{decimals}f}" for number in numbers} <= written
    patch = figure.axes[1]
    zeros = {(round(text.get_position()[1]), round(text.get_position()[0])) for text in patch.texts
             if text.get_text() == "0"}
    assert zeros == {tuple(place) for place in np.argwhere(step.padding)} == {(0, 0), (0, 1)}
    assert [(ax.get_ylabel(), ax.get_xlabel()) for ax in matrices(figure)] == [
        ("filter", "weight"), ("weight", "output pixel p * Q + q"), ("filter", "output pixel p * Q + q")]
    assert (tmp_path / "step.png").exists()


@pytest.mark.slow
def test_the_channels_that_are_not_drawn_are_one_bar():
    model = Sequential([Conv2D(1, 2, input_shape=(7, 3, 3))], seed=0)
    step = study.conv_step(model, "conv2d_1", np.random.default_rng(0).normal(size=(1, 7, 3, 3)), (0, 1, 1))
    ax, = (ax for ax in step.plot().axes if ax.get_title() == "the sums")
    bars = dict(zip([label.get_text() for label in ax.get_yticklabels()], [bar.get_width() for bar in ax.patches],
                    strict=True))
    shown = step.strongest(3)
    assert list(bars) == [*(f"channel {c}" for c in shown), "others (4)", "bias", "z: their sum"]
    assert bars["others (4)"] == pytest.approx(step.channel_sums.sum() - step.channel_sums[shown].sum())
    assert bars["z: their sum"] == step.z


@pytest.mark.parametrize("name", ["largest", "inner/average_pool2d_1"])
def test_every_number_of_a_pooling_is_the_engines(name):
    inputs = {"largest": FOUND["first/tanh"], "inner/average_pool2d_1": FOUND["inner/conv2d_1/relu"]}[name]
    for n, c, p, q in some_indices(name):
        step = study.pool_step(MODEL, name, X, (c, p, q), n)
        for (i, j), pixel in np.ndenumerate(step.window):
            h, w = step.rows[i], step.columns[j]
            inside = 0 <= h < inputs.shape[2] and 0 <= w < inputs.shape[3]
            assert pixel == approx(inputs[n, c, h, w]) if inside else np.isnan(pixel)
        assert step.y == approx(FOUND[name][n, c, p, q])
        assert step.y == pytest.approx(np.nansum(step.window * step.shares))
        assert step.shares.sum() == pytest.approx(1)
        assert step.y == pytest.approx((np.nanmax if name == "largest" else np.nanmean)(step.window))
        assert f"{step.y:+.6f}" in str(step)


def test_of_equals_the_first_wins_as_in_the_engine():
    model = Sequential([MaxPool2D(input_shape=(1, 2, 2))])
    assert study.pool_step(model, "max_pool2d_1", np.ones((1, 1, 2, 2)), (0, 0, 0)).shares.tolist() == [[1, 0], [0, 0]]


def test_a_readers_own_pooling_needs_a_rule_for_its_shares():
    class Corner(MaxPool2D):
        def forward(self, x, training=False):
            return x[:, :, ::2, ::2], lambda dy: None
    model = Sequential([Corner(2, input_shape=(1, 4, 4)), Scale()])
    x = np.random.default_rng(0).normal(size=(1, 1, 4, 4))
    study.shares.register(Corner, lambda layer, window: np.array([[1.0, 0], [0, 0]]))
    step = study.pool_step(model, "corner_1", x, (0, 1, 0))
    assert step.y == np.nansum(step.window * step.shares) == pytest.approx(x[0, 0, 2, 0])
    with pytest.raises(ValueError, match=r"study\.shares\.register\(Scale\)"):
        study.pool_step(model, "scale_1", x, (0, 0, 0))


def test_every_number_of_a_dense_layer_is_the_engines():
    kernel, bias = (MODEL.params[f"hidden/{key}"] for key in ("kernel", "bias"))
    for n, u in np.ndindex(2, 6):
        step = study.dense_step(MODEL, "hidden", X, u, n)
        np.testing.assert_allclose(step.inputs, FOUND["flatten_1"][n], rtol=1e-12)
        np.testing.assert_array_equal(step.products, step.inputs * kernel[:, u])
        assert step.bias == bias[u]
        assert (step.z, step.y) == approx((FOUND["hidden"][n, u], FOUND["hidden/tanh"][n, u]))
        assert step.sum + step.bias == pytest.approx(step.z, abs=1e-13)
        assert sum(step.parts().values()) == pytest.approx(step.z, abs=1e-13)
        assert f"{step.z:+.6f}" in str(step)
        assert "tanh(z)" in str(step)


def test_a_unit_of_a_dense_layer_on_more_axes_has_a_whole_index():
    model = Sequential([Dense(2, input_shape=(3, 4))], seed=2)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    step = study.dense_step(model, "dense_1", x, (2, 1), 1)
    assert step.z == pytest.approx(x[1, 2] @ model.params["dense_1/kernel"][:, 1], rel=1e-6)


def test_every_number_of_the_softmax_is_scipys_and_the_engines():
    for n in range(len(X)):
        step = study.softmax_step(MODEL, X, Y, n)
        np.testing.assert_allclose(step.logits, FOUND["last"][n], rtol=1e-12)
        np.testing.assert_allclose(step.probabilities, softmax(step.logits), rtol=1e-13)
        np.testing.assert_allclose(step.probabilities, FOUND["last/softmax"][n], rtol=1e-13)
        np.testing.assert_allclose(step.exps / step.sum, step.probabilities)
        np.testing.assert_array_equal(step.target, Y[n])
        assert step.loss == pytest.approx(-np.log(step.probabilities[Y[n].argmax()]))
        np.testing.assert_allclose(step.difference, step.probabilities - Y[n], rtol=1e-13)
        np.testing.assert_allclose(step.gradient, step.difference / len(X), rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(step.slope @ step.jacobian, step.difference, rtol=1e-12, atol=1e-15)
    losses = [study.softmax_step(MODEL, X, Y, n).loss for n in range(len(X))]
    assert np.mean(losses) == pytest.approx(MODEL.evaluate(X, Y, verbose=0)[0], rel=1e-12)


def test_the_jacobian_is_measured():
    z = study.softmax_step(MODEL, X).logits
    for j in range(4):
        change = np.eye(4)[j] * 1e-6
        slope = (softmax(z + change) - softmax(z - change)) / 2e-6
        np.testing.assert_allclose(study.softmax_step(MODEL, X).jacobian[:, j], slope, atol=1e-9)


def test_labels_and_logits_at_the_end_do_as_well():
    from tinynet.losses import SparseCategoricalCrossentropy
    model = Sequential([Dense(3, input_dim=2)], dtype="float64", seed=0)
    model.compile(loss=SparseCategoricalCrossentropy(from_logits=True))
    x, y = np.array([[1.0, -2], [3, 1]]), np.array([2, 0])
    step = study.softmax_step(model, x, y, 1)
    assert step.target.tolist() == [1, 0, 0]
    np.testing.assert_allclose(step.gradient, (softmax(model(x)[1]) - [1, 0, 0]) / 2)
    assert study.softmax_step(model, x).loss is None
    assert "loss" not in str(study.softmax_step(model, x))


@pytest.mark.slow
def test_the_window_is_framed_where_it_lies():
    step = study.conv_step(MODEL, "inner/conv2d_1", X, (2, 1, 3))                     # dilated: 3 rows, 4 columns
    figure = step.plot()
    kernels, columns, sums = matrices(figure)
    frames = [ax.patches[0] for ax in figure.axes if len(ax.images) == len(ax.patches) == 1
              and ax not in (kernels, columns, sums)]
    assert len(frames) == 3
    for frame in frames:
        assert (frame.get_y(), frame.get_x()) == (step.rows[0] - 0.5, step.columns[0] - 0.5)
        assert (frame.get_height(), frame.get_width()) == (3, 4)
    row = [label.get_text() for label in kernels.get_yticklabels()].index(str(step.kernel_row))
    column = [label.get_text() for label in columns.get_xticklabels()].index(str(step.column_index))
    assert kernels.patches[0].get_y() == sums.patches[0].get_y() == row - 0.5
    assert columns.patches[0].get_x() == sums.patches[0].get_x() == column - 0.5
    np.testing.assert_allclose(sums.images[0].get_array()[row, column], step.sum)
    np.testing.assert_allclose(kernels.images[0].get_array()[row] @ columns.images[0].get_array()[:, column],
                               step.channel_sums[step.strongest(1)[0]])
    pooled = study.pool_step(MODEL, "largest", X, (1, 3, 2))
    frame = pooled.plot().axes[0].patches[0]
    assert (frame.get_y(), frame.get_x()) == (pooled.rows[0] - 0.5, pooled.columns[0] - 0.5)
    assert (frame.get_height(), frame.get_width()) == (2, 3)


@pytest.mark.rest
def test_figures_are_saved(tmp_path):
    pooled = study.pool_step(MODEL, "largest", X, (0, 0, 0))
    image, window, shares = pooled.plot(tmp_path / "pool.png").axes[:3]
    assert [ax.get_title() for ax in (image, window, shares)] == ["input, channel 0", f"window: y = {pooled.y:.4f}",
                                                                  "shares"]
    np.testing.assert_array_equal(shares.images[0].get_array(), pooled.shares)
    outside = {(round(text.get_position()[1]), round(text.get_position()[0])) for text in window.texts
               if text.get_text() == "outside"}
    assert outside == {tuple(place) for place in np.argwhere(np.isnan(pooled.window))} == {(0, 0), (1, 0)}
    study.dense_step(MODEL, "hidden", X, 3).plot(path=tmp_path / "dense.png")
    figure = study.softmax_step(MODEL, X, Y).plot(tmp_path / "softmax.png")
    assert {path.name for path in tmp_path.iterdir()} == {"pool.png", "dense.png", "softmax.png"}
    bars = [[bar.get_width() for bar in ax.patches] for ax in figure.axes[:3]]
    step = study.softmax_step(MODEL, X, Y)
    np.testing.assert_array_equal(bars, [step.logits, step.probabilities, step.difference])
    np.testing.assert_array_equal(figure.axes[3].images[0].get_array(), step.jacobian)


@pytest.mark.slow
def test_the_rows_of_the_jacobian_are_probabilities_and_its_columns_logits():
    """It is symmetric: nothing but the labels says which is which."""
    ax = study.softmax_step(MODEL, X, Y).plot().axes[3]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("probability i", "logit j")
    assert ax.get_title() == "Jacobian: d p_i / d z_j"


def test_a_wrong_name_or_index_is_an_error_that_says_what_was_expected():
    with pytest.raises(ValueError, match=r"Unknown step 'frist'. Did you mean 'first'"):
        study.conv_step(MODEL, "frist", X, (0, 0, 0))
    with pytest.raises(ValueError, match=r"Expected a layer of Sequential, or the name of one of its steps: first"):
        study.conv_step(MODEL, Conv2D(1, 1), X, (0, 0, 0))
    with pytest.raises(ValueError, match=r"Expected at, an output pixel \(filter, row, column\) of first, an index "
                                         r"into shape \(3, 5, 8\). Received: \(3, 0, 0\)"):
        study.conv_step(MODEL, "first", X, (3, 0, 0))
    groups = Sequential([Conv2D(2, 1, groups=2, input_shape=(2, 3, 3))])
    with pytest.raises(ValueError, match=r"Expected a convolution of one group, .* Received: Conv2D .* of 2 groups."):
        study.conv_step(groups, "conv2d_1", np.ones((1, 2, 3, 3)), (0, 0, 0))
    with pytest.raises(ValueError, match="Expected a convolution"):
        study.conv_step(MODEL, "hidden", X, (0, 0, 0))
    with pytest.raises(ValueError, match="Expected a dense layer"):
        study.dense_step(MODEL, "first", X, 0)
    with pytest.raises(ValueError, match="Expected a pooling"):
        study.pool_step(MODEL, "flatten_1", X, (0, 0, 0))
    with pytest.raises(ValueError, match="Expected sample, an index into shape"):
        study.dense_step(MODEL, "hidden", X, 0, sample=5)
    with pytest.raises(ValueError, match="Expected a model that ends in softmax"):
        study.softmax_step(Sequential([Flatten(input_shape=(2,))]), [[1, 2]])


def test_the_average_counts_no_padding():
    model = Sequential([AveragePool2D(2, strides=2, padding="same", input_shape=(1, 3, 3))], dtype="float64")
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    assert study.pool_step(model, "average_pool2d_1", x, (0, 1, 1)).shares.tolist() == [[1, 0], [0, 0]]
    assert study.pool_step(model, "average_pool2d_1", x, (0, 0, 1)).shares.tolist() == [[0.5, 0], [0.5, 0]]


@pytest.mark.rest
def test_with_targets_a_pooling_shows_where_its_gradient_goes():
    step = study.pool_step(MODEL, "largest", X, (1, 3, 2), 1, y=Y)
    for (i, j), gradient in np.ndenumerate(step.dx):                                 # that of all windows over it
        terms = study.pool_gradient(MODEL, "largest", X, Y, pixel=(1, step.rows[i], step.columns[j]), sample=1)
        assert gradient == approx(terms.total)
    assert f"dy = {step.dy:+.4e}" in str(step)
    back = step.plot().axes[3]
    np.testing.assert_array_equal(back.images[0].get_array(), step.dx)
    assert back.get_title().startswith("back")


@pytest.mark.slow
def test_the_true_class_of_a_softmax_has_another_colour_and_is_named():
    step = study.softmax_step(MODEL, X, Y, sample=1)
    true = Y[1].argmax()
    for figure in step.plot(), step.plot_chain_rule():
        assert f"true class {true} " in figure.get_suptitle()
        bars = [[bar.get_facecolor() for bar in ax.patches] for ax in figure.axes if len(ax.patches) == len(Y[1])]
        assert len(bars) >= 2
        for colours in bars:
            assert [k for k, colour in enumerate(colours) if colours.count(colour) == 1] == [true]
    assert "true class" not in study.softmax_step(MODEL, X).plot().get_suptitle()


def test_the_chain_rule_of_a_softmax_is_drawn_as_a_product():
    step = study.softmax_step(MODEL, X, Y)
    left, jacobian, right = step.plot_chain_rule().axes[:3]
    slope, product = ([bar.get_width() for bar in ax.patches] for ax in (left, right))
    np.testing.assert_allclose(slope @ jacobian.images[0].get_array(), product, atol=1e-12)
    assert jacobian.patches[0].get_y() == Y[0].argmax() - 0.5
    with pytest.raises(ValueError, match="expected a step with targets"):
        study.softmax_step(MODEL, X).plot_chain_rule()


def test_inputs_that_were_flattened_are_named_by_their_place():
    model = Sequential([Conv2D(3, 2, input_shape=(1, 3, 4)), Flatten(), Dropout(0.5), Dense(2), Dense(1)], seed=0)
    step = study.dense_step(model, "dense_1", np.random.default_rng(0).normal(size=(1, 1, 3, 4)), at=1)
    maps = study.activations(model, np.random.default_rng(0).normal(size=(1, 1, 3, 4)))["conv2d_1"][0]
    assert step.unflattened == maps.shape == (3, 2, 3)
    for i, place in enumerate(np.ndindex(3, 2, 3)):
        assert step.input_name(i) == f"x[{i} = {place}]"
        assert step.inputs[i] == maps[place]
    assert study.dense_step(model, "dense_2", np.ones((1, 1, 3, 4)), at=0).input_name(1) == "x[1]"
