"""Gradient checking: is a backward pass the derivative of its forward?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from tinynet import losses
from tinynet.layers.base import Layer, as_shape
from tinynet.testing.cloning import clone, global_random_state_kept
from tinynet.testing.gradcheck.checking import Check
from tinynet.testing.gradcheck.report import GradientMismatch, GradientReport
from tinynet.testing.gradcheck.targets import LayerSubject, LossSubject, ModelSubject, Subject


def check_gradients(target: Any, x: Any = None, *, y: Any = None, loss: Any = None, sample_weight: Any = None,
                    training: bool | None = None, input_shape: Iterable[int] | None = None, seed: int = 0,
                    rtol: float = 1e-6, every: int = 100, directions: int = 16,
                    raises: bool = True) -> GradientReport:
    """Check that a backward pass returns the slopes of its forward, of the input and of every parameter.

    Each slope is measured from values of forward alone, in float64, by five-point differences at two steps whose
    disagreement says how far the measurement can be trusted; see `tinynet.testing.gradcheck.differences`. The upstream
    gradient is random. What is given is copied, and stays as it is.

    - A tensor of at most `every` numbers is measured coordinate by coordinate. A larger one is dealt into `directions`
      groups, each moved along random signs and sizes, so that no entry is left out; a group that deviates is halved
      until the wrong entry is found.
    - Random state is put back before each forward: dropout drops the same units each time. A layer that
      ``differs_in_training`` is checked in both modes.
    - Kinks (ReLU at 0, ties of a maximum) are found from the values. Near one, the step is made smaller. On one,
      the gradient must lie between the slopes of its two sides, output by output. What neither settles is counted as
      skipped, and more than a tenth of a tensor skipped is a failure.
    - Where that finds nothing wrong, and a parameter's numbers are all the same (ones, zeros), it is
      done once more with such parameters moved: special values can hide a mistake.
    - Backward must also overwrite ``grads``, stay right when another forward runs before it, write to no array of
      others, and draw nothing random.

    Parameters
    ----------
    target : a layer, built or not (yours too: anything with ``params``, ``grads`` and ``forward(x, training=False)``);
        a loss; or a model, with its loss and penalties as `fit` runs it if `y` is given, else as the layer it is.
    x : a batch (N, ...); for a loss the predictions. None draws one without ties, if the shape of a sample is known.
        Whole numbers are given to forward as they are, and noted as not checked.
    y : the targets, for a loss or a model with one.
    loss : name or object; instead of the one that the model was compiled with.
    sample_weight : weights (N,) for the loss.
    training : which mode to check; None checks training as well as inference where they differ.
    input_shape : shape of a sample, without the batch axis, where neither `x` nor the target says it.
    seed : makes everything random in the check repeat.
    rtol : by what fraction of itself an entry may be off, besides what its measurement leaves open.
    every, directions : see above; more directions see smaller errors in large tensors.
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
    (False, 'every entry is half of what it should be: the 2 from deriving a square is missing.')
    """
    def look(moved: bool) -> tuple[GradientReport, Any]:
        rng = np.random.default_rng(seed)
        subjects = make_subjects(target, x, y, loss, sample_weight, training, input_shape, moved, rng)
        return report_on(subjects, Check(rng, rtol, every, directions)), subjects[0].layer

    with global_random_state_kept():
        report, layer = look(moved=False)
        if report.passed and any(is_constant(array) for array in getattr(layer, "params", {}).values()):
            again, _ = look(moved=True)
            report = report if again.passed else again
    if raises and not report.passed:
        raise GradientMismatch(report)
    return report


def report_on(subjects: list[Subject], check: Check) -> GradientReport:
    """Check every subject; return one report."""
    found = [check.run(subject) for subject in subjects]
    report = GradientReport(name_of(subjects[0].layer))
    for subject, (tensors, failures) in zip(subjects, found, strict=True):
        mode = "" if len(subjects) == 1 else "in training" if subject.training else "in inference"
        report.tensors += tensors
        report.failures += [replace(failure, mode=mode) for failure in failures]
    return report


def name_of(target: Any) -> str:
    """Return what a layer calls itself, or else the name of its class."""
    return str(target) if isinstance(target, Layer) else type(target).__name__


def make_subjects(target: Any, x: Any, y: Any, loss: Any, sample_weight: Any, training: bool | None,
                  input_shape: Iterable[int] | None, moved: bool, rng: np.random.Generator) -> list[Subject]:
    """Find out what `target` is; return what is to be checked of it, one subject a mode."""
    if isinstance(target, str) or not hasattr(target, "params"):
        loss = losses.get(target)
        if x is None or y is None:
            raise TypeError(f"check_gradients: expected a loss as check_gradients(loss, y_pred, y=y_true). "
                            f"Received: {'no y_pred' if x is None else 'no y'}.")
        return [LossSubject(loss, x, y, sample_weight)]
    if not hasattr(target, "forward"):
        raise TypeError(f"check_gradients: expected a layer, a loss or a model. Received: {target!r}.")
    layer = clone(target)
    x = build(layer, x, input_shape, rng)
    if moved:
        move_constants(layer, rng)
    modes = ([training] if training is not None else [False, True] if differs_in_training(layer) else [False])
    if y is None and loss is None:
        return [LayerSubject(layer, x, mode, rng) for mode in modes]
    if not hasattr(layer, "objective"):
        raise TypeError(f"check_gradients: {name_of(layer)} is no model; y and loss are for models. "
                        f"Put it into a Sequential, or leave them out.")
    layer.loss = layer.loss if loss is None else losses.get(loss)
    if layer.loss is None or y is None:
        raise TypeError("check_gradients: expected a model with a loss and its targets, y. Received: "
                        f"{'no y' if y is None else 'no loss'}.")
    return [ModelSubject(layer, x, y, sample_weight, mode) for mode in modes]


def build(layer: Any, x: Any, input_shape: Iterable[int] | None, rng: np.random.Generator) -> np.ndarray:
    """Build the layer if it is not; return the batch, a drawn one if none was given."""
    known = getattr(layer, "input_shape", None) if input_shape is None else as_shape(input_shape, owner=layer)
    if x is None:
        if known is None:
            raise ValueError(f"check_gradients: expected x, or input_shape, for {name_of(layer)}.")
        x = tie_free((3, *known), rng)
    x = np.asarray(x)
    if hasattr(layer, "build") and not layer.params and getattr(layer, "output_shape", None) is None:
        layer.build(x.shape[1:], rng)
    return x


def is_constant(array: np.ndarray) -> bool:
    """Tell whether all numbers of a parameter are the same one, such as 0 or 1, which can hide what is wrong."""
    return array.dtype.kind == "f" and array.size > 0 and bool((array == array.flat[0]).all())


def move_constants(layer: Any, rng: np.random.Generator) -> None:
    """Make the numbers of constant parameters differ a little: by up to a third, those that are 0 to about 0.1.

    A scale that is still 1 multiplies a gradient unseen, and so does a shift that is still 0.
    """
    for array in layer.params.values():
        if is_constant(array):
            array[...] = np.where(array == 0, 0.1 * rng.uniform(0.5, 1.5, array.shape),
                                  array * rng.uniform(0.7, 1.3, array.shape))


def tie_free(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw evenly spread numbers between -2 and 2 in a random order: none is 0, and no two are close.

    >>> tie_free((4,), np.random.default_rng(0)).tolist()
    [0.5, -1.5, -0.5, 1.5]
    """
    n = int(np.prod(shape))
    shift = 0.25 if n % 2 else 0.5                          # of an odd number of them, the middle one would be 0
    return ((rng.permutation(n) + shift) / max(n, 1) * 4 - 2).reshape(shape)


def differs_in_training(layer: Any) -> bool:
    """Say whether a layer, or a layer inside, says that it is another function in training."""
    parts = layer.leaves() if hasattr(layer, "leaves") else [layer]
    return any(getattr(part, "differs_in_training", False) for part in parts)
