"""Right answers in other forms pass: einsum and loops, float32, lists, other names, other memory, other numbers."""

import numpy as np
import pytest
from answers import TASKS, function, marked, read

RIGHT = read("right_answers")
PRECISE = {"numerical_gradient", "is_gradient"}          # slopes are not to be measured in float32


def over(arrays, change):
    """Change the arrays among some things."""
    return tuple(change(one) if isinstance(one, np.ndarray) and one.dtype.kind == "f" else one for one in arrays)


def given(change):
    """Let an answer see its arrays changed."""
    return lambda answer: lambda *args: answer(*over(args, change))


def returned(change):
    """Change what an answer returns: an array, or each of several."""
    def changed(value):
        if isinstance(value, (tuple, list)) and value and any(np.ndim(one) for one in value):
            return tuple(map(changed, value))
        return value if callable(value) else change(np.asarray(value))
    return lambda answer: lambda *args: changed(answer(*args))


FORMS = {
    "as it is": lambda answer: answer,
    "given float32": given(np.float32),
    "returns float32": returned(lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a),
    "returns lists": returned(np.ndarray.tolist),
    "returns Fortran's order": returned(lambda a: np.asfortranarray(a) if a.ndim else a),
    "given Fortran's order": given(lambda a: np.asfortranarray(a) if a.ndim else a),
    "returns strided memory": returned(lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a),
    "given strided memory": given(lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a),
    "takes its arguments as a list": lambda answer: lambda *args: answer(*list(args)),
}
CASES = [(answer, form, 0) for answer in RIGHT for form in FORMS
         if not (answer.task in PRECISE and "float32" in form)] + [(answer, "as it is", seed) for answer in RIGHT
                                                                   for seed in (1, 2)]


def passes(answer, form, seed):
    verdict = marked(answer.task, FORMS[form](function(answer)), seed)
    assert verdict.passed, f"{answer}, {form}, seed {seed}\n{verdict}"


def test_there_are_a_thousand_and_several_for_each_exercise():
    assert len(CASES) >= 1000
    counts = {task: sum(answer.task == task for answer in RIGHT) for task in TASKS if task != "network"}
    assert min(counts.values()) >= 1, counts


@pytest.mark.slow
def test_every_tenth_passes(monkeypatch):
    monkeypatch.setattr("tinynet.exercises.marking.running.can_fork", lambda: False)      # a tenth of a second each
    for case in CASES[::10]:
        passes(*case)


@pytest.mark.long
def test_all_pass():
    for case in CASES:
        passes(*case)


@pytest.mark.long
def test_other_names_of_the_arguments_pass():
    for answer in RIGHT:
        _, task = TASKS[answer.task]
        renamed = function(answer, **{name: f"my_{name}" for name in task.arguments})
        assert marked(answer.task, renamed).passed, answer
