"""check_function: what differentiates itself, with each library that is installed; none is needed for the others."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from tinynet.testing import check_function, check_loss, check_vjp
from tinynet.testing.cloning import clone

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 5)), RNG.normal(size=5)


def wrong(*arguments, **settings):
    """Check a function that is wrong; return {tensor: cause}."""
    report = check_function(*arguments, raises=False, **settings)
    assert not report.passed
    return {failure.tensor: failure.cause for failure in report.failures}


def test_a_function_of_plain_numpy_is_a_type_error_that_says_what_to_do():
    def plain(x):
        return np.asarray(x, float) * 2
    with pytest.raises(TypeError, match=r"which does not differentiate itself, use check_vjp\(f, vjp, \*args\)"):
        check_function(plain, X)


@pytest.mark.slow
def test_no_library_is_imported():
    code = ("import sys, numpy, tinynet.testing as t\ntry: t.check_function(lambda x: x, numpy.ones(3))\n"
            "except TypeError: print(*{'torch', 'jax', 'autograd', 'mygrad'} & set(sys.modules))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


class TestPyTorch:
    @pytest.fixture(autouse=True)
    def library(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.torch = pytest.importorskip("torch")

    def tensors(self, *arrays):
        return [self.torch.tensor(a, dtype=self.torch.float32) for a in arrays]

    @property
    def square(self):
        torch = self.torch

        class Square(torch.autograd.Function):
            factor, second = 2.0, True

            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x ** 2

            @classmethod
            def backward(cls, ctx, dy):
                x, = ctx.saved_tensors
                return cls.factor * (x if cls.second else x.detach()) * dy
        return Square

    def test_a_function_of_tensors(self):
        torch = self.torch

        def dense(x, w, b):
            return torch.tanh(x @ w + b)
        report = check_function(dense, *self.tensors(X, W, B))
        assert [tensor.name for tensor in report.tensors] == ["x", "w", "b"]
        assert report["w"].max_relative_error < 1e-9                   # in double precision, though given float32

    @pytest.mark.parametrize("applied", [False, True], ids=["class", "apply"])
    def test_an_autograd_function(self, applied):
        right = self.square
        assert check_function(right.apply if applied else right, *self.tensors(X)).target == "Square"
        wrong_one = type("Square", (self.square,), {"factor": 1.0})
        assert wrong(wrong_one.apply if applied else wrong_one, *self.tensors(X)) == {"x": "factor 2"}

    def test_double_backward(self):
        report = check_function(self.square, *self.tensors(X), order=2)
        assert [tensor.name for tensor in report.tensors] == ["x", "order 2: dy", "order 2: x"]
        once = type("Square", (self.square,), {"second": False})                 # the gradient is right; its own is not
        assert check_function(once, *self.tensors(X)).passed
        assert wrong(once, *self.tensors(X), order=2) == {"order 2: x": "all zero"}
        with pytest.raises(ValueError, match="order: expected a whole number from 1 to 2"):
            check_function(once, *self.tensors(X), order=3)

    def test_a_module_with_its_parameters_buffers_and_random_numbers(self):
        torch = self.torch
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5), torch.nn.Dropout(0.3),
                                     torch.nn.Tanh(), torch.nn.Linear(5, 2))
        before = {name: value.clone() for name, value in module.state_dict().items()}, torch.get_rng_state()
        report = check_function(module, *self.tensors(X))
        assert [t.name for t in report.tensors if t.measurements] == [
            "0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias", "input"]
        assert [t.name for t in report.tensors if t.note] == ["0.bias"]          # a mean is taken off it
        assert all(torch.equal(value, before[0][name]) for name, value in module.state_dict().items())
        assert torch.equal(torch.get_rng_state(), before[1])
        assert check_function(module, *self.tensors(X), training=False).passed
        assert module.training

    def test_a_wrong_parameter_of_a_module_is_named(self):
        torch, square = self.torch, type("Square", (self.square,), {"factor": 1.0})

        class Gain(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.gain = torch.nn.Parameter(torch.tensor([0.5, 1.5, 2.5, 3.5]))

            def forward(self, x):
                return x * square.apply(self.gain)
        assert wrong(Gain(), *self.tensors(X)) == {"gain": "factor 2"}

    def test_trees_and_whole_numbers(self):
        torch = self.torch

        def f(tree, rows, *, scale=2.0):
            return {"a": tree["table"][rows] * scale, "n": rows + 1}, (tree["more"][0] ** 2).sum()
        table, more = self.tensors(W, B)
        report = check_function(f, {"table": table, "more": [more]}, torch.tensor([2, 0, 2]))
        assert [tensor.name for tensor in report.tensors] == ["tree['table']", "tree['more'][0]"]

    def test_complex_numbers_have_the_librarys_convention(self):
        z = self.torch.tensor(X[0] + 1j * X[1])
        report = check_function(lambda z: z * z * z.conj(), z)
        assert report.complex_convention == "gradient"
        assert not check_function(lambda z: z * z * z.conj(), z, complex_convention="conjugate", raises=False).passed

    def test_a_gradient_that_is_cut_off_is_found(self):
        assert wrong(lambda x, y: x * y.detach(), *self.tensors(X, X + 2)) == {"y": "all zero"}
        assert wrong(lambda x: x.detach() ** 2, *self.tensors(X)) == {"x": "all zero"}

    def test_a_straight_through_estimator(self):
        def f(x):
            return x + (self.torch.round(x) - x).detach()
        assert not check_function(f, *self.tensors(X), raises=False).passed
        assert check_function(f, *self.tensors(X), as_if=lambda x: x).passed

    def test_modules_of_several_layers_and_functions_of_every_kind(self):
        torch = self.torch
        for module, args in [(torch.nn.LSTM(2, 2), [X[:, None, :2]]), (torch.nn.Conv2d(1, 2, 2), [X[None, None]]),
                             (torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 2)), [X])]:
            assert check_function(module, *self.tensors(*args)).passed
        assert check_function(torch.vmap(torch.dot), *self.tensors(X, X + 1)).passed
        tied = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
        tied[1].weight = tied[0].weight
        assert [t.name for t in check_function(tied, *self.tensors(X)).tensors] == [
            "0.weight", "0.bias", "1.bias", "input"]

    def test_what_pytorch_refuses_is_told_without_a_line_of_ours(self):
        class Sum(self.torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.sum(dim=0)

            @staticmethod
            def backward(ctx, dy):
                return dy
        failure, = check_function(Sum, *self.tensors(X), raises=False).failures
        assert failure.message.startswith("backward raised RuntimeError: Function SumBackward returned an invalid grad")
        assert ".py:" not in failure.message

    def test_what_writes_to_its_argument_is_named(self):
        assert wrong(lambda x: x.mul_(2) + 1, *self.tensors(X)) == {"x": "writes to its input"}

    def test_a_pair_takes_numpy_arrays(self):
        with pytest.raises(TypeError, match=r"expected NumPy arrays. Received: a Tensor of torch, in x."):
            check_vjp(lambda x: x, lambda dy, x: dy, *self.tensors(X))

    def test_arguments_are_left_alone(self):
        x, = self.tensors(X)
        x.requires_grad_()
        check_function(self.torch.sin, x)
        assert x.grad is None
        assert x.dtype == self.torch.float32
        np.testing.assert_array_equal(x.detach().numpy(), X.astype(np.float32))


class TestJax:
    @pytest.fixture(autouse=True)
    def library(self):
        self.jax = pytest.importorskip("jax")

    def arrays(self, *arrays):
        return [self.jax.numpy.asarray(a) for a in arrays]

    def cube(self, factor=3.0, second=True):
        jax = self.jax

        @jax.custom_vjp
        def cube(x):
            return x ** 3
        cube.defvjp(lambda x: (x ** 3, x if second else jax.lax.stop_gradient(x)),
                    lambda x, dy: (factor * x ** 2 * dy,))
        return cube

    def test_a_function_jitted_or_not_with_arrays_of_either_kind(self):
        def dense(x, w, b):
            return self.jax.numpy.tanh(x @ w + b)
        report = check_function(dense, *self.arrays(X, W, B))
        assert [tensor.name for tensor in report.tensors] == ["x", "w", "b"]
        assert report["w"].max_relative_error < 1e-9                             # in double precision
        assert self.jax.numpy.asarray(X).dtype == np.float32                     # for the time of the check
        assert check_function(self.jax.jit(dense), X, W, B).passed

    def test_a_custom_vjp(self):
        assert check_function(self.cube(), *self.arrays(X)).target == "cube"
        assert wrong(self.cube(factor=6.0), *self.arrays(X)) == {"x": "factor 2"}

    def test_second_derivatives(self):
        report = check_function(self.cube(), *self.arrays(X[0]), order=2)
        assert [tensor.name for tensor in report.tensors] == ["x", "order 2: dy", "order 2: x"]
        assert wrong(self.cube(second=False), *self.arrays(X[0]), order=2) == {"order 2: x": "all zero"}

    def test_trees_keys_and_whole_numbers(self):
        key = self.jax.random.key(0)

        def f(p, rows, key):
            return p["table"][rows] * p["scale"] + self.jax.random.normal(key, (3, 5))
        report = check_function(f, {"table": self.arrays(W)[0], "scale": 1.5}, self.jax.numpy.array([2, 0, 2]), key)
        assert [tensor.name for tensor in report.tensors] == ["p['table']", "p['scale']"]

    def test_complex_numbers_have_the_librarys_convention(self):
        z, = self.arrays(X[0] + 1j * X[1])
        assert check_function(lambda z: z * z * z.conj(), z).complex_convention == "conjugate"

    def test_pairs_and_losses_of_its_arrays_run_in_double_precision(self):
        jnp = self.jax.numpy
        report = check_vjp(lambda x: jnp.sin(x), lambda dy, x: dy * jnp.cos(x), *self.arrays(X))
        assert report["x"].max_relative_error < 1e-9
        loss = self.jax.value_and_grad(lambda p: (jnp.tanh(X @ p["w"]) ** 2).mean())
        assert check_loss(loss, {"w": self.arrays(W)[0]})["p['w']"].max_relative_error < 1e-9

    def test_what_holds_a_custom_vjp_is_copied_but_for_that(self):
        holder = {"f": self.cube(), "numbers": np.ones(3)}
        copied = clone(holder)
        assert copied["f"] is holder["f"]
        assert copied["numbers"] is not holder["numbers"]

    def test_a_straight_through_estimator(self):
        def f(x):
            return x + self.jax.lax.stop_gradient(self.jax.numpy.round(x) - x)
        assert not check_function(f, *self.arrays(X), raises=False).passed
        assert check_function(f, *self.arrays(X), as_if=lambda x: x).passed


class TestAutograd:
    @pytest.fixture(autouse=True)
    def library(self):
        pytest.importorskip("autograd")
        import autograd.extend
        import autograd.numpy
        self.extend, self.numpy = autograd.extend, autograd.numpy

    def doubled(self, factor=2.0):
        doubled = self.extend.primitive(lambda x: 2 * x)
        self.extend.defvjp(doubled, lambda ans, x: lambda dy: factor * dy)
        return doubled

    def test_functions_of_numpy_arrays_are_recognised(self):
        def dense(x, w, b):
            return self.numpy.tanh(self.numpy.dot(x, w) + b)
        assert [tensor.name for tensor in check_function(dense, X, W, B, order=2).tensors][3:] == [
            "order 2: dy", "order 2: x", "order 2: w", "order 2: b"]

    def test_a_primitive(self):
        assert check_function(self.doubled(), X).passed
        assert list(wrong(self.doubled(4.0), X)) == ["args[0]"]

    def test_trees_and_numbers(self):
        def f(p, power):
            return self.numpy.sin(p["a"]), (p["b"][0] ** power) * 2
        report = check_function(f, {"a": X, "b": (1.5, "unused")}, 3)
        assert [tensor.name for tensor in report.tensors] == ["p['a']", "p['b'][0]"]

    def test_complex_numbers_have_the_librarys_convention(self):
        report = check_function(lambda z: self.numpy.conj(z) * z * z, X[0] + 1j * X[1])
        assert report.complex_convention == "conjugate"


class TestMyGrad:
    @pytest.fixture(autouse=True)
    def library(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.mygrad = pytest.importorskip("mygrad")

    def cube(self, factor=3.0):
        class Cube(self.mygrad.operation_base.Operation):
            def __call__(self, x):
                self.variables = (x,)
                return x.data ** 3

            def backward_var(self, grad, index, **kwargs):
                return factor * self.variables[0].data ** 2 * grad
        return lambda x: self.mygrad.execute_op(Cube, x) if hasattr(self.mygrad, "execute_op") else (
            self.mygrad.Tensor._op(Cube, x))

    def test_a_function_of_tensors(self):
        def dense(x, w, b):
            return self.mygrad.tanh(x @ w + b)
        report = check_function(dense, *map(self.mygrad.tensor, (X, W, B)))
        assert [tensor.name for tensor in report.tensors] == ["x", "w", "b"]

    def test_an_operation_of_ones_own(self):
        assert check_function(self.cube(), self.mygrad.tensor(X)).passed
        assert wrong(self.cube(6.0), self.mygrad.tensor(X)) == {"x": "factor 2"}

    def test_several_outputs_and_no_second_derivatives(self):
        assert check_function(lambda x: [x ** 2, {"a": x.sum()}], self.mygrad.tensor(X)).passed
        with pytest.raises(ValueError, match="from 1 to 1, which is as far as MyGrad differentiates"):
            check_function(lambda x: x, self.mygrad.tensor(X), order=2)
