"""Health's numbers are those of the engine's arrays; its findings are right for networks with a known fault."""

import copy

import numpy as np
import pytest
from health_models import blobs, stack
from layers_for_tests import Scale
from study_models import samples, twisted

from tinynet import Sequential, study
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, Layer, ReLU, Softmax
from tinynet.optimizers import SGD, Adam, RMSprop


def norm(array):
    return np.linalg.norm(np.asarray(array, float).ravel())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_number_is_that_of_the_arrays(dtype):
    model, (x, y) = twisted(dtype, regularizer="l2"), samples()
    found = study.health(model, x, y)
    outputs = study.activations(model, x)
    gradients = dict(zip(outputs, study.Trace(model, x).loss_gradients(y)[1:], strict=False))     # without the softmax
    model.objective(x.astype(dtype), y)[2]()
    rel = 1e-5 if dtype == "float32" else 1e-12
    assert [step.name for step in found.steps] == list(outputs)
    for step in found.steps:
        output = outputs[step.name]
        assert step.zeros == pytest.approx((output == 0).mean())
        assert step.units == (output.shape[1] if output.ndim == 4 else output.shape[-1])
        assert step.activation.counts.sum() == output.size
        assert (step.activation.edges[0], step.activation.edges[-1]) == (output.min(), output.max())
        if step.name == "last/softmax":
            assert (step.gradient, step.gradient_norm) == (None, None)
        else:
            assert step.gradient_norm == pytest.approx(norm(gradients[step.name]), rel=rel)
            assert step.gradient.counts.sum() == np.count_nonzero(gradients[step.name])
    assert [p.name for p in found.parameters] == list(model.params)
    for parameter in found.parameters:
        gradient = model.grads[parameter.name]
        assert parameter.shape == gradient.shape
        assert parameter.norm == pytest.approx(norm(model.params[parameter.name]))
        assert parameter.gradient_norm == pytest.approx(norm(gradient), rel=rel)
        assert parameter.update_ratio == pytest.approx(0.01 * norm(gradient) / parameter.norm, rel=100 * rel)    # SGD's
    assert found.samples == 5


def test_a_histogram_of_a_gradient_counts_its_sizes_by_quarters_of_decades():
    counts, edges = study.health(*known()).steps[0].gradient
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        assert count == sum(10 ** low <= size < 10 ** high for size in (0.5, 0.0005))


def known():
    """Make a model whose outputs have the gradients -0.5, 0.0005 and 0."""
    model = Sequential([Dense(3, kernel_initializer="zeros", input_dim=1)], dtype="float64")
    model.compile("sgd", "mse")
    return model, [[1.0]], [[0.75, -0.00075, 0.0]]


def test_a_unit_is_dead_that_is_0_for_every_sample():
    model = Sequential([Conv2D(4, 1, activation="relu", use_bias=False, input_shape=(1, 2, 2)), Flatten(),
                        Dense(3, "relu", use_bias=False), Dense(1)], dtype="float64")
    model.compile("sgd", "mse")
    model.params["conv2d_1/kernel"] = np.array([1.0, -1, 2, -2]).reshape(4, 1, 1, 1)
    kernel = np.zeros((16, 3))
    kernel[0], kernel[4] = [1, -1, 0], [0, 0, 1]                  # a dead third unit: it looks at a dead filter only
    model.params["dense_1/kernel"] = kernel
    x = np.ones((2, 1, 2, 2))
    x[1, 0, 0, 0] = 0
    steps = {step.name: step for step in study.health(model, x, [[0.0], [0.0]]).steps}
    assert steps["conv2d_1/relu"].dead_units == [1, 3]
    assert steps["conv2d_1/relu"].dead == 0.5
    assert [steps[name].makes_images for name in ("conv2d_1/relu", "dense_1/relu")] == [True, False]
    assert steps["conv2d_1/relu"].zeros == (16 + 2) / 32
    assert steps["dense_1/relu"].dead == pytest.approx(2 / 3)
    assert steps["dense_1/relu"].zeros == pytest.approx(5 / 6)
    assert {name for name, step in steps.items() if step.dead is not None} == {"conv2d_1/relu", "dense_1/relu"}


