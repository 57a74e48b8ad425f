"""Chapters "Dropout" and "Your own layer": dropout, and batch normalisation with its state."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.exercises.exercise import Backward, Exercise, Mistake, Task, Trial, mistake
from tinynet.exercises.marking.worked import count


def dropout(x: np.ndarray, random: np.ndarray, rate: float, training: bool) -> np.ndarray:
    """Drop a fraction `rate` of the numbers in training, and scale the others; in inference, return x as it is.

    `random`, of the shape of x, has numbers drawn evenly from 0 to 1. Where its number is below `rate`, x becomes 0.
    What is kept is divided by 1 - rate, so that the mean stays what it was: then inference has nothing to make up
    for.

    >>> dropout(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.9, 0.3, 0.7]), 0.5, training=True)
    array([0., 4., 0., 8.])
    >>> dropout(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.9, 0.3, 0.7]), 0.5, training=False)
    array([1., 2., 3., 4.])
    """
    if not training:
        return x
    return x * (random >= rate) / (1 - rate)


def dropout_gradient(dy: np.ndarray, random: np.ndarray, rate: float, training: bool) -> np.ndarray:
    """Return d loss / d x of dropout, for the same `random`, `rate` and `training` as forward.

    >>> dropout_gradient(np.array([1.0, 2.0]), np.array([0.1, 0.9]), 0.5, training=True)
    array([0., 4.])
    """
    if not training:
        return dy
    return dy * (random >= rate) / (1 - rate)


def dropout_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; other rates; in inference."""
    inference = {"inference": "training is False: nothing is dropped or scaled then"}
    yield Trial("four numbers, rate 0.5", (np.array([1.0, 2, 3, 4]), np.array([0.1, 0.9, 0.3, 0.7]), 0.5, True))
    yield Trial("four numbers, in inference",
                (np.array([1.0, 2, 3, 4]), np.array([0.1, 0.9, 0.3, 0.7]), 0.5, False), inference)
    for rate, shape in (0.2, (4, 5)), (0.8, (3, 2, 4, 4)):
        yield Trial(f"rate {rate}", (rng.normal(size=shape), rng.random(shape), rate, True))
    yield Trial("rate 0: nothing is dropped", (rng.normal(size=(2, 3)), rng.random((2, 3)), 0.0, True))
    yield Trial("rate 0.2, in inference", (rng.normal(size=(3, 4)), rng.random((3, 4)), 0.2, False), inference)


def dropout_mistakes(x: str) -> list[Mistake]:
    """List the mistakes that forward and backward share; `x` is what is dropped."""
    whole, rest = f"return {x} * (random >= rate) / (1 - rate)", f"    if not training:\n        return {x}\n"
    return [mistake(*one) for one in (
        ("not scaled", "what is kept is not scaled: divide it by 1 - rate, or all that follows gets less than in "
         "inference.",
         (" / (1 - rate)", "")),
        ("divided by rate", "what is kept is divided by rate. The fraction that is kept is 1 - rate.",
         ("/ (1 - rate)", "/ (rate or 1)")),
        ("multiplied", "what is kept is multiplied by 1 - rate. It is divided: it must make up for what was dropped.",
         ("/ (1 - rate)", "* (1 - rate)")),
        ("kept and dropped exchanged", "you keep what should be dropped: where `random` is below rate, x becomes 0.",
         ("random >= rate", "random < rate")),
        ("rate is what is kept", "you took rate for the fraction that is kept. It is the fraction that is dropped.",
         ("random >= rate", "random < 1 - rate")),
        ("kept and dropped exchanged", "you keep the fraction `rate` of the numbers, where `random` is above 1 - rate. "
         "That is the fraction to be dropped: keep where `random` is not below rate.",
         ("random >= rate", "random > 1 - rate")),
        ("in inference too", "numbers are dropped in inference, too. Then nothing is dropped, nor scaled.", (rest, "")),
        ("scaled in inference", "in inference it is scaled by 1 - rate. What was kept has been scaled in training.",
         (f"        return {x}\n", f"        return {x} * (1 - rate)\n")),
        ("scaled in inference", "in inference it is divided by 1 - rate. Nothing is dropped then, and nothing scaled.",
         (f"        return {x}\n", f"        return {x} / (1 - rate)\n")),
        ("mask alone", "you return the mask (scaled or not): it is to be multiplied in.",
         (whole, "return (random >= rate) * 1.0")),
        ("mask alone", "you return the mask (scaled or not): it is to be multiplied in.",
         (whole, "return (random >= rate) / (1 - rate)")),
        ("mask alone", "you return the mask (scaled or not): it is to be multiplied in.",
         (whole, "return (random >= rate) / (1 - rate)"),
         (f"        return {x}\n", f"        return np.ones({x}.shape)\n")),
        ("random multiplied", "you multiplied by `random` itself. It only says what is dropped.",
         ("(random >= rate)", "random")),
        ("dropped in inference alone", "training and inference are exchanged.", ("if not training", "if training")),
        ("threshold of 0.5", "the threshold is always 0.5. It is rate.", ("random >= rate", "random >= 0.5")),
        ("compared with x", "you compared x with rate. `random` decides.", ("random >= rate", f"{x} >= rate")),
        ("nothing dropped", "nothing is dropped.", (whole, f"return {x} / (1 - rate)")),
        ("unchanged", "it comes back as it was, in training, too.", (whole, f"return {x}")),
    )]


