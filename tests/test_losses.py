"""The losses: values by hand, slopes, weights, and logits of any size."""


import numpy as np
import pytest
from oracles import cross_entropy_slope, slope

from tinynet import Sequential, kernels, load_model, losses, metrics
from tinynet.kernels.fast.loops import rows
from tinynet.layers import Activation, Dense, Sigmoid, Softmax
from tinynet.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from tinynet.optimizers import Adam
from tinynet.utils import to_categorical


def one_hot(labels, K):
    return np.eye(K)[np.asarray(labels)]


CASES = {
    "mse": (MeanSquaredError(), lambda labels, K, rng: rng.normal(size=(*labels.shape, K)), False),
    "categorical": (CategoricalCrossentropy(), lambda labels, K, rng: one_hot(labels, K), True),
    "categorical, logits": (CategoricalCrossentropy(from_logits=True),
                            lambda labels, K, rng: one_hot(labels, K), False),
    "categorical, soft targets, logits": (CategoricalCrossentropy(from_logits=True),
                                          lambda labels, K, rng: rng.random(size=(*labels.shape, K)), False),
    "sparse": (SparseCategoricalCrossentropy(), lambda labels, K, rng: labels, True),
    "categorical, smoothed": (CategoricalCrossentropy(label_smoothing=0.2),
                              lambda labels, K, rng: one_hot(labels, K), True),
    "categorical, smoothed, logits": (CategoricalCrossentropy(True, 0.2),
                                      lambda labels, K, rng: one_hot(labels, K), False),
    "mae": (MeanAbsoluteError(), lambda labels, K, rng: rng.normal(size=(*labels.shape, K)), False),
    "huber": (Huber(0.5), lambda labels, K, rng: rng.normal(size=(*labels.shape, K)), False),
    "log_cosh": (LogCosh(), lambda labels, K, rng: rng.normal(size=(*labels.shape, K)), False),
    "mape": (MeanAbsolutePercentageError(), lambda labels, K, rng: rng.normal(size=(*labels.shape, K)), False),
    "msle": (MeanSquaredLogarithmicError(), lambda labels, K, rng: rng.exponential(size=(*labels.shape, K)), True),
    "poisson": (Poisson(), lambda labels, K, rng: rng.poisson(2, (*labels.shape, K)), True),
    "cosine_similarity": (CosineSimilarity(), lambda labels, K, rng: rng.normal(size=(*labels.shape, K)), False),
    "hinge": (Hinge(), lambda labels, K, rng: 2 * one_hot(labels, K) - 1, False),
    "squared_hinge": (SquaredHinge(), lambda labels, K, rng: one_hot(labels, K), False),
    "categorical_hinge": (CategoricalHinge(), lambda labels, K, rng: one_hot(labels, K), False),
    "kl": (KLDivergence(), lambda labels, K, rng: rng.dirichlet(np.ones(K), labels.shape), True),
    "binary": (BinaryCrossentropy(), lambda labels, K, rng: rng.random(size=(*labels.shape, K)), True),
    "binary, logits": (BinaryCrossentropy(from_logits=True), lambda labels, K, rng: one_hot(labels, K), False),
    "binary, smoothed": (BinaryCrossentropy(label_smoothing=0.3), lambda labels, K, rng: one_hot(labels, K), True),
    "function": (losses.get(lambda y_true, y_pred: (np.square(y_pred - y_true).sum(-1), 2 * (y_pred - y_true))),
                 lambda labels, K, rng: rng.normal(size=(*labels.shape, K)), False),
    "sparse, logits": (SparseCategoricalCrossentropy(from_logits=True), lambda labels, K, rng: labels, False),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    return request.param


def drawn(case, shape, rng, K=4):
    """Return a loss, targets and predictions of shape (*shape, K)."""
    loss, targets, probabilities = case
    y_pred = rng.normal(size=(*shape, K))
    if probabilities:
        y_pred = Softmax()(y_pred)
    return loss, targets(rng.integers(0, K, shape), K, rng), y_pred


def test_mean_squared_error_by_hand():
    value, backward = MeanSquaredError().forward(np.array([[0.0, 1.0], [2.0, 2.0]]), np.array([[1.0, 3.0], [2.0, 0.0]]))
    assert value == (2.5 + 2) / 2
    assert backward().tolist() == [[0.5, 1], [0, -1]]


@pytest.mark.parametrize(("loss", "y_true", "y_pred", "value", "slopes"), [
    (LogCosh(), [[0, 0]], [[np.log(2), 0]], np.log(1.25) / 2, [[0.3, 0]]),                   # cosh log 2, tanh log 2
    (LogCosh(), [[0, 0]], [[-1000, 0]], (1000 - np.log(2)) / 2, [[-0.5, 0]]),
    (MeanAbsolutePercentageError(), [[2, -10, 4]], [[1, -11, 4]], (50 + 10) / 3, [[-50 / 3, -10 / 3, 0]]),
    (MeanAbsolutePercentageError(), [[0]], [[1e-7]], 100, [[1e9]]),
    (MeanSquaredLogarithmicError(), [[0, 3]], [[1, 1]], np.log(2) ** 2, [[np.log(2) / 2, -np.log(2) / 2]]),
    (MeanSquaredLogarithmicError(), [[3]], [[-2]], np.log(4) ** 2, [[0]]),
    (Poisson(), [[2, 0]], [[1, 3]], 2, [[-0.5, 0.5]]),
    (CosineSimilarity(), [[0, 2]], [[3, 4]], -0.8, [[3 / 5 * 0.8 / 5, (4 / 5 * 0.8 - 1) / 5]]),
    (CosineSimilarity(), [[0, 0], [0, 1]], [[3, 4], [0, 0]], 0, [[0, 0], [0, 0]]),
    (Hinge(), [[1, -1, 1, -1]], [[0.5, 0.5, 2, 1]], (0.5 + 1.5 + 0 + 2) / 4, [[-0.25, 0.25, 0, 0.25]]),
    (Hinge(), [[1, 0]], [[0.5, 0.5]], 1, [[-0.5, 0.5]]),
    (Hinge(), [[1]], [[1]], 0, [[0]]),
    (SquaredHinge(), [[1, -1]], [[0.5, 0.5]], (0.25 + 2.25) / 2, [[-0.5, 1.5]]),
    (CategoricalHinge(), [[0, 1, 0]], [[0.5, 1, 0.25]], 0.5, [[1, -1, 0]]),
    (CategoricalHinge(), [[0, 1, 0]], [[-3, 0.5, -2]], 0.5, [[0, -1, 0]]),                    # the others are below 0
    (CategoricalHinge(), [[0, 1, 0]], [[1, 3, 2]], 0, [[0, 0, 0]])], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_of_numbers_and_margins_by_hand(loss, y_true, y_pred, value, slopes, dtype):
    found, backward = loss.forward(np.array(y_true), np.array(y_pred, dtype))
    tolerance = 1e-5 if dtype == np.float32 else 1e-6                              # Poisson's 1e-7 in the logarithm
    assert found == pytest.approx(value, rel=tolerance, abs=1e-7)
    np.testing.assert_allclose(backward(), np.array(slopes) / len(y_true), rtol=tolerance, atol=1e-7)
    assert backward().dtype == dtype


@pytest.mark.parametrize(("loss", "y_true", "text"), [
    (Hinge(), [[2.0, 1.0]], "Hinge: expected targets of -1 and 1, or of 0 and 1. Received: 1 to 2."),
    (SquaredHinge(), [[-1.0, 0.0]], "SquaredHinge: expected targets of -1 and 1, or of 0 and 1. Received: -1 to 0."),
    (CategoricalHinge(), [1], "CategoricalHinge: expected one-hot targets .N, 2.. Received: labels")])
def test_targets_of_a_margin_that_cannot_be_are_told(loss, y_true, text):
    with pytest.raises(ValueError, match=text):
        loss(np.array(y_true), np.zeros((1, 2)))


@pytest.mark.parametrize("name", ["log_cosh", "mean_absolute_percentage_error", "mean_squared_logarithmic_error",
                                  "poisson", "cosine_similarity", "hinge", "squared_hinge", "categorical_hinge"])
def test_a_name_a_function_and_a_class_are_one_loss_and_a_model_keeps_it(name, tmp_path, rng):
    y, p = np.eye(3)[rng.integers(0, 3, 4)], rng.random((4, 3))
    loss = losses.get(name)
    np.testing.assert_allclose(getattr(losses, name)(y, p).mean(), loss(y, p), rtol=1e-12)
    assert type(losses.get(getattr(losses, name))) is type(loss) is type(losses.get({"class": type(loss).__name__,
                                                                                     "config": {}}))
    model = Sequential([Dense(3, activation="sigmoid", input_dim=2)], seed=0)
    model.compile("sgd", name, metrics=[name])
    logs = model.evaluate(rng.normal(size=(4, 2)), y, verbose=0)
    assert logs[0] == pytest.approx(-logs[1] if name == "cosine_similarity" else logs[1], rel=1e-5)
    model.save(tmp_path / "m")
    assert type(load_model(tmp_path / "m").loss) is type(loss)


def test_categorical_crossentropy_by_hand():
    y_true, p = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.75, 0.25], [0.5, 0.5]])
    value, backward = CategoricalCrossentropy().forward(y_true, p)
    assert value == pytest.approx((np.log(4) + np.log(2)) / 2)
    np.testing.assert_allclose(backward(), [[0.5, -1.5], [-0.5, 0.5]])         # (-y / p + 1) / 2: rows sum to 1


