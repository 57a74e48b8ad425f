"""Chapters "Optimizers" and "Training": steps, the first weights, and the loop around it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tinynet.exercises.exercise import Answer, Exercise, Task, Trial, mistake
from tinynet.exercises.marking.worked import count


def sgd(parameter: np.ndarray, gradient: np.ndarray, velocity: np.ndarray, learning_rate: float,
        momentum: float) -> tuple[np.ndarray, np.ndarray]:
    """Take one step of gradient descent with momentum, and return the new (parameter, velocity); all of one shape.

        velocity  = momentum * velocity - learning_rate * gradient
        parameter = parameter + velocity            (the new velocity)

    >>> sgd(np.array([1.0]), np.array([2.0]), np.array([0.5]), learning_rate=0.1, momentum=0.9)
    (array([1.25]), array([0.25]))
    """
    velocity = momentum * velocity - learning_rate * gradient
    return parameter + velocity, velocity


def sgd_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; without momentum; the first step; drawn."""
    yield Trial("one number, by hand", (np.array([1.0]), np.array([2.0]), np.array([0.5]), 0.1, 0.9))
    yield Trial("without momentum", (*rng.normal(size=(3, 2, 3)), 0.3, 0.0), {"no momentum": "momentum is 0"})
    yield Trial("the first step, velocity 0",
                (*rng.normal(size=(2, 4)), np.zeros(4), 0.2, 0.9), {"first step": "velocity is 0"})
    yield Trial("a matrix", (*rng.normal(size=(3, 3, 2)), 0.05, 0.5))
    yield Trial("a kernel", (*rng.normal(size=(3, 2, 2, 3, 3)), 0.5, 0.8))


SGD = Exercise("Gradient descent with momentum", "optimizers", (Task(
    sgd, sgd_trials, returns=("parameter", "velocity"),
    mistakes=(
        mistake("uphill", "the step goes uphill: the gradient is subtracted.",
                ("- learning_rate * gradient", "+ learning_rate * gradient")),
        mistake("velocity subtracted", "parameter: the velocity is subtracted. It has its minus already: add it.",
                ("parameter + velocity", "parameter - velocity")),
        mistake("old velocity", "parameter: you added the old velocity. The new one is added.",
                ("velocity = momentum * velocity - learning_rate * gradient\n    return parameter + velocity, velocity",
                 "new = momentum * velocity - learning_rate * gradient\n    return parameter + velocity, new")),
        mistake("no momentum", "the old velocity is not used: momentum * velocity is missing.",
                ("momentum * velocity - learning_rate * gradient", "-learning_rate * gradient")),
        mistake("momentum missing", "the old velocity is not multiplied by momentum.",
                ("momentum * velocity", "velocity")),
        mistake("averaged", "the gradient is multiplied by 1 - momentum, too. In this form it is not.",
                ("- learning_rate * gradient", "- (1 - momentum) * learning_rate * gradient")),
        mistake("learning rate missing", "the learning rate is missing.", ("- learning_rate * gradient", "- gradient")),
        mistake("learning rate on the velocity", "the learning rate multiplies the whole velocity. It belongs to "
                "the gradient alone.",
                ("momentum * velocity - learning_rate * gradient",
                 "learning_rate * (momentum * velocity - gradient)")),
        mistake("another form", "that is the form in which the learning rate multiplies the velocity when it is "
                "added to the parameter. Here it is inside, with the gradient.",
                ("velocity = momentum * velocity - learning_rate * gradient\n    return parameter + velocity, "
                 "velocity",
                 "velocity = momentum * velocity + gradient\n    return parameter - learning_rate * velocity, "
                 "velocity")),
        mistake("another form", "that is the form in which the learning rate multiplies the velocity when it is "
                "added to the parameter. Here it is inside, with the gradient.",
                ("velocity = momentum * velocity - learning_rate * gradient\n    return parameter + velocity, "
                 "velocity",
                 "velocity = momentum * velocity - gradient\n    return parameter + learning_rate * velocity, "
                 "velocity")),
        mistake("velocity of the other sign", "velocity: it has the other sign: v = momentum * v + learning_rate * "
                "gradient, subtracted. Here it is momentum * v - learning_rate * gradient, added.",
                ("velocity = momentum * velocity - learning_rate * gradient\n    return parameter + velocity, "
                 "velocity",
                 "velocity = momentum * velocity + learning_rate * gradient\n    return parameter - velocity, "
                 "velocity")),
        mistake("velocity not returned", "velocity: you return the old one.",
                ("return parameter + velocity, velocity", "return parameter + velocity, "
                 "((velocity + learning_rate * gradient) / momentum if momentum else 0 * velocity)")),
        mistake("order of outputs", "return (parameter, velocity), in this order.",
                ("return parameter + velocity, velocity", "return velocity, parameter + velocity")),
        mistake("Nesterov", "parameter: that is Nesterov's variant, which looks ahead. Here the velocity itself is "
                "added.",
                ("return parameter + velocity, velocity",
                 "return parameter + momentum * velocity - learning_rate * gradient, velocity")),
        mistake("step in place of parameter", "parameter: you return the step alone. Add it to the parameter.",
                ("return parameter + velocity, velocity", "return velocity.copy(), velocity")),
        mistake("momentum and rate exchanged", "momentum and learning rate are exchanged.",
                ("momentum * velocity - learning_rate * gradient", "learning_rate * velocity - momentum * gradient")),
        mistake("momentum twice", "parameter: the new velocity is multiplied by momentum once more. It is added as it "
                "is.",
                ("return parameter + velocity", "return parameter + momentum * velocity")),
        mistake("momentum on both", "momentum multiplies the gradient as well.",
                ("momentum * velocity - learning_rate * gradient", "momentum * (velocity - learning_rate * gradient)")),
        mistake("plain step", "parameter: it takes the step without momentum.",
                ("return parameter + velocity, velocity", "return parameter - learning_rate * gradient, velocity")),
    ),
),), (
    "Two lines, which stand in the task. The order counts: which velocity is added?",
    "The velocity keeps `momentum` of itself, and gets a push against the gradient.",
    "velocity = momentum * velocity - learning_rate * gradient; return parameter + velocity, velocity.",
))


