"""import tinynet stays light, its documented import lines work, and nothing below imports what lies above."""

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tinynet

PACKAGE = Path(tinynet.__file__).parent
LINES = """\
from tinynet import Sequential
from tinynet.models import Sequential
from tinynet.layers import Layer, Input, Dense, Conv2D, MaxPool2D, AveragePool2D, Dropout, Flatten, Activation
from tinynet.layers import BatchNormalization, LayerNormalization, Residual, ActivityRegularization
from tinynet.layers import ReLU, Sigmoid, Tanh, Softmax, MaxPooling2D, AveragePooling2D
from tinynet.layers import GlobalAveragePooling2D, GlobalMaxPooling2D, Reshape, Rescaling
from tinynet.layers import Conv2DTranspose, DepthwiseConv2D, SeparableConv2D, ZeroPadding2D, UpSampling2D
from tinynet.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy, MeanSquaredError
from tinynet.losses import CategoricalHinge, CosineSimilarity, Hinge, LogCosh, Poisson, SquaredHinge, hinge, poisson
from tinynet.losses import BinaryCrossentropy, MeanAbsoluteError, Huber, KLDivergence, categorical_crossentropy
from tinynet.optimizers import Adam, SGD, RMSprop
from tinynet.optimizers import AdamW, Nadam, Adagrad, Adadelta, Adamax, Lion
from tinynet.optimizers.schedules import CosineDecay, CosineDecayRestarts, InverseTimeDecay, OneCycle, PolynomialDecay
from tinynet.layers import AlphaDropout, Convolution2D, GaussianDropout, SeparableConvolution2D
from tinynet.metrics import FalseNegatives, FalsePositives, TrueNegatives, TruePositives
from tinynet.metrics import AUC, Precision, Recall, SparseCategoricalAccuracy, TopKCategoricalAccuracy
from tinynet.callbacks import Callback
from tinynet.datasets import mnist
from tinynet.datasets import cifar10, cifar100, emnist, fashion_mnist, idx, image_folder, kmnist, qmnist
from tinynet.utils import to_categorical, set_random_seed
from tinynet.digits import read_drawing, normalise
from tinynet import backend as K
from tinynet import Input, Model
from tinynet.models import Model
from tinynet.layers import InputLayer, Lambda
from tinynet.models import clone_model, model_from_json, save_model
from tinynet.regularizers import l1, l2, l1_l2
from tinynet.constraints import MaxNorm, NonNeg, UnitNorm, MinMaxNorm, max_norm, non_neg, unit_norm
from tinynet.initializers import he_normal, glorot_uniform, Constant
from tinynet import kernels
from tinynet import distributed
"""
BELOW = [path for path in sorted(PACKAGE.rglob("*.py"))
         if not {"testing", "study", "explore", "exercises"} & set(path.relative_to(PACKAGE).parts)]
HEAVY = ("matplotlib", "PIL", "numba", "scipy", "tqdm", "pandas", "hypothesis", "pytest", "tinynet.testing",
         "tinynet.study", "tinynet.explore", "tinynet.exercises")


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@cache
def parsed(path):
    return ast.parse(path.read_text())


