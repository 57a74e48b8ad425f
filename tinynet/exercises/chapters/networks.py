"""Chapter "Backpropagation": two layers and a loss together, and what goes past a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tinynet.exercises.exercise import Exercise, Task, Trial, mistake, with_backward
from tinynet.exercises.marking.worked import count

Layer = Callable[..., tuple[np.ndarray, Callable[..., np.ndarray]]]


def two_layers(x: np.ndarray, y_true: np.ndarray, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray,
               b2: np.ndarray) -> tuple[np.floating, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Run a network forward and back, and return (loss, dw1, db1, dw2, db2).

    x (N, D) -> dense layer w1 (D, U), b1 (U,) -> ReLU -> dense layer w2 (U, K), b2 (K,) -> softmax -> the mean
    cross-entropy with y_true (N, K), one-hot. Each gradient has the shape of what it belongs to. The pieces are in
    your other files; write them again here, or import them: from dense_forward import dense_forward.

    >>> x, y_true, one = np.array([[1.0]]), np.array([[1.0, 0.0]]), np.ones((1, 1))
    >>> found = two_layers(x, y_true, one, np.zeros(1), np.array([[0.0, 1.0]]), np.zeros(2))
    >>> [float(part.sum().round(3)) for part in found[:3]]
    [1.313, 0.731, 0.731]
    """
    z = x @ w1 + b1                                                  # (N, U)
    a = np.maximum(z, 0)
    logits = a @ w2 + b2                                             # (N, K)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log((p * y_true).sum(axis=1)).mean()
    dlogits = (p - y_true) / len(x)
    dz = dlogits @ w2.T * (z > 0)
    return loss, x.T @ dz, dz.sum(axis=0), a.T @ dlogits, dlogits.sum(axis=0)


def two_layers_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """Small networks."""
    yield Trial("one input, one unit, two classes", (np.array([[1.0]]), np.array([[1.0, 0]]), np.ones((1, 1)),
                                                     np.zeros(1), np.array([[0.0, 1]]), np.zeros(2)))
    for N, D, U, K in (3, 2, 4, 3), (4, 3, 3, 3), (5, 4, 6, 2):
        yield Trial(f"{count(N, 'sample')}, {count(D, 'input')}, {count(U, 'unit')}, {K} classes",
                    (rng.normal(size=(N, D)), np.eye(K)[rng.integers(0, K, N)], rng.normal(size=(D, U)),
                     rng.normal(size=U),
                     rng.normal(size=(U, K)), rng.normal(size=K)))


