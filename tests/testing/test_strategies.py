"""What the strategies draw: things that fit, biased towards cases that reveal bugs, printed and shrunk for a reader."""

import subprocess
import sys
import textwrap
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from tinynet import Sequential, kernels
from tinynet.layers import AveragePool2D, Conv2D, MaxPool2D, ReLU
from tinynet.losses import SparseCategoricalCrossentropy
from tinynet.testing import strategies
from tinynet.testing.array_strategies import array_call

# What is drawn fits.

@given(strategies.conv_configs())
def test_conv_configs_fit(config):
    assert min(Conv2D(**config).build(config["input_shape"], np.random.default_rng(0))) > 0


@given(strategies.pool_configs(), st.sampled_from([MaxPool2D, AveragePool2D]))
def test_pool_configs_fit(config, pool):
    assert min(pool(**config).build(config["input_shape"], np.random.default_rng(0))) > 0


@given(st.data(), strategies.shapes())
def test_layers_and_models_fit_the_shape_that_is_asked_for(data, shape):
    for strategy in strategies.layers(shape), strategies.sequentials(shape):
        layer = data.draw(strategy)
        assert layer.input_shape == shape
        assert layer.build(shape, np.random.default_rng(0)) == layer(np.ones((2, *shape))).shape[1:]


@given(strategies.layers())
def test_layers_are_not_built(layer):
    assert layer.params == {}
    assert layer.input_shape is not None


@given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), strategies.sequentials(max_layers=n))))
def test_models_have_as_many_layers_as_were_asked_for_at_most(most_and_model):
    most, model = most_and_model
    assert 1 <= len(model.layers) <= most


@given(strategies.shapes(2, 2), strategies.image_shapes())
def test_shapes_have_the_axes_asked_for(shape, image):
    assert (len(shape), len(image)) == (2, 3)
    assert min(*shape, *image) > 0


@given(strategies.tie_free_arrays(strategies.shapes(), np.float32))
def test_tie_free_arrays_keep_away_from_kinks(array):
    numbers = np.sort(array.ravel())
    assert array.dtype == np.float32
    assert np.abs(array).max() <= 2
    gap = min(np.diff(numbers), default=1.0)
    assert gap > 0
    assert np.abs(array).min() >= gap / 2


@given(strategies.strided_arrays(st.just(np.arange(6.0).reshape(2, 3))))
def test_strided_arrays_hold_the_same_numbers(array):
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])


def test_a_number_has_one_layout():
    @given(strategies.strided_arrays(st.just(np.array(2.0))))
    def test(array):
        assert array.shape == ()
    test()


@given(strategies.tied_arrays(strategies.shapes(), np.float32))
def test_tied_arrays_are_on_kinks_or_a_millionth_beside_them(array):
    assert array.dtype == np.float32
    beside = np.abs(array - np.rint(array))
    assert set(np.abs(np.rint(array)).ravel()) <= {0, 1}
    assert set(beside.ravel()) <= {0, np.float32(2.0**-20)}             # exact: not rounded to 1


@given(strategies.tied_arrays((4, 3, 28, 28)))
def test_tied_arrays_may_be_large(array):                               # Hypothesis gives up on too many choices
    assert array.shape == (4, 3, 28, 28)


@given(strategies.argument_trees(max_arrays=4))
def test_argument_trees_hold_a_few_small_arrays(tree):
    found = arrays_of(tree)
    assert 1 <= len(found) <= 4
    for array in found:
        assert (type(array), array.dtype) == (np.ndarray, np.float64)
        assert array.size <= 9


@given(strategies.argument_trees(strategies.tied_arrays((2,), np.float32)))
def test_argument_trees_hold_the_arrays_that_are_asked_for(tree):
    assert {(array.shape, array.dtype) for array in arrays_of(tree)} == {((2,), np.dtype(np.float32))}


@given(strategies.argument_trees())
def test_a_function_of_an_argument_tree_can_be_held_to_its_slopes(tree):
    def f(tree):
        return sum(np.sin(array).sum() for array in arrays_of(tree))

    def vjp(tree, dy):
        return mapped(lambda array: np.asarray(dy * np.cos(array)), tree)

    for wiggled, gradient in zip(arrays_of(tree), arrays_of(vjp(tree, 3.0)), strict=True):
        at, step = (0,) * wiggled.ndim, 1e-4
        wiggled[at] += step
        above = f(tree)
        wiggled[at] -= 2 * step
        assert abs(3 * (above - f(tree)) / (2 * step) - gradient[at]) < 1e-6
        wiggled[at] += step