def imported(path):
    """List what a module imports when it is loaded: not inside its functions."""
    def walk(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                yield from (f"{child.module}.{alias.name}" for alias in child.names)
            elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                yield from walk(child)
    return list(walk(parsed(path)))


@pytest.mark.parametrize("line", LINES.splitlines())
def test_documented_imports_work(line):
    exec(line, {})  # the line is one of ours


def test_loading_it_all_loads_nothing_heavy():
    code = f"{LINES}import sys\nprint(*sorted(set(sys.modules) & {set(HEAVY)!r}))"
    assert python(code).split() == []


def test_a_model_is_built_without_numba():
    code = ("import sys\nfrom tinynet import Sequential\nfrom tinynet.layers import Dense\n"
            "model = Sequential([Dense(2, input_dim=3)])\nmodel.compile('adam', 'mse')\nmodel.summary()\n"
            "print('numba' in sys.modules)")
    assert python(code).split()[-1] == "False"


def test_im2col_and_naive_never_load_numba():
    code = ("import sys\nimport numpy as np\nfrom tinynet import Sequential, kernels\nfrom tinynet.layers import *\n"
            "kernels.use('im2col')\n"
            "model = Sequential([Conv2D(2, 3, activation='relu', input_shape=(1, 6, 6)), MaxPool2D(), Flatten(),\n"
            "                    Dense(2)])\n"
            "model.compile('adam', 'mse')\n"
            "model.fit(np.ones((2, 1, 6, 6)), np.ones((2, 2)), verbose=0)\nprint('numba' in sys.modules)")
    assert python(code).split() == ["False"]


# The rooms from the ground up: a file imports from its own room and from those before it, for types too.
ROOMS = ["registry", "checks", "utils", "tables", "figures", "elsewhere", "backend", "preprocessing", "kernels",
         "initializers", "regularizers", "constraints", "schedules", "digits", "layers", "activations", "losses",
         "metrics", "optimizers", "steps", "files", "datasets", "callbacks", "training", "models", "distributed",
         "testing", "study", "explore", "exercises", "demo", "__main__"]
ONLY = {                                      # rooms that know less than what lies below them
    "kernels": {"kernels", "registry"},
    "layers": {"layers", "kernels", "initializers", "regularizers", "constraints", "registry", "checks", "utils"},
    "steps": {"steps", "layers", "kernels", "tables"},
}
MODULES = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
           for path in sorted(PACKAGE.rglob("*.py"))}


def module_of(name):
    """Return the module that an imported name is, or is in."""
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def room_of(module):
    """Return the room: the name below tinynet; that of the models for tinynet itself, which shows them."""
    return [*module.split("."), "models"][1]


@cache
def arrows():
    """Return what modules of tinynet each module imports."""
    return {module: {module_of(name) for name in imported(path) if name.startswith("tinynet")}
            for module, path in MODULES.items()}


def arrows_between_rooms():
    return {room: {room_of(other) for module in MODULES if room_of(module) == room for other in arrows()[module]}
            - {room} for room in ROOMS}


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.slow
def test_arrows_point_down(room):
    allowed = ONLY.get(room, set(ROOMS[:ROOMS.index(room) + 1]))
    assert {(module, other) for module in MODULES if room_of(module) == room for other in arrows()[module]
            if room_of(other) not in allowed} == set()


def test_every_module_is_in_a_room():
    assert {room_of(module) for module in MODULES} == set(ROOMS)


@pytest.mark.slow
@pytest.mark.parametrize("graph", [arrows, arrows_between_rooms], ids=["files", "rooms"])
def test_there_is_no_circle(graph):
    tuple(TopologicalSorter(graph()).static_order())              # raises CycleError


@pytest.mark.slow
def test_looking_and_checking_load_matplotlib_when_something_is_drawn():
    code = "import sys, tinynet.study, tinynet.testing.strategies\nprint('matplotlib' in sys.modules)"
    assert python(code).split() == ["False"]


def test_rooms_stay_small():
    files = Counter(path.parent.relative_to(PACKAGE).as_posix() for path in MODULES.values()
                    if path.name != "__init__.py")
    limits = {".": 15, "layers": 24}
    assert {room: count for room, count in files.items() if count > limits.get(room, 13)} == {}


@pytest.mark.slow
def test_the_type_of_a_model_is_never_any():
    for module, path in MODULES.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation is not None:
                name = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
                assert (name, ast.unparse(node.annotation)) not in (("model", "Any"), ("self.model", "Any")), module


def test_numpys_global_random_state_is_never_used():
    allowed = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64"}
    for path in BELOW:
        used = {node.attr for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)
                and ast.unparse(node.value) in ("np.random", "numpy.random")}
        assert used <= allowed, path


def test_users_are_never_told_by_assert():
    assert [(path, node.lineno) for path in BELOW for node in ast.walk(parsed(path))
            if isinstance(node, ast.Assert)] == []
