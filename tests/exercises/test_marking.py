"""What a learner is told: each kind of thing that goes wrong has a message of its own, which names the line."""

import numpy as np
import pytest

from tinynet.exercises import check
from tinynet.exercises.catalogue import EXERCISES
from tinynet.exercises.marking import running
from tinynet.exercises.marking.mark import judged, right_outputs
from tinynet.exercises.marking.outcome import Outcome


def told(name, answer=None, /, **answers):
    return str(check(name, answer, **answers))


def test_a_right_answer_says_how_many_checks_passed():
    verdict = check("dense_bias_gradient", lambda dy: dy.sum(axis=0))
    assert (verdict.passed, verdict.unfinished, verdict.score, verdict.cause) == (True, False, 1.0, None)
    assert str(verdict) == "dense_bias_gradient: right. 5 of 5 checks passed."
    assert repr(verdict) == str(verdict)


def test_a_wrong_answer_gets_its_cause_the_first_wrong_entry_and_the_numbers_by_hand():
    verdict = check("dense_kernel_gradient", lambda x, dy: x.T @ dy / len(x))
    text = str(verdict)
    assert (verdict.passed, verdict.unfinished, verdict.cause) == (False, False, "mean over the batch")
    assert verdict.score == pytest.approx(1 / 6)                       # a batch of 1 comes out right
    assert "dense_kernel_gradient: wrong. 1 of 6 checks passed." in text
    assert "Likely cause: you took the mean over the batch." in text
    assert "the first wrong entry is [0, 0]: yours is 15.5, and it should be 31." in text
    assert "x[0, 0] * dy[0, 0] + x[1, 0] * dy[1, 0] = 1 * 1 + 3 * 10 = 31" in text


@pytest.mark.slow
def test_a_map_shows_where_it_is_wrong():
    def pad(x, amount):
        padded = np.pad(x, ((0, 0), (0, 0), (amount, amount), (amount, amount)))
        padded[:, :, 0] = 7
        return padded
    text = told("pad", pad)
    assert "\n     x x x x\n     . . . .\n     . . . ." in text
    assert "What can be seen: " in text
    assert "Only the first row is wrong." in text


def test_an_unfinished_function_is_called_so_with_its_line():
    def relu(x):
        raise NotImplementedError
    verdict = check("relu", relu=relu, relu_gradient=lambda dy, x: dy * (x > 0))
    assert (verdict.passed, verdict.unfinished, verdict.cause, verdict.score) == (False, True, "unfinished", 0.5)
    assert f"test_marking.py, line {relu.__code__.co_firstlineno + 1}:  raise NotImplementedError" in str(verdict)


@pytest.mark.parametrize("body", ["pass", "...", '"Only a docstring."'])
def test_a_function_without_a_body_is_unfinished(body):
    names = {}
    exec(f"def flatten(x):\n    {body}\n", names)
    assert check("flatten", names["flatten"]).unfinished


def test_what_is_wrong_comes_before_what_is_unfinished():
    verdict = check("relu", relu=lambda x: abs(x))
    assert (verdict.unfinished, verdict.cause) == (False, "absolute")
    assert "There is no function relu_gradient yet." in str(verdict)


def test_a_changed_input_is_told_with_the_line_that_changes_it():
    def relu(x):
        y = x
        y[y < 0] = 0
        return y + 0
    verdict = check("relu", relu=relu)
    assert verdict.cause == "input changed"
    assert "It writes into its argument x:" in str(verdict)
    assert f"line {relu.__code__.co_firstlineno + 2}:  y[y < 0] = 0" in str(verdict)


def test_a_returned_view_is_told_with_the_line_that_returns_it():
    def average_pool(x, size):
        if size == 1:
            return x
        P, Q = x.shape[2] // size, x.shape[3] // size
        x[:, :, :P, :Q] = x[:, :, :P * size, :Q * size].reshape(*x.shape[:2], P, size, Q, size).mean(axis=(3, 5))
        return x[:, :, :P, :Q]
    assert check("average_pool", average_pool).cause == "input changed"

    def bias_gradient(dy):
        if len(dy) == 1:
            return dy[0]
        return dy.sum(axis=0)
    verdict = check("dense_bias_gradient", bias_gradient)
    assert verdict.cause == "view"
    assert "shares its memory with the argument dy" in str(verdict)
    assert f"line {bias_gradient.__code__.co_firstlineno + 2}:  return dy[0]" in str(verdict)


