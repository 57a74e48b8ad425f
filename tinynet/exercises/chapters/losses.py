"""Chapter "Losses": softmax, cross-entropy, and their gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.exercises.exercise import Backward, Exercise, Task, Trial, mistake
from tinynet.exercises.marking.worked import count, total


def softmax(x: np.ndarray) -> np.ndarray:
    """Make probabilities of logits, row by row: x (N, classes) -> (N, classes), every row positive with the sum 1.

    Class k of a row gets exp(x[k]) divided by the sum of exp over the row. Logits may be as large as 1000, where exp
    overflows: the same number subtracted from all logits of a row changes nothing in the result.

    >>> softmax(np.array([[0.0, np.log(3.0)]])).round(2)
    array([[0.25, 0.75]])
    """
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; batches; as many samples as classes; large logits; rows of very different size."""
    yield Trial("the logits 0 and log 3", (np.array([[0.0, np.log(3)]]),))
    for shape in (2, 3), (3, 3), (4, 5):
        yield Trial(f"logits of the shape {shape}", (rng.normal(size=shape) * 2,))
    large = {"overflow": "the logits are large"}
    yield Trial("logits around 1000", (1000 + rng.normal(size=(2, 3)),), large)
    yield Trial("logits around -1000 in one row, 1000 in the other",
                (np.array([[-1000.0], [1000]]) + rng.normal(size=(2, 4)),),
                {**large, "maximum of the batch": "the rows differ much in size"})
    yield Trial("one logit of 1000 among 99 of 280", (280 + 720 * np.eye(100)[[3, 7]],), large)


def softmax_by_hand(index: tuple[int, ...], x: np.ndarray) -> str:
    """Write the probability of one class out."""
    n, k = index
    shift = f" - max({', '.join(f'x[{n}, {j}]' for j in range(x.shape[1]))})" if abs(x).max() > 100 else ""
    terms = [f"exp(x[{n}, {j}]{shift})" for j in range(x.shape[1])]
    return f"{terms[k]} / ({total(terms)})"


