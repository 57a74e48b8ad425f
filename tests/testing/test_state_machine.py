"""Models used in any order: forwards kept alive, run backward late or twice, updates, weights put back.

Every step is held to a twin: a deep copy, made just before, that does the same thing with nothing else going on.
"""

import copy
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tinynet import Sequential, load_model
from tinynet.losses import MeanSquaredError
from tinynet.optimizers import SGD
from tinynet.regularizers import counting_activity
from tinynet.steps.plan import ends_in_probabilities
from tinynet.testing import strategies
from tinynet.testing.layer_calls import squared, summed

pytestmark = pytest.mark.filterwarnings("ignore:Loss and last layer", "ignore:Image shape")
OWN = {function.__name__: function for function in (squared, summed)}     # of a Lambda
SEEDS, BOOLEANS = st.integers(0, 99), st.booleans()


class Live(NamedTuple):
    """A forward whose backward can still run, and what that must give."""

    model: Sequential
    y: np.ndarray
    backward: Any
    dy: np.ndarray
    expected_y: np.ndarray
    expected_dx: np.ndarray
    expected_grads: dict[str, np.ndarray]


def same(got, wanted, message):
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6, err_msg=message)


def normal(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class ModelsInUse(RuleBasedStateMachine):
    @initialize(first=strategies.sequentials(), second=strategies.sequentials())
    def two_models_and_one_that_shares_layers(self, first, second):
        self.models = [first, second]
        if len(first.layers) > 1:
            self.models.append(Sequential(first.layers[:-1], seed=1))
        for model in self.models:
            model.compile(optimizer=SGD(learning_rate=0.1, global_clipnorm=1), loss="mse")
        self.live: list[Live] = []
        self.kept: list[tuple] = []
        self.weights = [model.get_weights() for model in self.models]

    def pick(self, number):
        return self.models[number % len(self.models)]

    def weights_changed(self, model):
        """A backward runs before its parameters change: forwards through those that did are over."""
        changed = {id(leaf) for leaf in model.leaves()}
        self.live = [live for live in self.live if not changed & {id(leaf) for leaf in live.model.leaves()}]
        self.state_changed(model)

    def state_changed(self, model):
        changed = {id(leaf) for leaf in model.leaves()}
        for number, other in enumerate(self.models):
            if changed & {id(leaf) for leaf in other.leaves()}:
                self.weights[number] = other.get_weights()

    @rule(number=SEEDS, n=st.integers(0, 3), seed=SEEDS, training=BOOLEANS)
    def forward(self, number, n, seed, training):
        model = self.pick(number)
        x = normal((n, *model.input_shape), seed)
        twin = copy.deepcopy(model)
        expected_y, backward = twin.forward(x, training)
        dy = normal(expected_y.shape, seed + 1)
        expected_dx = backward(dy)
        y, backward = model.forward(x, training)
        same(y, expected_y, "y of forward")
        if training:
            self.state_changed(model)                        # such as running statistics
        self.live.append(Live(model, y, backward, dy, expected_y.copy(), expected_dx, dict(twin.grads)))

    @precondition(lambda self: self.live)
    @rule(number=SEEDS)
    def backward(self, number):
        live = self.live[number % len(self.live)]
        same(live.backward(live.dy), live.expected_dx, "dx of a forward that was kept alive")
        assert set(live.model.grads) == set(live.expected_grads)
        for key, grad in live.expected_grads.items():
            same(live.model.grads[key], grad, f"grads[{key!r}] of a forward that was kept alive")

    @rule(number=SEEDS, n=st.integers(1, 3), seed=SEEDS)
    def update(self, number, n, seed):
        model = self.pick(number)
        if model.output_shape[-1] == 1 and ends_in_probabilities(model.steps()):
            return                                           # a softmax of one is refused: it cannot learn
        x, y_true = normal((n, *model.input_shape), seed), normal((n, *model.output_shape), seed + 1)
        twin = copy.deepcopy(model)
        with counting_activity([]):                              # as in training: penalties on outputs count
            y, backward = twin.forward(x, training=True)
            backward(MeanSquaredError().forward(y_true, y)[1]())
        model.train_on_batch(x, y_true)
        norm = np.sqrt(sum(np.square(grad, dtype=np.float64).sum() for grad in twin.grads.values()))
        step = 0.1 / max(1, norm)                            # clipped: squares of squares do not grow without end
        for key, before in twin.params.items():
            same(model.grads[key], twin.grads[key], f"grads[{key!r}] of an update")
            same(model.params[key], before - step * twin.grads[key], f"params[{key!r}] after an update")
        self.weights_changed(model)

    @rule(number=SEEDS, seed=SEEDS)
    def keep_weights(self, number, seed):
        model = self.pick(number)
        x = normal((2, *model.input_shape), seed)
        self.kept.append((model, model.get_weights(), x, model(x).copy()))

    @precondition(lambda self: self.kept)
    @rule(number=SEEDS)
    def put_weights_back(self, number):
        model, weights, x, y = self.kept[number % len(self.kept)]
        model.set_weights(weights)
        same(model(x), y, "y with the weights put back")
        self.weights_changed(model)

    @rule(number=SEEDS, seed=SEEDS)
    def save_and_load(self, number, seed):
        number %= len(self.models)
        model = self.models[number]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            model.save(path)
            loaded = load_model(path, custom_objects=OWN)
        x = normal((2, *model.input_shape), seed)
        same(loaded(x), model(x), "y of the loaded model")
        self.models[number] = loaded

    @invariant()
    def weights_change_by_updates_alone(self):
        for model, weights in zip(self.models, self.weights, strict=True):
            for got, wanted in zip(model.get_weights(), weights, strict=True):
                np.testing.assert_array_equal(got, wanted)

    @invariant()
    def nothing_returned_is_overwritten(self):
        for live in self.live:
            same(live.y, live.expected_y, "y that was returned earlier")


TestModelsInUse = ModelsInUse.TestCase
TestModelsInUse.settings = settings(stateful_step_count=20, max_examples=settings().max_examples // 2 + 1)