def test_a_view_is_fine_where_nothing_has_to_be_computed():
    assert check("flatten", lambda x: x.reshape(len(x), -1)).passed


def test_nan_is_told_with_the_line_where_it_comes_up():
    def relu(x):
        y = np.log(x)
        return np.exp(y)
    verdict = check("relu", relu=relu)
    assert verdict.cause == "not finite"
    assert "has NaN in it with -2, 0 and 3." in str(verdict)
    assert f"line {relu.__code__.co_firstlineno + 1}:  y = np.log(x)" in str(verdict)


def test_nan_of_a_known_mistake_is_named():
    verdict = check("softmax", lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True))
    assert verdict.cause == "overflow"
    assert "logits around 1000" in str(verdict)


def test_an_exception_is_told_with_its_line_and_the_shapes():
    def dense_forward(x, kernel, bias):
        z = x @ kernel.T
        return z + bias
    verdict = check("dense_forward", dense_forward)
    assert "ValueError: matmul" in str(verdict)
    assert f"line {dense_forward.__code__.co_firstlineno + 1}:  z = x @ kernel.T" in str(verdict)
    assert "The arguments there: x (1, 2) = [[1.0, 2.0]], kernel (2, 3) = [[1.0, " in str(verdict)


def test_the_line_of_an_exception_inside_numpy_is_the_learners():
    def pad(x, amount):
        return np.pad(x, "wide")
    assert f"line {pad.__code__.co_firstlineno + 1}:" in told("pad", pad)


def test_a_wrong_shape_is_told_with_both_shapes_and_the_line():
    def dense_forward(x, kernel, bias):
        return (x @ kernel + bias).ravel()
    text = told("dense_forward", dense_forward)
    assert "the shape should be (1, 3), and yours is (3,), returned here:" in text
    assert f"line {dense_forward.__code__.co_firstlineno + 1}:" in text


@pytest.mark.parametrize(("answer", "cause"), [
    (lambda dy: print(end=""), "nothing returned"),
    (lambda dy: "three", "wrong type"),
    (lambda dy: [[1, 2], [3]], "wrong type"),
    (lambda dy: {1: 2}, "wrong type"),
], ids=["nothing", "text", "ragged lists", "dict"])
def test_what_is_no_array_is_told(answer, cause):
    assert check("dense_bias_gradient", answer).cause == cause


def test_a_missing_output_is_told():
    verdict = check("sgd", lambda parameter, *_: parameter + 0)
    assert verdict.cause == "wrong type"
    assert "It should return 2 arrays, parameter, velocity. Yours: ndarray." in str(verdict)


def test_a_part_that_is_right_is_credited():
    def sgd(parameter, gradient, velocity, learning_rate, momentum):
        new = momentum * velocity - learning_rate * gradient
        return parameter + velocity, new
    verdict = check("sgd", sgd)
    assert verdict.cause == "old velocity"
    assert verdict.score == 0.5


def test_two_mistakes_at_once_are_both_named():
    verdict = check("dense_kernel_gradient", lambda x, dy: -x.T @ dy / len(x))
    assert "two things at once." in str(verdict)
    assert "mean over the batch" in str(verdict)
    assert "the sign is wrong" in str(verdict)


def test_what_is_kept_from_call_to_call_is_told():
    calls = []

    def dense_bias_gradient(dy):
        calls.append(1)
        return dy.sum(axis=0) + (len(calls) > 10)
    assert check("dense_bias_gradient", dense_bias_gradient).cause == "not repeatable"


def test_sizes_must_be_whole_numbers():
    verdict = check("output_size", lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride + 1.0)
    assert verdict.cause == "not whole"


@pytest.mark.slow
def test_recursion_and_exit_are_told_and_stop_nothing():
    def forever(dy):
        return forever(dy)

    def leave(dy):
        raise SystemExit
    assert "RecursionError" in told("dense_bias_gradient", forever)
    assert "SystemExit" in told("dense_bias_gradient", leave)


def test_a_process_that_ends_itself_is_told():
    import os
    assert check("dense_bias_gradient", lambda dy: os._exit(1)).cause == "crash"


