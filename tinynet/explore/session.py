"""What the page can ask: each question a method, answered from a copy of the learner's model, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import tinynet
from tinynet.checks import invalid
from tinynet.explore import drawing, objective
from tinynet.explore.changes import ACTIVATIONS, Changes, slot
from tinynet.explore.computed import Computed
from tinynet.explore.describe import describe_step
from tinynet.explore.explanations import Explanation, explain_input, explain_output, explain_parameter
from tinynet.explore.learning.gallery import begin, possible
from tinynet.explore.learning.trainer import Trainer
from tinynet.explore.learning.updates import next_step
from tinynet.explore.samples import Data, is_digit
from tinynet.explore.serving.request import Request
from tinynet.explore.turns import Turns
from tinynet.models import Sequential

Answer = Mapping[str, Any]
MAX_RATE, MAX_BATCH = 1e6, 100_000
NO_LABELS = "There are no test samples with class labels to measure it on."


class Session:
    """One model that is looked at, and changed, by whoever has its page open.

    Attributes
    ----------
    model : a copy of the learner's.
    data : the samples, to train on and to show.
    turns : whose turn it is at the model: a request's, or the training's.
    version : grows with each change of the weights, so that the page sees when its numbers are old.
    """

    def __init__(self, model: Sequential, data: Data, title: str):
        self.model, self.data, self.title = model, data, title
        self.turns, self.version = Turns(), 0
        self.changes, self.trainer = Changes(model), Trainer(model, data, self.turns, self.changed)
        self._last: tuple[object, Computed] | None = None        # the one that the next question is likely to be about
        self.methods: dict[str, Callable[[dict[str, Any]], Answer]] = {
            name: self._in_turn(method) for name, method in {
                "describe": self.describe, "sample": self.sample, "draw": self.draw, "picture": self.picture,
                "run": self.run, "parameter": self.parameter, "explain": self.explain,
                "explainGradient": self.explain_gradient, "change": self.change, "undo": self.undo, "reset": self.reset,
                "accuracy": self.accuracy, "nextStep": self.next_step, "train": self.train, "progress": self.progress,
                "snapshot": self.snapshot}.items()}

    def _in_turn(self, method: Callable[[Request], Answer]) -> Callable[[dict[str, Any]], Answer]:
        def answer(fields: dict[str, Any]) -> Answer:
            with self.turns:
                return method(Request(fields))
        return answer

    # What there is.

    def describe(self, request: Request) -> Answer:
        """Tell what the model is made of."""
        model, steps, test = self.model, self.model.steps(), self.data.test
        blank = Computed(model, np.zeros(model.input_shape or (), model.dtype), None)
        shapes = [value.shape[1:] for value in blank.values]
        end = objective.logits_place(steps)
        return {"title": self.title, "dtype": str(model.dtype), "inputShape": shapes[0], "version": self.version,
                "parameterCount": model.count_params(), "tinynet": tinynet.__version__,
                "steps": [describe_step(step, shapes[k], shapes[k + 1], slot(model, step) is not None)
                          for k, step in enumerate(steps)],
                "logits": end if len(shapes[end]) == 1 else None, "softmax": end < len(steps),
                "samples": {"count": len(test.x), "labels": self.trainer.labels}, "digits": is_digit(shapes[0]),
                "changes": self.changes.words(), "can": self.can(), "activations": list(ACTIVATIONS),
                "optimizer": model.optimizer and {"name": type(model.optimizer).__name__,
                                                  "learningRate": self.trainer.rate},
                "scenarios": [{"name": name, "title": failure.title, "text": failure.text,
                               "howToTell": failure.how_to_tell} for name, failure in possible(self.trainer).items()]}

    def can(self) -> dict[str, str | None]:
        """Say of each thing that not every model can do why this one cannot; None where it can."""
        untested = NO_LABELS if self.trainer.labels is None else None
        return {"train": self.trainer.refusal(), "accuracy": untested, "change": None,
                "nextStep": objective.no_loss(self.model)}

    def sample(self, request: Request) -> Answer:
        """Return one of the test samples, and its class."""
        test = self.data.test
        if not len(test.x):
            raise ValueError("There are no samples: none were given to explore(model, x, y).")
        index = request.whole("index", len(test.x))
        labels = self.trainer.labels
        return {"pixels": test.take(slice(index, index + 1), self.model.dtype)[0],
                "label": None if labels is None else int(labels[index])}

    def picture(self, request: Request) -> Answer:
        """Read a picture that was dropped on the page."""
        shape = self.model.input_shape or ()
        return drawing.picture(request, shape, is_digit(shape))

    # Numbers, forward and backward.

    def draw(self, request: Request) -> Answer:
        """Bring a drawing to the shape of MNIST's digits, and run it: one answer for each move of the pen."""
        shape = self.model.input_shape or ()
        if not is_digit(shape):
            raise invalid(None, "a model of one 28 x 28 image", f"an input of shape {shape}")
        drawn = drawing.normalised(request)
        image = drawn["image"]
        run = None if image is None else {**self._computed_on(image, request).answer(), "version": self.version}
        return {**drawn, "run": run}

    def run(self, request: Request) -> Answer:
        """Return what every step makes of one input, and the gradients of an objective."""
        return {**self.computed(request).answer(), "version": self.version}

    def parameter(self, request: Request) -> Answer:
        """Return a parameter, with its gradient if there is an objective and an input, and its regularizer's part."""
        layer = self.model.steps()[self.step(request)].layer
        arrays = {**layer.params, **layer.state}
        name = request.choice("name", {name: name for name in arrays})
        gradient = penalty = None
        if request.has("objective") and request.has("pixels"):
            numbers = self.computed(request).step(self.step(request))
            gradient, penalty = numbers.grads.get(name), numbers.penalties.get(name)
        return {"value": arrays[name].copy(), "gradient": gradient, "penalty": penalty, "version": self.version}

    def explain(self, request: Request) -> Answer:
        """Explain one number of a step's output."""
        numbers = self.computed(request).step(self.step(request))
        return self.explained(explain_output(numbers, request.place("at", numbers.y.shape)))

    def explain_gradient(self, request: Request) -> Answer:
        """Explain the gradient of one number: of a step's input, of its parameter, or, without a step, of a logit."""
        computed = self.computed(request)
        if computed.slopes is None or computed.objective is None:
            raise invalid(None, "an objective, the loss or a logit", "none")
        begins = computed.objective.kind == "logit" and not request.has("param")   # or, of the loss, at the softmax
        if not request.has("step") or (begins and self.step(request) == computed.logits):
            return self.explained(computed.explain_logit(request))
        numbers = computed.step(self.step(request))
        if not request.has("param"):
            return self.explained(explain_input(numbers, request.place("at", numbers.x.shape)))
        key = request.choice("param", {key: key for key in numbers.grads})
        return self.explained(explain_parameter(numbers, key, request.place("at", numbers.grads[key].shape)))

    def next_step(self, request: Request) -> Answer:
        """Tell what the optimizer's next update would do to one weight, from the loss of one input at its label."""
        label = request.fields.get("label")
        computed = self.computed(Request({**request.fields, "objective": {"kind": "loss", "label": label}}))
        numbers = computed.step(self.step(request))
        key = request.choice("param", {key: key for key in numbers.grads})
        at = request.place("at", numbers.grads[key].shape)
        grads = computed.slopes.params if computed.slopes else {}
        return {**next_step(self.model, grads, f"{numbers.name}/{key}", at), "version": self.version}

    # Changing it.

    def change(self, request: Request) -> Answer:
        """Change a weight, switch a filter, or replace an activation."""
        if self.trainer.shown is not None:
            raise ValueError("These are the weights of an earlier step: go back to now before you change anything.")
        self.changes.apply(request, self.model.steps()[self.step(request)])
        return self.changed_to()

    def undo(self, request: Request) -> Answer:
        """Take the last change back."""
        self.trainer.show(None)
        self.changes.undo()
        return self.changed_to()

    def reset(self, request: Request) -> Answer:
        """Make the model what it was in the beginning: all changes taken back, and nothing trained."""
        self.changes.undo_all()
        self.trainer.begin()
        return self.changed_to()

    def changed(self) -> None:
        """Note that the weights are others."""
        self.version += 1

    def changed_to(self) -> Answer:
        """Say what is changed."""
        self.changed()
        return {"changes": self.changes.words(), "version": self.version}

    def accuracy(self, request: Request) -> Answer:
        """Return how many of the first 1,000 test samples are recognised."""
        found = self.trainer.accuracy()
        if found is None:
            raise ValueError(NO_LABELS)
        return {"correct": found[0], "count": found[1], "version": self.version}

    # Training it.

    def train(self, request: Request) -> Answer:
        """Start or pause the training, make one step of it, or begin one that fails."""
        trainer = self.trainer
        if why := trainer.refusal():
            raise ValueError(why)
        actions = {"start": trainer.start, "pause": trainer.pause, "step": trainer.one_step}
        action = request.choice("action", {**actions, "scenario": None})
        if action is None:
            failure = request.choice("scenario", possible(trainer))
            self.changes.undo_all()
            begin(trainer, failure)
        else:
            trainer.set(request.number("learningRate", 0, MAX_RATE) if request.has("learningRate") else None,
                        request.whole("batchSize", MAX_BATCH, 1) if request.has("batchSize") else None)
            action()
        return self.progress(Request({}))

    def progress(self, request: Request) -> Answer:
        """Return where the training is, and its curve after a step."""
        since = request.whole("since", 10 ** 12) if request.has("since") else -1
        return {**self.trainer.progress(since), "version": self.version}

    def snapshot(self, request: Request) -> Answer:
        """Show the weights of an earlier moment of the training, or those of now."""
        moments = len(self.trainer.moments.steps)
        self.trainer.show(request.whole("index", moments) if request.has("index") else None)
        return self.progress(Request({}))

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
        return self._computed_on(request.array("pixels", self.model.input_shape or (), self.model.dtype), request)

    def _computed_on(self, pixels: np.ndarray, request: Request) -> Computed:
        x = pixels.reshape(self.model.input_shape or ()).astype(self.model.dtype, copy=False)
        x = x * x.dtype.type(self.trainer.scale)
        wanted = objective.asked(request, self.model)
        key = self.version, wanted, x.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, Computed(self.model, x, wanted)
        return self._last[1]