SOFTMAX = Exercise("Softmax: logits to probabilities", "losses", (Task(
    softmax, softmax_trials, by_hand=softmax_by_hand, axes=(("sample", "class"),),
    mistakes=(
        mistake("overflow", "exp of a large logit is infinite, and infinity divided by infinity is NaN. Subtract "
                "the largest logit of each row first: the probabilities stay the same.",
                ("x - x.max(axis=-1, keepdims=True)", "x")),
        mistake("maximum of the batch", "you subtracted the largest logit of the whole batch. In a row of much "
                "smaller ones every exp is 0 then, and 0 / 0 is NaN. Each row needs its own maximum.",
                ("x.max(axis=-1, keepdims=True)", "x.max()")),
        mistake("mean subtracted", "you subtracted the mean of the row. The largest logit may be so far above it that "
                "exp still overflows: subtract the largest.",
                ("x.max(axis=-1, keepdims=True)", "x.mean(axis=-1, keepdims=True)")),
        mistake("sum of the batch", "you divided by the sum over the whole batch. Each row is a distribution of its "
                "own: sum along axis 1.", ("e.sum(axis=-1, keepdims=True)", "e.sum()")),
        mistake("wrong axis", "you went down the columns, over the samples. The classes of a sample are a row: axis 1.",
                ("x.max(axis=-1", "x.max(axis=0"), ("e.sum(axis=-1", "e.sum(axis=0")),
        mistake("wrong axis", "you summed down the columns, over the samples. The classes of a sample are a row: "
                "axis 1.", ("e.sum(axis=-1", "e.sum(axis=0")),
        mistake("keepdims missing", "a sum (or maximum) over the row has one axis less, and is laid along the "
                "columns in place of the rows: keepdims=True keeps the axis.",
                ("e.sum(axis=-1, keepdims=True)", "e.sum(axis=-1)")),
        mistake("keepdims missing", "a sum (or maximum) over the row has one axis less, and is laid along the "
                "columns in place of the rows: keepdims=True keeps the axis.",
                ("x.max(axis=-1, keepdims=True)", "x.max(axis=-1)")),
        mistake("keepdims missing", "a sum (or maximum) over the row has one axis less, and is laid along the "
                "columns in place of the rows: keepdims=True keeps the axis.",
                ("e.sum(axis=-1, keepdims=True)", "e.sum(axis=-1)"),
                ("x.max(axis=-1, keepdims=True)", "x.max(axis=-1)")),
        mistake("not normalised", "you did not divide by the sum: the rows do not add up to 1. (The largest exp is "
                "1, once the maximum is subtracted: to divide by it changes nothing.)",
                (" / e.sum(axis=-1, keepdims=True)", "")),
        mistake("not normalised", "you did not divide by the sum: the rows do not add up to 1.",
                (" / e.sum(axis=-1, keepdims=True)", ""), ("x - x.max(axis=-1, keepdims=True)", "x")),
        mistake("no exponential", "there is no exp: you divided the logits by their sum.",
                ("np.exp(x - x.max(axis=-1, keepdims=True))", "x")),
        mistake("sigmoid", "that is a sigmoid of each logit: the classes do not compete, and the rows do not add up "
                "to 1.", ("return e / e.sum(axis=-1, keepdims=True)", "return 1 / (1 + np.exp(-x))")),
        mistake("logarithm", "you return the logarithm of the probabilities.",
                ("e / e.sum(axis=-1, keepdims=True)", "np.log(e / e.sum(axis=-1, keepdims=True))")),
        mistake("mean in place of sum", "you divided by the mean in place of the sum.", ("e.sum(", "e.mean(")),
        mistake("one-hot", "you return 1 for the largest logit and 0 elsewhere. Softmax is softer: exp over the sum "
                "of exp.", ("e / e.sum(axis=-1, keepdims=True)", "(e == e.max(axis=-1, keepdims=True)) * 1.0")),
        mistake("sign", "the sign of the logits is wrong: the largest gets the least.",
                ("np.exp(x - x.max(", "np.exp(-x - (-x).max(")),
        mistake("another base", "you took powers of 2 in place of exp.", ("np.exp(", "np.exp2(")),
        mistake("divided by the maximum", "you divided the logits by the largest in place of subtracting it, which "
                "changes the result.", ("x - x.max(axis=-1, keepdims=True)", "x / x.max(axis=-1, keepdims=True)")),
    ),
),), (
    "Two steps: exp of everything, then each row divided by its own sum. keepdims=True keeps the shapes fitting.",
    "Before exp, subtract the largest logit of each row: then the largest exponent is 0, and nothing overflows.",
    "e = np.exp(x - x.max(axis=1, keepdims=True)), and e divided by its sum over axis 1, also with keepdims.",
))


def cross_entropy(y_true: np.ndarray, y_pred: np.ndarray) -> np.float64:
    """Return the mean cross-entropy of a batch: y_true (N, classes), one-hot; y_pred (N, classes), probabilities.

    A sample's is -log of the probability that its true class got. The other probabilities do not count, and may be 0,
    of which there is no logarithm.

    >>> round(float(cross_entropy(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.5, 0.5], [0.75, 0.25]]))), 4)
    1.0397
    """
    return -np.log((y_true * y_pred).sum(axis=1)).mean()


