"""The last exercise: the larger CNN of one's own layers, as a model of the engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.exercises.chapters.columns import conv_im2col
from tinynet.exercises.chapters.dense import (
    dense_bias_gradient,
    dense_forward,
    dense_input_gradient,
    dense_kernel_gradient,
    relu,
    relu_gradient,
)
from tinynet.exercises.chapters.losses import softmax, softmax_gradient
from tinynet.exercises.chapters.optimizers import initial_kernel
from tinynet.exercises.chapters.regularisation import dropout, dropout_gradient
from tinynet.exercises.chapters.tensors import flatten
from tinynet.exercises.exercise import Answer, Exercise, Judged, Task, Trial
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPooling2D
from tinynet.optimizers import Adam
from tinynet.optimizers.schedules import CosineDecay
from tinynet.testing import check_gradients
from tinynet.utils import to_categorical

Backward = Callable[[np.ndarray], np.ndarray]
Shape = tuple[int, ...]


class Convolution(Layer):
    """A convolution of your own: conv_im2col, with its weights in params and their gradients in grads."""

    def __init__(self, filters: int, kernel_size: int) -> None:
        super().__init__()
        self.filters, self.kernel_size = filters, kernel_size

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make params["kernel"] (F, C, k, k) and params["bias"] (F,), float32, and return the shape of one output.

        input_shape is (C, H, W), without the batch. The kernel is drawn by initial_kernel: a unit sums C * k * k
        products.
        """
        C, H, W = input_shape
        F, k = self.filters, self.kernel_size
        kernel = initial_kernel(C * k * k, F, rng).T.reshape(F, C, k, k)
        self.params["kernel"] = kernel.astype(np.float32)
        self.params["bias"] = np.zeros(F, np.float32)
        return F, H - k + 1, W - k + 1

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward). backward(dy) puts grads["kernel"] and grads["bias"], and returns dx."""
        y, gradients = conv_im2col(x, self.params["kernel"], self.params["bias"])

        def backward(dy: np.ndarray) -> np.ndarray:
            dx, self.grads["kernel"], self.grads["bias"] = gradients(dy)
            return dx
        return y, backward


class Rectifier(Layer):
    """A ReLU of your own."""

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), of relu and relu_gradient."""
        return relu(x), lambda dy: relu_gradient(dy, x)


class Pooling(Layer):
    """Max pooling of 2 x 2 of your own. H and W are cut to even numbers."""

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return the shape of one output: (C, H // 2, W // 2)."""
        C, H, W = input_shape
        return C, H // 2, W // 2

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward): the largest of each square; the first of equal ones takes its dy.

        A loop over all squares of 60,000 images is too slow. Four strided views, x[:, :, i::2, j::2] for i, j = 0, 1,
        have one pixel of every square each: loop over these four, and do all squares at once.
        """
        P, Q = x.shape[2] // 2, x.shape[3] // 2
        places = [np.s_[:, :, i:2 * P:2, j:2 * Q:2] for i, j in np.ndindex(2, 2)]
        y = np.max([x[place] for place in places], axis=0)

        def backward(dy: np.ndarray) -> np.ndarray:
            dx = np.zeros_like(x)
            for place in places:
                won = x[place] == y
                dx[place] = dy * won
                dy = dy * ~won                   # of equal ones the first has taken it
            return dx
        return y, backward


class Drop(Layer):
    """Dropout of your own; self.rng is the generator to draw from."""

    differs_in_training = True

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        self.rng = rng                           # that of the model, which its seed repeats
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), of dropout and dropout_gradient; both take the same random numbers, of x's dtype."""
        random = self.rng.random(x.shape, np.float32).astype(x.dtype)
        return dropout(x, random, self.rate, training), lambda dy: dropout_gradient(dy, random, self.rate, training)


class Rows(Layer):
    """Flatten of your own."""

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return the shape of one output: (C * H * W,)."""
        return (int(np.prod(input_shape)),)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), of flatten; backward gives dy the shape of x again."""
        return flatten(x), lambda dy: dy.reshape(x.shape)


class Linear(Layer):
    """A dense layer of your own."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make params["kernel"] (D, U), by initial_kernel, and params["bias"] (U,), float32; return (U,)."""
        self.params["kernel"] = initial_kernel(input_shape[0], self.units, rng).astype(np.float32)
        self.params["bias"] = np.zeros(self.units, np.float32)
        return (self.units,)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), of the four functions of the dense layer."""
        kernel, bias = self.params["kernel"], self.params["bias"]

        def backward(dy: np.ndarray) -> np.ndarray:
            self.grads["kernel"] = dense_kernel_gradient(x, dy)
            self.grads["bias"] = dense_bias_gradient(dy)
            return dense_input_gradient(dy, kernel)
        return dense_forward(x, kernel, bias), backward


class Probabilities(Layer):
    """A softmax of your own."""

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), of softmax and softmax_gradient."""
        y = softmax(x)
        return y, lambda dy: softmax_gradient(dy, y)