def test_a_readers_own_rectifier_can_have_dead_units_once_it_is_registered():
    class Ramp(Layer):
        def forward(self, x, training=False):
            return ReLU().forward(x)
    model = Sequential([Dense(2, kernel_initializer="ones", input_dim=1), Ramp()])
    model.compile("sgd", "mse")
    data = [[-1.0]], [[0.0, 0.0]]
    assert study.health(model, *data).steps[1].dead is None
    study.rectifies.register(Ramp, lambda layer: True)
    assert study.health(model, *data).steps[1].dead == 1


@pytest.mark.parametrize("optimizer", [
    SGD(0.1, momentum=0.9, nesterov=True), SGD(lambda update: 0.1 / (1 + update)), RMSprop(), Adam(0.01),
    Adam(clipnorm=0.01)])
def test_the_update_is_the_one_that_comes_next(optimizer):
    x, y = blobs(50)
    model = stack("relu", 2, copy.deepcopy(optimizer))
    model.layers[1].trainable = False
    for _ in range(3):
        model.train_on_batch(x, y)
    found = study.health(model, x, y)
    before = {key: array.copy() for key, array in model.params.items()}
    model.train_on_batch(x, y)
    for parameter in found.parameters:
        change = norm(model.params[parameter.name] - before[parameter.name])
        if parameter.name.startswith("dense_2"):
            assert (parameter.update_ratio, change) == (None, 0)
        else:
            assert parameter.update_ratio == pytest.approx(change / norm(before[parameter.name]), rel=1e-3)


def test_parameters_of_zeros_change_by_infinitely_much_or_not_at_all():
    found = study.health(*known())
    assert [p.update_ratio for p in found.parameters] == [np.inf, np.inf]
    model, x, _ = known()
    assert [p.update_ratio for p in study.health(model, x, [[0.0, 0.0, 0.0]]).parameters] == [0, 0]


def test_parameters_gradients_optimizer_and_generators_stay_to_the_bit():
    model, (x, y) = twisted("float32", regularizer="l2"), samples()
    model.compile(Adam(), "categorical_crossentropy")
    for _ in range(2):
        model.train_on_batch(x, y)

    def state():
        arrays = {**model.params, **{f"d{key}": array for key, array in model.grads.items()}}
        for key, slots in model.optimizer.slots.items():
            arrays |= {f"{key}/{name}": array for name, array in slots.items()}
        return {key: (id(array), array.tobytes()) for key, array in arrays.items()}
    before, rng, optimizer = state(), str(model.rng.bit_generator.state), model.optimizer
    study.health(model, x, y)
    assert state() == before
    assert str(model.rng.bit_generator.state) == rng
    assert model.optimizer is optimizer
    assert optimizer.iterations == 2


def test_a_healthy_network_has_no_findings():
    found = study.health(stack("relu", 3), *blobs())
    assert found.findings == []
    assert str(found).endswith("nothing conspicuous")


def test_deep_sigmoids_vanish():
    finding, = study.health(stack("sigmoid", 8), *blobs()).findings
    assert finding.startswith("vanishing gradient: ")
    assert "at dense_1, " in finding


def test_three_sigmoids_do_not():
    assert study.health(stack("sigmoid", 3), *blobs()).findings == []


def test_huge_weights_explode():
    model = stack("relu", 6, "sgd", kernel_initializer="he_normal")
    for layer in model.layers[1:-1]:
        layer.params["kernel"] *= 5
    gradient, update = study.health(model, *blobs()).findings
    assert gradient.startswith("exploding gradient: ")
    assert gradient.endswith(" at dense_7.")
    assert "dense_7/kernel by 2" in update
    assert "6 more by above 10%" in update