def cross_entropy_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; batches; another class with probability 0."""
    yield Trial("the example", (np.array([[1.0, 0], [0, 1]]), np.array([[0.5, 0.5], [0.75, 0.25]])))
    for N, K in (1, 3), (3, 3), (4, 5):
        p = rng.uniform(0.05, 1, (N, K))
        yield Trial(f"{count(N, 'sample')} of {K} classes",
                    (np.eye(K)[rng.integers(0, K, N)], p / p.sum(axis=1, keepdims=True)))
    yield Trial("a probability of 0 for another class",
                (np.eye(3)[[0, 2]], np.array([[0.5, 0.5, 0], [0.25, 0.25, 0.5]])),
                {"log of 0": "another class has the probability 0"})


CROSS_ENTROPY = Exercise("Cross-entropy: how wrong a batch was", "losses", (Task(
    cross_entropy, cross_entropy_trials,
    by_hand=lambda index, y_true, y_pred: "(" + total(
        [f"-log(y_pred[{n}, {k}])" for n, k in enumerate(y_true.argmax(axis=1))]) + f") / {len(y_true)}",
    mistakes=(
        mistake("log of 0", "log(0) is minus infinity, and 0 times that is NaN. Take the logarithm of the true class's "
                "probability alone, or keep log from 0: np.log(y_pred + 1e-12).",
                ("-np.log((y_true * y_pred).sum(axis=1)).mean()", "-(y_true * np.log(y_pred)).sum(axis=1).mean()")),
        mistake("sum over the batch", "you summed over the batch. The loss is the mean: it must not grow with the "
                "number of samples.", (".mean()", ".sum()")),
        mistake("mean over classes", "you took the mean over the classes, too: divide by the number of samples, not "
                "by that of all numbers.", (".mean()", ".sum() / y_true.size")),
        mistake("sign", "the minus is missing: a logarithm of a probability is negative, a loss is not.",
                ("-np.log", "np.log")),
        mistake("a loss for each sample", "you return a loss for each sample. The mean of them is wanted, one number.",
                (".mean()", "")),
        mistake("exchanged", "y_true and y_pred are exchanged: the logarithm is of y_pred, the probabilities.",
                ("-np.log((y_true * y_pred).sum(axis=1)).mean()",
                 "-(y_pred * np.log(y_true + 1e-12)).sum(axis=1).mean()")),
        mistake("no logarithm", "there is no logarithm: you return the mean of (minus, or 1 minus) the probability "
                "itself.", ("np.log((y_true * y_pred).sum(axis=1))", "(y_true * y_pred).sum(axis=1)")),
        mistake("no logarithm", "there is no logarithm: you return 1 minus the probability of the true class.",
                ("-np.log((y_true * y_pred).sum(axis=1))", "(1 - (y_true * y_pred).sum(axis=1))")),
        mistake("squared error", "that is the squared error. Cross-entropy is -log of the true class's probability.",
                ("-np.log((y_true * y_pred).sum(axis=1))", "((y_true - y_pred) ** 2).sum(axis=1)")),
        mistake("squared error", "that is the mean squared error. Cross-entropy is -log of the true class's "
                "probability.", ("-np.log((y_true * y_pred).sum(axis=1))", "((y_true - y_pred) ** 2)")),
        mistake("binary", "that is the binary cross-entropy, which also counts log(1 - p) of the other classes. "
                "With softmax only the true class counts.",
                ("-np.log((y_true * y_pred).sum(axis=1)).mean()",
                 "-(y_true * np.log(y_pred + 1e-12) + (1 - y_true) * np.log(1 - y_pred + 1e-12)).sum(axis=1).mean()")),
        mistake("binary", "that is the binary cross-entropy, which also counts log(1 - p) of the other classes. "
                "With softmax only the true class counts.",
                ("-np.log((y_true * y_pred).sum(axis=1)).mean()",
                 "-(y_true * np.log(y_pred + 1e-12) + (1 - y_true) * np.log(1 - y_pred + 1e-12)).mean()")),
        mistake("another base", "the logarithm is to the base 2. Here it is the natural one, np.log.",
                ("np.log", "np.log2")),
        mistake("another base", "the logarithm is to the base 10. Here it is the natural one, np.log.",
                ("np.log", "np.log10")),
        mistake("logarithm of the mean", "you averaged before the logarithm. The mean is over the losses of the "
                "samples.",
                ("-np.log((y_true * y_pred).sum(axis=1)).mean()", "-np.log((y_true * y_pred).sum(axis=1).mean())")),
        mistake("softmax twice", "there is a softmax in it. y_pred are probabilities already.",
                ("y_true * y_pred)", "y_true * np.exp(y_pred) / np.exp(y_pred).sum(axis=1, keepdims=True))")),
        mistake("largest probability", "you took the largest probability of each sample. It is that of the true class, "
                "however small.", ("(y_true * y_pred).sum(axis=1)", "y_pred.max(axis=1)")),
        mistake("logarithm of the mean", "you summed over the batch before the logarithm. Each sample has a logarithm "
                "of its own.",
                ("-np.log((y_true * y_pred).sum(axis=1)).mean()", "-np.log((y_true * y_pred).sum()) / len(y_true)")),
        mistake("all classes", "you took the logarithm of all probabilities. Only that of the true class counts.",
                ("-np.log((y_true * y_pred).sum(axis=1)).mean()", "-np.log(y_pred + 1e-12).sum(axis=1).mean()")),
        mistake("first sample", "only the first sample counts.", ("y_true * y_pred", "y_true[:1] * y_pred[:1]")),
    ),
),), (
    "y_true has a single 1 in each row. What is left of a row of y_true * y_pred when you sum it?",
    "Minus the logarithm of that, then the mean over the batch. Watch out for 0 * log(0).",
    "(y_true * y_pred).sum(axis=1) is the probability of each sample's true class; then -np.log, then .mean().",
))


def softmax_cross_entropy_gradient(y_true: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return d loss / d logits, where the loss is the mean cross-entropy of softmax(logits): all (N, classes).

    Softmax and cross-entropy together have a simple gradient: the probabilities minus the targets, divided by the
    number of samples, as the loss is a mean. This is where every backward pass begins.

    >>> softmax_cross_entropy_gradient(np.array([[1.0, 0.0]]), np.array([[0.0, np.log(3.0)]])).round(2)
    array([[-0.75,  0.75]])
    """
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return (p - y_true) / len(logits)