DZ = "dz = dlogits @ w2.T * (z > 0)"
RETURN = "return loss, x.T @ dz, dz.sum(axis=0), a.T @ dlogits, dlogits.sum(axis=0)"
TWO_LAYERS = Exercise("Two layers, forward and all the way back", "backpropagation", (Task(
    two_layers, two_layers_trials, returns=("loss", "dw1", "db1", "dw2", "db2"),
    mistakes=(
        mistake("ReLU left out on the way back", "dw1, db1: the gradient does not go back through the ReLU. Where "
                "its input was not above 0, nothing passes.", (" * (z > 0)", "")),
        mistake("ReLU of the gradient", "dw1, db1: you took the ReLU of the gradient. What passes depends on z, the "
                "ReLU's input.", (DZ, "dz = np.maximum(dlogits @ w2.T, 0)")),
        mistake("ReLU missing", "the ReLU is missing, forward (and so in all that follows).",
                ("np.maximum(z, 0)", "z")),
        mistake("ReLU missing", "the ReLU is missing, forward and back.", ("np.maximum(z, 0)", "z"),
                (" * (z > 0)", "")),
        mistake("softmax twice", "the gradient begins with softmax of the probabilities: softmax is in it twice. It is "
                "p - t, with p the softmax of the logits.",
                ("dlogits = (p - y_true)", "dlogits = (np.exp(p) / np.exp(p).sum(axis=1, keepdims=True) - y_true)")),
        mistake("mean missing", "the gradients are not divided by the number of samples: the loss is a mean.",
                (" / len(x)", "")),
        mistake("bias summed over the wrong axis", "db: sum over the samples, axis 0.",
                ("dz.sum(axis=0)", "dz.sum(axis=1)"), ("dlogits.sum(axis=0)", "dlogits.sum(axis=1)")),
        mistake("means in the biases", "db1 and db2: you took means. They are sums.", ("dz.sum(", "dz.mean("),
                ("dlogits.sum(", "dlogits.mean(")),
        mistake("biases not summed", "db1, db2: there is a row for each sample. A bias was added in all of them: sum "
                "over the samples, axis 0.", ("dz.sum(axis=0)", "dz"), ("dlogits.sum(axis=0)", "dlogits")),
        mistake("slope in place of mask", "dw1, db1: you multiplied by z, the ReLU's input, in place of its slope: "
                "1 where z is above 0, and 0 elsewhere.", ("(z > 0)", "z")),
        mistake("z in place of a", "dw2: you multiplied by z, from before the ReLU. The second layer has seen a.",
                ("a.T @ dlogits", "z.T @ dlogits")),
        mistake("x in place of a", "dw2: you multiplied by x. The second layer has seen a.",
                ("a.T @ dlogits", "(x.T @ dlogits if x.shape[1] == len(w2) else a.T @ dlogits)")),
        mistake("a in place of x", "dw1: you multiplied by a. The first layer has seen x.",
                ("x.T @ dz", "(a.T @ dz if len(w1) == len(w2) else x.T @ dz)")),
        mistake("not transposed", "dw1: w2 is not transposed on the way back.",
                ("dlogits @ w2.T", "dlogits @ (w2 if w2.shape[0] == w2.shape[1] else w2.T)")),
        mistake("sign of the gradient", "all gradients have the wrong sign: p - t.", ("(p - y_true)", "(y_true - p)")),
        mistake("targets missing", "the gradient begins with p - t; yours with p.", ("(p - y_true)", "p")),
        mistake("sum in the loss", "the loss is summed over the batch. It is the mean.",
                (".sum(axis=1)).mean()", ".sum(axis=1)).sum()")),
        mistake("sign of the loss", "the loss has the wrong sign.", ("-np.log", "np.log")),
        mistake("slope in place of mask", "dw1, db1: you multiplied by a in place of the ReLU's slope, 1 where z is "
                "above 0.", ("(z > 0)", "a")),
        mistake("bias missing", "the first bias is missing, forward.", ("x @ w1 + b1", "x @ w1")),
        mistake("bias missing", "the second bias is missing, forward.", ("a @ w2 + b2", "a @ w2")),
        mistake("gradient of the layers exchanged", "the gradients are in another order: return (loss, dw1, db1, "
                "dw2, db2).", (RETURN, "return loss, a.T @ dlogits, dlogits.sum(axis=0), x.T @ dz, dz.sum(axis=0)")),
        mistake("softmax of the ReLU", "there is a ReLU after the second layer, too. Its logits go straight into "
                "softmax.", ("a @ w2 + b2", "np.maximum(a @ w2 + b2, 0)")),
        mistake("averaged activations", "dw2: you averaged over the batch before the product.",
                ("a.T @ dlogits", "np.outer(a.mean(axis=0), dlogits.sum(axis=0))")),
    ),
),), (
    "Forward, line by line, keeping what backward needs: x, z, a, p. Then begin at the end: dlogits = (p - t) / N.",
    "Back through the second layer: dw2 from a and dlogits, da = dlogits @ w2.T. Then through the ReLU, then the "
    "first layer.",
    "dz = da * (z > 0); dw1 = x.T @ dz, db1 = dz.sum(axis=0); dw2 = a.T @ dlogits, db2 = dlogits.sum(axis=0).",
))


def residual(
        x: np.ndarray, f: Callable[..., tuple[np.ndarray, Callable[..., np.ndarray]]],
) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
    """Go through a layer and past it: return (y, backward) of y = x + f(x).

    f(x) returns (its output, its backward). backward(dy) returns dx. x is used twice, once in f and once beside it:
    so it collects two gradients, which add up.

    >>> double = lambda x: (2 * x, lambda dy: 2 * dy)
    >>> y, backward = residual(np.array([1.0, 2.0]), double)
    >>> y, backward(np.array([1.0, 10.0]))
    (array([3., 6.]), array([ 3., 30.]))
    """
    inside, backward_inside = f(x)

    def backward(dy: np.ndarray) -> np.ndarray:
        return dy + backward_inside(dy)
    return x + inside, backward


def doubled(x: np.ndarray) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
    """Return 2 x, and its backward."""
    return 2 * x, lambda dy: 2 * dy