DROPOUT = Exercise("Dropout, in training and in inference", "dropout", (
    Task(dropout, dropout_trials, may_share=True, mistakes=dropout_mistakes("x")),
    Task(dropout_gradient, dropout_trials, may_share=True, mistakes=dropout_mistakes("dy")),
), (
    "Two cases. In inference there is nothing to do at all, forward or backward.",
    "random >= rate is True where a number is kept: a mask of 0 and 1. What makes up for what is dropped?",
    "x * (random >= rate) / (1 - rate), and the same with dy.",
))



def batch_norm_forward(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, moving_mean: np.ndarray,
                       moving_variance: np.ndarray, training: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalise images channel by channel: return (y, moving_mean, moving_variance), y (N, C, H, W), the others (C,).

    In training: mean and variance of each channel, over samples, rows and columns. y = gamma * (x - mean) /
    sqrt(variance + 0.001) + beta. The state moves a little towards them, for inference: moving_mean = 0.99 *
    moving_mean + 0.01 * mean, and the same for the variance. Return new arrays. In inference: the same formula with
    moving_mean and moving_variance, which stay as they are.

    >>> x = np.array([[[[1.0, 3.0]]]])                             # one channel: mean 2, variance 1
    >>> y, mean, variance = batch_norm_forward(x, np.ones(1), np.zeros(1), np.zeros(1), np.ones(1), training=True)
    >>> y.round(3), mean, variance
    (array([[[[-1.,  1.]]]]), array([0.02]), array([1.]))
    """
    if training:
        mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        moving_mean = 0.99 * moving_mean + 0.01 * mean
        moving_variance = 0.99 * moving_variance + 0.01 * variance
    else:
        mean, variance = moving_mean, moving_variance
    h = (x - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 0.001)
    return gamma[:, None, None] * h + beta[:, None, None], moving_mean, moving_variance


def batch_norm_forward_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; drawn; as wide as there are channels; a channel that is nearly constant; in inference."""
    inference = {"inference": "training is False: moving_mean and moving_variance are used, and stay as they are"}
    one = np.ones(1)
    yield Trial("two pixels, by hand", (np.array([[[[1.0, 3]]]]), one, 0 * one, 0 * one, one, True))
    for shape, training in ((3, 2, 4, 5), True), ((2, 3, 3, 3), True), ((4, 2, 2, 2), False), ((2, 3, 3, 3), False):
        C = shape[1]
        state = rng.normal(size=C), rng.uniform(0.5, 3, C)
        yield Trial(f"x of the shape {shape}, {'training' if training else 'inference'}",
                    (rng.normal(3, 2, shape), rng.normal(size=C), rng.normal(size=C), *state, training),
                    {} if training else inference)
    flat = 5 + 0.03 * rng.normal(size=(2, 2, 3, 3))
    yield Trial("channels that are nearly constant", (flat, np.ones(2), np.zeros(2), np.zeros(2), np.ones(2), True),
                {"epsilon": "the variance is small: there 0.001 counts"})


BATCH_NORM_FORWARD = Exercise("Batch normalisation, with its state", "batch-normalisation", (Task(
    batch_norm_forward, batch_norm_forward_trials, may_share=True, returns=("y", "moving_mean", "moving_variance"),
    axes=(("sample", "channel", "row", "column"), ("channel",), ("channel",)),
    mistakes=(
        mistake("over the batch alone", "mean and variance are over the samples alone. A channel has one of each: "
                "over samples, rows and columns.",
                ("    h =",
                 "    if training:\n        m, v = x.mean(axis=0), x.var(axis=0)\n        return gamma[:, None, "
                 "None] * (x - m) / np.sqrt(v + 0.001) + beta[:, None, None], moving_mean, moving_variance\n    h =")),
        mistake("over the batch alone", "mean and variance are over the samples alone. A channel has one of each: "
                "over samples, rows and columns, axes (0, 2, 3).",
                ("x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))", "x.mean(axis=0), x.var(axis=0)")),
        mistake("over each image", "mean and variance are those of each image. They are over the whole batch.",
                ("    h =",
                 "    if training:\n        m, v = x.mean(axis=(2, 3), keepdims=True), x.var(axis=(2, 3), "
                 "keepdims=True)\n        return gamma[:, None, None] * (x - m) / np.sqrt(v + 0.001) + beta[:, "
                 "None, None], moving_mean, moving_variance\n    h =")),
        mistake("over the channels", "mean and variance are over all channels together. Each channel has its own.",
                ("x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))",
                 "np.full(len(gamma), x.mean()), np.full(len(gamma), x.var())")),
        mistake("epsilon missing", "0.001 is not added to the variance, or something much smaller is.",
                (" + 0.001)", ")")),
        mistake("epsilon outside the root", "0.001 is added to the root. It belongs under it, to the variance.",
                ("np.sqrt(variance[:, None, None] + 0.001)", "(np.sqrt(variance[:, None, None]) + 0.001)")),
        mistake("another epsilon", "the number added to the variance is another one: it is 0.001.",
                ("+ 0.001)", "+ 1e-5)")),
        mistake("root missing", "you divided by the variance. It is its root, the standard deviation.",
                ("np.sqrt(variance[:, None, None] + 0.001)", "(variance[:, None, None] + 0.001)")),
        mistake("unbiased variance", "you divided by the count minus 1 (ddof=1). Here the variance is the mean of "
                "the squares.", ("x.var(axis=(0, 2, 3))", "x.var(axis=(0, 2, 3), ddof=1)")),
        mistake("mean not subtracted", "the mean is not subtracted.", ("(x - mean[:, None, None])", "x")),
        mistake("gamma missing", "gamma is not multiplied in.", ("gamma[:, None, None] * h", "h")),
        mistake("beta missing", "beta is not added.", (" + beta[:, None, None]", "")),
        mistake("gamma and beta exchanged", "gamma and beta are exchanged.",
                ("gamma[:, None, None] * h + beta[:, None, None]", "beta[:, None, None] * h + gamma[:, None, None]")),
        mistake("state not updated", "moving_mean and moving_variance come back as they were: in training they move.",
                ("        moving_mean = 0.99 * moving_mean + 0.01 * mean\n", ""),
                ("        moving_variance = 0.99 * moving_variance + 0.01 * variance\n", "")),
        mistake("momentum the wrong way", "the state moves the wrong way round: 0.99 of the old one stay, 0.01 of "
                "the batch's come in.", ("0.99 * moving_mean + 0.01 * mean", "0.01 * moving_mean + 0.99 * mean"),
                ("0.99 * moving_variance + 0.01 * variance", "0.01 * moving_variance + 0.99 * variance")),
        mistake("state replaced", "the state is replaced by that of the batch. It moves by 0.01 of the way.",
                ("0.99 * moving_mean + 0.01 * mean", "mean"), ("0.99 * moving_variance + 0.01 * variance", "variance")),
        mistake("state for training", "in training you normalised with the moving mean and variance. They are for "
                "inference; training uses those of the batch.",
                ("    h =", "    mean, variance = moving_mean, moving_variance\n    h =")),
        mistake("batch in inference", "in inference you normalised with mean and variance of the batch. Then a "
                "sample's output would depend on the others: use moving_mean and moving_variance.",
                ("mean, variance = moving_mean, moving_variance",
                 "mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))")),
        mistake("updated in inference", "the state moves in inference, too. Only training changes it.",
                ("    if training:\n        mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))\n",
                 "    mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))\n    old = moving_mean, "
                 "moving_variance\n    if True:\n"),
                ("    else:\n        mean, variance = moving_mean, moving_variance\n",
                 "    if not training:\n        mean, variance = old\n")),
        mistake("deviation in the state", "the state has the standard deviation. It is the variance that moves.",
                ("0.01 * variance", "0.01 * np.sqrt(variance)")),
        mistake("another momentum", "the momentum is another one: 0.99 of the old state stay.",
                ("0.99 * moving_mean + 0.01 * mean", "0.9 * moving_mean + 0.1 * mean"),
                ("0.99 * moving_variance + 0.01 * variance", "0.9 * moving_variance + 0.1 * variance")),
        mistake("variance of the state not updated", "moving_variance does not move.",
                ("        moving_variance = 0.99 * moving_variance + 0.01 * variance\n", "")),
        mistake("along the columns", "gamma and beta, or mean and variance, are taken along the columns of the "
                "image, the last axis. They belong to the channels, axis 1: [:, None, None].",
                ("gamma[:, None, None] * h + beta[:, None, None]",
                 "np.resize(gamma, x.shape[3]) * h + np.resize(beta, x.shape[3])")),
    ),
),), (
    "Which axes must go, so that one number a channel is left? And how do (C,) arrays meet (N, C, H, W)?",
    "axis=(0, 2, 3) for mean and variance; [:, None, None] makes (C, 1, 1) of (C,). Training and inference differ in "
    "which "
    "mean and variance the formula takes, and in that training returns a new state.",
    "h = (x - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 0.001); y = gamma[:, None, None] * h + "
    "beta[:, None, None].",
))


def batch_norm_backward(dy: np.ndarray, x: np.ndarray, gamma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients (dx, dgamma, dbeta) of batch normalisation in training: dy, x (N, C, H, W), gamma (C,).

    With h = (x - mean) / sqrt(variance + 0.001) of each channel, y = gamma * h + beta. gamma and beta collect from
    all samples and places of their channel. x goes into mean and variance as well, so two means over the channel are
    taken off:

        dh = gamma * dy
        dx = (dh - mean(dh) - h * mean(dh * h)) / sqrt(variance + 0.001)

    >>> x, dy = np.array([[[[1.0, 2.0, 6.0]]]]), np.array([[[[1.0, 0.0, 0.0]]]])
    >>> [gradient.round(2).ravel().tolist() for gradient in batch_norm_backward(dy, x, np.ones(1))]
    [[0.18, -0.22, 0.04], [-0.93], [1.0]]
    """
    axes, shape = (0, 2, 3), (1, -1, 1, 1)
    deviation = np.sqrt(x.var(axis=axes, keepdims=True) + 0.001)
    h = (x - x.mean(axis=axes, keepdims=True)) / deviation
    dh = gamma.reshape(shape) * dy
    dx = (dh - dh.mean(axis=axes, keepdims=True) - h * (dh * h).mean(axis=axes, keepdims=True)) / deviation
    return dx, (dy * h).sum(axis=axes), dy.sum(axis=axes)


def batch_norm_backward_trials(rng: np.random.Generator) -> Iterator[Trial]:
    """By hand; drawn."""
    yield Trial("three pixels", (np.array([[[[1.0, 0, 0]]]]), np.array([[[[1.0, 2, 6]]]]), np.ones(1)))
    for shape in (3, 2, 4, 5), (2, 3, 3, 3), (4, 2, 2, 3):
        yield Trial(f"{count(shape[0], 'image')} of {shape[1]} x {shape[2]} x {shape[3]}",
                    (rng.normal(size=shape), rng.normal(2, 3, shape), rng.normal(size=shape[1])))
    yield Trial("channels that are nearly constant",
                (rng.normal(size=(2, 2, 3, 3)), 5 + 0.03 * rng.normal(size=(2, 2, 3, 3)), np.ones(2)),
                {"epsilon": "the variance is small: there 0.001 counts"})


def forward_of_training(x: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """Compute what batch_norm_backward is the backward of, with beta = 0."""
    return batch_norm_forward(x, gamma, 0 * gamma, 0 * gamma, gamma, True)[0]


def dx_alone(answer: object, dy: np.ndarray, x: np.ndarray, gamma: np.ndarray) -> object:
    """Return an answer's dx."""
    assert callable(answer)
    return answer(dy, x, gamma)[0], None


DX = "dx = (dh - dh.mean(axis=axes, keepdims=True) - h * (dh * h).mean(axis=axes, keepdims=True)) / deviation"
BATCH_NORM_BACKWARD = Exercise("Back through batch normalisation", "batch-normalisation", (Task(
    batch_norm_backward, batch_norm_backward_trials, returns=("dx", "dgamma", "dbeta"),
    axes=(("sample", "channel", "row", "column"), ("channel",), ("channel",)),
    backward=Backward(forward_of_training, lambda dy, x, gamma: (x, gamma), 0, dx_alone),
    mistakes=(
        mistake("statistics as constants", "dx: you treated mean and variance as constants. x goes into both: two "
                "more terms are taken off.", (DX, "dx = dh / deviation")),
        mistake("mean term missing", "dx: the mean of dh is not taken off: x goes into the mean of its channel.",
                (" - dh.mean(axis=axes, keepdims=True)", "")),
        mistake("variance term missing", "dx: the term with h is missing: x goes into the variance of its channel.",
                (" - h * (dh * h).mean(axis=axes, keepdims=True)", "")),
        mistake("h missing in the term", "dx: the last term is not multiplied by h.",
                ("- h * (dh * h).mean(axis=axes, keepdims=True)", "- (dh * h).mean(axis=axes, keepdims=True)")),
        mistake("sums in place of means", "dx: you took sums where means are: divide by the number of samples, rows "
                "and columns.",
                (DX,
                 "dx = (dh - dh.sum(axis=axes, keepdims=True) - h * (dh * h).sum(axis=axes, keepdims=True)) / "
                 "deviation")),
        mistake("plus", "dx: a term is added that is taken off.", ("- h * (dh", "+ h * (dh")),
        mistake("gamma missing in dx", "dx: gamma is missing: dh = gamma * dy.",
                ("dh = gamma.reshape(shape) * dy", "dh = dy")),
        mistake("not divided by the deviation", "dx: it is not divided by the standard deviation.",
                (DX, DX.removesuffix(" / deviation"))),
        mistake("divided by the variance", "dx: you divided by the variance in place of the standard deviation.",
                (DX, DX + " ** 2")),
        mistake("means over the batch alone", "dx: the means are over the samples alone. They are over samples, "
                "rows and columns.", (DX, DX.replace("axes, keep", "0, keep"))),
        mistake("means over the channels", "dx: the means are over all channels together. Each channel has its own.",
                (DX, DX.replace("axis=axes, keepdims=True", ""))),
        mistake("x in place of h in dgamma", "dgamma: you multiplied by x. It is h, the normalised x, that gamma "
                "multiplies.", ("(dy * h).sum(axis=axes), dy", "(dy * x).sum(axis=axes), dy")),
        mistake("h missing in dgamma", "dgamma: it is the sum of dy * h; yours is the sum of dy.",
                ("(dy * h).sum(axis=axes)", "dy.sum(axis=axes)")),
        mistake("dgamma mean", "dgamma: you took a mean. It is a sum.",
                ("(dy * h).sum(axis=axes)", "(dy * h).mean(axis=axes)")),
        mistake("dbeta mean", "dbeta: you took a mean. It is a sum.", (", dy.sum(axis=axes)", ", dy.mean(axis=axes)")),
        mistake("dgamma and dbeta means", "dgamma and dbeta: you took means. They are sums.",
                ("(dy * h).sum(axis=axes), dy.sum(axis=axes)", "(dy * h).mean(axis=axes), dy.mean(axis=axes)")),
        mistake("dgamma with gamma", "dgamma: gamma is in it. gamma multiplies h, and its gradient is dy * h alone.",
                ("(dy * h).sum(axis=axes)", "(dh * h).sum(axis=axes)")),
        mistake("dbeta with gamma", "dbeta: gamma is in it. beta is added last, with the slope 1.",
                (", dy.sum(axis=axes)", ", dh.sum(axis=axes)")),
        mistake("over the batch alone", "dgamma and dbeta: you summed over the samples alone, not over the places.",
                ("(dy * h).sum(axis=axes), dy.sum(axis=axes)", "(dy * h).sum(axis=0), dy.sum(axis=0)")),
        mistake("epsilon missing", "0.001 is not added to the variance.", (" + 0.001)", ")")),
        mistake("order of outputs", "dgamma and dbeta are exchanged: return (dx, dgamma, dbeta).",
                ("return dx, (dy * h).sum(axis=axes), dy.sum(axis=axes)",
                 "return dx, dy.sum(axis=axes), (dy * h).sum(axis=axes)")),
        mistake("mean not subtracted", "h: the mean is not subtracted from x.",
                ("(x - x.mean(axis=axes, keepdims=True))", "x")),
        mistake("unbiased variance", "the variance is divided by the count minus 1 (ddof=1). Here it is the mean of "
                "the squares.", ("x.var(axis=axes, keepdims=True)", "x.var(axis=axes, keepdims=True, ddof=1)")),
    ),
),), (
    "Compute h and the deviation as forward does. dgamma and dbeta are those of a scale and a shift, summed over (0, "
    "2, 3).",
    "keepdims=True keeps the shapes fitting: x.var(axis=(0, 2, 3), keepdims=True) is (1, C, 1, 1); gamma.reshape(1, "
    "-1, 1, 1).",
    "dx is the last line of the task; dgamma = (dy * h).sum(axis=(0, 2, 3)); dbeta = dy.sum(axis=(0, 2, 3)).",
))

EXERCISES = (DROPOUT, BATCH_NORM_FORWARD, BATCH_NORM_BACKWARD)