@pytest.mark.slow
def test_an_endless_loop_is_stopped_and_its_line_named(monkeypatch):
    monkeypatch.setitem(EXERCISES, "relu", type(EXERCISES["relu"])(**{**vars(EXERCISES["relu"]), "limit": 0.5}))

    def relu(x):
        while True:
            x = x + 0
    verdict = check("relu", relu=relu, relu_gradient=lambda dy, x: dy * (x > 0))
    assert verdict.cause == "endless loop"
    first = relu.__code__.co_firstlineno
    assert any(f"test_marking.py, line {first + k}:" in str(verdict) for k in (1, 2))
    assert "It was not tried, as the function before it did not come to an end." in str(verdict)


def test_without_fork_it_is_checked_all_the_same_and_says_so(monkeypatch):
    monkeypatch.setattr(running, "can_fork", lambda: False)
    verdict = check("relu", relu=lambda x: np.maximum(x, 0), relu_gradient=lambda dy, x: dy * (x > 0))
    assert verdict.passed
    assert "cannot fork a process, so the check ran without a time limit" in str(verdict)


def test_functions_are_asked_for_by_name():
    with pytest.raises(TypeError, match=r"has 2 functions. Expected them by keyword: check\('relu', relu=relu"):
        check("relu", abs)
    with pytest.raises(TypeError, match=r"asks for flatten. Received: flatten_it"):
        check("flatten", flatten_it=abs)
    with pytest.raises(TypeError, match=r"expected the function flatten itself, not called. Received: ndarray"):
        check("flatten", np.zeros(3))
    with pytest.raises(ValueError, match=r"Perhaps flatten"):
        check("flaten", abs)


@pytest.mark.slow
def test_a_gradient_that_no_known_mistake_explains_is_measured():
    def conv_kernel_gradient(x, dy):
        P, Q = dy.shape[2:]
        kh, kw = x.shape[2] - P + 1, x.shape[3] - Q + 1
        d = np.zeros((dy.shape[1], x.shape[1], kh, kw))
        for i, j in np.ndindex(kh, kw):
            d[:, :, i, j] = np.einsum("nfpq,ncpq->fc", dy, x[:, :, i:i + P, j:j + Q])
        return d * np.abs(d)
    verdict = check("conv_kernel_gradient", conv_kernel_gradient)
    assert verdict.cause not in (None, "unknown")
    assert "The slopes that tinynet.testing measured suggest: " in str(verdict)


@pytest.mark.slow
def test_each_of_several_outputs_gets_its_own_cause():
    def batch_norm_backward(dy, x, gamma):
        axes = (0, 2, 3)
        std = np.sqrt(x.var(axis=axes) + 0.001)[:, None, None]
        return gamma[:, None, None] * dy * 7 / std ** 5, (dy * x).sum(axis=axes), -dy.sum(axis=axes)
    text = told("batch_norm_backward", batch_norm_backward)
    assert "Likely cause: dgamma: you multiplied by x." in text
    assert "dbias" not in text
    assert "every number has the wrong sign" in text


@pytest.mark.parametrize(("name", "answer", "words"), [
    ("flatten", lambda x: x if x > 0 else 0, "np.where(condition, a, b) chooses for each"),
    ("dense_bias_gradient", lambda dy: dy.sum(axis=2), "an array with 2 axes has none with the number 2"),
    ("conv_bias_gradient", lambda dy: dy + np.arange(dy.shape[1]), "To lay (3,) along axis 1 of (2, 3, 4, 5)"),
    ("residual", lambda x, f: (x + f(x), f), "taken apart first: one, other = f(x)"),
    ("flatten", lambda x: x.reshape(len(x), 3), "a reshape keeps every number"),
    ("max_pool", lambda x, size: x[:, :, 5:2].max(), "there is nothing in it"),
    ("dense_bias_gradient", lambda dy: dy.tolist().sum(axis=0), "a list came where an array is needed"),
], ids=["truth value", "axis", "broadcast", "tuple", "reshape", "empty", "list"])
def test_an_exception_is_told_with_what_it_means(name, answer, words):
    assert words in " ".join(told(name, answer).split())


