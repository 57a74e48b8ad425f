"""The package's types: nearly nowhere `Any`, and right for a user who checks a script of theirs with mypy."""

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import tinynet

PACKAGE = Path(tinynet.__file__).parent
CACHE = PACKAGE.parent / ".mypy_cache" / "users_script"       # kept, as what NumPy's types need is 10 s of work
MOST_ANY = 0.08                               # of the annotations of parameters and returns

SCRIPT = """\
import numpy as np

from tinynet import Sequential, activations, load_model
from tinynet.callbacks import Callback, EarlyStopping, LambdaCallback
from tinynet.layers import Activation, Conv2D, Dense, Dropout, Flatten, Layer, MaxPooling2D, ReLU
from tinynet.layers.base import Backward, Shape
from tinynet.losses import MeanSquaredError
from tinynet.optimizers import Adam
from tinynet.optimizers.schedules import ExponentialDecay
from tinynet.testing import check_gradients
from tinynet.utils import set_random_seed, to_categorical


class Scale(Layer):
    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        self.params["scale"] = np.ones(input_shape, np.float32)
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        scale = self.params["scale"]

        def backward(dy: np.ndarray) -> np.ndarray:
            self.grads["scale"] = (dy * x).sum(axis=0)
            dx: np.ndarray = dy * scale                       # NumPy says Any of a product
            return dx
        return x * scale, backward


class Largest(Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        largest = max(float(np.abs(p).max()) for p in self.model.params.values())
        print(epoch, largest, (logs or {})["val_loss"], self.model.optimizer.current_learning_rate())
        if largest > 1e3:
            self.model.stop_training = True


def mean_absolute_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    errors: np.ndarray = np.abs(y_true - y_pred).mean(axis=-1)
    return errors


set_random_seed(7)
x, y = np.random.default_rng(0).random((40, 1, 8, 8)), to_categorical(np.arange(40) % 3)
model = Sequential([
    Conv2D(4, (3, 3), activation="relu", input_shape=(1, 8, 8), kernel_regularizer="l2"),
    MaxPooling2D((2, 2)),
    Dropout(0.2),
    Flatten(),
    Scale(name="scale"),
    Dense(5, activation=activations.tanh, kernel_initializer="he_normal"),
    Dense(5, activation=ReLU),
    Dense(3),
    Activation("softmax"),
], seed=1)
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy", mean_absolute_error])
history = model.fit(x, y, validation_data=(x.tolist(), y), epochs=2, batch_size=20, verbose=0,
                    class_weight={0: 2.0}, callbacks=[Largest(), EarlyStopping(patience=3),
                                                      LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch))])
best: float = min(history.history["val_loss"])
model.compile(Adam(ExponentialDecay(0.01, 10, 0.5), clipnorm=1.0), MeanSquaredError())
model.optimizer.clipnorm = None
loss, = [model.evaluate(x, y, verbose=0)]
probabilities: np.ndarray = model.predict(x)
model.layers[4].params["scale"][:] = 1
print(model.plan(), model.layers[0](x).shape, loss, best, probabilities.shape)
model.save("model.safetensors")
print(load_model("model.safetensors", {"Scale": Scale}).count_params())
Dense(5, kernel_initializer=lambda shape, rng: rng.normal(0, 0.1, shape), name="normal")
print(check_gradients(Scale(), x[:3, 0, 0]).passed)
"""

MISTAKES = {
    "Dense(3, activaton='relu')": "activaton",
    "Dense('3')": 'expected "int"',
    "Conv2D(2, 3, kernel_initialiser='ones')": "kernel_initialiser",
    "Dropout(0.5, traineble=False)": "traineble",
    "model.fit(3, 4, epoch=5)": "epoch",
    "model.compile(optimiser='adam')": "optimiser",
    "model.predict(x).shape.lenght": "lenght",
}


def any_in(annotation):
    """Whether an annotation is Any, or a union with it; dict[str, Any] says what it is as far as it can."""
    if isinstance(annotation, ast.BinOp):
        return any_in(annotation.left) or any_in(annotation.right)
    return isinstance(annotation, ast.Name) and annotation.id == "Any"


def annotations(tree):
    """Yield (line, name, annotation) of each parameter, but self and cls, and of each return."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            a = node.args
            for arg in [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]:
                if arg is not None and arg.arg not in ("self", "cls"):
                    yield arg.lineno, f"{node.name}({arg.arg})", arg.annotation
            if node.name not in ("__init__", "__init_subclass__"):                      # mypy takes None for granted
                yield node.lineno, node.name, node.returns


@cache
def each():
    """List (file, line, name, annotation) of the whole package."""
    return [(path.relative_to(PACKAGE), *found) for path in sorted(PACKAGE.rglob("*.py"))
            for found in annotations(ast.parse(path.read_text()))]


@pytest.mark.slow
def test_every_parameter_and_every_return_is_annotated():
    assert [f"{path}:{line} {name}" for path, line, name, annotation in each() if annotation is None] == []


@pytest.mark.slow
def test_any_is_rare():
    found = [f"{path}:{line} {name}" for path, line, name, annotation in each() if any_in(annotation)]
    assert len(found) <= MOST_ANY * len(each()), f"{len(found)} of {len(each())} annotations:\n" + "\n".join(found)


def test_the_package_says_that_it_has_types():
    assert (PACKAGE / "py.typed").read_bytes() == b""


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Check a script with mypy, strictly, as one that imports the installed package; return the lines it printed."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("mypy")

    def check(script):
        (folder / "script.py").write_text(script)
        command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary",
                   "--config-file=", f"--cache-dir={CACHE}", "script.py"]
        done = subprocess.run(command, cwd=folder, env={**os.environ, "MYPYPATH": str(PACKAGE.parent)},
                              capture_output=True, text=True)
        assert done.stderr == ""
        return done.stdout.splitlines()
    return check


@pytest.mark.rest
def test_a_users_script_has_no_errors_in_strict_mode(mypy, tmp_path):
    assert mypy(SCRIPT) == []
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)})
    assert (done.returncode, done.stderr) == (0, "")                                   # what is checked runs, too
    assert done.stdout.splitlines()[-1] == "True"


@pytest.mark.slow
def test_a_users_mistakes_are_found_where_they_are(mypy):
    found = mypy(SCRIPT + "\n".join(MISTAKES) + "\n")
    first = SCRIPT.count("\n") + 1
    for number, (line, word) in enumerate(MISTAKES.items(), first):
        assert any(f":{number}: " in error and word in error for error in found), (line, found)
    assert len({error.split(":")[1] for error in found}) == len(MISTAKES)