def residual_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """Past a doubling, a dense layer, a ReLU, a sine, a layer that gives 0. The last argument is dy."""
    weights = rng.normal(size=(3, 3))
    layers: dict[str, Layer] = {
        "a dense layer": lambda x: (x @ weights, lambda dy: dy @ weights.T),
        "a ReLU": lambda x: (np.maximum(x, 0), lambda dy: dy * (x > 0)),
        "a sine": lambda x: (np.sin(x), lambda dy: dy * np.cos(x)),
        "a layer that gives 0": lambda x: (0 * x, lambda dy: 0 * dy),
    }
    yield Trial("past a doubling", (np.array([1.0, 2]), doubled, np.array([1.0, 10])))
    for name, f in layers.items():
        yield Trial(f"past {name}", (rng.normal(size=(4, 3)), f, rng.normal(size=(4, 3))))


RESIDUAL = Exercise("A way past the layer", "residual-connections", (Task(
    residual, residual_trials, observe=with_backward, returns=("y", "dx"),
    axes=(("sample", "number"), ("sample", "number")),
    mistakes=(
        mistake("skip missing on the way back", "dx: the way past f is missing: x also went straight into y, with "
                "the slope 1. Add dy.", ("return dy + backward_inside(dy)", "return backward_inside(dy)")),
        mistake("f left out on the way back", "dx: the way through f is missing: add f's own backward of dy.",
                ("return dy + backward_inside(dy)", "return dy.copy()")),
        mistake("skip missing", "y: x is not added to f(x).", ("x + inside", "inside")),
        mistake("skip missing", "x is not added, neither forward nor back: that is f alone.", ("x + inside", "inside"),
                ("return dy + backward_inside(dy)", "return backward_inside(dy)")),
        mistake("multiplied", "y: x is multiplied by f(x). It is added.", ("x + inside", "x * inside")),
        mistake("subtracted", "y: f(x) is subtracted, or x is. They are added.", ("x + inside", "x - inside")),
        mistake("subtracted", "y: f(x) is subtracted, or x is. They are added.", ("x + inside", "inside - x")),
        mistake("subtracted on the way back", "dx: one way is subtracted. Both add up.",
                ("dy + backward", "dy - backward")),
        mistake("multiplied on the way back", "dx: you multiplied dy by f's backward of dy. The two ways add up.",
                ("dy + backward", "dy * backward")),
        mistake("x in place of dy", "dx: you added x, or called f's backward with x. Backward, everything is made "
                "of dy.", ("dy + backward_inside(dy)", "x + backward_inside(dy)")),
        mistake("x in place of dy", "dx: you added x, or called f's backward with x. Backward, everything is made "
                "of dy.", ("dy + backward_inside(dy)", "dy + backward_inside(x)")),
        mistake("f applied twice", "y: f is applied twice.",
                ("inside, backward_inside = f(x)", "inside, backward_inside = f(x)\n    inside = f(inside)[0]")),
        mistake("f of dy", "dx: you ran f forward on dy. Its backward is the second thing that f(x) returns.",
                ("dy + backward_inside(dy)", "dy + f(dy)[0]")),
        mistake("halved", "y: you took the mean of x and f(x). It is the sum.", ("x + inside", "(x + inside) / 2")),
        mistake("halved on the way back", "dx: you took the mean of the two ways. They add up.",
                ("dy + backward_inside(dy)", "(dy + backward_inside(dy)) / 2")),
        mistake("constant slope", "dx: you added 1 in place of dy. The way past f has the slope 1, times dy.",
                ("dy + backward_inside(dy)", "1 + backward_inside(dy)")),
        mistake("twice", "dx: dy is counted twice.", ("dy + backward_inside(dy)", "2 * dy + backward_inside(dy)")),
        mistake("ones sent back", "dx: f's backward gets ones in place of dy.",
                ("backward_inside(dy)", "backward_inside(np.ones_like(dy))")),
        mistake("chained", "dx: you sent the sum through f's backward. Only dy goes through it; dy itself goes past.",
                ("dy + backward_inside(dy)", "backward_inside(dy + backward_inside(dy))")),
    ),
),), (
    "f(x) returns two things: keep both. What does y have of each?",
    "backward gets dy once and sends it two ways: past f, unchanged, and through f's own backward.",
    "return x + inside, and in backward: return dy + backward_inside(dy).",
))

EXERCISES = (TWO_LAYERS, RESIDUAL)