def test_huge_negative_biases_make_units_dead_and_are_not_called_vanishing():
    model = stack("relu", 3)
    model.params["dense_2/bias"][:20] = -1000
    finding, = study.health(model, *blobs()).findings
    assert finding == ("dead: 20 of 32 units (62 %) of dense_2/relu, 0 for all 200 samples: number 0, 1, 2, 3, 4 and "
                       "15 more.")
    model.params["dense_2/bias"][:] = -1000
    model.params["dense_3/bias"][:] = 1
    finding, = study.health(model, *blobs()).findings
    assert finding == ("dead: 32 of 32 units (100 %) of dense_2/relu, 0 for all 200 samples, no gradient comes "
                       "through it.")


def test_a_few_dead_filters_are_named_and_a_single_one_of_many_is_not():
    model = Sequential([Conv2D(15, 3, activation="relu", input_shape=(1, 6, 6)), Flatten(), Dense(40, "relu"),
                        Dense(2)], seed=0)
    model.compile(SGD(1e-9), "mse")
    model.params["conv2d_1/bias"][:], model.params["dense_1/bias"][:] = 1, 50      # so that the others are alive
    model.params["conv2d_1/bias"][[3, 11]], model.params["dense_1/bias"][7] = -100, -100
    found = study.health(model, np.random.default_rng(0).uniform(size=(50, 1, 6, 6)), np.zeros((50, 2)))
    assert [step.dead_units for step in found.steps if step.dead is not None] == [[3, 11], [7]]
    assert found.findings == ["dead: 2 of 15 filters (13 %) of conv2d_1/relu, 0 for all 50 samples: number 3, 11."]
    model.params["dense_1/bias"][20] = -100                                        # 1 of 20 is enough
    assert study.health(model, np.ones((50, 1, 6, 6)), np.zeros((50, 2))).findings[1] == (
        "dead: 2 of 40 units (5 %) of dense_1/relu, 0 for all 50 samples: number 7, 20.")


def test_a_learning_rate_that_is_too_large_makes_units_dead():
    model, (x, y) = stack("relu", 2, SGD(10.0)), blobs()
    assert study.health(model, x, y).steps[3].dead == 0
    model.fit(x, y, batch_size=50, epochs=2, verbose=0)
    found = study.health(model, x, y)
    assert (found.steps[3].name, found.steps[3].dead) == ("dense_2/relu", 1)
    assert found.parameters[0].gradient_norm == 0
    assert found.findings[0].startswith("dead: 32 of 32 units (100 %) of dense_2/relu")


def test_a_learning_rate_that_is_too_large_is_named():
    assert study.health(stack("relu", 2, SGD(0.1)), *blobs()).findings == []
    found = study.health(stack("relu", 2, SGD(30.0)), *blobs())
    ratios = {p.name: p.update_ratio for p in found.parameters if p.name.endswith("kernel")}
    most = max(ratios, key=ratios.get)
    assert found.findings == [f"large update: the next one changes {most} by {ratios[most]:.0%} of its length; 2 more "
                              "by above 10%. The learning rate may be too large."]


def test_a_gradient_of_0_everywhere_is_reported():
    model, x, _ = known()
    finding, = study.health(model, x, [[0.0, 0.0, 0.0]]).findings
    assert finding == "the loss has no gradient: all samples are fitted, or the last step is flat."


@pytest.mark.rest
def test_what_is_not_finite_can_be_looked_at_and_drawn(tmp_path):
    model = stack("relu", 2)
    model.params["dense_2/kernel"][0, 0] = np.inf
    found = study.health(model, *blobs())
    assert found.findings == ["not finite: dense_2/kernel. Nothing can be said of the rest."]
    axes = found.plot(tmp_path / "infinite.png").axes
    words = {text.get_text() for ax in axes for text in ax.texts}
    assert "not finite" in words
    assert axes[0].figure.get_suptitle() == found.findings[0]
    model.params["dense_1/kernel"][:] = model.params["dense_2/kernel"][:] = 1e30
    assert study.health(model, *blobs()).findings[0].startswith("not finite: the gradient of dense_1/kernel, ")


