"""Chapter "Dense layers": y = x W + b, its three gradients, and ReLU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.exercises.exercise import Backward, Exercise, Task, Trial, mistake
from tinynet.exercises.marking.worked import count, total


def dense_forward(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Compute a dense layer for a batch: x (N, D), kernel (D, U), bias (U,) -> (N, U).

    Unit u of sample n is the sum over i of x[n, i] * kernel[i, u], plus bias[u].

    >>> kernel = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 4.0]])
    >>> dense_forward(np.array([[1.0, 2.0]]), kernel, np.array([10.0, 20.0, 30.0]))
    array([[11., 22., 41.]])
    """
    return x @ kernel + bias


def dense_forward_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """One sample by hand; a batch; as many inputs as units; as many samples as units."""
    yield Trial("one sample, by hand",
                (np.array([[1.0, 2]]), np.array([[1.0, 0, 3], [0, 1, 4]]), np.array([10.0, 20, 30])))
    for N, D, U in (4, 3, 2), (2, 3, 3), (3, 2, 3), (5, 4, 1):
        yield Trial(f"{count(N, 'sample')}, {D} inputs, {count(U, 'unit')}",
                    (rng.normal(size=(N, D)), rng.normal(size=(D, U)), rng.normal(size=U)))


def dense_forward_by_hand(index: tuple[int, ...], x: np.ndarray, *_: object) -> str:
    """Write unit u of sample n out."""
    n, u = index
    return total([f"x[{n}, {i}] * kernel[{i}, {u}]" for i in range(x.shape[1])]) + f" + bias[{u}]"


DENSE_FORWARD = Exercise("A dense layer", "dense", (Task(
    dense_forward, dense_forward_trials, by_hand=dense_forward_by_hand, axes=(("sample", "unit"),),
    mistakes=(
        mistake("bias missing", "the bias is missing: each unit adds its own to every sample.", (" + bias", "")),
        mistake("bias subtracted", "the bias is subtracted. It is added.", ("+ bias", "- bias")),
        mistake("transposed kernel", "you multiplied by the kernel transposed. Its rows are the inputs already, its "
                "columns the units: (N, D) @ (D, U) is (N, U) as it stands.", ("@ kernel", "@ kernel.T")),
        mistake("elementwise product", "x and the kernel are multiplied number by number. A unit sums over the inputs: "
                "that is a matrix product, x @ kernel.", ("x @ kernel", "x * kernel")),
        mistake("bias per sample", "you added the bias along the wrong axis, a number for each sample. It has one "
                "for each unit: the last axis.", ("+ bias", "+ bias[:, None]")),
        mistake("bias per sample", "you added a bias for each sample. It has one for each unit: the last axis.",
                ("+ bias", "+ bias[:len(x), None]")),
        mistake("sum of bias", "you added the sum of all biases to every unit. Each unit has its own.",
                ("+ bias", "+ bias.sum()")),
        mistake("first bias", "you added the bias of the first unit to all of them.", ("+ bias", "+ bias[0]")),
        mistake("first sample", "every row is that of the first sample.",
                ("x @ kernel", "x[:1] @ kernel + 0 * x[:, :1]")),
        mistake("bias inside the sum", "the bias is added once for each input: it stands inside the sum. It is "
                "added once.", ("+ bias", "+ bias * x.shape[1]")),
        mistake("bias multiplied", "you multiplied by the bias. It is added.", ("+ bias", "* bias")),
        mistake("mean of inputs", "you took the mean over the inputs. It is a sum.",
                ("x @ kernel", "x @ kernel / x.shape[1]")),
        mistake("last input missing", "the last input is left out of the sum: range(D) goes up to D - 1 already.",
                ("x @ kernel", "x[:, :-1] @ kernel[:-1]")),
        mistake("first input missing", "the first input is left out of the sum: counting begins at 0.",
                ("x @ kernel", "x[:, 1:] @ kernel[1:]")),
        mistake("sum overwritten", "only the last input counts: the sum is written over, with = in place of +=.",
                ("x @ kernel", "x[:, -1:] @ kernel[-1:]")),
        mistake("averaged batch", "you averaged or summed over the batch. Each sample has its own output.",
                ("x @ kernel + bias", "(x @ kernel + bias).mean(axis=0)")),
        mistake("activation", "there is a ReLU in it: negative numbers became 0. It is not asked for here.",
                ("x @ kernel + bias", "np.maximum(x @ kernel + bias, 0)")),
    ),
),), (
    "For one sample, it is a vector times a matrix. For a batch, NumPy's @ does all rows at once.",
    "Write the shapes below each other: (N, D) @ (D, U). Do they fit without a transpose?",
    "x @ kernel, and + bias, which broadcasting adds to every row.",
))


