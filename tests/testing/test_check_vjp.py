"""check_vjp: pairs of plain functions, right and wrong, of any arguments; complex ones in two conventions."""

import threading
from collections import OrderedDict, namedtuple
from functools import partial

import numpy as np
import pytest

from tinynet.testing import GradientMismatch, check_vjp
from tinynet.testing.cloning import clone

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 5)), RNG.normal(size=5)
Z, V = RNG.normal(size=4) + 1j * RNG.normal(size=4), RNG.normal(size=4) + 1j * RNG.normal(size=4)
Point = namedtuple("Point", "x y")


def wrong(*arguments, **settings):
    """Check a pair that is wrong; return {tensor: cause}."""
    report = check_vjp(*arguments, raises=False, **settings)
    assert not report.passed
    return {failure.tensor: failure.cause for failure in report.failures}


def dense(x, w, b):
    return np.tanh(x @ w + b)


def dense_vjp(dy, x, w, b):
    dz = dy * (1 - dense(x, w, b) ** 2)
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)


def test_a_right_pair_passes_with_a_row_for_each_argument_by_its_name():
    report = check_vjp(dense, dense_vjp, X, W, B)
    assert report.passed
    assert [tensor.name for tensor in report.tensors] == ["x", "w", "b"]
    assert [tensor.count("right") for tensor in report.tensors] == [12, 20, 5]
    assert str(report).startswith("dense: gradients are right.")


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("factor", [1.001, 0.999, -1.0])
def test_one_wrong_gradient_of_three_is_found(position, factor):
    def vjp(dy, *args):
        return tuple(g * factor if k == position else g for k, g in enumerate(dense_vjp(dy, *args)))
    assert list(wrong(dense, vjp, X, W, B)) == ["xwb"[position]]


def test_what_is_wrong_is_raised_with_its_cause():
    def vjp(dy, x, w, b):
        dx, dw, db = dense_vjp(dy, x, w, b)
        return dx, dw, db / len(x)
    with pytest.raises(GradientMismatch, match=r"every entry is 1/3 of what it should be") as caught:
        check_vjp(dense, vjp, X, W, B)
    assert [(failure.tensor, failure.cause) for failure in caught.value.report.failures] == [("b", "batch size")]


# Arguments and outputs of every form.

def tree_f(tree, scale):
    return {"sum": tree["a"] * scale + tree["b"][0], "more": [np.sin(tree["b"][1]), (scale ** 2,)]}


def tree_vjp(dy, tree, scale):
    d, s, (q,) = dy["sum"], dy["more"][0], dy["more"][1]
    return ({"a": d * scale, "b": (d.sum(axis=0), s * np.cos(tree["b"][1]))}, (d * tree["a"]).sum() + 2 * scale * q)


TREE = {"a": X, "b": (np.arange(4.0), B)}


def test_nested_arguments_and_outputs():
    report = check_vjp(tree_f, tree_vjp, TREE, 0.7)
    assert [tensor.name for tensor in report.tensors] == ["tree['a']", "tree['b'][0]", "tree['b'][1]", "scale"]


def test_a_wrong_leaf_is_named():
    def vjp(dy, tree, scale):
        grads, dscale = tree_vjp(dy, tree, scale)
        return {"a": grads["a"], "b": (grads["b"][0], 2 * grads["b"][1])}, dscale
    assert wrong(tree_f, vjp, TREE, 0.7) == {"tree['b'][1]": "factor 2"}


@pytest.mark.parametrize("make", [tuple, list, lambda parts: Point(*parts),
                                  lambda parts: OrderedDict(zip("ab", parts, strict=True))],
                         ids=["tuple", "list", "named tuple", "ordered dict"])
def test_a_container_keeps_its_type(make):
    parts = make([X, B])

    def f(p):
        assert type(p) is type(parts)
        one, other = p.values() if isinstance(p, dict) else p
        return (one ** 2).sum() + (other ** 3).sum()

    def vjp(dy, p):
        one, other = p.values() if isinstance(p, dict) else p
        return make([2 * one * dy, 3 * other ** 2 * dy])
    assert check_vjp(f, vjp, parts).passed
    assert check_vjp(f, lambda dy, p: (vjp(dy, p),), parts).passed               # one gradient for each argument, too


