"""What the page can ask: each question a method, answered from a copy of the learner's model, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinynet import __version__
from tinynet.checks import invalid
from tinynet.explore import drawing, objective
from tinynet.explore.computed import Computed
from tinynet.explore.describe import describe_step
from tinynet.explore.explanations import Explanation, explain_input, explain_output, explain_parameter
from tinynet.explore.request import Request
from tinynet.explore.samples import Data, is_digit
from tinynet.explore.turns import Turns
from tinynet.training.model import Model

Answer = Mapping[str, Any]


class Session:
    """One model that is looked at, and changed, by whoever has its page open.

    Attributes
    ----------
    model : a copy of the learner's.
    data : the samples, to train on and to show.
    turns : whose turn it is at the model: a request's, or the training's.
    version : grows with each change of the weights, so that the page sees when its numbers are old.
    """

    def __init__(self, model: Model, data: Data, title: str):
        self.model, self.data, self.title = model, data, title
        self.turns, self.version = Turns(), 0
        self._last: tuple[object, Computed] | None = None        # the one that the next question is likely to be about
        self.methods: dict[str, Callable[[dict[str, Any]], Answer]] = {
            name: self._in_turn(method) for name, method in {
                "describe": self.describe, "sample": self.sample, "normalise": self.normalise, "picture": self.picture,
                "run": self.run, "parameter": self.parameter, "explain": self.explain,
                "explainGradient": self.explain_gradient}.items()}

    def _in_turn(self, method: Callable[[Request], Answer]) -> Callable[[dict[str, Any]], Answer]:
        def answer(fields: dict[str, Any]) -> Answer:
            with self.turns:
                return method(Request(fields))
        return answer

    # What there is.

    def describe(self, request: Request) -> Answer:
        """Tell what the model is made of."""
        model, steps, test = self.model, self.model.steps(), self.data.test
        shapes = [value.shape[1:] for value in Computed(model, np.zeros(model.input_shape or (), model.dtype), None).values]
        end = objective.logits_place(steps)
        return {"title": self.title, "dtype": str(model.dtype), "inputShape": shapes[0], "version": self.version,
                "parameterCount": model.count_params(), "tinynet": __version__,
                "steps": [describe_step(step, shapes[k], shapes[k + 1], False) for k, step in enumerate(steps)],
                "logits": end if len(shapes[end]) == 1 else None, "softmax": end < len(steps),
                "samples": {"count": len(test.x), "labels": test.labels()}, "digits": is_digit(shapes[0]),
                "can": dict.fromkeys(("train", "accuracy", "change", "nextStep"), "This part of the page is being built."),
                "activations": [], "optimizer": None, "scenarios": []}

    def sample(self, request: Request) -> Answer:
        """Return one of the test samples, and its class."""
        test = self.data.test
        if not len(test.x):
            raise ValueError("There are no samples: none were given to explore(model, x, y).")
        index = request.whole("index", len(test.x))
        labels = test.labels()
        return {"pixels": test.take(slice(index, index + 1), self.model.dtype)[0],
                "label": None if labels is None else int(labels[index])}

    def normalise(self, request: Request) -> Answer:
        """Bring a drawing to the shape of MNIST's digits."""
        return drawing.normalised(request)

    def picture(self, request: Request) -> Answer:
        """Read a picture that was dropped on the page."""
        shape = self.model.input_shape or ()
        return drawing.picture(request, shape, is_digit(shape))

    # Numbers, forward and backward.

    def run(self, request: Request) -> Answer:
        """Return what every step makes of one input, and the gradients of an objective."""
        return {**self.computed(request).answer(), "version": self.version}

    def parameter(self, request: Request) -> Answer:
        """Return a parameter, with its gradient if there is an objective and an input, and its regularizer's part."""
        step = self.model.steps()[self.step(request)]
        arrays = {**step.layer.params, **step.layer.state}
        name, = (request.choice("name", {name: name for name in arrays}),)
        gradient = penalty = None
        if request.has("objective") and request.has("pixels"):
            numbers = self.computed(request).step(self.step(request))
            gradient, penalty = numbers.grads.get(name), numbers.penalties.get(name)
        return {"value": arrays[name], "gradient": gradient, "penalty": penalty, "version": self.version}

    def explain(self, request: Request) -> Answer:
        """Explain one number of a step's output."""
        numbers = self.computed(request).step(self.step(request))
        return self.explained(explain_output(numbers, request.place("at", numbers.y.shape)))

    def explain_gradient(self, request: Request) -> Answer:
        """Explain the gradient of one number: of a step's input, of its parameter, or, without a step, of a logit."""
        computed = self.computed(request)
        if computed.slopes is None or computed.objective is None:
            raise invalid(None, "an objective, the loss or a logit", "none")
        if not request.has("step"):
            return self.explained(computed.explain_logit(request))
        numbers = computed.step(self.step(request))
        if not request.has("param"):
            return self.explained(explain_input(numbers, request.place("at", numbers.x.shape)))
        key = request.choice("param", {key: key for key in numbers.grads})
        return self.explained(explain_parameter(numbers, key, request.place("at", numbers.grads[key].shape)))

    def explained(self, explanation: Explanation) -> Answer:
        """Return an explanation as the page reads it."""
        return {**explanation.described(), "version": self.version}

    # What the methods have in common.

    def step(self, request: Request) -> int:
        """Return the index of a step, by which or by whose name it is asked for."""
        steps = self.model.steps()
        if isinstance(request.fields.get("step"), str):
            return request.choice("step", {step.name: k for k, step in enumerate(steps)})
        return request.whole("step", len(steps))

    def computed(self, request: Request) -> Computed:
        """Run the input of a request through the model, unless that is what was done last."""
        x = request.array("pixels", self.model.input_shape or (), self.model.dtype)
        wanted = objective.asked(request, self.model)
        key = self.version, wanted, x.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, Computed(self.model, x, wanted)
        return self._last[1]
