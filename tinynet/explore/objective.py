"""What gradients are taken of: the loss at a label, or one logit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinynet.checks import invalid
from tinynet.explore.explanations.explanation import Explanation, Line, Place, unknown
from tinynet.explore.serving.request import Request
from tinynet.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from tinynet.steps.plan import leave_softmax_to_loss
from tinynet.steps.step import Step, without_penalties
from tinynet.study.trace import Trace
from tinynet.training.model import Model


class Objective(NamedTuple):
    """The loss at a label, or the logit of an index."""

    kind: str
    which: int


class Slopes(NamedTuple):
    """The gradients of an objective: with respect to every value, and every parameter, penalties included."""

    values: list[np.ndarray]                                     # (1, ...) each: one for the input, one for each step
    params: dict[str, np.ndarray]


def asked(request: Request, model: Model) -> Objective | None:
    """Return the objective that a request names, None for none."""
    if not request.has("objective"):
        return None
    fields = request.fields["objective"]
    if not isinstance(fields, dict):
        raise invalid(None, "objective, null, {kind: 'loss', label} or {kind: 'logit', index}", f"{fields!r:.80}")
    inner = Request(fields)
    kind = inner.choice("kind", {"loss": "label", "logit": "index"})
    outputs = int(np.prod(model.output_shape or ()))
    if kind == "label" and (why := no_loss(model)):
        raise ValueError(why)
    return Objective("loss" if kind == "label" else "logit", inner.whole(kind, max(outputs, 2) if kind == "label"
                                                                         else outputs))


def no_loss(model: Model) -> str | None:
    """Say why no loss can be taken at a label; None where one can."""
    if len(model.output_shape or ()) != 1:
        return f"A label says what is right where the output is a vector; here it is {model.output_shape}."
    return None if model.loss is not None else "The model is not compiled, and so has no loss."


def target(model: Model, label: int) -> np.ndarray:
    """Return a label as the target of one sample, as the loss takes it."""
    outputs, = model.output_shape or (1,)
    if isinstance(model.loss, SparseCategoricalCrossentropy):
        return np.array([label])
    return np.array([[label]], np.float64) if outputs == 1 else np.eye(outputs)[[label]]


def logits_place(steps: Sequence[Step]) -> int:
    """Return where the logits are among the values: before a softmax or sigmoid at the end, or else last."""
    computing = without_penalties(steps)
    if computing and getattr(computing[-1].layer, "gives_probabilities", None) in ("softmax", "sigmoid"):
        return steps.index(computing[-1])
    return len(steps)


def loss_of(trace: Trace, label: int) -> float:
    """Return the loss of the one sample of a trace at a label, in nats, without penalties."""
    steps, _, loss = leave_softmax_to_loss(trace.steps, trace.model.loss)
    output = trace.outputs[len(steps) - 1] if steps else trace.inputs[0]
    return float(loss.forward(target(trace.model, label), output)[0])


def slopes(trace: Trace, values: list[np.ndarray], objective: Objective) -> Slopes:
    """Run back from an objective."""
    if objective.kind == "loss":
        found = trace.loss_gradients(target(trace.model, objective.which))
        if len(found) < len(values):                            # the softmax was left to the loss
            found.append(slope_of_loss(trace, values[-1], objective.which))
    else:
        end = logits_place(trace.steps)
        dy = np.zeros(values[end].shape, values[end].dtype)
        dy.flat[objective.which] = 1
        found = trace.backward(dy, end)
        found += [np.zeros_like(value) for value in values[end + 1:]]      # a logit depends on nothing after it
    return Slopes(found, dict(trace.model.grads))


def slope_of_loss(trace: Trace, p: np.ndarray, label: int) -> np.ndarray:
    """Return d loss / d p at probabilities p (1, K)."""
    loss, t = trace.model.loss, target(trace.model, label)
    if not isinstance(loss, CategoricalCrossentropy):
        return loss.forward(t, p)[1]()
    t = smoothed(loss, label, p.shape[1])
    with np.errstate(divide="ignore"):                          # infinite where p underflows to 0
        return -np.divide(t, p, out=np.zeros(p.shape), where=t != 0).astype(p.dtype)


def smoothed(loss: CategoricalCrossentropy, label: int, classes: int) -> np.ndarray:
    """Return the target of a label as the loss has it, (1, K)."""
    share = getattr(loss, "label_smoothing", 0.0)
    return np.eye(classes)[[label]] * (1 - share) + share / classes


def explain_logit(trace: Trace, objective: Objective, of: str, at: Place,
                  gradient: float) -> Explanation:
    """Explain the gradient of a logit, where the way back begins."""
    index = at[-1] if len(at) == 1 else int(np.ravel_multi_index(at, trace.model.output_shape or ()))
    if objective.kind == "logit":
        return Explanation(of, "The objective is this logit itself where the two are the same, and another one where "
                           "they are not: a slope of 1, or of 0.", "copy", gradient, float(index == objective.which),
                           lines=[Line("slope", float(index == objective.which))])
    loss = trace.model.loss
    from_logits = isinstance(loss, CategoricalCrossentropy) and (loss.from_logits or trace.ends_in_probabilities)
    if not isinstance(loss, CategoricalCrossentropy) or not from_logits or trace.logits.ndim != 2:
        return unknown(of, f"The way back begins here, with the slope of the loss, {type(loss).__name__}.", gradient)
    z = trace.logits[0].astype(np.float64)
    e = np.exp(z - z.max())
    p, t = float(e[index] / e.sum()), float(smoothed(loss, objective.which, len(z))[0, index])
    return Explanation(of, "The way back begins here: the slope of the cross-entropy is the probability less the "
                       "target.", "softmax", gradient, p - t,
                       lines=[Line("p", p), Line("t", t), Line("p - t", p - t, "probability - target")])


def probabilities(trace: Trace, values: list[Any]) -> np.ndarray | None:
    """Return the probabilities that a model gives, of logits if it ends in those; None where it gives none."""
    end, output = logits_place(trace.steps), values[-1][0]
    if end < len(trace.steps):
        return output
    loss = trace.model.loss
    if output.ndim != 1 or not isinstance(loss, CategoricalCrossentropy) or not loss.from_logits:
        return None
    e = np.exp(output.astype(np.float64) - output.max())
    return e / e.sum()