def network(seed: int = 0) -> Sequential:
    """Put the larger CNN together, of your own layers alone: Sequential([...], input_shape=(1, 28, 28), seed=seed).

    30 kernels of 5 x 5, ReLU, pooling; 15 kernels of 3 x 3, ReLU, pooling; dropout of 0.2; rows; 128 units, ReLU;
    50 units, ReLU; 10 units, softmax. It has 59,933 parameters.
    """
    return Sequential([
        Convolution(30, 5), Rectifier(), Pooling(),
        Convolution(15, 3), Rectifier(), Pooling(), Drop(0.2), Rows(),
        Linear(128), Rectifier(), Linear(50), Rectifier(), Linear(10), Probabilities(),
    ], input_shape=(1, 28, 28), seed=seed)


def whole_training(epochs: int = 8) -> None:
    """Train on the whole of MNIST, with a learning rate that falls to 0, and print the test error: minutes."""
    warnings.filterwarnings("ignore", "Loss and last layer")         # the engine cannot know that yours is a softmax
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, x_test = (x[:, None].astype(np.float32) / 255 for x in (x_train, x_test))
    model = network()
    model.compile(Adam(CosineDecay(1e-3, epochs * 300)), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, to_categorical(y_train), epochs=epochs, batch_size=200)
    wrong = int((model.predict(x_test).argmax(axis=1) != y_test).sum())
    print(f"test error: {wrong / 100:.2f} % ({wrong} of 10,000)")


IMPORTS = """\
import warnings
from collections.abc import Callable

import numpy as np
from conv_im2col import conv_im2col
from dense_bias_gradient import dense_bias_gradient
from dense_forward import dense_forward
from dense_input_gradient import dense_input_gradient
from dense_kernel_gradient import dense_kernel_gradient
from dropout import dropout, dropout_gradient
from flatten import flatten
from initial_kernel import initial_kernel
from relu import relu, relu_gradient
from softmax import softmax
from softmax_gradient import softmax_gradient

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import Layer
from tinynet.optimizers import Adam
from tinynet.optimizers.schedules import CosineDecay
from tinynet.utils import to_categorical

Backward = Callable[[np.ndarray], np.ndarray]
Shape = tuple[int, ...]
"""


def its_layers(model: Sequential) -> bool:
    """Every layer is the learner's own."""
    if not isinstance(model, Sequential):
        raise Judged("no model", f"expected a Sequential. Yours is {type(model).__name__}.")
    for layer in model.layers:
        if type(layer).__module__.startswith("tinynet.layers"):
            raise Judged("not your own layer",
                         f"{type(layer).__name__} is the engine's. Every layer is to be your own.")
    return True


def its_size(model: Sequential) -> bool | str:
    """Digits go in, ten probabilities come out, and there are as many parameters as in the larger CNN."""
    y = model(np.random.default_rng(0).random((3, 1, 28, 28), np.float32))
    if y.shape != (3, 10):
        raise Judged("output shape", f"three digits should give (3, 10). Yours gives {y.shape}.")
    if model.count_params() != 59_933:
        raise Judged("number of parameters", "the larger CNN has 59,933 parameters: conv 30 of 5 x 5, conv 15 of "
                     f"3 x 3, dense 128, 50, 10. Yours has {model.count_params():,}.")
    if not np.allclose(y.sum(axis=1), 1, atol=1e-4):
        raise Judged("no probabilities", "each row of the output should add up to 1. Is the softmax there?")
    return True if y.dtype == np.float32 else SLOW.format(y.dtype)


def its_function(model: Sequential) -> bool:
    """From its weights, the engine's larger CNN computes the same, forward and backward."""
    x = digits(20)[0]
    model.set_weights([w + 0.1 * (w.ndim == 1) for w in model.get_weights()])    # biases: else black pixels hide ties
    outputs, gradients = through(model, x)
    if not np.allclose(outputs, through(engine(model), x)[0], atol=1e-4):
        for missing, what in enumerate(("first convolution", "second convolution", "128 units", "50 units")):
            if np.allclose(outputs, through(engine(model, missing), x)[0], atol=1e-4):
                raise Judged("ReLU missing", f"there is no ReLU after the {what}.")
        raise Judged("another network", "with the same weights the larger CNN gives other probabilities. Compare its "
                     "layers, one by one, with those that the task lists, and their order.")
    if not all(np.allclose(a, b, atol=1e-3 * abs(b).max()) for a, b in
               zip(gradients, through(engine(model), x)[1], strict=True)):
        raise Judged("ties", "on real digits the gradients of the weights are not those of the larger CNN, though each "
                     "layer's are right on random numbers. Digits have equal pixels side by side: of those, the first "
                     "takes the dy of its square, alone.")
    return True


def engine(model: Sequential, without_relu: int | None = None) -> Sequential:
    """Build the engine's larger CNN, from a model's weights; one of its four ReLUs may be left out."""
    relus = ["linear" if k == without_relu else "relu" for k in range(4)]
    larger = Sequential([
        Conv2D(30, (5, 5), activation=relus[0]), MaxPooling2D(),
        Conv2D(15, (3, 3), activation=relus[1]), MaxPooling2D(), Dropout(0.2), Flatten(),
        Dense(128, activation=relus[2]), Dense(50, activation=relus[3]),
        Dense(10, activation="softmax")], input_shape=(1, 28, 28))
    weights, wanted = model.get_weights(), [w.shape for w in larger.get_weights()]
    if [w.shape for w in weights] != wanted:
        raise Judged("shapes of the weights", "the weights should have the shapes " + ", ".join(map(str, wanted))
                     + ", in this order. Yours: " + ", ".join(str(w.shape) for w in weights) + ".")
    larger.set_weights(weights)
    return larger