def test_rows_of_probabilities_are_divided_by_their_sum_by_hand():
    y_true, y_pred = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.9, 0.3], [2.0, 6.0]])       # 3/4, 1/4; 1/4, 3/4
    value, backward = CategoricalCrossentropy().forward(y_true, y_pred)
    assert value == pytest.approx(np.log(4 / 3))
    np.testing.assert_allclose(backward(), [[(-4 / 3 + 1) / 1.2 / 2, 1 / 1.2 / 2], [1 / 8 / 2, (-4 / 3 + 1) / 8 / 2]])


@pytest.mark.parametrize("loss", [CategoricalCrossentropy(), SparseCategoricalCrossentropy()], ids=["hot", "sparse"])
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4)], ids=str)
def test_gradients_of_rows_that_do_not_sum_to_1_are_slopes(loss, shape, rng):
    y_pred, labels = rng.uniform(0.2, 2, shape), rng.integers(0, 3, shape[:-1])
    y_true = labels if "Sparse" in str(loss) else one_hot(labels, shape[-1])
    value, backward = loss.forward(y_true, y_pred)
    shares = y_pred / y_pred.sum(axis=-1, keepdims=True)
    assert value == pytest.approx(loss(y_true, shares), rel=1e-12)
    np.testing.assert_allclose(backward(), slope(lambda: loss(y_true, y_pred), y_pred), rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Loss and last layer")
def test_sigmoid_outputs_learn_with_a_cross_entropy(rng):
    x = rng.normal(size=(60, 2))
    labels = (x[:, 0] > 0) + (x[:, 1] > 0)
    model = Sequential([Dense(16, activation="tanh", input_dim=2), Dense(3, activation="sigmoid")], seed=0)
    model.compile(Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, labels, epochs=40, batch_size=60, verbose=0).history
    assert history["accuracy"][-1] > 0.9


def test_a_row_of_zeros_costs_the_most_and_has_no_slope():
    y_true = np.array([[1.0, 0.0], [1.0, 0.0]])
    value, backward = CategoricalCrossentropy().forward(y_true, np.array([[0.0, 0.0], [0.5, 0.5]]))
    assert value == pytest.approx((-np.log(1e-7) + np.log(2)) / 2)
    np.testing.assert_allclose(backward(), [[0, 0], [-0.5, 0.5]])


def test_categorical_crossentropy_of_logits_by_hand():
    y_true, z = np.array([[0.0, 1.0]]), np.array([[np.log(3.0), 0.0]])
    value, backward = CategoricalCrossentropy(from_logits=True).forward(y_true, z)
    assert value == pytest.approx(np.log(4))
    np.testing.assert_allclose(backward(), [[0.75, -0.75]])


def test_sparse_is_categorical_with_labels(rng):
    labels, p = np.array([2, 0, 1]), Softmax()(rng.normal(size=(3, 3)))
    for from_logits in False, True:
        value, backward = SparseCategoricalCrossentropy(from_logits).forward(labels, p)
        expected, expected_backward = CategoricalCrossentropy(from_logits).forward(one_hot(labels, 3), p)
        assert value == expected
        np.testing.assert_array_equal(backward(), expected_backward())


@pytest.mark.parametrize("shape", [(5,), (3, 2), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_slopes(case, shape, weighted, rng):
    loss, y_true, y_pred = drawn(case, shape, rng)
    weight = rng.random(shape[0]) * 3 if weighted else None
    _, backward = loss.forward(y_true, y_pred, weight)
    expected = slope(lambda: loss(y_true, y_pred, weight), y_pred)
    np.testing.assert_allclose(backward(), expected, rtol=1e-6, atol=1e-9)


def test_value_is_the_mean_over_all_samples_and_places(case, rng):
    loss, y_true, y_pred = drawn(case, (3, 2), rng)
    flat = [loss(y_true[n, t][None], y_pred[n, t][None]) for n in range(3) for t in range(2)]
    assert loss(y_true, y_pred) == pytest.approx(np.mean(flat))


def test_sample_weights_are_a_weighted_sum_over_the_batch_size(case, rng):
    loss, y_true, y_pred = drawn(case, (4,), rng)
    weight = np.array([0.0, 1.0, 2.5, 10.0])
    each = [loss(y_true[n:n + 1], y_pred[n:n + 1]) for n in range(4)]
    value, backward = loss.forward(y_true, y_pred, weight)
    assert value == pytest.approx((weight * each).sum() / 4)
    np.testing.assert_allclose(backward(), loss.forward(y_true, y_pred)[1]() * weight[:, None])


def test_dtype_of_the_gradient_is_that_of_the_predictions(case, rng):
    loss, y_true, y_pred = drawn(case, (4,), rng)
    for dtype in np.float32, np.float64:
        for weight in None, np.ones(4), [1, 2, 3, 4]:
            assert loss.forward(y_true, y_pred.astype(dtype), weight)[1]().dtype == dtype


def test_nothing_handed_in_is_written_to(case, rng):
    loss, y_true, y_pred = drawn(case, (4,), rng)
    before = y_true.copy(), y_pred.copy()
    loss.forward(y_true, y_pred, np.ones(4))[1]()
    np.testing.assert_array_equal(y_true, before[0])
    np.testing.assert_array_equal(y_pred, before[1])


def test_an_empty_batch_costs_nothing(case, rng):
    loss, y_true, y_pred = drawn(case, (0,), rng)
    value, backward = loss.forward(y_true, y_pred)
    assert value == 0
    assert backward().shape == (0, 4)


def test_a_nan_is_not_hidden(case, rng):
    loss, y_true, y_pred = drawn(case, (3,), rng)
    y_pred[1] = np.nan
    assert np.isnan(loss(y_true, y_pred))


def test_the_batch_mean_keeps_the_digits_of_float32():
    y_pred = np.zeros((100_000, 1), np.float32)
    assert MeanSquaredError()(np.full((100_000, 1), 0.1), y_pred) == pytest.approx(0.01, rel=1e-6)


@pytest.fixture(params=["few", "many"])
def cross_entropy(request, monkeypatch):
    """The kernel, as it does few numbers, one by one, and many, as vectors."""
    monkeypatch.setattr(rows, "FEW", 1 << 62 if request.param == "few" else -1)
    return rows.cross_entropy


@pytest.fixture(params=["forward", "with_softmax"])
def of_logits(request, cross_entropy):
    def run(loss, y_true, z):
        with np.errstate(all="ignore"):                                  # as where a model is trained
            if request.param == "forward":
                return loss.forward(y_true, z)
            value, backward, _ = loss.with_softmax(cross_entropy, y_true, z)
            return value(), backward
    return run


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1.0, 100.0, 1e4, 1e30])
def test_logits_of_any_size_give_exact_values_and_gradients(dtype, size, of_logits):
    z = np.array([[size, 0.0, -size], [size, 0.0, -size], [size, size, size]], dtype)
    value, backward = of_logits(CategoricalCrossentropy(from_logits=True), one_hot([0, 2, 1], 3), z)
    tail = np.log1p(np.exp(-size) + np.exp(-2 * size))
    assert value == pytest.approx((tail + (2 * size + tail) + np.log(3)) / 3, rel=1e-6)
    np.testing.assert_allclose(backward(), cross_entropy_slope(z, one_hot([0, 2, 1], 3)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_as_large_as_numbers_can_be_cost_nothing_where_they_are_right(dtype, of_logits):
    largest = np.finfo(dtype).max
    z = np.array([[largest, -largest, 0], [0, -np.inf, -largest]], dtype)
    value, backward = of_logits(CategoricalCrossentropy(from_logits=True), one_hot([0, 0], 3), z)
    assert value == 0
    assert backward().tolist() == [[0, 0, 0], [0, 0, 0]]
    assert of_logits(SparseCategoricalCrossentropy(from_logits=True), [1, 0], z)[0] == np.inf
    assert Softmax()(z).tolist() == [[1, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_not_hidden(number, of_logits):
    z = np.array([[0, 1, number], [0, 0, 0]], np.float32)
    value, backward = of_logits(CategoricalCrossentropy(from_logits=True), one_hot([0, 0], 3), z)
    assert np.isnan(value)
    assert np.isnan(backward()).tolist() == [[True] * 3, [False] * 3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0, 2), (1, 2), (70, 10), (5, 4, 3), (3, 1000)])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_cross_entropy_and_its_softmax_in_one_pass_are_both(shape, weighted, dtype, cross_entropy, rng):
    labels, z = rng.integers(shape[-1], size=shape[:-1]), (9 * rng.normal(size=shape)).astype(dtype)
    targets, weight = to_categorical(labels[..., None], shape[-1]), rng.random(shape[0]) if weighted else None
    near = {"rtol": 50 * float(np.finfo(dtype).eps), "atol": float(np.finfo(dtype).eps)}
    for loss, y_true in ((SparseCategoricalCrossentropy(True), labels), (CategoricalCrossentropy(True), targets),
                         (CategoricalCrossentropy(True, label_smoothing=0.2), targets),
                         (CategoricalCrossentropy(True), 0.5 * targets)):                # which do not sum to 1
        value, backward, p = loss.with_softmax(cross_entropy, y_true, z, weight)
        expected, expected_backward = loss.forward(y_true, z, weight)
        assert value() == pytest.approx(expected, rel=near["rtol"], abs=near["atol"])           # of log(1 + a little)
        np.testing.assert_allclose(backward(), expected_backward(), **near)
        np.testing.assert_allclose(p, Softmax()(z), **near)
        assert {backward().dtype, p.dtype} == {z.dtype}


EVERY_KIND = np.array([[1, 2, 3], [0, -np.inf, 1], [-np.inf] * 3, [np.inf, 0, 1], [np.inf, np.inf, 0], [np.nan, 1, 2],
                       [-np.inf, np.nan, np.inf], [3e38, -3e38, 0], [0, -104, -80], [0, 0, 0]])
TARGETS = {"first": one_hot([0] * 10, 3), "second": one_hot([1] * 10, 3), "none": np.zeros((10, 3)),
           "half": np.full((10, 3), 0.5), "nan": np.full((10, 3), np.nan), "int": one_hot([2] * 10, 3).astype(int)}


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4"])
@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS.keys())
def test_few_logits_cost_what_many_do_whatever_they_are(targets, dtype, monkeypatch):
    z, found = EVERY_KIND.astype(dtype), []
    for few in 1 << 62, -1:
        monkeypatch.setattr(rows, "FEW", few)
        with np.errstate(all="raise"):                                       # neither says anything
            found.append(rows.cross_entropy(targets, z))
    for one_by_one, as_vectors in zip(*found, strict=True):
        assert one_by_one.dtype == as_vectors.dtype == z.dtype.newbyteorder("=")
        np.testing.assert_allclose(one_by_one, as_vectors, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4"])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_labels_cost_what_their_one_hot_rows_do_to_the_bit(label, dtype, cross_entropy):
    z = EVERY_KIND.astype(dtype)
    with np.errstate(all="raise"):
        for by_label, by_row in zip(cross_entropy(np.full(10, label), z), cross_entropy(one_hot([label] * 10, 3), z),
                                    strict=True):
            np.testing.assert_array_equal(by_label, by_row)
            assert by_label.dtype == by_row.dtype


def test_logits_without_a_class_or_a_sample_cost_nothing(cross_entropy):
    for shape in (3, 0), (0, 3):
        cost, slopes, p = cross_entropy(np.ones(shape), np.ones(shape))
        assert cost.tolist() == [0] * shape[0]
        assert slopes.shape == p.shape == shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sample_costs_the_same_to_the_bit_beside_any_others(dtype, cross_entropy, rng):
    for K in 1, 3, 10, 37, 200:
        z, y_true = (5 * rng.normal(size=(10, K))).astype(dtype), rng.random((10, K)).astype(dtype)
        together = cross_entropy(y_true, z)
        for n in range(10):
            for all_of_them, alone in zip(together, cross_entropy(y_true[n:n + 1], z[n:n + 1]), strict=True):
                np.testing.assert_array_equal(all_of_them[n:n + 1], alone)


@pytest.mark.parametrize(("count", "compiles"), [(rows.FEW, False), (rows.FEW + 1, True)])
def test_few_logits_need_no_compiled_loops(count, compiles, monkeypatch):
    asked = []
    monkeypatch.setattr(rows, "for_dtype", lambda loop, dtype, of=rows.for_dtype: asked.append(loop) or of(loop, dtype))
    rows.cross_entropy(np.ones((count, 1)), np.ones((count, 1)))
    assert bool(asked) == compiles


def test_probabilities_are_clipped_as_keras_clips_them():
    for dtype in np.float32, np.float64:
        p = np.array([[1.0, 0.0]], dtype)
        assert CategoricalCrossentropy()(np.array([[0, 1]]), p) == pytest.approx(-np.log(1e-7), rel=1e-6)
        assert CategoricalCrossentropy()(np.array([[1, 0]]), p) == pytest.approx(1e-7, rel=0.2)


def confident(head, loss, logits, y):
    """Run a model whose logits are its inputs through its objective; return value and kernel gradient."""
    model = Sequential([Dense(logits.shape[-1], use_bias=False, kernel_initializer="zeros",
                              input_dim=logits.shape[-1]), *head], dtype="float64")
    model.params["dense_1/kernel"][...] = np.eye(logits.shape[-1])
    model.compile("sgd", loss)
    value, y_pred, backward = model.objective(logits, y)
    backward()
    return value, y_pred, model.grads["dense_1/kernel"]


@pytest.mark.parametrize("head", [[Softmax()], [Activation("softmax")], [Sequential([Softmax()])]],
                         ids=["layer", "activation", "nested"])
@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
@pytest.mark.parametrize("size", [1.0, 50.0, 1e4])
def test_softmax_and_cross_entropy_give_p_minus_y_from_the_logits(head, loss, size, rng):
    logits, labels = rng.normal(size=(6, 3)) * size, np.array([0, 1, 2, 2, 1, 0])
    y = labels if "sparse" in loss else one_hot(labels, 3)
    head = [type(head[0]).from_config(head[0].get_config())]
    value, y_pred, dkernel = confident(head, loss, logits, y)
    expected = cross_entropy_slope(logits, one_hot(labels, 3))
    np.testing.assert_allclose(dkernel, logits.T @ expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(y_pred, expected * 6 + one_hot(labels, 3), rtol=1e-9, atol=1e-12)
    largest = logits.max(axis=-1)
    log_sum = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=-1))
    assert value == pytest.approx(np.mean(log_sum - logits[np.arange(6), labels]))


def test_a_confident_mistake_still_has_its_full_gradient():
    logits = np.array([[1000.0, 0.0]])
    value, y_pred, dkernel = confident([Softmax()], "categorical_crossentropy", logits, np.array([[0.0, 1.0]]))
    assert value == 1000
    assert y_pred.tolist() == [[1, 0]]
    np.testing.assert_allclose(dkernel, [[1000, -1000], [0, 0]])


def test_a_softmax_inside_a_dense_layer_is_met_by_the_loss_too():
    model = Sequential([Dense(2, activation="softmax", kernel_initializer="ones", input_dim=1)])
    model.params["dense_1/kernel"][...] = [[1000, 0]]
    model.compile("sgd", "sparse_categorical_crossentropy")
    value, _, backward = model.objective(np.ones((1, 1), np.float32), np.array([1]))
    backward()
    assert value == 1000
    assert model.grads["dense_1/bias"].tolist() == [1, -1]


def test_a_loss_from_logits_is_not_given_probabilities_twice():
    model = Sequential([Dense(3, input_dim=2)], seed=0, dtype="float64")
    x, y = np.array([[1.0, -1.0]]), np.array([2])
    model.compile("sgd", SparseCategoricalCrossentropy(from_logits=True))
    logits = model.test_on_batch(x, y)
    model.add(Softmax())
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.test_on_batch(x, y) == pytest.approx(logits)


@pytest.mark.parametrize(("loss", "y_true", "text"), [
    (CategoricalCrossentropy(), [1, 2], "expected one-hot targets (N, 3). Received: labels (2,). "
                                        "Use loss='sparse_categorical_crossentropy', or to_categorical(y, 3)."),
    (CategoricalCrossentropy(), [[1], [2]], "Use loss='sparse_categorical_crossentropy'"),
    (CategoricalCrossentropy(), [[1, 0], [0, 1]], "expected targets of the predictions' shape, (N, 3). "
                                                  "Received: (2, 2)."),
    (SparseCategoricalCrossentropy(), [[0, 0, 1], [1, 0, 0]], "Use loss='categorical_crossentropy', or y.argmax"),
    (SparseCategoricalCrossentropy(), [0, 3], "expected labels from 0 to 2. Received: 0 to 3."),
    (SparseCategoricalCrossentropy(), [-1, 2], "expected labels from 0 to 2. Received: -1 to 2."),
    (SparseCategoricalCrossentropy(), [0.5, 2], "expected class labels, whole numbers from 0."),
    (SparseCategoricalCrossentropy(), [0, 1, 2], "expected labels (N,). Received: (3,)."),
    (BinaryCrossentropy(), [[0, 1, 2], [0, 0, 0]], "expected targets from 0 to 1, of two classes. Received: 0 to "
                                                   "2. For other numbers use loss='mae' or 'mse'."),
    (BinaryCrossentropy(), [0, 1], "expected targets of the predictions' shape, (N, 3). Received: (2,)."),
    (MeanSquaredError(), [1, 2], "expected targets of the predictions' shape, (N, 3). Received: (2,)."),
], ids=lambda value: value if isinstance(value, str) else "")
def test_targets_that_do_not_fit_name_what_would(loss, y_true, text):
    with pytest.raises(ValueError, match=type(loss).__name__) as error:
        loss(np.array(y_true), np.full((2, 3), 1 / 3))
    assert text in str(error.value)


@pytest.mark.parametrize("weight", [[1.0], [1.0, 2.0, 3.0], [[1.0], [2.0]], 1.0], ids=str)
def test_there_must_be_one_weight_for_each_sample(weight):
    with pytest.raises(ValueError, match="MeanSquaredError: expected one sample weight for each of 2 samples"):
        MeanSquaredError()(np.zeros((2, 3)), np.zeros((2, 3)), weight)


def test_labels_may_come_in_a_column():
    p = np.array([[0.2, 0.8], [0.6, 0.4]])
    assert SparseCategoricalCrossentropy()([[1], [0]], p) == SparseCategoricalCrossentropy()([1, 0], p)


def test_lists_are_as_good_as_arrays():
    assert MeanSquaredError()([[0, 0]], [[1, 3]]) == 5


@pytest.mark.parametrize(("name", "expected"), [
    ("mse", MeanSquaredError()), ("mean_squared_error", MeanSquaredError()), ("MSE", MeanSquaredError()),
    ("mae", MeanAbsoluteError()), ("mean_absolute_error", MeanAbsoluteError()), ("huber", Huber()),
    ("binary_crossentropy", BinaryCrossentropy()), ("bce", BinaryCrossentropy()),
    ("kl_divergence", KLDivergence()), ("kld", KLDivergence()),
    ("categorical_crossentropy", CategoricalCrossentropy()),
    ("sparse_categorical_crossentropy", SparseCategoricalCrossentropy()),
])
def test_losses_are_known_by_name_by_class_and_by_config(name, expected):
    assert losses.get(name) == losses.get(type(expected)) == expected
    assert losses.get({"class": type(expected).__name__, "config": expected.get_config()}) == expected


def test_one_hot_targets_of_any_dtype_are_the_same(rng):
    p = Softmax()(rng.normal(size=(3, 4))).astype(np.float32)
    values = {CategoricalCrossentropy()(to_categorical([1, 0, 3], 4, dtype), p)
              for dtype in ("float32", "float64", "int64", "uint8", "bool")}
    assert len(values) == 1


def test_the_slope_is_zero_where_a_probability_is_clipped():
    y_true, p = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1e-9, 1.0], [0.5, 0.5]])
    _, backward = CategoricalCrossentropy().forward(y_true, p)
    np.testing.assert_array_equal(backward(), [[0, 0], [0.5, -0.5]])