@pytest.mark.slow
def test_a_row_for_each_step_that_makes_new_numbers():
    model, (x, y) = twisted(), samples()
    found = study.health(model, x, y)
    figure = found.plot()
    rows = [figure.axes[k:k + 3] for k in range(0, len(figure.axes), 3)]
    names = [step.name for step in found.steps if step.name not in ("dropout_1", "flatten_1")]
    assert [row[0].get_ylabel() for row in rows] == names
    assert [ax.texts[-1].get_text() for ax in rows[0]] == ["output", "d loss / d output", "d loss / d parameters"]
    steps = {step.name: step for step in found.steps}
    for name, (output, gradient, parameters) in zip(names, rows, strict=True):
        np.testing.assert_array_equal(output.patches[0].get_data().values, steps[name].activation.counts)
        dead = f", dead units {steps[name].dead:.0%}" if name.endswith("relu") else ""
        assert output.get_title() == f"zeros {steps[name].zeros:.0%}{dead}"
        if steps[name].gradient is not None:
            np.testing.assert_array_equal(gradient.patches[0].get_data().values, steps[name].gradient.counts)
        drawn = [patch.get_data().values for patch in parameters.patches]
        expected = [p.gradient.counts for p in found.parameters if p.name.rpartition("/")[0] == name]
        assert len(drawn) == len(expected)
        for one, other in zip(drawn, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        if expected:
            assert parameters.get_xlim() == gradient.get_xlim() == rows[0][1].get_xlim()


def test_a_model_that_is_a_softmax_alone_has_no_gradients():
    model = Sequential([Softmax(input_shape=(2,))])
    model.compile("sgd", "sparse_categorical_crossentropy")
    found = study.health(model, [[1.0, 2.0]], [0])
    assert (found.findings, found.steps[0].gradient) == ([], None)
    output, gradient, parameters = found.plot().axes
    np.testing.assert_array_equal(output.patches[0].get_data().values, found.steps[0].activation.counts)
    assert [ax.axison for ax in (output, gradient, parameters)] == [True, False, False]


def test_no_samples_and_a_model_without_a_loss_are_errors():
    with pytest.raises(ValueError, match="Expected at least one sample"):
        study.health(known()[0], np.zeros((0, 1)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="3 in x, 2 in y"):
        study.health(known()[0], np.zeros((3, 1)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="not compiled yet"):
        study.health(Sequential([Dense(2, input_dim=2)]), [[1, 2]], [[1, 2]])


@pytest.mark.slow
def test_layers_with_parameters_of_one_axis_and_dropout_are_no_trouble(tmp_path):
    model = Sequential([Dropout(0.5, input_shape=(3,)), Scale()])
    model.compile("sgd", "mse")
    found = study.health(model, np.ones((2, 3)), np.zeros((2, 3)))
    assert [(step.name, step.units, step.weighted, step.makes_images) for step in found.steps] == [
        ("dropout_1", 3, False, False), ("scale_1", 3, True, False)]
    assert found.steps[0].zeros == 0                                          # dropout is off
    parameter, = found.parameters
    assert (parameter.name, parameter.shape) == ("scale_1/scale", (3,))
    scale = model.params["scale_1/scale"]                                    # the loss is the mean of its squares
    assert parameter.gradient_norm == pytest.approx(norm(2 / 3 * scale), rel=1e-6)
    assert parameter.update_ratio == pytest.approx(0.01 * 2 / 3, rel=1e-4)
    axes = found.plot(tmp_path / "scale.png").axes
    assert [axes[k].get_ylabel() for k in (0, 3)] == ["dropout_1", "scale_1"]
    assert axes[5].get_legend().get_texts()[0].get_text() == "scale"
    assert axes[5].get_title() == "update/weight 0.007"