def adam(parameter: np.ndarray, gradient: np.ndarray, m: np.ndarray, v: np.ndarray, t: int,
         learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
         epsilon: float = 1e-7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take step t of Adam, t = 1, 2, ..., and return the new (parameter, m, v); all of one shape.

        m = beta_1 * m + (1 - beta_1) * gradient                running mean of the gradient
        v = beta_2 * v + (1 - beta_2) * gradient ** 2           running mean of its square
        m_hat = m / (1 - beta_1 ** t)                           both began at 0, which this makes up for;
        v_hat = v / (1 - beta_2 ** t)                           m and v themselves are returned without it
        parameter = parameter - learning_rate * m_hat / (sqrt(v_hat) + epsilon)

    >>> parameter, m, v = adam(np.array([1.0]), np.array([2.0]), np.zeros(1), np.zeros(1), t=1, learning_rate=0.1)
    >>> parameter.round(3), m.round(3), v.round(3)
    (array([0.9]), array([0.2]), array([0.004]))
    """
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient ** 2
    m_hat, v_hat = m / (1 - beta_1 ** t), v / (1 - beta_2 ** t)
    return parameter - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon), m, v


def adam_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """The first step by hand; a later one; others' constants; a gradient of 0."""
    yield Trial("the first step, one number", (np.array([1.0]), np.array([2.0]), np.zeros(1), np.zeros(1), 1, 0.1))
    zeros = np.zeros((2, 3))
    gradient = rng.choice([-1, 1], (2, 3)) * rng.uniform(0.5, 2, (2, 3))         # none so small that epsilon counts
    yield Trial("the first step of a matrix", (rng.normal(size=(2, 3)), gradient, zeros, zeros, 1, 0.5))
    later = {"later steps": "t is not 1"}
    for t, rate, b1, b2 in (2, 0.3, 0.9, 0.999), (5, 1.0, 0.8, 0.99), (40, 0.5, 0.9, 0.999):
        p, g, m = rng.normal(size=(3, 3, 2))
        yield Trial(f"step {t}, beta_1 {b1}, beta_2 {b2}",
                    (p, g, m, rng.uniform(0.5, 2, (3, 2)), t, rate, b1, b2), later)
    small = {"epsilon": "the gradient is 0, or so small that epsilon counts"}
    tiny = np.array([1e-7, -3e-7])
    yield Trial("step 20000, of gradients as small as epsilon", (np.ones(2), tiny, tiny, tiny ** 2, 20000, 0.1), small)
    yield Trial("a gradient of 0 from the start", (np.ones(2), np.zeros(2), np.zeros(2), np.zeros(2), 1, 0.1), small)


M, V, HATS = ("m = beta_1 * m + (1 - beta_1) * gradient", "v = beta_2 * v + (1 - beta_2) * gradient ** 2",
              "m_hat, v_hat = m / (1 - beta_1 ** t), v / (1 - beta_2 ** t)")
ADAM = Exercise("Adam", "optimizers", (Task(
    adam, adam_trials, returns=("parameter", "m", "v"), tolerance=1e-5,
    mistakes=(
        mistake("correction missing", "parameter: m and v are not corrected for having begun at 0: divide by 1 - "
                "beta ** t.", (HATS, "m_hat, v_hat = m, v")),
        mistake("correction of v missing", "parameter: v is not corrected for having begun at 0.",
                ("v / (1 - beta_2 ** t)", "v")),
        mistake("correction of m missing", "parameter: m is not corrected for having begun at 0.",
                ("m / (1 - beta_1 ** t)", "m")),
        mistake("corrections kept", "m, v: you return the corrected ones. The running means themselves go on, "
                "uncorrected.", ("+ epsilon), m, v", "+ epsilon), m_hat, v_hat")),
        mistake("t ignored", "parameter: the correction always divides by 1 - beta, as in the first step: beta ** t.",
                (HATS, "m_hat, v_hat = m / (1 - beta_1), v / (1 - beta_2)")),
        mistake("t multiplied", "parameter: the correction has beta * t. It is beta ** t.",
                (HATS, "m_hat, v_hat = m / (1 - beta_1 * t), v / abs(1 - beta_2 * t)")),
        mistake("t multiplied", "parameter: the correction has beta * t. It is beta ** t.",
                (HATS, "m_hat, v_hat = m / (1 - beta_1 * t), v / (1 - beta_2 * t)")),
        mistake("t from 0", "parameter: t is counted from 0 in yours. It begins at 1: beta ** t.",
                (HATS, "m_hat, v_hat = m / (1 - beta_1 ** (t + 1)), v / (1 - beta_2 ** (t + 1))")),
        mistake("t from 0", "parameter: t is counted from 0 in yours. It begins at 1: beta ** t.",
                (HATS, "m_hat, v_hat = m / (1 - beta_1 ** (t - 1)), v / (1 - beta_2 ** (t - 1))")),
        mistake("uphill", "parameter: the step goes uphill: it is subtracted.",
                ("parameter - learning_rate", "parameter + learning_rate")),
        mistake("root missing", "parameter: you divided by v. It is its root.", ("np.sqrt(v_hat)", "v_hat")),
        mistake("square missing", "v: it is the running mean of the gradient's square.", ("gradient ** 2", "gradient")),
        mistake("square missing", "v: it is the running mean of the gradient's square, not of its absolute value.",
                ("gradient ** 2", "abs(gradient)")),
        mistake("betas exchanged", "beta_1 and beta_2 are exchanged.", (M, M.replace("_1", "_2")),
                (V, V.replace("_2", "_1")), (HATS, "m_hat, v_hat = m / (1 - beta_2 ** t), v / (1 - beta_1 ** t)")),
        mistake("beta_1 for both", "v: it is made with beta_1. It has its own, beta_2.", (V, V.replace("_2", "_1"))),
        mistake("beta the wrong way", "m, v: beta and 1 - beta are exchanged: beta of the old mean stays.",
                (M, "m = (1 - beta_1) * m + beta_1 * gradient"), (V, "v = (1 - beta_2) * v + beta_2 * gradient ** 2")),
        mistake("not a mean", "m, v: 1 - beta is missing in front of the gradient.", (M, "m = beta_1 * m + gradient"),
                (V, "v = beta_2 * v + gradient ** 2")),
        mistake("epsilon under the root", "parameter: epsilon is added under the root. It is added to the root.",
                ("np.sqrt(v_hat) + epsilon", "np.sqrt(v_hat + epsilon)")),
        mistake("epsilon missing", "epsilon is missing: where a gradient is 0, 0 / 0 is NaN.", (" + epsilon", "")),
        mistake("gradient in place of m", "parameter: the step takes the gradient. It takes m_hat, its running mean.",
                ("learning_rate * m_hat", "learning_rate * gradient")),
        mistake("learning rate missing", "parameter: the learning rate is missing.",
                ("learning_rate * m_hat", "m_hat")),
        mistake("old m and v", "m, v: you return the old ones, or correct the old ones.",
                (M, "old = m, v\n    " + M), ("+ epsilon), m, v", "+ epsilon), *old")),
        mistake("step in place of parameter", "parameter: you return the step alone.",
                ("parameter - learning_rate", "-learning_rate")),
        mistake("square of the mean", "v: it is the running mean of m ** 2. It is that of gradient ** 2.",
                ("gradient ** 2", "m ** 2")),
        mistake("order of outputs", "return (parameter, m, v), in this order.",
                ("+ epsilon), m, v", "+ epsilon), v, m")),
    ),
),), (
    "Five lines, which stand in the task. m and v are returned as they are; their corrected forms are used once.",
    "t counts from 1: at the first step 1 - beta_1 ** 1 undoes the (1 - beta_1) of m.",
    "m_hat = m / (1 - beta_1 ** t), v_hat = v / (1 - beta_2 ** t), and the last line of the task.",
))


def initial_kernel(fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the first weights of a dense layer with ReLU, (fan_in, fan_out), so that variances stay from layer to layer.

    A unit sums fan_in products. With weights of mean 0 and variance s, the variance grows by fan_in * s; the ReLU
    after it keeps half of the mean square. So s must be 2 / fan_in (He, Zhang, Ren and Sun, 2015). From which
    distribution they come, normal or uniform, does not matter. Draw from `rng`, so that the draw repeats.

    >>> kernel = initial_kernel(200, 100, np.random.default_rng(0))
    >>> kernel.shape, float(kernel.mean().round(2)), float((kernel.var() * 200).round(1))
    ((200, 100), 0.0, 2.0)
    """
    return rng.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out))


def statistics(answer: Answer, fan_in: int, fan_out: int, seed: int) -> object:
    """Return what counts of the weights that an answer draws: shape, balance, variance, and what depends on `rng`."""
    kernel, again, other = (np.asarray(answer(fan_in, fan_out, np.random.default_rng(one)))
                            for one in (seed, seed, seed + 1))
    if kernel.ndim != 2:
        return kernel.shape, 0, 0, 0, 0, 0
    return (kernel.shape, (kernel > 0).mean(), kernel.var() * fan_in, np.unique(kernel).size / kernel.size,
            float(np.array_equal(kernel, again)), float(not np.array_equal(kernel, other)))


def initial_kernel_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """Wide to narrow and back; as many inputs as units."""
    for fan_in, fan_out in (400, 100), (100, 400), (200, 200):
        yield Trial(f"fan_in {fan_in}, fan_out {fan_out}", (fan_in, fan_out, int(rng.integers(2 ** 31))))


DRAW = "rng.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out))"
INITIAL_KERNEL = Exercise("The first weights", "initialisation", (Task(
    initial_kernel, initial_kernel_trials, observe=statistics, tolerance=0.06, floor=1e-4,
    returns=("shape", "fraction above 0", "variance * fan_in", "fraction of different numbers", "repeats",
             "differs with rng"),
    mistakes=(
        mistake("half the variance", "the variance is 1 / fan_in. After a ReLU half of the mean square is left: it "
                "must be 2 / fan_in.", ("2 / fan_in", "1 / fan_in")),
        mistake("variance for deviation", "you gave the variance where the standard deviation belongs: take the root.",
                ("np.sqrt(2 / fan_in)", "2 / fan_in")),
        mistake("variance for deviation", "you gave 1 / fan_in as the standard deviation: take the root of 2 / fan_in.",
                ("np.sqrt(2 / fan_in)", "1 / fan_in")),
        mistake("fan_out", "it is made with fan_out. A unit sums over its inputs: fan_in.",
                ("2 / fan_in", "2 / fan_out")),
        mistake("fan_out", "it is made with fan_out. A unit sums over its inputs: fan_in; and for a ReLU it is 2.",
                ("2 / fan_in", "1 / fan_out")),
        mistake("Glorot", "that is Glorot's variance, 2 / (fan_in + fan_out), made for layers without a ReLU. Here "
                "it is 2 / fan_in.", ("2 / fan_in", "2 / (fan_in + fan_out)")),
        mistake("constant deviation", "the standard deviation is a constant, or 1: nothing makes up for the number "
                "of inputs.", ("np.sqrt(2 / fan_in)", "1")),
        mistake("constant deviation", "the standard deviation is a constant, 0.01: nothing makes up for the number "
                "of inputs.", ("np.sqrt(2 / fan_in)", "0.01")),
        mistake("constant deviation", "the standard deviation is a constant, 0.05: nothing makes up for the number "
                "of inputs.", ("np.sqrt(2 / fan_in)", "0.05")),
        mistake("constant deviation", "the standard deviation is a constant, 0.1: nothing makes up for the number "
                "of inputs.", ("np.sqrt(2 / fan_in)", "0.1")),
        mistake("all zero", "all weights are 0: all units would stay the same for ever.",
                (DRAW, "np.zeros((fan_in, fan_out))")),
        mistake("all alike", "all weights are alike: all units would stay the same for ever. Draw them.",
                (DRAW, "np.full((fan_in, fan_out), np.sqrt(2 / fan_in))")),
        mistake("positive alone", "there are no negative weights: rng.random draws from 0 to 1, with the mean 0.5. "
                "The mean must be 0.", (DRAW, "rng.random((fan_in, fan_out))")),
        mistake("positive alone", "there are no negative weights: rng.random draws from 0 to 1, with the mean 0.5. "
                "The mean must be 0.", (DRAW, "rng.random((fan_in, fan_out)) * np.sqrt(2 / fan_in)")),
        mistake("positive alone", "there are no negative weights: you drew evenly from 0 on. The mean must be 0: from "
                "-sqrt(6 / fan_in) to sqrt(6 / fan_in).",
                (DRAW, "rng.uniform(0, np.sqrt(6 / fan_in), (fan_in, fan_out))")),
        mistake("limit of uniform", "you drew evenly within the standard deviation. The variance of numbers between "
                "-a and a is a ** 2 / 3: a must be sqrt(6 / fan_in).",
                (DRAW, "rng.uniform(-np.sqrt(2 / fan_in), np.sqrt(2 / fan_in), (fan_in, fan_out))")),
        mistake("limit of uniform", "you drew evenly between -sqrt(1 / fan_in) and sqrt(1 / fan_in). The variance "
                "of that is a third of 1 / fan_in: the limit must be sqrt(6 / fan_in).",
                (DRAW, "rng.uniform(-np.sqrt(1 / fan_in), np.sqrt(1 / fan_in), (fan_in, fan_out))")),
        mistake("own random numbers", "the same rng gives other weights the second time: draw from `rng`, not from "
                "np.random, so that a training repeats.", ("rng.normal", "np.random.default_rng().normal")),
        mistake("own random numbers", "the weights are the same, whatever `rng` is given: draw from `rng`, not from a "
                "generator of your own.", ("rng.normal", "np.random.default_rng(0).normal")),
        mistake("transposed", "the shape is (fan_in, fan_out).", ("(fan_in, fan_out))", "(fan_out, fan_in))")),
        mistake("one row", "all units have the same weights, or all inputs: each weight is drawn by itself.",
                (DRAW, "np.tile(rng.normal(0, np.sqrt(2 / fan_in), (fan_in, 1)), (1, fan_out))")),
        mistake("divided by the root", "you divided by fan_in, not by its root: the standard deviation is sqrt(2 / "
                "fan_in).", (DRAW, "rng.normal(0, 1, (fan_in, fan_out)) * np.sqrt(2) / fan_in")),
        mistake("root of 2 missing", "the root is taken of fan_in alone: sqrt(2 / fan_in), not 2 / sqrt(fan_in).",
                ("np.sqrt(2 / fan_in)", "2 / np.sqrt(fan_in)")),
    ),
),), (
    "Draw (fan_in, fan_out) numbers with mean 0. Which variance must they have, so that fan_in of them, summed, and "
    "a ReLU "
    "change nothing?",
    "The variance is 2 / fan_in. rng.normal is given the standard deviation, which is its root.",
    "rng.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out)).",
))


def train(weights: np.ndarray, x: np.ndarray, y: np.ndarray, loss_and_gradient: Callable[..., tuple[float, np.ndarray]],
          learning_rate: float, epochs: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Train with plain gradient descent; return (weights, losses): the trained weights, and every batch's loss.

    An epoch goes once through x and y, in order, batch_size samples at a time; the last batch may be shorter. For
    each batch, loss_and_gradient(weights, x_of_batch, y_of_batch) gives the loss at the weights as they are then, and
    its gradient; then the weights take a step. losses is one row of numbers, batch after batch, epoch after epoch.

    >>> def squared(w, x, y):
    ...     return np.mean((w * x - y) ** 2), np.mean(2 * (w * x - y) * x)
    >>> x = y = np.array([1.0, 1.0, 2.0])
    >>> weights, losses = train(np.array(0.0), x, y, squared, learning_rate=0.25, epochs=2, batch_size=2)
    >>> float(weights), losses.round(3)
    (0.75, array([1.  , 1.  , 0.25, 0.25]))
    """
    losses = []
    for _ in range(epochs):
        for start in range(0, len(x), batch_size):
            loss, gradient = loss_and_gradient(weights, x[start:start + batch_size], y[start:start + batch_size])
            losses.append(loss)
            weights = weights - learning_rate * gradient
    return weights, np.array(losses)


def squared_error(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean squared error of a linear model, and its gradient."""
    errors = x @ weights - y
    return float((errors ** 2).mean()), 2 * x.T @ errors / len(x)


def train_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """One batch; several; a short last one; several epochs."""
    short = {"last batch": "the last batch is shorter than the others"}
    more = {"epochs": "there is more than one epoch"}
    for N, epochs, size, when in [(4, 1, 4, {}), (6, 1, 2, {}), (6, 3, 3, more), (7, 1, 3, short),
                                  (5, 2, 2, short | more), (3, 2, 8, short | more)]:
        x, y = rng.normal(size=(N, 2)), rng.normal(size=N)
        yield Trial(f"{N} samples, {count(epochs, 'epoch')}, batches of {size}",
                    (rng.normal(size=2), x, y, squared_error, 0.1, epochs, size), when)


CALL = "loss_and_gradient(weights, x[start:start + batch_size], y[start:start + batch_size])"
STEP, RANGE = "weights = weights - learning_rate * gradient", "range(0, len(x), batch_size)"
TRAIN = Exercise("The training loop", "training", (Task(
    train, train_trials, returns=("weights", "losses"), axes=(("weight",), ("batch",)),
    mistakes=(
        mistake("uphill", "the weights go uphill: the gradient is subtracted.",
                ("weights - learning_rate", "weights + learning_rate")),
        mistake("short batch dropped", "the last, shorter batch is left out. Its samples count as well.",
                (RANGE, "range(0, len(x) - batch_size + 1, batch_size)")),
        mistake("first batch alone", "every step is made on the first batch: the slice does not move on.",
                (CALL, "loss_and_gradient(weights, x[:batch_size], y[:batch_size])")),
        mistake("whole set", "every step is made on the whole set. It is to be made on the batch.",
                (CALL, "loss_and_gradient(weights, x, y)")),
        mistake("one epoch", "there is one epoch alone, whatever `epochs` says.", ("range(epochs)", "range(1)")),
        mistake("weights start anew", "the weights start anew with each epoch. They go on from where they were.",
                ("    losses = []\n    for _ in range(epochs):\n",
                 "    losses, first = [], weights\n    for _ in range(epochs):\n        weights = first\n")),
        mistake("gradient of the first weights", "loss and gradient are always those of the first weights: give it "
                "the weights as they are then.", ("    losses = []\n", "    losses, first = [], weights\n"),
                ("gradient(weights, x[", "gradient(first, x[")),
        mistake("learning rate missing", "the learning rate is missing.", ("learning_rate * gradient", "gradient")),
        mistake("no step", "the weights never change.", (STEP, "weights = weights + 0")),
        mistake("loss after the step", "the losses are those after the step. They are those that the gradient came "
                "with, before it.",
                ("            losses.append(loss)\n            " + STEP,
                 "            " + STEP + "\n            losses.append(" + CALL + "[0])")),
        mistake("a loss for each epoch", "there is one loss for each epoch. One for each batch is wanted.",
                ("            losses.append(loss)\n            " + STEP,
                 "            " + STEP + "\n        losses.append(loss)")),
        mistake("step once an epoch", "the weights take a step once an epoch, with the last batch's gradient. They "
                "take one after each batch.", ("            " + STEP, "        " + STEP)),
        mistake("accumulated", "the gradients of the batches add up. Each step takes that of its own batch.",
                ("    losses = []\n", "    losses, so_far = [], 0.0\n"),
                (STEP, "so_far = so_far + gradient\n            weights = weights - learning_rate * so_far")),
        mistake("step once an epoch", "the weights take a step once an epoch, with the gradients of all batches added "
                "up. They take one after each batch.",
                ("        for start", "        total = 0.0\n        for start"),
                ("            " + STEP,
                 "            total = total + gradient\n        weights = weights - learning_rate * total")),
        mistake("batches overlap", "the batches overlap: the next one begins batch_size later, not one sample later.",
                (RANGE, "range(len(x))")),
        mistake("divided again", "you divided the gradient by the batch size. The loss is a mean already.",
                ("learning_rate * gradient", "learning_rate * gradient / batch_size")),
        mistake("losses summed", "losses: you return their sum, or mean.", ("np.array(losses)", "np.sum(losses)")),
        mistake("losses summed", "losses: you return their sum, or mean.", ("np.array(losses)", "np.mean(losses)")),
        mistake("last loss", "losses: you return the last one alone.", ("np.array(losses)", "np.array(losses[-1])")),
        mistake("y of the first batch", "y is always that of the first samples: it moves on with x.",
                ("y[start:start + batch_size]", "y[:len(x[start:start + batch_size])]")),
        mistake("backwards", "the batches come in reverse order.", (RANGE, "reversed(range(0, len(x), batch_size))")),
        mistake("one epoch too many", "there is one epoch too many.", ("range(epochs)", "range(epochs + 1)")),
        mistake("first batch left out", "the first batch is left out: the first start is 0.",
                (RANGE, "range(batch_size, len(x), batch_size)")),
    ),
),), (
    "Two loops: over epochs, and in each over where a batch starts. In the inner one: loss and gradient, note the "
    "loss, step.",
    "range(0, len(x), batch_size) gives the starts; a slice that goes past the end is just shorter.",
    "loss, gradient = loss_and_gradient(weights, x[start:start + batch_size], y[start:start + batch_size]); "
    "losses.append(loss); weights = weights - learning_rate * gradient.",
))

EXERCISES = (SGD, ADAM, INITIAL_KERNEL, TRAIN)