# Losses of numbers, of distributions, and of questions of yes or no.

def test_mean_absolute_error_by_hand():
    value, backward = MeanAbsoluteError().forward([[0.0, 1.0], [2.0, 2.0]], np.array([[1.0, -3.0], [2.0, 0.0]]))
    assert value == (2.5 + 1) / 2
    assert backward().tolist() == [[0.25, -0.25], [0, -0.25]]


def test_huber_is_a_square_near_the_target_and_a_line_beyond_by_hand():
    value, backward = Huber(delta=2.0).forward([[0.0, 0.0], [0.0, 0.0]], np.array([[1.0, -5.0], [2.0, 0.0]]))
    assert value == ((0.5 + 2 * (5 - 1)) / 2 + 2 / 2) / 2                           # delta (|d| - delta / 2)
    assert backward().tolist() == [[0.25, -0.5], [0.5, 0]]                          # d, at most delta, / K / N


def test_kl_divergence_by_hand():
    value, backward = KLDivergence().forward([[0.5, 0.5], [1.0, 0.0]], np.array([[0.25, 0.75], [0.5, 0.5]]))
    assert value == pytest.approx((0.5 * np.log(2) + 0.5 * np.log(2 / 3) + np.log(2)) / 2, rel=1e-4)    # 0 is 1e-7
    np.testing.assert_allclose(backward(), [[-1, -1 / 3], [-1, -1e-7]])             # -y / p / N
    assert KLDivergence()([[0.2, 0.8]], np.array([[0.2, 0.8]])) == 0