def test_a_single_argument_takes_the_gradient_alone_or_in_a_tuple():
    check_vjp(np.sin, lambda dy, x: dy * np.cos(x), X)
    check_vjp(np.sin, lambda dy, x: (dy * np.cos(x),), X)
    check_vjp(lambda x: np.sin(x[0]), lambda dy, x: (dy * np.cos(x[0]),), (X,))
    check_vjp(lambda x: np.sin(x[0]), lambda dy, x: ((dy * np.cos(x[0]),),), (X,))


def test_numbers_stay_numbers():
    def f(x, y):
        assert type(x) is float
        assert type(y) is np.float64
        return x * y

    def vjp(dy, x, y):
        assert isinstance(dy, float)
        return dy * y, dy * x
    check_vjp(f, vjp, 1.5, np.float64(2.5))


def test_whole_numbers_have_no_gradient():
    rows = np.array([2, 0, 2])

    def embed_vjp(dy, table, rows):
        dtable = np.zeros_like(table)
        np.add.at(dtable, rows, dy)
        return dtable, None
    report = check_vjp(lambda table, rows: table[rows], embed_vjp, X, rows)
    assert report["rows"].note == "not checked: no slope along int64 numbers is measured"

    def assigned(dy, table, rows):
        dtable = np.zeros_like(table)
        dtable[rows] = dy
        return dtable, None
    assert list(wrong(lambda table, rows: table[rows], assigned, X, rows)) == ["table"]
    check_vjp(lambda table, rows: table[rows], lambda *args: embed_vjp(*args)[0], X, rows)       # the only one there is


def test_settings_are_no_arguments_to_check():
    check_vjp(lambda x, power, mode: x ** power, lambda dy, x, power, mode: (dy * power * x ** (power - 1), None, None),
              X, 3, "valid")


def test_wrt_leaves_arguments_out():
    def vjp(dy, x, w, b):
        return dense_vjp(dy, x, w, b)[0], np.zeros_like(w), None
    assert check_vjp(dense, vjp, X, W, B, wrt=0).passed
    assert check_vjp(dense, lambda *args: dense_vjp(*args)[0], X, W, B, wrt=0).passed             # that gradient alone
    assert check_vjp(dense, lambda *args: dense_vjp(*args)[::2], X, W, B, wrt=[0, -1]).passed
    assert wrong(dense, vjp, X, W, B, wrt=(1, 0)) == {"w": "all zero"}
    with pytest.raises(ValueError, match=r"wrt: expected positions of the 3 arguments. Received: 3."):
        check_vjp(dense, vjp, X, W, B, wrt=3)
    with pytest.raises(TypeError, match="expected the arguments to check it at"):
        check_vjp(dense, vjp)


def test_training_is_passed_on():
    def f(x, training=False):
        return x * 2 if training else x

    def vjp(dy, x, training=False):
        return dy * 2 if training else dy
    for training in (None, True, False):
        assert check_vjp(f, vjp, X, training=training).passed
    assert check_vjp(f, lambda dy, x: dy * 2, X, training=True).passed                # a vjp for training alone
    assert list(wrong(f, lambda dy, x: dy, X, training=True)) == ["x"]


def test_float32_arguments_are_checked_in_float64():
    report = check_vjp(dense, dense_vjp, *(a.astype(np.float32) for a in (X, W, B)))
    assert report.passed
    assert report["w"].max_relative_error < 1e-9


def test_a_function_that_takes_float32_alone_is_checked_in_it():
    def f(x):
        if x.dtype != np.float32:
            raise TypeError(f"float32 only, not {x.dtype}")
        return np.sin(x)
    x = X.astype(np.float32)
    report = check_vjp(f, lambda dy, x: dy * np.cos(x), x)
    assert report.passed
    assert "float32" in report["y"].note
    assert list(wrong(f, lambda dy, x: dy * np.cos(x) * np.float32(1.1), x)) == ["x"]


def test_random_numbers_are_the_same_each_time_whoever_holds_the_generator():
    rng = np.random.default_rng(3)
    mask = []

    def dropout(x):
        mask[:] = [rng.random(x.shape) < 0.5]
        return x * mask[0] + np.random.normal(size=x.shape)
    before = rng.bit_generator.state, np.random.get_state()[1].tolist()
    check_vjp(dropout, lambda dy, x: dy * mask[0], X)
    assert (rng.bit_generator.state, np.random.get_state()[1].tolist()) == before


