"""What `tinynet.testing`, which measures slopes, says of a gradient that no known mistake explains."""

from __future__ import annotations

from tinynet.exercises.exercise import Answer, Task, Trial
from tinynet.exercises.marking.diagnosis import UNKNOWN
from tinynet.exercises.marking.variants import Cause
from tinynet.testing import check_vjp


def cause_by_slopes(task: Task, trial: Trial, answer: Answer) -> Cause:
    """Check an answer as the backward of the function that it is the gradient of, and return the cause found."""
    if task.backward is None:
        return UNKNOWN
    forward, args, wrt, vjp = task.backward

    def backward(dy: object, *given: object) -> object:
        return vjp(answer, dy, *given)
    report = check_vjp(forward, backward, *args(*trial.args), wrt=wrt, raises=False)
    for failure in report.failures:
        if failure.cause is not None and failure.explanation:
            return Cause(failure.cause, failure.explanation, "The slopes that tinynet.testing measured suggest")
    return UNKNOWN