def test_binary_crossentropy_by_hand():
    y_true, p = np.array([[1.0, 0.0], [0.0, 0.5]]), np.array([[0.25, 0.25], [0.5, 0.5]])
    value, backward = BinaryCrossentropy().forward(y_true, p)
    assert value == pytest.approx(((np.log(4) + np.log(4 / 3)) / 2 + np.log(2)) / 2)
    np.testing.assert_allclose(backward(), [[-1, 1 / 3], [0.5, 0]])                 # (p - y) / (p (1 - p)) / K / N
    value, backward = BinaryCrossentropy(from_logits=True).forward(y_true, np.array([[-np.log(3), -np.log(3)], [0, 0]]))
    assert value == pytest.approx(((np.log(4) + np.log(4 / 3)) / 2 + np.log(2)) / 2)
    np.testing.assert_allclose(backward(), (p - y_true) / 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [100.0, 1e4, 1e30, np.inf])
def test_binary_crossentropy_is_exact_for_logits_of_any_size(dtype, size):
    loss, z = BinaryCrossentropy(from_logits=True), np.array([[size, -size]], dtype)
    value, backward = loss.forward([[1.0, 0.0]], z)
    assert value == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(backward(), [[0, 0]], atol=1e-12)
    value, backward = loss.forward([[0.0, 1.0]], z)
    assert value == pytest.approx(size)
    assert backward().tolist() == [[0.5, -0.5]]