def both_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; batches; large logits."""
    yield Trial("the example", (np.array([[1.0, 0]]), np.array([[0.0, np.log(3)]])))
    for N, K in (3, 3), (4, 5), (2, 4):
        yield Trial(f"{count(N, 'sample')} of {K} classes",
                    (np.eye(K)[rng.integers(0, K, N)], rng.normal(size=(N, K)) * 2))
    yield Trial("logits around 1000",
                (np.eye(3)[[0, 2]], 1000 + rng.normal(size=(2, 3))), {"overflow": "the logits are large"})


SOFTMAX_CROSS_ENTROPY_GRADIENT = Exercise("Where every backward pass begins: p - t", "losses", (Task(
    softmax_cross_entropy_gradient, both_trials, axes=(("sample", "class"),),
    by_hand=lambda index, y_true, logits: "(" + softmax_by_hand(index, logits).replace("x[", "logits[")
    + f" - y_true[{index[0]}, {index[1]}]) / {len(logits)}",
    mistakes=(
        mistake("mean missing", "it is not divided by the number of samples. The loss is a mean over the batch, and "
                "so is its gradient.", (" / len(logits)", "")),
        mistake("mean over classes", "you divided by the number of classes, or of all numbers. The loss is the mean "
                "over the samples.", ("len(logits)", "logits.size")),
        mistake("mean over classes", "you divided by the number of classes. The loss is the mean over the samples.",
                ("len(logits)", "logits.shape[1]")),
        mistake("sign", "the sign is wrong: it is p - t. The gradient of the true class is negative: raising its logit "
                "lowers the loss.", ("p - y_true", "y_true - p")),
        mistake("softmax missing", "you subtracted the targets from the logits. It is the probabilities minus the "
                "targets: softmax first.", ("p - y_true", "logits - y_true")),
        mistake("class number subtracted", "you subtracted the number of the class. It is 1 that is taken off, at "
                "the true class alone.", ("p - y_true", "p - y_true.argmax(axis=1)[:, None]")),
        mistake("targets missing", "the targets are not subtracted: you return the probabilities.",
                ("p - y_true", "p")),
        mistake("overflow", "exp of a large logit is infinite, and infinity divided by infinity is NaN. Subtract "
                "the largest logit of each row first.", ("logits - logits.max(axis=1, keepdims=True)", "logits")),
        mistake("cross-entropy alone", "you return -t / p, the gradient of the cross-entropy with respect to the "
                "probabilities. It still has to go through softmax.", ("(p - y_true)", "(-y_true / p)")),
        mistake("derivative of sigmoid", "you multiplied by p (1 - p). That is the diagonal of softmax's Jacobian, and "
                "already cancelled in p - t.", ("(p - y_true)", "(p - y_true) * p * (1 - p)")),
        mistake("factor 2", "there is a factor of 2 too much: it belongs to a squared error.",
                ("(p - y_true)", "2 * (p - y_true)")),
        mistake("wrong axis", "your softmax runs down the columns, over the samples. The classes of a sample are a "
                "row: axis 1.", ("logits.max(axis=1", "logits.max(axis=0"), ("e.sum(axis=1", "e.sum(axis=0")),
        mistake("wrong axis", "your softmax divides by the sum over the samples. The classes of a sample are a row: "
                "axis 1.", ("e.sum(axis=1", "e.sum(axis=0")),
        mistake("keepdims missing", "a sum (or maximum) over the row has one axis less, and is laid along the "
                "columns in place of the rows: keepdims=True keeps the axis.",
                ("e.sum(axis=1, keepdims=True)", "e.sum(axis=1)")),
        mistake("keepdims missing", "a sum (or maximum) over the row has one axis less, and is laid along the "
                "columns in place of the rows: keepdims=True keeps the axis.",
                ("e.sum(axis=1, keepdims=True)", "e.sum(axis=1)"),
                ("logits.max(axis=1, keepdims=True)", "logits.max(axis=1)")),
        mistake("sum of the batch", "your softmax divides by the sum over the whole batch. Each row has its own.",
                ("e.sum(axis=1, keepdims=True)", "e.sum()")),
        mistake("true class alone", "only the true class has a gradient in yours. The others have one, too: p - 0.",
                ("(p - y_true)", "(p - y_true) * y_true")),
        mistake("summed over the batch", "you summed over the batch. Each sample has logits of its own.",
                ("(p - y_true) / len(logits)", "((p - y_true) / len(logits)).sum(axis=0)")),
        mistake("squared error", "you multiplied by p, as if it were a squared error through softmax.",
                ("(p - y_true)", "(p - y_true) * p")),
    ),
),), (
    "First the probabilities: softmax of the logits, stable as before. What does the loss do with the batch?",
    "For one sample it is p - t. The loss is the mean over N samples.",
    "(p - y_true) / len(logits).",
))


def softmax_gradient(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return d loss / d x of a softmax alone: dy (N, classes), the upstream gradient; y (N, classes), its output.

    Raising one logit raises its own probability and lowers all others, so every dx needs the whole row: dy minus the
    sum over the row of dy * y, and that times y.

    >>> softmax_gradient(np.array([[1.0, 0.0]]), np.array([[0.25, 0.75]]))
    array([[ 0.1875, -0.1875]])
    """
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def softmax_gradient_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; batches."""
    yield Trial("the example", (np.array([[1.0, 0]]), np.array([[0.25, 0.75]])))
    for shape in (2, 3), (3, 3), (4, 5):
        yield Trial(f"{shape[0]} samples of {shape[1]} classes",
                    (rng.normal(size=shape), softmax(rng.normal(size=shape))))


def softmax_gradient_by_hand(index: tuple[int, ...], dy: np.ndarray, *_: object) -> str:
    """Write one entry out."""
    n, k = index
    return f"y[{n}, {k}] * (dy[{n}, {k}] - ({total([f'dy[{n}, {j}] * y[{n}, {j}]' for j in range(dy.shape[1])])}))"


SOFTMAX_GRADIENT = Exercise("Back through softmax alone", "losses", (Task(
    softmax_gradient, softmax_gradient_trials, by_hand=softmax_gradient_by_hand, axes=(("sample", "class"),),
    backward=Backward(softmax, lambda dy, y: (np.log(y),), 0, lambda answer, dy, x: answer(dy, softmax(x))),
    mistakes=(
        mistake("diagonal alone", "you took the diagonal of the Jacobian alone, p (1 - p), as for a sigmoid. A "
                "logit changes the other probabilities of its row, too.",
                ("y * (dy - (dy * y).sum(axis=-1, keepdims=True))", "dy * y * (1 - y)")),
        mistake("sum missing", "the sum over the row is missing: what all others lose when this one gains.",
                (" - (dy * y).sum(axis=-1, keepdims=True)", "")),
        mistake("brackets", "y multiplies the sum alone. It multiplies the whole difference: y * (dy - sum).",
                ("y * (dy - (dy * y).sum(axis=-1, keepdims=True))", "dy - (dy * y).sum(axis=-1, keepdims=True) * y")),
        mistake("y missing in the sum", "in the sum, dy is not multiplied by y.", ("(dy * y).sum", "dy.sum")),
        mistake("times y missing", "the whole is not multiplied by y.", ("y * (dy -", "(dy -")),
        mistake("sign", "the sign is wrong.", ("y * (dy", "-y * (dy")),
        mistake("plus", "the sum over the row is added. It is subtracted: what one gains the others lose.",
                ("dy - (", "dy + (")),
        mistake("wrong axis", "you summed over the samples. The sum is over the classes of a row.",
                ("axis=-1", "axis=0")),
        mistake("sum of the batch", "you summed over the whole batch. Each row has a sum of its own.",
                ("sum(axis=-1, keepdims=True)", "sum()")),
        mistake("keepdims missing", "a sum (or maximum) over the row has one axis less, and is laid along the "
                "columns in place of the rows: keepdims=True keeps the axis.", ("axis=-1, keepdims=True", "axis=-1")),
        mistake("mean in place of sum", "you took the mean over the row in place of the sum.",
                (".sum(axis", ".mean(axis")),
        mistake("y in place of dy * y", "you subtracted y, or the sum of y, in place of the sum of dy * y.",
                ("(dy * y).sum(axis=-1, keepdims=True)", "y")),
        mistake("dy twice", "you multiplied by dy once more.", ("y * (dy -", "y * dy * (dy -")),
        mistake("y in place of dy * y", "you subtracted the sum of y, which is always 1, in place of the sum of dy "
                "* y.", ("(dy * y).sum", "y.sum")),
        mistake("passed on", "dy comes back as it was.",
                ("y * (dy - (dy * y).sum(axis=-1, keepdims=True))", "dy.copy()")),
        mistake("with cross-entropy", "you return y - dy, as if dy were the targets: that is softmax together with "
                "cross-entropy. Here dy is an upstream gradient.",
                ("y * (dy - (dy * y).sum(axis=-1, keepdims=True))", "y - dy")),
        mistake("y squared", "in the sum, y stands squared.", ("(dy * y).sum", "(dy * y * y).sum")),
        mistake("dy missing in it", "the term with dy alone is missing: only what the row loses is left.",
                ("(dy - (", "(-(")),
    ),
),), (
    "The Jacobian of a row is diag(y) - y y^T. Multiply dy by it without making it.",
    "diag(y) dy is y * dy; y (y^T dy) is y times one number for each row, the sum of y * dy.",
    "y * (dy - the sum of dy * y over axis 1, with keepdims).",
))

EXERCISES = (SOFTMAX, CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY_GRADIENT, SOFTMAX_GRADIENT)