def dense_kernel_gradient(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return d loss / d kernel of a dense layer: x (N, D), dy (N, U) -> (D, U).

    dy is the upstream gradient, d loss / d y. Weight (i, u) was used once for each sample, where it multiplied
    x[n, i] on the way to y[n, u]. So it collects from every sample: the sum over n of x[n, i] * dy[n, u].

    >>> dense_kernel_gradient(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [10.0]]))
    array([[31.],
           [42.]])
    """
    return x.T @ dy


def pairs(rng: np.random.Generator) -> Iterator[Trial]:
    """Pairs x (N, D) and dy (N, U): by hand, one sample, as many samples as inputs, ..."""
    yield Trial("two samples, by hand", (np.array([[1.0, 2], [3, 4]]), np.array([[1.0], [10]])))
    for N, D, U in (3, 2, 4), (1, 3, 2), (3, 3, 3), (5, 4, 2), (2, 4, 3):
        yield Trial(f"{count(N, 'sample')}, {D} inputs, {count(U, 'unit')}",
                    (rng.normal(size=(N, D)), rng.normal(size=(N, U))))


def kernel_gradient_by_hand(index: tuple[int, ...], x: np.ndarray, *_: object) -> str:
    """Write the gradient of weight (i, u) out."""
    i, u = index
    return total([f"x[{n}, {i}] * dy[{n}, {u}]" for n in range(len(x))])


DENSE_KERNEL_GRADIENT = Exercise("What a dense layer's weights get", "dense", (Task(
    dense_kernel_gradient, pairs, by_hand=kernel_gradient_by_hand, axes=(("input", "unit"),),
    backward=Backward(lambda x, kernel: x @ kernel, lambda x, dy: (x, np.ones((x.shape[1], dy.shape[1]))), 1,
                      lambda answer, dy, x, kernel: (None, answer(x, dy))),
    mistakes=(
        mistake("mean over the batch", "you took the mean over the batch. The gradient of a weight is the sum of "
                "what it gets from every sample; the loss has divided by the batch already, and dy with it.",
                ("x.T @ dy", "x.T @ dy / len(x)")),
        mistake("transposed", "it is transposed: the gradient must have the shape of the kernel, (D, U), inputs first.",
                ("x.T @ dy", "dy.T @ x")),
        mistake("not transposed", "you multiplied without a transpose. The sum goes over the samples, so they must "
                "meet: (D, N) @ (N, U).", ("x.T @ dy", "x @ dy")),
        mistake("averaged before the product", "you averaged over the batch before you multiplied. Each sample's x "
                "belongs to its own dy: multiply first, then sum.",
                ("x.T @ dy", "np.outer(x.mean(axis=0), dy.mean(axis=0))")),
        mistake("averaged before the product", "you summed over the batch before you multiplied. Each sample's x "
                "belongs to its own dy: multiply first, then sum.",
                ("x.T @ dy", "np.outer(x.sum(axis=0), dy.sum(axis=0))")),
        mistake("averaged before the product", "you summed dy over the batch, or averaged x, before you multiplied. "
                "Each sample's x belongs to its own dy: multiply first, then sum.",
                ("x.T @ dy", "np.outer(x.mean(axis=0), dy.sum(axis=0))")),
        mistake("outer product", "np.outer lays its arguments out flat first, and multiplies everything with "
                "everything. A matrix product sums over the samples: x.T @ dy.", ("x.T @ dy", "np.outer(x, dy)")),
        mistake("first sample", "only the first sample counts. Every sample has used the weight, and all add up.",
                ("x.T @ dy", "np.outer(x[0], dy[0])")),
        mistake("last sample", "only the last sample counts: each one overwrites the one before. Add up, with +=.",
                ("x.T @ dy", "np.outer(x[-1], dy[-1])")),
        mistake("last sample missing", "the last sample is left out: range(N) goes up to N - 1 already.",
                ("x.T @ dy", "x[:-1].T @ dy[:-1]")),
        mistake("first sample missing", "the first sample is left out: counting begins at 0.",
                ("x.T @ dy", "x[1:].T @ dy[1:]")),
        mistake("dy ignored", "dy is not used: you return the slope of y. What the loss does with y comes in "
                "through dy.", ("x.T @ dy", "x.T @ np.ones_like(dy)")),
        mistake("x ignored", "x is not used: you return what the bias gets. The slope of x[n, i] * kernel[i, u] is "
                "x[n, i].", ("x.T @ dy", "np.ones_like(x).T @ dy")),
        mistake("not summed over the batch", "there is an axis of samples left over: you have the share of each "
                "sample, and they must be summed.", ("x.T @ dy", "x[:, :, None] * dy[:, None, :]")),
        mistake("sign", "the sign is wrong. The gradient points uphill; the minus comes in later, in the optimizer.",
                ("x.T @ dy", "-x.T @ dy")),
        mistake("factor 2", "there is a factor of 2 too much: it belongs to a squared error, not to a product.",
                ("x.T @ dy", "2 * x.T @ dy")),
        mistake("divided by inputs", "you divided by the number of inputs.", ("x.T @ dy", "x.T @ dy / x.shape[1]")),
        mistake("wrong mean", "you divided by the number of units.", ("x.T @ dy", "x.T @ dy / dy.shape[1]")),
        mistake("mean over the batch", "you divided by the batch size twice over, or by its square.",
                ("x.T @ dy", "x.T @ dy / len(x) ** 2")),
    ),
),), (
    "The shape of the result is that of the kernel, (D, U). Over what is the sum? Over what the weights share: "
    "samples.",
    "A matrix product sums over the axis where its two factors meet. Which axis of x, and which of dy, must meet?",
    "x transposed is (D, N), and (D, N) @ (N, U) is (D, U).",
))


def dense_bias_gradient(dy: np.ndarray) -> np.ndarray:
    """Return d loss / d bias of a dense layer: dy (N, U) -> (U,).

    Bias u was added to y[n, u] in every sample n, with the slope 1. So it collects from every sample.

    >>> dense_bias_gradient(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
    array([11., 22., 33.])
    """
    return dy.sum(axis=0)


def upstream(rng: np.random.Generator) -> Iterator[Trial]:
    """Upstream gradients (N, U)."""
    yield Trial("two samples, by hand", (np.array([[1.0, 2, 3], [10, 20, 30]]),))
    for N, U in (4, 2), (1, 3), (3, 3), (5, 1):
        yield Trial(f"{count(N, 'sample')}, {count(U, 'unit')}", (rng.normal(size=(N, U)),))


DENSE_BIAS_GRADIENT = Exercise("What a dense layer's biases get", "dense", (Task(
    dense_bias_gradient, upstream, axes=(("unit",),),
    by_hand=lambda index, dy: total([f"dy[{n}, {index[0]}]" for n in range(len(dy))]),
    mistakes=(
        mistake("mean over the batch", "you took the mean over the batch. The gradient of a bias is the sum of what "
                "it gets from every sample; the loss has divided by the batch already, and dy with it.",
                ("sum(", "mean(")),
        mistake("wrong axis", "you summed over the units. Each unit has a bias of its own, used in every sample: sum "
                "over the samples, axis 0.", ("axis=0", "axis=1")),
        mistake("wrong axis", "you took the mean over the units. Each unit has a bias of its own, used in every "
                "sample: sum over the samples, axis 0.", ("sum(axis=0", "mean(axis=1")),
        mistake("sum of all", "you summed over everything. Each unit has a bias of its own: sum over the samples "
                "alone.", ("sum(axis=0)", "sum()")),
        mistake("sum of all", "you gave every unit the sum of everything. Each has a bias of its own.",
                ("dy.sum(axis=0)", "np.full(dy.shape[1], dy.sum())")),
        mistake("axis kept", "the shape should be (U,), that of the bias: keepdims leaves an axis of size 1.",
                ("axis=0", "axis=0, keepdims=True")),
        mistake("not summed over the batch", "dy has a row for each sample: the bias was added in all of them, and "
                "what it gets from each must be summed.", ("dy.sum(axis=0)", "dy.copy()")),
        mistake("first sample", "only the first sample counts. The bias was added in every one: sum.",
                ("dy.sum(axis=0)", "dy[0].copy()")),
        mistake("last sample", "only the last sample counts: each one overwrites the one before. Add up, with +=.",
                ("dy.sum(axis=0)", "dy[-1].copy()")),
        mistake("dy ignored", "you return the slope, which is 1 for each sample, without dy. What the loss does with y "
                "comes in through dy.", ("dy.sum", "np.ones_like(dy).sum")),
        mistake("dy ignored", "you return ones: the slope of y alone, without dy. What the loss does with y comes in "
                "through dy.", ("dy.sum(axis=0)", "np.ones(dy.shape[1])")),
        mistake("sign", "the sign is wrong. The minus comes in later, in the optimizer.", ("dy.sum", "-dy.sum")),
    ),
),), (
    "The result has a number for each unit. Which axis of dy is not that of the units?",
    "The bias of a unit is used once in each sample, and collects from each: a sum.",
    "dy.sum over axis 0.",
))


def dense_input_gradient(dy: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return d loss / d x of a dense layer: dy (N, U), kernel (D, U) -> (N, D).

    Input i of sample n goes into every unit u, times kernel[i, u]. So it collects from every unit: the sum over u of
    dy[n, u] * kernel[i, u].

    >>> dense_input_gradient(np.array([[1.0, 10.0]]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    array([[21., 43., 65.]])
    """
    return dy @ kernel.T


def input_gradient_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand, then as many inputs as units, which hides a transpose from the shapes, ..."""
    yield Trial("one sample, by hand", (np.array([[1.0, 10]]), np.array([[1.0, 2], [3, 4], [5, 6]])))
    for N, D, U in (2, 3, 3), (3, 2, 4), (4, 3, 1), (3, 3, 3):
        yield Trial(f"{count(N, 'sample')}, {D} inputs, {count(U, 'unit')}",
                    (rng.normal(size=(N, U)), rng.normal(size=(D, U))))


def input_gradient_by_hand(index: tuple[int, ...], dy: np.ndarray, *_: object) -> str:
    """Write the gradient of input i of sample n out."""
    n, i = index
    return total([f"dy[{n}, {u}] * kernel[{i}, {u}]" for u in range(dy.shape[1])])


DENSE_INPUT_GRADIENT = Exercise("What a dense layer hands back to the layer before", "dense", (Task(
    dense_input_gradient, input_gradient_trials, by_hand=input_gradient_by_hand, axes=(("sample", "input"),),
    backward=Backward(lambda x, kernel: x @ kernel, lambda dy, kernel: (np.ones((len(dy), len(kernel))), kernel), 0,
                      lambda answer, dy, x, kernel: (answer(dy, kernel), None)),
    mistakes=(
        mistake("not transposed", "the kernel is not transposed. Forward it takes D inputs to U units; backward the "
                "way goes from U to D, and the sum is over the units: (N, U) @ (U, D).", ("kernel.T", "kernel")),
        mistake("transposed", "it is transposed: dx has the shape of x, (N, D), samples first.",
                ("dy @ kernel.T", "kernel @ dy.T")),
        mistake("mean over the batch", "you divided by the batch size. An input belongs to one sample: nothing is "
                "summed or averaged over the batch.", ("dy @ kernel.T", "dy @ kernel.T / len(dy)")),
        mistake("summed over the batch", "you summed over the batch. Each sample has inputs of its own, and a row "
                "of its own.", ("dy @ kernel.T", "(dy @ kernel.T).sum(axis=0)")),
        mistake("summed over the batch", "you averaged over the batch. Each sample has inputs of its own, and a row "
                "of its own.", ("dy @ kernel.T", "(dy @ kernel.T).mean(axis=0)")),
        mistake("dy ignored", "dy is not used: you return the slopes alone. What the loss does with y comes in "
                "through dy.", ("dy @", "np.ones_like(dy) @")),
        mistake("kernel ignored", "the kernel is not used. The slope of x[n, i] * kernel[i, u] is kernel[i, u].",
                ("dy @ kernel.T", "dy @ np.ones_like(kernel).T")),
        mistake("mean over the units", "you took the mean over the units. An input goes into each of them, and "
                "collects the sum.", ("dy @ kernel.T", "dy @ kernel.T / dy.shape[1]")),
        mistake("first unit", "only the first unit counts. The input goes into all of them, and collects from all.",
                ("dy @ kernel.T", "dy[:, :1] @ kernel[:, :1].T")),
        mistake("last unit", "only the last unit counts: each one overwrites the one before. Add up, with +=.",
                ("dy @ kernel.T", "dy[:, -1:] @ kernel[:, -1:].T")),
        mistake("last unit missing", "the last unit is left out of the sum.",
                ("dy @ kernel.T", "dy[:, :-1] @ kernel[:, :-1].T")),
        mistake("first sample", "every row is that of the first sample.",
                ("dy @", "np.repeat(dy[:1], len(dy), axis=0) @")),
        mistake("sign", "the sign is wrong. The minus comes in later, in the optimizer.", ("dy @", "-dy @")),
        mistake("inverse", "you used the (pseudo-)inverse of the kernel. A gradient does not undo the layer: it "
                "takes the transpose.", ("kernel.T", "np.linalg.pinv(kernel)")),
    ),
),), (
    "The result has the shape of x, (N, D). dy is (N, U): so the units must go, by a sum over them.",
    "A matrix product sums over the axis where its factors meet: the units, the last axis of dy and the last of the "
    "kernel.",
    "dy is (N, U); the kernel transposed is (U, D).",
))


def relu(x: np.ndarray) -> np.ndarray:
    """Return x where it is above 0, and 0 elsewhere; x may have any shape.

    >>> relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """
    return np.maximum(x, 0)


def relu_gradient(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return d loss / d x of a ReLU: dy where x is above 0, and 0 elsewhere (also where x is 0).

    >>> relu_gradient(np.array([5.0, 6.0, 7.0]), np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 7.])
    """
    return dy * (x > 0)


def relu_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand, with a 0 in it; a batch; images."""
    yield Trial("-2, 0 and 3", (np.array([-2.0, 0, 3]),))
    yield Trial("numbers between -1 and 1", (np.array([[-0.5, 0.25], [0.75, -0.1]]),))
    for shape in (3, 4), (2, 3, 4, 5):
        yield Trial(f"x of the shape {shape}", (rng.normal(size=shape) * 2,))


def relu_gradient_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand, with and without a 0 in it; a batch; images."""
    yield Trial("x = -2, 3", (np.array([5.0, 7]), np.array([-2.0, 3])))
    zero = {"at zero": "x is exactly 0: there the gradient is 0, too"}
    yield Trial("x = -2, 0, 3", (np.array([5.0, 6, 7]), np.array([-2.0, 0, 3])), zero)
    for shape in (3, 4), (2, 3, 4, 5):
        yield Trial(f"x of the shape {shape}", (rng.normal(size=shape), rng.normal(size=shape)))


RELU = Exercise("ReLU, and its gradient", "losses", (
    Task(relu, relu_trials, by_hand=lambda index, x: f"max(x[{', '.join(map(str, index))}], 0)", mistakes=(
        mistake("absolute", "negative numbers lost their sign. They become 0.", ("np.maximum(x, 0)", "abs(x)")),
        mistake("unchanged", "x comes back as it was.", ("np.maximum(x, 0)", "x.copy()")),
        mistake("minimum", "you kept the negative numbers: minimum in place of maximum.", ("maximum", "minimum")),
        mistake("slope", "you return 1 where x is above 0: that is the slope. ReLU itself keeps the number.",
                ("np.maximum(x, 0)", "(x > 0) * 1.0")),
        mistake("clipped at 1", "numbers above 1 are cut off. Only what is below 0 changes.",
                ("np.maximum(x, 0)", "np.clip(x, 0, 1)")),
        mistake("leaky", "negative numbers are made small, as a leaky ReLU does. Here they become 0.",
                ("np.maximum(x, 0)", "np.where(x > 0, x, 0.01 * x)")),
        mistake("threshold", "numbers between 0 and 1 became 0: the threshold is 0.",
                ("np.maximum(x, 0)", "x * (x > 1)")),
        mistake("largest of all", "you took the largest of all numbers: max in place of maximum, which compares "
                "each number with 0.", ("np.maximum(x, 0)", "np.max(x)")),
        mistake("largest of all", "you took the largest along an axis: np.max(x, 0) is the maximum over axis 0. "
                "np.maximum(x, 0) compares each number with 0.", ("np.maximum(x, 0)", "np.max(x, 0)")),
        mistake("shape lost", "only the positive numbers come back, in a row: x[x > 0] leaves the others out. The "
                "shape stays that of x.", ("np.maximum(x, 0)", "x[x > 0]")),
        mistake("sign", "the sign is wrong.", ("np.maximum", "-np.maximum")),
        mistake("one in place of zero", "what is not above 0 became 1.", ("x, 0)", "x, 1)")),
        mistake("one in place of zero", "what is not above 0 became 1.", ("np.maximum(x, 0)", "np.where(x > 0, x, 1)")),
        mistake("negative ones", "what is below 0 became -1.", ("x, 0)", "x, -1)")),
        mistake("softplus", "that is a smooth relative of ReLU, softplus.",
                ("np.maximum(x, 0)", "np.log1p(np.exp(x))")),
    )),
    Task(relu_gradient, relu_gradient_trials, by_hand=lambda index, dy, x: "dy[{0}] * (x[{0}] > 0)".format(
        ", ".join(map(str, index))), mistakes=(
        mistake("dy ignored", "dy is not used: you return the slope alone. Times dy it is the gradient.",
                ("dy * (x > 0)", "(x > 0) * 1.0")),
        mistake("at zero", "where x is exactly 0 the gradient is 0 as well: x > 0, not x >= 0.", ("x > 0", "x >= 0")),
        mistake("dy in place of x", "you asked where dy is above 0. What counts is where x was.", ("x > 0", "dy > 0")),
        mistake("passed on", "dy comes back as it was. It passes only where x was above 0.",
                ("dy * (x > 0)", "dy.copy()")),
        mistake("times x", "you multiplied by x. The slope of ReLU is 1 where x is above 0, not x.",
                ("(x > 0)", "np.maximum(x, 0)")),
        mistake("times x", "you multiplied by x. The slope of ReLU is 1 where x is above 0, not x.", ("(x > 0)", "x")),
        mistake("other side", "it passes where x is below 0, and not where it is above.", ("x > 0", "x < 0")),
        mistake("other side", "it passes where x is not above 0, and not where it is.", ("x > 0", "x <= 0")),
        mistake("leaky", "where x is below 0 a little passes, as in a leaky ReLU. Here it is 0.",
                ("(x > 0)", "np.where(x > 0, 1, 0.01)")),
        mistake("relu of dy", "you took the ReLU of dy. dy may be negative; where it passes depends on x.",
                ("dy * (x > 0)", "np.maximum(dy, 0) * (x > 0)")),
        mistake("sign of x", "where x is below 0 you return -dy: the slope there is 0, not -1.",
                ("(x > 0)", "np.sign(x)")),
        mistake("dy where below", "where x is not above 0 you return 1 or dy in place of 0.",
                ("dy * (x > 0)", "np.where(x > 0, dy, 1)")),
        mistake("sum of dy", "you summed. Each number has a slope of its own.",
                ("dy * (x > 0)", "(dy * (x > 0)).sum()")),
        mistake("shape lost", "only some numbers come back, in a row: indexing with [x > 0] leaves the others out.",
                ("dy * (x > 0)", "dy[x > 0]")),
    )),
), (
    "Each number is treated by itself, whatever the shape: NumPy compares whole arrays.",
    "np.maximum compares each number of an array with 0. For the gradient, x > 0 is an array of True and False, "
    "which count "
    "as 1 and 0.",
    "np.maximum(x, 0), and dy * (x > 0).",
))

EXERCISES = (DENSE_FORWARD, DENSE_KERNEL_GRADIENT, DENSE_BIAS_GRADIENT, DENSE_INPUT_GRADIENT, RELU)