def test_binary_probabilities_are_clipped_as_keras_clips_them_and_have_no_slope_there():
    value, backward = BinaryCrossentropy().forward([[1.0], [0.0], [1.0]], np.array([[0.0], [1.0], [2.0]]))
    assert value == pytest.approx((2 * -np.log(1e-7) + 1e-7) / 3)
    assert backward().tolist() == [[0], [0], [0]]


@pytest.mark.parametrize("from_logits", [False, True])
def test_label_smoothing_moves_targets_towards_the_even_ones_by_hand(from_logits):
    z = np.log([[0.5, 0.25, 0.25]])                                                 # logits of these probabilities
    y_pred = z if from_logits else np.exp(z)
    expected = (0.8 + 0.2 / 3) * np.log(4) + 0.2 / 3 * (np.log(2) + np.log(4))
    assert CategoricalCrossentropy(from_logits, 0.2)([[0, 1, 0]], y_pred) == pytest.approx(expected)
    z = np.log([[3.0]])                                                             # of a probability of 3/4
    y_pred = z if from_logits else np.array([[0.75]])
    assert BinaryCrossentropy(from_logits, 0.2)([[1]], y_pred) == pytest.approx(0.9 * np.log(4 / 3) + 0.1 * np.log(4))


@pytest.mark.parametrize("make", [Sigmoid, lambda: Activation("sigmoid"), lambda: Sequential([Sigmoid()])],
                         ids=["layer", "activation", "nested"])