def test_equal_numbers_do_not_hide_a_mistake():
    assert wrong(lambda x, gain: x * gain, lambda dy, x, gain: (dy, (dy * x).sum(axis=0)), X, np.ones(4)) == {
        "x": "dy passed through"}
    check_vjp(lambda x, gain: x * gain, lambda dy, x, gain: (dy * gain, (dy * x).sum(axis=0)), X, np.ones(4))


def test_arguments_are_left_alone():
    args = [a.copy() for a in (X, W, B)]
    check_vjp(dense, dense_vjp, *args)
    for arg, before in zip(args, (X, W, B), strict=True):
        np.testing.assert_array_equal(arg, before)


# What a pair must keep to besides.

def test_what_writes_to_its_arguments_is_named():
    def f(x):
        x += 1
        return x * 2
    failure, = check_vjp(f, lambda dy, x: dy * 2, X, raises=False).failures
    assert (failure.tensor, failure.message, failure.cause) == ("x", "f writes to it.", "writes to its input")

    def vjp(dy, x):
        x *= 2
        return dy * 2
    report = check_vjp(lambda x: x * 2, vjp, X, raises=False)
    assert ("x", "vjp writes to it.") in [(f.tensor, f.message) for f in report.failures]

    def spoils_dy(dy, x):
        dy *= 2
        return dy
    report = check_vjp(lambda x: x * 2, spoils_dy, X, raises=False)
    assert [(f.tensor, f.message, f.cause) for f in report.failures] == [
        ("dy", "vjp writes to it.", "writes to its input")]
    assert report.slopes_right
    assert report["x"].count("right") == X.size


def test_a_pair_that_does_not_repeat_is_named():
    calls = []

    def f(x):
        calls.append(1)
        return x * len(calls)
    report = check_vjp(f, lambda dy, x: dy, X, raises=False)
    assert report.failures[0].cause == "not repeatable"
    assert "forward" not in str(report)


def test_a_vjp_that_uses_what_the_latest_call_stored_is_named():
    kept = {}

    def f(x):
        kept["x"] = x
        return x ** 2
    report = check_vjp(f, lambda dy, x: 2 * kept["x"] * dy, X, raises=False)
    assert {(f.message, f.cause) for f in report.failures} == {
        ("vjp is wrong if f runs on something else before it.", "stale")}


def test_gradients_that_pile_up_are_named():
    total = np.zeros_like(X)

    def vjp(dy, x):
        nonlocal total
        total = total + 2 * dy
        return total
    assert wrong(lambda x: 2 * x, vjp, X)["x"] == "accumulates"


def test_missing_gradients_and_wrong_shapes_are_named():
    assert wrong(dense, lambda *a: (dense_vjp(*a)[0], None, dense_vjp(*a)[2]), X, W, B) == {"w": "missing"}
    assert wrong(np.sin, lambda dy, x: None, X) == {"x": "nothing returned"}
    assert wrong(dense, lambda *a: (*dense_vjp(*a)[:2], dense_vjp(*a)[0]), X, W, B)["b"] == "wrong shape"
    report = check_vjp(dense, lambda *a: dense_vjp(*a)[:2], X, W, B, raises=False)
    assert report.failures[0].message == (
        "vjp: expected 3 gradients, one for each of x, w, b. Received: a tuple of 2.")
    report = check_vjp(tree_f, lambda dy, t, s: ({"a": X}, 1.0), TREE, 0.7, raises=False)
    assert report.failures[0].message == "vjp: tree: expected a dict of 'a', 'b'. Received: a dict of 'a'."
    report = check_vjp(tree_f, lambda dy, t, s: ({"b": (X[0], B), "c": X}, 1.0), TREE, 0.7, raises=False)
    assert report.failures[0].message == "vjp: tree: expected a dict of 'a', 'b'. Received: a dict of 'b', 'c'."


def test_nan_and_exceptions_are_named():
    assert wrong(np.log, lambda dy, x: dy / x, -np.abs(X)) == {"": "forward not finite"}
    assert wrong(np.sin, lambda dy, x: dy * np.nan, X) == {"x": "not finite"}
    report = check_vjp(np.sin, lambda dy, x: dy @ np.ones(9), X, raises=False)
    assert report.failures[0].message.startswith("vjp raised ValueError: matmul")
    assert "(test_check_vjp.py:" in report.failures[0].message
    with pytest.raises(ValueError, match="matmul"):                     # f itself must run
        check_vjp(lambda x: x @ np.ones(9), lambda dy, x: dy, X)