def test_an_exception_in_another_file_is_told_with_the_line_that_led_there(tmp_path):
    from tinynet.exercises.catalogue import find
    from tinynet.exercises.folder import Folder
    (tmp_path / "relu.py").write_text("def relu(x):\n    return x.tolist().max()\n")
    (tmp_path / "flatten.py").write_text("from relu import relu\n\n\ndef flatten(x):\n    return relu(x)\n")
    text = str(Folder(tmp_path).check(find("flatten")))
    assert "relu.py, line 2:  return x.tolist().max()" in text
    assert "called from\n      flatten.py, line 5:  return relu(x)" in text


def test_what_an_answer_prints_is_shown_once_and_not_all_of_it(capfd):
    def flatten(x):
        for number in range(20):
            print("line", number)
        return x.reshape(len(x), -1)
    text = told("flatten", flatten)
    assert "It printed, with two images of 2 x 2:\n     line 0\n" in text
    assert text.count("line 11") == 1
    assert "line 12" not in text
    assert "... and 8 lines more" in text
    assert capfd.readouterr().out == ""


def test_a_list_is_right_and_gets_a_remark():
    verdict = check("dense_bias_gradient", lambda dy: dy.sum(axis=0).tolist())
    assert verdict.passed
    assert "It returns a list where an array is expected." in str(verdict)


def test_of_two_arguments_that_are_written_to_the_line_is_that_of_the_one_named():
    def sgd(parameter, gradient, velocity, learning_rate, momentum):
        velocity *= momentum
        velocity -= learning_rate * gradient
        parameter += velocity
        return parameter, velocity
    text = told("sgd", sgd)
    assert "It writes into its argument parameter:" in text
    assert f"line {sgd.__code__.co_firstlineno + 3}:  parameter += velocity" in text


def test_small_arguments_are_shown_with_their_numbers():
    text = told("dense_bias_gradient", lambda dy: dy.sum(axis=0) + 1)
    assert "The arguments there: dy (2, 3) = [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]." in text


CHANGES = {"summed over the first axis": lambda a: a.sum(axis=0) if a.ndim else a + 1,
           "summed over the last axis": lambda a: a.sum(axis=-1) if a.ndim else 1 - a,
           "times the batch size": lambda a: a * len(a) if a.ndim else 2 * a,
           "transposed": lambda a: a.T, "an axis too many": lambda a: a[None]}
TASKS = {task.name: task for exercise in EXERCISES.values() for task in exercise.tasks if not task.judges}


def every_output_changed(task, change):
    """Mark what an answer would lead to, one of whose outputs is another than it should be."""
    trials = list(task.trials(np.random.default_rng(0)))
    rights = [right_outputs(task, trial) for trial in trials]
    for k in range(len(rights[0])):
        found = {(task.name, n): Outcome(outputs=(*right[:k], change(right[k]), *right[k + 1:]))
                 for n, right in enumerate(rights)}
        verdict = judged(task, trials, {**found, (task.name, len(trials)): found[task.name, 0]},
                         lambda: {task.name: task.solution})
        assert verdict.text()


@pytest.mark.slow
def test_a_sum_over_the_batch_of_an_output_of_many_is_marked():
    every_output_changed(TASKS["conv_im2col"], CHANGES["times the batch size"])


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", TASKS)
def test_no_output_makes_the_marking_itself_fail(name, change):
    every_output_changed(TASKS[name], CHANGES[change])


@pytest.mark.long
def test_only_the_first_is_right_where_every_other_one_is_wrong():
    def im2col(x, kh, kw, first=1):
        N, C, P, Q = *x.shape[:2], x.shape[2] - kh + 1, x.shape[3] - kw + 1
        columns = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(2, 3))
        columns = columns.transpose(0, 1, 4, 5, 2, 3).reshape(N, C * kh * kw, P * Q).copy()
        columns[:, :, first:] = np.cos(columns[:, :, first:])
        return columns
    assert "Only the first window is right." in told("im2col", im2col)
    assert "Only the first window" not in told("im2col", lambda x, kh, kw: im2col(x, kh, kw, first=2))


def test_true_and_false_are_called_so():
    verdict = check("gradient_checker", is_gradient=lambda f, gradient, x: True)
    assert "yours is True, and it should be False." in str(verdict)
