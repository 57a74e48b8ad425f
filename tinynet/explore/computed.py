"""One sample on its way through the model, forward and backward: what every question of the page is answered from."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from tinynet.explore import objective as objectives
from tinynet.explore.explanations import Explanation, StepNumbers
from tinynet.explore.explanations.explanation import written
from tinynet.explore.explanations.numbers import NO_OBJECTIVE
from tinynet.explore.objective import Objective, Slopes
from tinynet.explore.serving.request import Request
from tinynet.study.trace import Trace
from tinynet.training.model import Model


class Computed:
    """A forward of one sample, and the backward of an objective, once it is asked for.

    Attributes
    ----------
    values : the input, and what each step returned, (1, ...) each.
    """

    def __init__(self, model: Model, x: np.ndarray, objective: Objective | None):
        with np.errstate(all="ignore"):                          # numbers that have exploded are shown, too
            self.trace = Trace(model, x[None])
        self.model, self.objective = model, objective
        self.values = [self.trace.inputs[0] if self.trace.inputs else x[None], *self.trace.outputs]

    @cached_property
    def slopes(self) -> Slopes | None:
        """The gradients of the objective; None without one."""
        if self.objective is None:
            return None
        with np.errstate(all="ignore"):
            return objectives.slopes(self.trace, self.values, self.objective)

    @property
    def logits(self) -> int:
        """Where the logits are among the values."""
        return objectives.logits_place(self.trace.steps)

    def explain_logit(self, request: Request) -> Explanation:
        """Explain the gradient of a logit, with which the way back begins."""
        if self.objective is None or self.slopes is None:
            raise ValueError(NO_OBJECTIVE)
        place = self.logits
        gradient = self.slopes.values[place][0]
        at = request.place("at", gradient.shape)
        of = f"d objective / d {written('logit' if place < len(self.trace.steps) else 'output', at)}"
        return objectives.explain_logit(self.trace, self.objective, of, at, float(gradient[at]))

    def answer(self) -> dict[str, Any]:
        """Return what a run shows."""
        with np.errstate(all="ignore"):
            loss = (objectives.loss_of(self.trace, self.objective.which)
                    if self.objective is not None and self.objective.kind == "loss" else None)
            return {"values": [value[0] for value in self.values],
                    "probabilities": objectives.probabilities(self.trace, self.values), "loss": loss,
                    "gradients": self.slopes and [gradient[0] for gradient in self.slopes.values]}

    def step(self, index: int) -> StepNumbers[Any]:
        """Return the numbers of one step."""
        step, slopes = self.trace.steps[index], self.slopes
        x, y = self.values[index][0], self.values[index + 1][0]
        if slopes is None:
            return StepNumbers(index, step.name, step.layer, x, y, run=step.run)
        return StepNumbers(index, step.name, step.layer, x, y, slopes.values[index][0], slopes.values[index + 1][0],
                           self.grads(index), self.penalties(index), self.counts_penalties, run=step.run)

    def grads(self, index: int) -> dict[str, np.ndarray]:
        """Return the gradients of a step's parameters."""
        prefix = self.prefix(index)
        grads = self.slopes.params if self.slopes else {}
        return {key: grads[prefix + key] for key in self.trace.steps[index].layer.params if prefix + key in grads}

    def penalties(self, index: int) -> dict[str, np.ndarray]:
        """Return what the regularizers add to the gradients of a step's parameters; nothing to those of a logit."""
        if not self.counts_penalties:
            return {}
        prefix, params = self.prefix(index), self.model.params
        return {name.removeprefix(prefix): np.asarray(term.gradient(params[name]))
                for name, term in self.model.penalties() if name.startswith(prefix)}

    @property
    def counts_penalties(self) -> bool:
        """Whether the objective is the loss, to which penalties are added."""
        return self.objective is not None and self.objective.kind == "loss"

    def prefix(self, index: int) -> str:
        """Return what comes before the names of a step's parameters in the model."""
        return f"{self.trace.steps[index].name}/"