def through(model: Sequential, x: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Take digits through all layers and a gradient back, and return the outputs and the gradients of the weights."""
    backwards = []
    for layer in model.layers:
        x, backward = layer.forward(x)
        backwards.append(backward)
    dy = np.random.default_rng(0).normal(size=x.shape).astype(x.dtype)
    for backward in reversed(backwards):
        dy = backward(dy)
    return x, [layer.grads[key] for layer in model.layers for key in layer.params]


def its_chance(model: Sequential) -> bool:
    """A fifth is dropped in training, and the first weights are as large as initial_kernel makes them."""
    drops = [layer for layer in model.layers if layer.differs_in_training]
    if not drops:
        raise Judged("dropout missing", "no layer drops anything in training: after the second pooling there is "
                     "dropout of 0.2, a layer with differs_in_training = True.")
    dropped = float((drops[0].forward(np.ones((100, 15, 5, 5), np.float32), training=True)[0] == 0).mean())
    if abs(dropped - 0.2) > 0.03:
        raise Judged("dropout rate", f"in training {dropped:.0%} are dropped. It should be 20 %.")
    for kernel in (w for w in model.get_weights() if w.ndim > 1):
        fan_in = kernel.size // (len(kernel) if kernel.ndim > 2 else kernel.shape[1])
        if not 1.4 < kernel.var() * fan_in < 2.6:
            raise Judged("size of the first weights", f"the kernel of the shape {kernel.shape} has a variance of "
                         f"{kernel.var():.3g} at first. A unit sums {fan_in} products there, so it should be 2 / "
                         f"{fan_in} = {2 / fan_in:.3g}: what is given to initial_kernel as fan_in?")
    return True


def its_gradients(model: Sequential) -> bool:
    """Each layer's backward is that of its forward, by measured slopes."""
    rng = np.random.default_rng(0)
    shape: Shape = (1, 28, 28)
    for k, layer in enumerate(model.layers):
        x = rng.normal(size=(2, *shape)).astype(np.float64)
        report = check_gradients(layer, x, raises=False, every=20)
        shape = layer.output_shape or shape
        if not report.passed:
            raise Judged("wrong gradient", f"layer {k + 1}, {type(layer).__name__}: "
                         + " ".join(str(report.failures[0]).split()))
    return True


def its_training(model: Sequential) -> bool:
    """It learns: after three epochs on 2,000 digits it reads most of 1,000 others."""
    x, y = digits(3000)
    model.compile(Adam(2e-3), "categorical_crossentropy")
    model.fit(x[:2000], to_categorical(y[:2000]), epochs=3, batch_size=50, verbose=0)
    error = float((model.predict(x[2000:]).argmax(axis=1) != y[2000:3000]).mean())
    if error > 0.2:
        raise Judged("does not learn", "after 3 epochs on 2,000 digits it should err in less than 20 % of others. "
                     f"Yours errs in {error:.1%}.")
    return True


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of MNIST's training images, (N, 1, 28, 28) from 0 to 1, and their labels."""
    (x, y), _ = mnist.load_data()
    return x[:count, None].astype(np.float32) / 255, y[:count]


SLOW = ("It computes in {}, and takes about twice the time of float32. Somewhere an array is made without the dtype of "
        "its input, as np.zeros(shape) does: np.zeros(shape, x.dtype). Look at im2col, col2im and max pooling first.")
ASPECTS = {"the layers are your own": its_layers, "shapes and parameters": its_size,
           "gradients, layer by layer": its_gradients, "the same as the engine's, from the same weights": its_function,
           "dropout and the first weights": its_chance, "a training on 2,000 digits": its_training}


def examine(answer: Answer, aspect: str) -> bool | str:
    """Look at one aspect of the network that an answer makes."""
    return ASPECTS[aspect](answer())  # type: ignore[arg-type]


def network_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """One aspect after the other."""
    del rng
    for aspect in ASPECTS:
        yield Trial(aspect, (aspect,))


NETWORK = Exercise("The larger CNN, of your own layers", "your-own-layer", (
    Task(network, network_trials, observe=examine, judges=True),
), (
    "Each layer calls functions that you have written: forward returns (y, backward), backward fills grads and "
    "returns dx.",
    "What backward needs it finds in the variables of forward, x above all. Pooling is the one that is new: four "
    "strided views "
    "at once.",
    "Layers whose shape changes need build, which returns the output's shape; weights are float32. "
    "Run `python network.py` for the whole training, once the check passes.",
), limit=300, imports=IMPORTS, given=(whole_training,),
    parts=(Convolution, Rectifier, Pooling, Drop, Rows, Linear, Probabilities))

EXERCISES = (NETWORK,)