def test_nothing_measured_is_a_failure():
    assert wrong(lambda x: x * 2, lambda dy, x: None, np.arange(3)) == {"": "nothing measured"}
    assert wrong(np.sin, lambda dy, x: dy, np.zeros((0, 3))) == {"": "nothing measured"}
    assert wrong(np.sign, lambda dy, x: dy * 0, np.arange(3)) == {"": "nothing measured"}


# Complex numbers.

def product(z, v):
    return z * v * v


def gradient_vjp(dy, z, v):                                     # as PyTorch has it: conjugates of the derivatives
    return dy * np.conj(v * v), dy * np.conj(2 * z * v)


def conjugate_vjp(dy, z, v):                                    # as JAX has it
    return dy * v * v, dy * 2 * z * v


@pytest.mark.parametrize(("vjp", "convention"), [(gradient_vjp, "gradient"), (conjugate_vjp, "conjugate")])
def test_either_convention_holds_and_is_named(vjp, convention):
    report = check_vjp(product, vjp, Z, V)
    assert report.complex_convention == convention
    assert f'"{convention}": ' in str(report)
    assert [tensor.name for tensor in report.tensors][:4] == ["z.real", "z.imag", "v.real", "v.imag"]
    assert check_vjp(product, vjp, Z, V, complex_convention=convention).passed
    other = {"gradient": "conjugate", "conjugate": "gradient"}[convention]
    assert not check_vjp(product, vjp, Z, V, complex_convention=other, raises=False).passed


def test_where_both_conventions_are_the_same_it_is_said():
    assert check_vjp(lambda z: 2 * z, lambda dy, z: 2 * dy, Z).complex_convention == "either"
    assert check_vjp(np.sin, lambda dy, x: dy * np.cos(x), X).complex_convention is None


def test_a_complex_gradient_wrong_in_its_imaginary_part_alone_is_found():
    def vjp(dy, z, v):
        dz, dv = gradient_vjp(dy, z, v)
        return dz.real + 1.01j * dz.imag, dv
    report = check_vjp(product, vjp, Z, V, raises=False)
    assert {failure.tensor for failure in report.failures} == {"z.imag"}
    assert report.complex_convention is None


def test_real_and_complex_go_together():
    def power(z):                                               # complex in, real out
        return (z * z.conj()).real
    assert check_vjp(power, lambda dy, z: 2 * dy * z, Z).complex_convention == "gradient"
    assert check_vjp(power, lambda dy, z: 2 * dy * z.conj(), Z).complex_convention == "conjugate"

    def turn(angle):                                            # real in, complex out
        return np.exp(1j * angle)
    assert check_vjp(turn, lambda dy, a: (np.conj(dy) * 1j * turn(a)).real, B).complex_convention == "gradient"
    assert check_vjp(turn, lambda dy, a: (dy * 1j * turn(a)).real, B).complex_convention == "conjugate"
    assert check_vjp(lambda z: abs(z) ** 2, lambda dy, z: 2 * dy * z, 1.5 - 2j).passed
    with pytest.raises(ValueError, match=r"complex_convention: expected None, 'gradient' or 'conjugate'."):
        check_vjp(power, lambda dy, z: dy * z, Z, complex_convention="holomorphic")


# What cannot be copied is shared.

class Holder:
    """A function with all that deepcopy stumbles over."""

    def __init__(self):
        self.lock, self.numbers, self.weights = threading.Lock(), (k for k in range(3)), np.ones(4)
        self.inner = {"file": threading.Condition(), "list": [np.zeros(2)]}

    def f(self, x):
        with self.lock:
            return x * self.weights

    def vjp(self, dy, x):
        return dy * self.weights


def test_what_cannot_be_copied_is_shared():
    holder = Holder()
    copied = clone(holder)
    assert copied is not holder
    assert copied.lock is holder.lock
    assert copied.numbers is holder.numbers
    assert copied.weights is not holder.weights
    assert copied.inner["list"][0] is not holder.inner["list"][0]
    check_vjp(holder.f, holder.vjp, X)
    check_vjp(partial(lambda k, x: k * x, 2.0), lambda dy, x: dy * 2, X)