def test_sigmoid_and_binary_cross_entropy_give_p_minus_y_from_the_logits(make, rng):
    logits, y = rng.normal(size=(6, 3)) * 40, rng.integers(0, 2, (6, 3))
    value, y_pred, dkernel = confident([make()], "binary_crossentropy", logits, y)
    np.testing.assert_allclose(dkernel, logits.T @ (1 / (1 + np.exp(-logits)) - y) / 18, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(y_pred, 1 / (1 + np.exp(-logits)), rtol=1e-9)
    assert value == pytest.approx(np.mean(np.logaddexp(0, logits) - y * logits))
    with kernels.use("im2col", fuse=False):
        clipped = confident([make()], "binary_crossentropy", logits, y)[0]
    assert clipped == pytest.approx(BinaryCrossentropy()(y, y_pred))


def test_smoothing_goes_with_the_loss_to_the_logits():
    logits, y = np.array([[3.0, 0.0]]), np.array([[0.0, 1.0]])
    for head, loss in (Softmax(), CategoricalCrossentropy(label_smoothing=0.5)), (Sigmoid(), BinaryCrossentropy(
            label_smoothing=0.5)):
        value = confident([head], loss, logits, y)[0]
        assert value == pytest.approx(loss(y, type(head)()(logits)))


def test_two_classes_are_learned_from_labels_without_an_axis_of_their_own(rng):
    x = rng.normal(size=(80, 2))
    y = (x[:, 0] > x[:, 1]).astype(int)
    model = Sequential([Dense(1, activation="sigmoid", input_dim=2)], seed=0)
    model.compile(Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=30, batch_size=40, verbose=0).history
    assert history["accuracy"][-1] > 0.95
    assert model.evaluate(x, y, verbose=0) == model.evaluate(x, y[:, None], verbose=0)


# A function of one's own.

def half_square(y_true, y_pred):
    difference = y_pred - y_true
    return np.square(difference).sum(axis=-1) / 2, difference


def test_a_function_that_returns_losses_and_slopes_is_a_loss_by_hand():
    loss = losses.get(half_square)
    value, backward = loss.forward([[0.0, 1.0], [1.0, 1.0]], np.array([[2.0, 1.0], [1.0, 4.0]]), [1.0, 3.0])
    assert value == (2 + 3 * 4.5) / 2
    assert backward().tolist() == [[1, 0], [0, 4.5]]
    assert losses.get(loss) is loss


@pytest.mark.parametrize(("function", "came"), [
    (lambda y_true, y_pred: ((y_true - y_pred) ** 2).mean(axis=-1), "ndarray"),
    (lambda y_true, y_pred: float(((y_true - y_pred) ** 2).mean()), "float"),
    (lambda y_true, y_pred: (0.5, y_pred - y_true), r"an array \(\), an array \(3, 1\)"),
    (lambda y_true, y_pred: ((y_true - y_pred)[:, 0], (y_pred - y_true)[:, 0]), r"an array \(3,\), an array \(3,\)"),
], ids=["losses alone", "a number", "their mean", "slopes without an axis"])
def test_a_function_is_told_what_to_return_before_the_first_update(function, came):
    model = Sequential([Dense(1, input_dim=2)], seed=0)
    model.compile("sgd", function)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"loss <lambda>: expected \(losses, slopes\): the loss of each sample \(3,\), "
                                         rf"and its derivative with respect to y_pred \(3, 1\), .* Received: {came}"):
        model.fit(np.ones((3, 2)), [1.0, 2.0, 3.0], verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert model.optimizer.iterations == 0


def test_a_function_as_loss_trains_and_comes_back_from_a_file_by_its_name(tmp_path):
    model = Sequential([Dense(1, input_dim=2)], seed=0)
    model.compile("sgd", half_square)
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([1.0, 2.0])
    history = model.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m", custom_objects={"half_square": half_square})
    assert again.train_on_batch(x, y) == model.train_on_batch(x, y)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    with pytest.raises(ValueError, match=r"A loss of your own is named in custom_objects=\{'half_square': ...\}"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize(("make", "text"), [
    (lambda: Huber(0), "Huber: expected delta, a number above 0. Received: 0."),
    (lambda: BinaryCrossentropy(False, 2), "BinaryCrossentropy: expected label_smoothing, a number from 0 to 1"),
    (lambda: CategoricalCrossentropy(label_smoothing=-0.1), "CategoricalCrossentropy: expected label_smoothing"),
    (lambda: losses.get(3), "Expected a loss: a name, a function of"),
    (lambda: losses.get(metrics.MeanSquaredError()), r"Received: MeanSquaredError\(name=.*\), a metric; losses are"),
    (lambda: losses.get(metrics.MeanSquaredError), "a metric; losses are in tinynet.losses"),
], ids=["huber", "binary", "categorical", "number", "metric", "class of a metric"])
def test_settings_of_no_loss_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize("loss", [Huber(2.0), BinaryCrossentropy(label_smoothing=0.1), KLDivergence(),
                                  CategoricalCrossentropy(label_smoothing=0.1), MeanAbsoluteError()], ids=repr)
def test_a_compiled_loss_comes_back_from_a_file(loss, tmp_path):
    model = Sequential([Dense(2, input_dim=2)])
    model.compile("sgd", loss)
    model.save(tmp_path / "m")
    assert load_model(tmp_path / "m").loss == loss


@pytest.mark.parametrize("name", ["mean_squared_error", "mean_absolute_error", "huber", "kl_divergence",
                                  "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_the_functions_of_keras_give_each_samples_loss_and_stand_for_the_classes(name):
    function, loss = getattr(losses, name), losses.get(name)
    assert losses.get(function) == loss
    p = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    y = [1, 0, 0] if "sparse" in name else one_hot([1, 0, 0], 2)
    each = function(y, p)
    assert each.shape == (3,)
    assert loss(y, p) == pytest.approx(each.mean())
    with pytest.raises(ValueError, match=type(loss).__name__):
        function([0.0], p)


def test_the_functions_of_keras_take_its_settings():
    y, z = [[0, 1]], np.array([[0.0, 1.0]])
    assert losses.categorical_crossentropy(y, z, True, 0.1) == CategoricalCrossentropy(True, 0.1)(y, z)
    assert losses.binary_crossentropy(y, z, True, 0.1) == BinaryCrossentropy(True, 0.1)(y, z)
    assert losses.sparse_categorical_crossentropy([1], z, True) == SparseCategoricalCrossentropy(True)([1], z)
    assert losses.huber(y, z + 1, delta=0.5) == Huber(0.5)(y, z + 1)
