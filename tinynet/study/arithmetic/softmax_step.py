"""Softmax and cross-entropy in numbers: logits, probabilities, the loss, and the gradient of the logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.losses import CategoricalCrossentropy
from tinynet.study.arguments import expect, expect_logits_for_loss
from tinynet.study.arithmetic.gradient_terms import GradientTerms
from tinynet.study.drawing import HIGHLIGHT, StrPath, finish, frame, grid, scale_of, show, write_numbers
from tinynet.study.trace import Trace, check_place
from tinynet.tables import Table, Tabular
from tinynet.training.model import Model
from tinynet.utils import to_categorical

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class SoftmaxStep(Tabular):
    """One sample's softmax and cross-entropy: ``p = e^z / sum e^z``, ``loss = -sum_k t_k log p_k``.

    Computed in float64 from the engine's logits.

    Attributes
    ----------
    sample : index of the sample.
    logits, exps : (K,) z, and ``e^(z - max z)``: the shift cancels in p, and no exponential overflows.
    sum, probabilities : the sum of `exps`; p, `exps` divided by the sum (K,).
    jacobian : (K, K) ``d p_i / d z_j = p_i (1[i=j] - p_j)``.
    target : (K,) t, one-hot if the sample has one class; None without targets, like all that follow.
    loss : of this sample, in nats; the model's is the mean over the samples.
    slope : (K,) d loss / d p, ``-t / p``.
    difference : (K,) d loss / d z: ``p - t``, the sum over i of ``slope_i jacobian_ij``.
    gradient : (K,) the engine's own gradient of the mean loss with respect to z: ``(p - t) / N``.
    """

    sample: int
    logits: np.ndarray
    exps: np.ndarray
    sum: float
    probabilities: np.ndarray
    jacobian: np.ndarray
    target: np.ndarray | None = None
    loss: float | None = None
    slope: np.ndarray | None = None
    difference: np.ndarray | None = None
    gradient: np.ndarray | None = None

    def in_short(self) -> str:
        """Say which sample this is, of how many classes, and its loss."""
        loss = "" if self.loss is None else f", loss {self.loss:.6f} nats"
        return f"softmax of sample {self.sample}, {len(self.logits)} classes{loss}"

    def tables(self) -> list[Table]:
        """Return a table of the classes, and of the columns' sums."""
        columns = {"logit z": self.logits, "e^(z - max)": self.exps, "p": self.probabilities}
        if self.target is not None and self.difference is not None and self.gradient is not None:
            columns |= {"target t": self.target, "p - t": self.difference, "engine's dz": self.gradient}
        rows = [[str(k), *(f"{without_minus_zero(column[k]):.6f}" for column in columns.values())]
                for k in range(len(self.logits))]
        sums = [f"{without_minus_zero(column.sum()):.6f}" for column in columns.values()][1:]
        below = "" if self.loss is None else f"loss = -sum t log p = {self.loss:.6f} nats"
        return [Table(["class", *columns], [*rows, ["sum", "", *sums]], below)]

    def __str__(self) -> str:
        table, = self.tables()
        lines = table.lines(6, *[13] * (len(table.head) - 1), left=0)
        return "\n".join([f"softmax of sample {self.sample}", *lines, *([table.below] if table.below else [])])

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw logits, probabilities, the Jacobian, and p - t if there are targets."""
        vectors = {"logits z": self.logits, "probabilities p": self.probabilities}
        if self.difference is not None:
            vectors["d loss / d z = p - t"] = self.difference
        K = len(self.logits)
        figure, axes = grid(1, len(vectors) + 1, (2.7 * len(vectors) + 4, 0.22 * K + 1.8),
                            width_ratios=[2.7] * len(vectors) + [4])
        for ax, (title, vector) in zip(axes[0], vectors.items(), strict=False):
            draw_vector(ax, title, vector, self.target)
        axes[0, 0].set_ylabel("class", fontsize=8)
        draw_jacobian(axes[0, -1], self.jacobian)
        figure.suptitle(f"softmax of sample {self.sample}{self.answer()}", fontsize=10)
        return finish(figure, path)

    def answer(self) -> str:
        """Say in words which class is right, if one is, and what the loss is; "" without targets."""
        if self.target is None:
            return ""
        true = f", true class {self.target.argmax()} (in colour)" if self.target.max() == 1 else ""
        return f"{true}, loss {self.loss:.4f} nats"

    def plot_chain_rule(self, path: StrPath | None = None) -> Figure:
        """Draw the gradient of the logits as a product: d loss / d p, times the Jacobian, is ``p - t``.

        Raises
        ------
        ValueError : without targets.
        """
        if self.target is None or self.slope is None or self.difference is None:
            raise ValueError("plot_chain_rule: expected a step with targets, softmax_step(model, x, y). "
                             "Received: one without.")
        figure, axes = grid(1, 3, (10.5, 0.22 * len(self.logits) + 1.9), width_ratios=[2.7, 4, 2.7])
        draw_vector(axes[0, 0], "d loss / d p = -t / p", self.slope, self.target)
        draw_jacobian(axes[0, 1], self.jacobian)
        draw_vector(axes[0, 2], "their product, d loss / d z = p - t", self.difference, self.target)
        axes[0, 1].set_title("times the Jacobian, d p_i / d z_j", fontsize=9)
        for i in np.flatnonzero(self.target):
            frame(axes[0, 1], np.array([i]), np.arange(len(self.logits)))
        axes[0, 0].set_ylabel("class", fontsize=8)
        figure.suptitle(f"the chain rule at the softmax of sample {self.sample}{self.answer()}", fontsize=10)
        return finish(figure, path)


def draw_vector(ax: Axes, title: str, vector: np.ndarray, target: np.ndarray | None) -> None:
    """Draw a number for each class (K,) as bars with their values; that of the true class, if one is, in colour."""
    classes = np.arange(len(vector))
    true = np.zeros(len(vector), bool) if target is None else target == 1
    bars = ax.barh(classes, vector, color=np.where(true, HIGHLIGHT, "0.6").tolist())
    ax.bar_label(bars, [f"{value + 0.0:.3g}" for value in vector], padding=2, fontsize=7)        # no minus zeros
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(classes)
    ax.invert_yaxis()
    ax.margins(x=0.5)
    ax.locator_params(axis="x", nbins=4)
    ax.tick_params(labelsize=8)
    ax.xaxis.get_offset_text().set_fontsize(7)
    ax.set_title(title, fontsize=9)


def draw_jacobian(ax: Axes, jacobian: np.ndarray) -> None:
    """Draw a Jacobian (K, K), with its numbers if there is room for them."""
    K = len(jacobian)
    drawn = show(ax, jacobian, scale_of(jacobian))
    if K <= 10:
        ax.set_xticks(np.arange(K))
        ax.set_yticks(np.arange(K))
        ax.tick_params(labelsize=8)
    if K <= 10 and scale_of(jacobian) >= 0.01:                        # smaller ones have more digits than room
        write_numbers(drawn, fontsize=6, decimals=3)
    ax.set_xlabel("logit j", fontsize=8)
    ax.set_ylabel("probability i", fontsize=8)
    ax.set_title("Jacobian: d p_i / d z_j", fontsize=9)
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
    bar.ax.tick_params(labelsize=7)
    bar.ax.yaxis.get_offset_text().set_fontsize(7)


def softmax_step(model: Model, x: ArrayLike, y: ArrayLike | None = None, sample: int = 0) -> SoftmaxStep:
    """Show how a classifier's loss is computed: logits, exponentials, probabilities, loss, and the gradient ``p - t``.

    Parameters
    ----------
    model : ends in a softmax, or in logits that its cross-entropy takes with ``from_logits=True``.
    x : samples for the model.
    y : targets, as the compiled cross-entropy takes them; without them there is no loss and no gradient.
    sample : index of the sample.

    Raises
    ------
    ValueError : for a model without logits (N, classes), a loss other than cross-entropy, or a wrong sample.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Softmax
    >>> model = Sequential([Softmax(input_shape=(2,))])
    >>> model.compile(loss="sparse_categorical_crossentropy")
    >>> print(softmax_step(model, [[np.log(3), 0]], [0]))
    softmax of sample 0
     class      logit z  e^(z - max)            p     target t        p - t  engine's dz
         0     1.098612     1.000000     0.750000     1.000000    -0.250000    -0.250000
         1     0.000000     0.333333     0.250000     0.000000     0.250000     0.250000
       sum                  1.333333     1.000000     1.000000     0.000000     0.000000
    loss = -sum t log p = 0.287682 nats
    """
    trace, n = trace_logits(model, x, sample)
    z = trace.logits[n].astype(np.float64)
    e = np.exp(z - z.max())
    p = e / e.sum()
    jacobian = np.diag(p) - np.outer(p, p)
    if y is None:
        return SoftmaxStep(n, z, e, float(e.sum()), p, jacobian)
    t = targets(trace, y)[n].astype(np.float64)
    with np.errstate(divide="ignore"):                                # -infinity where p underflows to 0
        slope = -np.divide(t, p, out=np.zeros_like(t), where=t != 0)
    loss = float((t * (np.log(e.sum()) - (z - z.max()))).sum())       # -t log p, without the log of an underflowed p
    return SoftmaxStep(n, z, e, float(e.sum()), p, jacobian, t, loss, slope, p * t.sum() - t,
                       trace.loss_gradients(y)[len(trace.steps) - trace.ends_in_probabilities][n])


def softmax_gradient(model: Model, x: ArrayLike, y: ArrayLike, logit: int, sample: int = 0) -> GradientTerms:
    """Return every term of the gradient of one logit: ``d loss / d z_j = sum_i (d loss / d p_i) (d p_i / d z_j)``.

    The loss is the mean over the batch, so ``d loss / d p_i = -t_i / (N p_i)``; if t is one-hot, all terms but one are
    0, and ``(p_j - t_j) / N`` remains. Parameters as for `softmax_step`; `logit` is j.

    Raises
    ------
    ValueError : if the true class's probability underflows to 0 in float64, where the chain rule through p fails; the
        engine, which computes the gradient from the logits, has no such limit.
    """
    trace, n = trace_logits(model, x, sample)
    step = softmax_step(model, x, y, n)
    j, = check_place(logit, step.logits.shape, "logit")
    if step.target is None or step.slope is None or step.gradient is None or not np.isfinite(step.slope).all():
        raise ValueError(f"softmax_gradient: expected a probability above 0 for the true class. "
                         f"Received: {step.probabilities.min()}; the logits lie more than 700 apart.")
    i = np.arange(len(step.logits))
    return GradientTerms(
        of=f"logit[{n}, {j}]", names=("dp", "jacobian"), left_at=np.stack([np.full_like(i, n), i], axis=1),
        right_at=np.stack([i, np.full_like(i, j)], axis=1), left=step.slope / len(trace.logits),
        right=step.jacobian[:, j], gradient=float(step.gradient[j]))


def trace_logits(model: Model, x: ArrayLike, sample: int) -> tuple[Trace, int]:
    """Run a model whose logits are (N, K); return its trace and the checked index of the sample."""
    trace = Trace(model, x)
    expect(trace.logits.ndim == 2, "a model with logits (N, classes)", trace.logits.shape)
    if not trace.ends_in_probabilities:
        expect_logits_for_loss(model)
    n, = check_place(sample, (len(trace.logits),), "sample")
    return trace, n


def targets(trace: Trace, y: ArrayLike) -> np.ndarray:
    """Return the targets of the compiled cross-entropy as (N, K), also if they are labels."""
    loss = trace.model.loss
    if not isinstance(loss, CategoricalCrossentropy):
        raise ValueError(f"Expected a model compiled with a cross-entropy. Received: {loss}.")
    y = np.asarray(loss.check_targets(y, trace.logits.shape))
    return y if y.shape == trace.logits.shape else to_categorical(y, trace.logits.shape[1])


def without_minus_zero(value: float) -> float:
    """Round to the decimals of the table, so that no 0 has a minus sign."""
    return round(float(value), 6) + 0.0
