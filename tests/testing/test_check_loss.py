"""check_loss: a whole training loss of a tree of parameters, and what SciPy's optimizers take."""

import numpy as np
import pytest
from scipy import optimize

from tinynet.testing import check_loss

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(6, 4)), RNG.integers(0, 3, 6)
PARAMS = {"hidden": [RNG.normal(size=(4, 5)), RNG.normal(size=5)], "out": RNG.normal(size=(5, 3))}


def training_loss(params, wrong=1.0):
    """Return the cross-entropy of a network of two layers, with a penalty, and its gradients."""
    (w, b), out, n = params["hidden"], params["out"], len(X)
    h = np.maximum(X @ w + b, 0)
    logits = h @ out
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    value = -log_p[np.arange(n), LABELS].mean() + 0.01 * (out ** 2).sum()
    d = np.exp(log_p)
    d[np.arange(n), LABELS] -= 1
    d /= n
    dh = d @ out.T * (h > 0)
    return value, {"hidden": [X.T @ dh, dh.sum(axis=0)], "out": h.T @ d + 0.02 * wrong * out}


def test_a_training_loss_passes_with_a_row_for_each_parameter():
    report = check_loss(training_loss, PARAMS)
    assert report.passed
    assert [tensor.name for tensor in report.tensors] == ["params['hidden'][0]", "params['hidden'][1]", "params['out']"]
    assert "training_loss: gradients are right." in str(report)


def test_a_forgotten_half_of_the_penalty_is_found_in_its_parameter():
    report = check_loss(lambda params: training_loss(params, wrong=0.5), PARAMS, raises=False)
    assert {failure.tensor for failure in report.failures} == {"params['out']"}


def test_a_wrong_matrix_beside_others_is_told_where_no_cause_fits():
    def wrong(params):
        value, gradients = training_loss(params)
        hidden, bias = gradients["hidden"]
        return value, {**gradients, "hidden": [np.abs(hidden) + 0.1, bias]}
    report = check_loss(wrong, PARAMS, raises=False)
    assert [failure.tensor for failure in report.failures] == ["params['hidden'][0]"]


@pytest.mark.parametrize("factor", [1.001, -1.0])
def test_scipys_fun_and_jac_in_both_forms(factor):
    x = RNG.normal(size=5)

    def both(x):
        return optimize.rosen(x), optimize.rosen_der(x) * factor

    def jac(x):
        return optimize.rosen_der(x) * factor
    assert check_loss((optimize.rosen, optimize.rosen_der), x).passed
    assert check_loss(lambda x: (optimize.rosen(x), optimize.rosen_der(x)), x).passed
    assert not check_loss((optimize.rosen, jac), x, raises=False).passed
    report = check_loss(both, x, raises=False)
    assert [failure.tensor for failure in report.failures] == ["x"]
    scaled = (lambda x, a: a * optimize.rosen(x)), (lambda x, a: a * optimize.rosen_der(x))
    assert check_loss(scaled, x, args=(3.0,)).passed


def test_a_vector_of_residuals_has_a_matrix():
    t = np.linspace(0, 1, 7)

    def fun(p):
        return p[0] * np.exp(-p[1] * t) - 1

    def jac(p):
        return np.stack([np.exp(-p[1] * t), -p[0] * t * np.exp(-p[1] * t)], axis=1)
    p = np.array([2.0, 0.7])
    assert check_loss((fun, jac), p).passed
    report = check_loss((fun, lambda p: jac(p) * [1, -1]), p, raises=False)
    assert report["p"].entries("wrong").tolist() == [False, True]
    failure = check_loss((fun, lambda p: jac(p).T), p, raises=False).failures[0]
    assert failure.message.startswith("jac raised ValueError")


def test_messages_name_the_functions():
    def spoils(params):
        params["a"] *= 2
        return (params["a"] ** 2).sum(), {"a": 2 * params["a"]}
    report = check_loss(spoils, {"a": np.ones(3)}, raises=False)
    assert [str(failure).splitlines()[0] for failure in report.failures] == ["  params['a']: spoils writes to it."]
    report = check_loss(training_loss, {**PARAMS, "more": X}, raises=False)
    assert report.failures[0].message.startswith("training_loss: params: expected a dict of 'hidden', 'out', 'more'.")
    report = check_loss((np.sum, lambda x: None), X, raises=False)
    assert report.failures[0].message == "jac returned None for it."


def test_what_is_no_loss_is_a_type_error():
    with pytest.raises(TypeError, match=r"expected value_and_grad\(params\) to return \(value, grads\)"):
        check_loss(optimize.rosen, X[0])
    with pytest.raises(TypeError, match=r"expected a function that returns \(value, grads\), or a pair \(fun, jac\)"):
        check_loss("mse", X[0])


def test_slopes_can_be_measured_on_another_function():
    def rounded(x):
        return (np.round(x) ** 2).sum(), 2 * x
    assert not check_loss(rounded, X[0], raises=False).passed
    assert check_loss(rounded, X[0], as_if=lambda x: (x ** 2).sum()).passed
    assert check_loss(rounded, X[0], as_if=lambda x: ((x ** 2).sum(), None)).passed
