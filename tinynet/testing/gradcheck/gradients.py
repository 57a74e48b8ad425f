"""Gradient checking: is a backward pass the derivative of its forward?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinynet import losses
from tinynet.layers.base import Layer, as_shape
from tinynet.losses import LossLike
from tinynet.testing.cloning import Replay, clone, float64_clone, global_random_state_kept
from tinynet.testing.gradcheck.checking import Checker
from tinynet.testing.gradcheck.report import GradientMismatch, GradientReport
from tinynet.testing.gradcheck.targets import (
    LayerTarget,
    LossTarget,
    ModelTarget,
    Target,
    floats_if_followed,
    leaves_of,
)
from tinynet.testing.gradcheck.targets.protocols import LayerLike


def check_gradients(target: LayerLike | LossLike | str, x: ArrayLike | None = None, *, y: ArrayLike | None = None,
                    loss: LossLike | str | None = None, sample_weight: ArrayLike | None = None,
                    training: bool | None = None, input_shape: Iterable[int] | None = None, seed: int = 0,
                    rtol: float = 1e-6, every: int = 100, directions: int = 16, as_if: Any = None,
                    raises: bool = True) -> GradientReport:
    """Check that a backward pass returns the gradient of its forward, for the input and every parameter.

    Each slope is measured from values of forward alone, in float64, by five-point differences at two steps whose
    disagreement says how far the measurement can be trusted; see `tinynet.testing.gradcheck.slopes.differences`. The
    upstream gradient is random. All arguments are copied, and stay as they are.

    - A tensor of at most `every` numbers is measured coordinate by coordinate. A larger one is split into `directions`
      groups, each perturbed along random signs and sizes, so that every entry counts; a group that deviates is halved
      until the wrong entry is found.
    - Random state is restored before each forward: dropout drops the same units each time. A layer that is another
      function in training, whether it says so by ``differs_in_training`` or not, is checked in both modes.
    - How precisely forward computes is measured first. Where the first step leaves doubt, the best one is searched,
      whatever the size of x. What is too small an error to be seen is said.
    - Kinks, non-differentiable points such as a ReLU's at 0 or ties of a maximum, are found from the values. Near one,
      the step is made smaller. On one, the gradient must lie between the slopes of its two sides, output by output.
      Such points are looked at once more with all numbers moved a little, where there is no kink to hide behind.
      Where the slope does not converge, the coordinate is counted as skipped; more than a tenth of a tensor skipped is
      a failure.
    - If nothing is wrong, and the numbers of a parameter are all the same (ones, zeros), the check is done once more
      with such parameters perturbed, in groups: special values can hide a mistake.
    - Backward must also overwrite ``grads``, stay right when another forward runs before it, write to no array of
      others, and draw nothing random. The report says so where only such a rule is broken, and the slopes are right.
    - Where nothing can be measured (an empty batch, complex numbers, whole numbers alone) the check fails, and says so.

    Parameters
    ----------
    target : a layer, built or not (yours too: anything with ``params``, ``grads`` and ``forward(x, training=False)``);
        a loss; or a model, with its loss and penalties as `fit` runs it if `y` is given, else as a layer.
    x : a batch (N, ...); for a loss the predictions. None draws one without ties, if the shape of a sample is known.
        Whole numbers are cast to float64 if the layer computes with them; those that it uses as an index or rounds
        are passed on as they are, and noted as not checked.
    y : labels or other true values, for a loss or a model with one.
    loss : name or object; in place of the one that the model was compiled with.
    sample_weight : weights (N,) for the loss.
    training : which mode to check; None checks training as well as inference where they differ.
    input_shape : shape of a sample, without the batch axis, if neither `x` nor the target gives it.
    seed : makes everything random in the check repeat.
    rtol : by what fraction of itself an entry may be off, in addition to the error of its measurement.
    every, directions : see above; more directions see smaller errors in large tensors.
    as_if : for a gradient that is not forward's on purpose, such as that of a straight-through estimator: slopes are
        measured on this. A layer, whose parameters of the same names are then the target's; a function ``g(x)``, or
        ``g(x, params)`` with the dict of parameters; for a loss another loss, or ``g(y_true, y_pred)``.
    raises : whether to raise `GradientMismatch` if something is wrong.

    Returns
    -------
    GradientReport : printed, a table of the tensors, and of each failure the likely cause. It has ``passed``,
        ``failures``, ``tensors`` and ``plot()``.

    Raises
    ------
    GradientMismatch : an AssertionError with the report in ``report``, unless `raises` is False.
    TypeError, ValueError : for arguments that do not fit together.

    Examples
    --------
    >>> from tinynet.layers import Dense, Layer
    >>> check_gradients(Dense(3, activation="tanh"), np.array([[1.0, 2.0], [0.5, -1.0]])).passed
    True
    >>> class Square(Layer):
    ...     def forward(self, x, training=False):
    ...         return x ** 2, lambda dy: dy * x
    >>> report = check_gradients(Square(), input_shape=(3,), raises=False)
    >>> report.passed, report.failures[0].explanation
    (False, 'every entry is half of what it should be: the 2 from the derivative of a square is missing.')
    """
    __tracebackhide__ = True
    constants: list[str] = []

    def check_once(perturb: bool) -> tuple[GradientReport, object]:
        rng = np.random.default_rng(seed)
        targets = make_targets(target, x, y, loss, sample_weight, training, input_shape, perturb, rng)
        for one in targets if as_if is not None else ():
            other = clone(as_if)
            if hasattr(other, "params"):
                build(other, one.x, None, rng)
            one.measure_as(other)
        if perturb:
            moved = "its numbers were all the same; this check was made with them moved"
            targets[0].notes |= dict.fromkeys(constants, moved)
        one_by_one = min(every, directions) if perturb else every
        return report_on(targets, Checker(rng, rtol, one_by_one, directions)), targets[0].layer

    with global_random_state_kept():
        report, layer = check_once(perturb=False)
        constants += [key for key, array in getattr(layer, "params", {}).items() if is_constant(array)]
        if report.passed and constants:
            again, _ = check_once(perturb=True)
            report = report if again.passed else again
    if raises and not report.passed:
        raise GradientMismatch(report)
    return report


def report_on(targets: list[Target], checker: Checker) -> GradientReport:
    """Check every target; return one report."""
    results = [checker.check(target) for target in targets]
    report = GradientReport(name_of(targets[0].layer))
    for target, (tensors, failures) in zip(targets, results, strict=True):
        mode = "" if len(targets) == 1 else "in training" if target.training else "in inference"
        report.tensors += tensors
        report.failures += [replace(failure, mode=mode) for failure in failures]
    return report


def name_of(target: object) -> str:
    """Return what a layer calls itself, or the name of the class of another object."""
    return str(target) if isinstance(target, Layer) else type(target).__name__


def make_targets(target: LayerLike | LossLike | str, x: ArrayLike | None, y: ArrayLike | None,
                 loss: LossLike | str | None, sample_weight: ArrayLike | None, training: bool | None,
                 input_shape: Iterable[int] | None, perturb: bool, rng: np.random.Generator) -> list[Target]:
    """Find out whether `target` is a layer, a loss or a model; return what to check, one `Target` for each mode."""
    if isinstance(target, str) or not hasattr(target, "params"):
        checked_loss: LossLike = losses.get(target)
        if x is None or y is None:
            raise TypeError(message("a loss as check_gradients(loss, y_pred, y=y_true)",
                                    "no y_pred" if x is None else "no y"))
        return [LossTarget(checked_loss, x, y, sample_weight)]
    if not hasattr(target, "forward"):
        raise TypeError(message("a layer, a loss or a model", repr(target)))
    layer = clone(target)
    x = floats_if_followed(layer, build(layer, x, input_shape, rng))
    if perturb:
        perturb_constants(layer, rng)
    modes = [training] if training is not None else [False, True] if differs_in_training(layer, x) else [False]
    if y is None and loss is None:
        return [LayerTarget(layer, x, mode, rng) for mode in modes]
    if not hasattr(layer, "objective"):
        raise TypeError(f"check_gradients: {name_of(layer)} is no model; y and loss are for models. "
                        f"Put it into a Sequential, or leave them out.")
    layer.loss = layer.loss if loss is None else losses.get(loss)
    if layer.loss is None or y is None:
        raise TypeError(message("a model with a loss, and y", "no y" if y is None else "no loss"))
    return [ModelTarget(layer, x, y, sample_weight, mode) for mode in modes]


def message(expected: str, received: str) -> str:
    """Return the text of an error about the arguments."""
    return f"check_gradients: expected {expected}. Received: {received}."


def build(layer: LayerLike, x: ArrayLike | None, input_shape: Iterable[int] | None,
          rng: np.random.Generator) -> np.ndarray:
    """Build the layer if it is not built; return the batch, a random one if `x` is None."""
    known = getattr(layer, "input_shape", None) if input_shape is None else as_shape(input_shape, owner=layer)
    if x is None:
        if known is None:
            raise ValueError(message(f"x, or input_shape, for {name_of(layer)}", "neither"))
        x = tie_free((3, *known), rng)
    x = np.asarray(x)
    if hasattr(layer, "build") and not layer.params and getattr(layer, "output_shape", None) is None:
        layer.build(x.shape[1:], rng)
    return x


def is_constant(array: np.ndarray) -> bool:
    """Return whether all numbers of a parameter are equal, such as 0 or 1, which can hide what is wrong."""
    return array.dtype.kind == "f" and array.size > 0 and bool((array == array.flat[0]).all())


def perturb_constants(layer: LayerLike, rng: np.random.Generator) -> None:
    """Make the numbers of constant parameters differ a little: by up to a third, those that are 0 to about 0.1.

    A scale of 1 multiplies a gradient without a trace, and a shift of 0 adds nothing.
    """
    for array in layer.params.values():
        if is_constant(array):
            array[...] = perturbed_constant(array, rng)


def perturbed_constant(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return numbers that differ a little, in place of equal ones."""
    return np.where(array == 0, 0.1 * rng.uniform(0.5, 1.5, array.shape),
                    array * rng.uniform(0.7, 1.3, array.shape))


def tie_free(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw evenly spaced numbers between -2 and 2 in a random order: none is 0, and no two are close.

    >>> tie_free((4,), np.random.default_rng(0)).tolist()
    [0.5, -1.5, -0.5, 1.5]
    """
    n = int(np.prod(shape))
    shift = 0.25 if n % 2 else 0.5                          # of an odd number of them, the middle one would be 0
    return ((rng.permutation(n) + shift) / max(n, 1) * 4 - 2).reshape(shape)


def differs_in_training(layer: LayerLike, x: np.ndarray) -> bool:
    """Return whether a layer is another function in training, as it declares or as its outputs show."""
    if any(getattr(leaf, "differs_in_training", False) for leaf in leaves_of(layer)):
        return True
    run = float64_clone(layer)
    replay = Replay(run)

    def outputs(training: bool) -> np.ndarray:
        replay.restore()
        return np.array(run.forward(x.copy(), training)[0])
    try:
        with np.errstate(all="ignore"):
            return not np.array_equal(outputs(False), outputs(True), equal_nan=True)
    except Exception:                                      # inference alone must run: the check says why it does not
        return False