def arrays_of(tree):
    if isinstance(tree, np.ndarray):
        return [tree]
    return [array for part in (tree.values() if isinstance(tree, dict) else tree) for array in arrays_of(part)]


def mapped(function, tree):
    if isinstance(tree, dict):
        return {key: mapped(function, part) for key, part in tree.items()}
    return type(tree)(mapped(function, part) for part in tree) if isinstance(tree, (tuple, list)) else function(tree)


@given(strategies.losses())
def test_losses_take_their_targets_and_predictions(case):
    loss, y_true, y_pred = case
    assert np.isfinite(loss(y_true, y_pred))


# It is biased towards cases that reveal bugs.

def same_needs_an_odd_pixel(config):
    for side, size, stride, dilation in zip(config["input_shape"][1:], config["kernel_size"],
                                            config.get("strides", (1, 1)),
                                            config.get("dilation_rate", (1, 1)), strict=True):
        padding = (-(-side // stride) - 1) * stride + dilation * (size - 1) + 1 - side
        if config.get("padding") == "same" and padding > 0 and padding % 2:
            return True
    return False


def leaves_a_remainder(config):
    return config.get("padding") != "same" and any(
        (side - dilation * (size - 1) - 1) % stride for side, size, stride, dilation in zip(
            config["input_shape"][1:], config["kernel_size"], config.get("strides", (1, 1)),
            config.get("dilation_rate", (1, 1)), strict=True))


@cache
def drawn(strategy, count):
    """Return about so many of the things that a strategy draws, in four runs.

    Within a run Hypothesis draws much like what it drew before, and it tries constants of the modules that happen to be
    loaded: one run may be far from the strategy's own shares.
    """
    things = []
    for number in range(4):
        @seed(number)
        @settings(max_examples=count // 4, database=None, phases=[Phase.generate])
        @given(strategy())
        def draw(thing):
            things.append(thing)
        draw()
    return things


def share(strategy, trait, count):
    """Return the fraction of the things drawn that have a trait."""
    return np.mean([trait(thing) for thing in drawn(strategy, count)])


@pytest.mark.parametrize("trait", [
    lambda c: c["input_shape"][1] != c["input_shape"][2],
    lambda c: c["input_shape"][0] != c["filters"],
    lambda c: c["kernel_size"][0] != c["kernel_size"][1],
    lambda c: max(c.get("strides", (1, 1))) > 1,
    lambda c: any(1 < s < k for s, k in zip(c.get("strides", (1, 1)), c["kernel_size"], strict=True)),
    lambda c: "dilation_rate" in c,
    leaves_a_remainder, same_needs_an_odd_pixel,
], ids=["not square", "channels differ", "window not square", "strides", "strides below window", "dilation",
        "remainder", "odd pixel"])
@pytest.mark.slow
def test_one_convolution_in_six_has_each_trait_that_reveals_bugs(trait):
    assert share(strategies.conv_configs, trait, count=400) > 1 / 6


@pytest.mark.parametrize(("strategy", "trait"), [
    (strategies.conv_configs, lambda config: config["input_shape"][1] == config["input_shape"][2]),
    (strategies.conv_configs, lambda config: config["kernel_size"][0] == config["kernel_size"][1]),
    (strategies.pool_configs, lambda config: config["pool_size"][0] == config["pool_size"][1]),
], ids=["images", "convolution", "pooling"])
@pytest.mark.rest
def test_few_images_and_windows_are_square(strategy, trait):
    assert share(strategy, trait, count=400) < 1 / 4


@pytest.mark.parametrize("trait", [
    lambda x: ((x == 0).sum(axis=1) > 1).any(),
    lambda x: (x == np.sort(x)[:, -1:]).sum(axis=1).max() > 1,
    lambda x: np.isin(np.diff(np.sort(x)), [2**-20, 2**-19]).any(),
    lambda x: np.isin(x, [2**-20, -(2**-20)]).any(),
    lambda x: (np.signbit(x) & (x == 0)).any(),
    lambda x: len(np.unique(x)) > 3,
], ids=["zeros", "several maxima", "neighbours", "beside zero", "minus zero", "not all the same"])
@pytest.mark.slow
def test_one_tied_array_in_five_has_each_trait(trait):
    assert share(tied_rows, trait, count=200) > 1 / 5


def tied_rows():
    return strategies.tied_arrays((4, 6))


@pytest.mark.parametrize("trait", [
    lambda tree: isinstance(tree, np.ndarray),
    lambda tree: isinstance(tree, tuple),
    lambda tree: isinstance(tree, list),
    lambda tree: isinstance(tree, dict),
    lambda tree: not isinstance(tree, np.ndarray) and any(
        isinstance(part, (tuple, list, dict)) for part in (tree.values() if isinstance(tree, dict) else tree)),
], ids=["array", "tuple", "list", "dict", "nested"])
@pytest.mark.rest
def test_some_argument_trees_are_of_each_kind(trait):
    assert share(strategies.argument_trees, trait, count=200) > 1 / 20


def ends_in_pooling(model):
    kinds = [type(step.layer) for step in model.steps()]
    return any(kinds[at:at + 3] == [Conv2D, ReLU, MaxPool2D] for at in range(len(kinds)))


@pytest.mark.rest
def test_one_model_in_five_has_convolution_relu_and_pooling_and_half_of_these_are_fused():
    assert share(strategies.sequentials, ends_in_pooling, count=200) > 1 / 5
    with kernels.use("fast"):
        assert share(strategies.sequentials, lambda model: "conv_relu_pool" in str(model.plan()), count=200) > 1 / 10


@pytest.mark.parametrize("trait", [
    lambda model: any(isinstance(layer, Sequential) for layer in model.layers),
    lambda model: (Conv2D, MaxPool2D) in pairwise(map(type, model.layers)),
    lambda model: any(part.differs_in_training for part in model.leaves()),
], ids=["nested", "convolution before pooling", "dropout"])
@pytest.mark.rest
def test_some_models_have_each_trait(trait):
    assert share(strategies.sequentials, trait, count=200) > 0


# It shrinks, and prints.

def failing_example(strategy, fails):
    """Return what Hypothesis prints of the smallest example that fails, squeezed."""
    @settings(database=None, derandomize=True, max_examples=1000, phases=[Phase.generate, Phase.shrink])
    @given(drawn=strategy)
    def test(drawn):
        assert not fails(drawn)
    with pytest.raises(AssertionError) as caught:
        test()
    return squeezed(caught.value.__notes__[0]).partition("drawn=")[2].removesuffix(")")


def squeezed(text):
    return "".join(text.split()).replace(",)", ")")


@pytest.mark.parametrize(("strategy", "fails", "printed"), [
    (strategies.shapes(), lambda shape: len(shape) == 3, "(1, 1, 1)"),
    (strategies.layers(), lambda layer: True, "ReLU(input_shape=(1,))"),
    (strategies.layers(), lambda layer: isinstance(layer, Conv2D) and layer.windows.strides[1] > 1,
     "Conv2D(filters=1, kernel_size=(1, 1), strides=(1, 2), input_shape=(1, 1, 1))"),
    pytest.param(strategies.layers(), lambda layer: isinstance(layer, MaxPool2D) and layer.windows.padding == "same",
                 "MaxPool2D(pool_size=(1, 1), padding='same', input_shape=(1, 1, 1))", marks=pytest.mark.long),
    pytest.param(strategies.sequentials(), lambda model: any(isinstance(layer, Conv2D) for layer in model.layers[1:]),
                 "Sequential([ReLU(), Conv2D(filters=1, kernel_size=(1, 1))], input_shape=(1, 1, 1), seed=0)",
                 marks=pytest.mark.long),
    pytest.param(strategies.conv_configs(), lambda config: config["kernel_size"][0] < config["input_shape"][1],
                 "{'filters': 1, 'kernel_size': (1, 1), 'input_shape': (1, 2, 1)}", marks=pytest.mark.rest),
    (strategies.pool_configs(), lambda config: "strides" in config,
     "{'pool_size': (1, 1), 'strides': (1, 2), 'input_shape': (1, 1, 1)}"),
    (strategies.losses(), lambda drawn: isinstance(drawn[0], SparseCategoricalCrossentropy),
     "(SparseCategoricalCrossentropy(from_logits=True), array([0]), array([[-0.5, 0.5]]))"),
    (strategies.tie_free_arrays((2, 2)), lambda array: True, "array([[-1.5, -0.5], [0.5, 1.5]])"),
    (strategies.tied_arrays((2, 2)), lambda array: True, "array([[0., 0.], [0., 0.]])"),
    (strategies.tied_arrays((2, 2)), lambda array: array[0, 1] == 1, "array([[0., 1.], [0., 0.]])"),
    (strategies.argument_trees(), lambda tree: True, "array(0.5)"),
    (strategies.argument_trees(), lambda tree: isinstance(tree, dict), "{'a': array(0.5)}"),
])
@pytest.mark.slow
def test_failures_shrink_to_something_a_person_can_read(strategy, fails, printed):
    assert failing_example(strategy, fails) == squeezed(printed)


@pytest.mark.parametrize(("is_it", "printed"), [
    (lambda x: True, "np.array([[0.0, 0.1], [2.0, 3.0]])"),
    (lambda x: x.flags.f_contiguous, "np.asfortranarray(np.array([[0.0, 0.1], [2.0, 3.0]]))"),
    (lambda x: not x.flags.forc and x.strides[0] > 0,
     "np.repeat(np.array([[0.0, 0.1], [2.0, 3.0]]), 2, axis=-1)[..., ::2]"),
    (lambda x: x.strides[0] < 0, "np.flip(np.flip(np.array([[0.0, 0.1], [2.0, 3.0]])).copy())"),
    (lambda x: not x.flags.writeable, "np.broadcast_to(np.array([[0.0, 0.1], [2.0, 3.0]]), (2, 2))"),
], ids=["C-ordered", "Fortran-ordered", "every other", "negative strides", "read-only"])
@pytest.mark.slow
def test_a_layout_is_printed_as_the_calls_that_make_it(is_it, printed):
    failing = []

    def fails(array):
        if is_it(array):
            failing.append(array)
        return is_it(array)

    text = failing_example(strategies.strided_arrays(st.just(np.array([[0, 0.1], [2, 3]]))), fails)
    assert text == squeezed(printed)
    pasted = eval(text, {"np": np})
    np.testing.assert_array_equal(pasted, failing[-1])
    assert pasted.strides == failing[-1].strides
    assert pasted.flags.writeable == failing[-1].flags.writeable


@pytest.mark.parametrize("array", [
    np.zeros((0, 3)), np.zeros((2, 0), np.float32), np.array([[0.1]], np.float32), np.array([0.1], ">f8"),
    np.array([np.nan, -np.inf]), np.array([True]), np.arange(3), np.array([1], np.uint8), np.arange(2000) / 7,
], ids=["no rows", "no columns", "float32", "big-endian", "not finite", "bool", "int", "uint8", "long"])
def test_arrays_are_printed_with_dtype_shape_and_all_digits(array):
    pasted = eval(array_call(array), {"np": np})
    np.testing.assert_array_equal(pasted, array)
    assert (pasted.shape, pasted.dtype) == (array.shape, array.dtype)


# A stranger's project: Hypothesis with its own default settings.

def test_settings_are_without_a_deadline_and_without_the_explain_phase():
    assert strategies.settings.deadline is None
    assert set(strategies.settings.phases) == set(Phase) - {Phase.explain}


@pytest.mark.parametrize("examples", [pytest.param(4, marks=pytest.mark.rest),
                                      pytest.param(100, marks=pytest.mark.long)])      # 100: Hypothesis's default
def test_the_example_of_the_docstring_passes_in_a_fresh_process(examples, tmp_path):
    example = textwrap.dedent(strategies.__doc__.split("::\n\n")[1].partition("\nWhat is drawn")[0])
    assert "@strategies.settings" in example
    program = f"""
from hypothesis import settings
settings.register_profile("stranger", settings.get_profile("default"), max_examples={examples})
settings.load_profile("stranger")
{example}
test_every_layer_keeps_the_contract()
"""
    path = tmp_path / "test_stranger.py"
    path.write_text(program, encoding="utf-8")
    ran = subprocess.run([sys.executable, "-W", "error", path.name], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


# Nothing else needs Hypothesis.

@pytest.mark.slow
def test_the_rest_of_testing_works_without_hypothesis():
    program = """
import sys
sys.modules["hypothesis"] = None                 # importing it raises ImportError
from tinynet.layers import ReLU
from tinynet.testing import check_gradients, check_layer
assert check_layer(ReLU, (3,)).passed
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
