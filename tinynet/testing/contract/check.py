"""The contract of a layer: every rule that the engine relies on, tried on a layer of yours.

>>> for name, rule in RULES.items():
...     print(f"{name:23} {rule.__doc__}")
runs                    Build, forward and backward work, and return arrays; else no other rule is tried.
output_shape            Build returns the shape of what forward returns, without the batch axis.
gradient_keys           After backward, `grads` has the keys of `params`.
gradient_shapes         The input gradient has the shape of x, and every gradient the shape of its parameter.
float32_parameters      Build makes every parameter a float32 array.
dtype_kept              Where x, dy and params are float32, so are y, dx and grads; the same with float64.
float32_agrees          In inference float32 gives the same numbers as float64, to its precision.
inputs_not_written      Forward and backward leave x, dy and params as they are; only in training is `state` changed.
state_declared          What a training forward changes is in `state`: no other array of the layer, but for grads.
outputs_not_overwritten Later runs leave what forward and backward returned, grads included, as it is.
no_aliasing             Outputs are no views of parameters, and gradients are views of nothing.
memory_layout           Strided, Fortran-ordered or read-only x and dy give what plain ones give.
batch_independence      In inference y and dx of a sample do not depend on its batch, nor on its index in it.
batch_of_one            A single sample gives what each of two equal samples gives.
empty_batch             An empty batch gives empty outputs, and parameter gradients of zero.
gradient_sums           In inference the parameter gradients of a batch are the sum of those of its parts.
gradients               The gradients are the slopes of forward, as `check_gradients` measures them.
backward_linear         Backward is linear in dy, however large dy is.
backward_repeatable     Backward can run again, and gives the same dx and grads for the same dy.
backward_overwrites     Backward replaces what `grads` held; it does not add to it.
live_forwards           Two forwards can be alive at once: neither disturbs the backward of the other.
training_declared       Training differs from inference only where ``differs_in_training = True`` says so.
inference_repeatable    In inference the same x gives the same y, bit for bit.
random_from_build       All randomness comes from build's generator; NumPy's global state is not used.
threads                 In inference several threads can use the layer at once.
kernel_sets_agree       Every kernel set gives the same numbers: naive, im2col, fast.
config_round_trip       ``from_config(get_config())``, by way of JSON, is the same layer but for its weights.
save_load               A model with the layer comes back from its file as it was.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from unittest import SkipTest

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import invalid
from tinynet.layers.base import Layer, Shape, as_shape
from tinynet.registry import pick
from tinynet.testing.cloning import global_random_state_kept
from tinynet.testing.contract.report import ContractReport, ContractViolation, Outcome
from tinynet.testing.contract.rules import RULES
from tinynet.testing.contract.specimen import Broken, BrokenToo, MakeX, NotApplicable, Specimen
from tinynet.testing.tracebacks import exception_text

MakeLayer = Callable[[], Layer]
InputShapes = Iterable[int] | Iterable[Iterable[int]] | int           # of one sample, or several of them


def check_layer(make_layer: MakeLayer | Layer, input_shapes: InputShapes | None = None, *,
                expected_failures: Mapping[str, str] | None = None, rules: Iterable[str] | None = None,
                make_x: MakeX | None = None, x: ArrayLike | None = None, raises: bool = True) -> ContractReport:
    """Check that a layer keeps every rule in `RULES`, its gradients included.

    Batches have no more than six samples. Code that goes another way for more of them, in pieces of 16, say, has to be
    compared with itself: the outputs and gradients of a large batch with those of its parts.

    Parameters
    ----------
    make_layer : a class, or a function without arguments, that returns a fresh layer; or an unbuilt layer.
    input_shapes : the shape of one sample, or a list of shapes, without the batch axis; None takes the
        layer's own. Small ones are fast; uneven ones that windows do not divide find more, such as (2, 7, 5).
    expected_failures : ``{rule: reason}`` for rules that the layer is known to break. A rule that is expected
        to fail and holds is a failure, so that the list stays up to date.
    rules : names of the rules to try; None tries all. A layer that does not run breaks `runs`, named or not.
    make_x : ``make_x(shape, rng)`` returns a batch of that shape, for a layer with a limited
        domain (a logarithm, say); None draws from N(0, 1). Whole numbers stay whole, see `x`.
    x : several samples (N, ...), in place of `make_x` and of `input_shapes`: the batches are drawn from them. Whole
        numbers stay whole, for a layer that looks something up by them, such as an embedding; nothing is asked of its
        dx then, which may be None. Give a layer that computes with x floating numbers.
    raises : False returns the report of a layer that breaks rules.

    Raises
    ------
    ContractViolation : an AssertionError that lists every broken rule and what was observed; the report is
        its ``.report``.
    ValueError : for a rule that does not exist, and for an x that does not fit the other arguments.

    Examples
    --------
    >>> from tinynet.layers import Layer
    >>> class Center(Layer):
    ...     def forward(self, x, training=False):
    ...         x -= x.mean(axis=-1, keepdims=True)
    ...         return x, lambda dy: dy - dy.mean(axis=-1, keepdims=True)
    >>> report = check_layer(Center, (3,), raises=False)
    >>> print(report)  # doctest: +ELLIPSIS
    Center, on samples (3,): breaks 2 of the 27 rules tried.
      inputs_not_written
          forward wrote to x: -0.153629 at [0, 0], expected 0.345584
      memory_layout
          with float64 x and dy read-only: raised ValueError: output array is read-only (<doctest...>:3, in forward)
      gradients (not tried: no slope can be measured, as forward writes to it)
    >>> report.passed, [failure.rule for failure in report.failures]
    (False, ['inputs_not_written', 'memory_layout'])
    """
    __tracebackhide__ = True
    return examine(make_layer, input_shapes, expected_failures=expected_failures, rules=rules, make_x=make_x,
                   x=x, raises=raises)


def examine(make_layer: MakeLayer | Layer, input_shapes: InputShapes | None = None, *,
            expected_failures: Mapping[str, str] | None = None, rules: Iterable[str] | None = None,
            make_x: MakeX | None = None, x: ArrayLike | None = None, raises: bool = True,
            elsewhere: Iterable[str] = ()) -> ContractReport:
    """Do what `check_layer` does; `elsewhere` names the rules whose findings the reader sees in other reports."""
    make = partial(copy.deepcopy, make_layer) if isinstance(make_layer, Layer) else make_layer
    names, expected = rule_names(RULES if rules is None else rules), dict(expected_failures or {})
    rule_names(expected)
    if x is not None:
        input_shapes, make_x = from_samples(np.asarray(x), input_shapes, make_x)
    with global_random_state_kept():
        specimens = [Specimen(make, shape, make_x) for shape in shapes_of(input_shapes, make)]
        report = ContractReport(specimens[0].name, [specimen.input_shape for specimen in specimens])
        tried = [try_rules(names, specimen, elsewhere) for specimen in specimens]
        report.whole = any(specimen.whole for specimen in specimens)
    if "runs" not in {*names, *elsewhere} and any(outcomes["runs"] for outcomes in tried):
        names = ["runs", *names]
    for name in names:
        report.record(name, [outcomes[name] for outcomes in tried], expected.get(name))
    __tracebackhide__ = True
    if raises and not report.passed:
        raise ContractViolation(report)
    return report


def layer_checks(make_layer: MakeLayer | Layer, input_shapes: InputShapes | None = None,
                 **options: Any) -> dict[str, Callable[[], None]]:
    """Return every rule as a test of its own: ``{name: function}``; the options are those of `check_layer`.

    For pytest, which then shows each rule on a line of its own::

        checks = layer_checks(Scale, (2, 7, 5), expected_failures={"threads": "keeps a buffer"})

        @pytest.mark.parametrize("check", checks.values(), ids=checks)
        def test_scale(check):
            check()

    A function raises `ContractViolation` if its rule is broken, and `unittest.SkipTest`, which pytest counts as
    skipped, if its rule cannot be tried.
    """
    rule_names(options.get("expected_failures") or ())

    def check(name: str) -> None:
        report = examine(make_layer, input_shapes, **options, rules=[name], elsewhere=RULES)
        if name in report.not_tried:
            raise SkipTest(report.not_tried[name])
    return {name: partial(check, name) for name in RULES}


def try_rules(names: Iterable[str], specimen: Specimen, elsewhere: Iterable[str]) -> dict[str, Outcome]:
    """Try `runs`, and if the layer does, the named rules on a specimen; return their outcomes.

    What other rules name more exactly is left out only where one of them does, in this report or `elsewhere`.
    """
    outcomes = {"runs": try_rule("runs", specimen)}
    if outcomes["runs"]:
        return {**dict.fromkeys(names, NotApplicable("the layer does not run")), **outcomes}
    outcomes |= {name: try_rule(name, specimen) for name in names if name != "runs"}

    def told(name: str) -> bool:
        if name not in outcomes and name in elsewhere:
            outcomes[name] = try_rule(name, specimen)
        return isinstance(settled(name), Broken)

    def settled(name: str) -> Outcome:
        outcome = outcomes.get(name)
        if isinstance(outcome, BrokenToo) and all(any(map(told, rules)) for rules in outcome.told_by):
            return outcome.otherwise
        return outcome
    return {name: settled(name) for name in list(outcomes)}


def try_rule(name: str, specimen: Specimen) -> Outcome:
    """Try one rule; return its outcome, None if it holds. A layer that raises breaks the rule."""
    try:
        RULES[name](specimen)
    except (Broken, NotApplicable) as outcome:
        return outcome
    except Exception as error:
        return Broken(exception_text(error))
    return None


def rule_names(names: Iterable[str]) -> list[str]:
    """Return the names as a list, or raise a ValueError for the first that is not a rule's."""
    return [name for name in names if pick("rule", name, RULES) is not None]


def from_samples(x: np.ndarray, input_shapes: InputShapes | None, make_x: MakeX | None) -> tuple[list[Shape], MakeX]:
    """Return the shape of the samples `x`, and a `make_x` that draws batches from them."""
    if make_x is not None or x.ndim == 0 or not len(x) or x.dtype.kind not in "biuf":
        raise invalid("check_layer", "x as an array of one or more samples, and no make_x beside it",
                      "both" if make_x is not None else f"{x.dtype} of shape {x.shape}")
    shape = as_shape(x.shape[1:], "check_layer", "the shape of the samples in x")
    if input_shapes is not None and any(each != shape for each in as_shapes(input_shapes)):
        raise invalid("check_layer", f"input_shapes={shape}, the shape of the samples in x", repr(input_shapes))

    def drawn(batch: Shape, rng: np.random.Generator) -> np.ndarray:
        return x[np.resize(rng.permutation(len(x)), batch[0])]
    return [shape], drawn


def shapes_of(input_shapes: InputShapes | None, make_layer: MakeLayer) -> list[Shape]:
    """Return one shape or several as a list; the layer's own for None."""
    if input_shapes is None:
        input_shapes = make_layer().input_shape
        if input_shapes is None:
            raise ValueError("check_layer: expected input_shapes, or a layer with an input_shape of its own. "
                             "Received: neither.")
    return as_shapes(input_shapes)


def as_shapes(input_shapes: InputShapes) -> list[Shape]:
    """Return one shape or several as a list, checked."""
    several = isinstance(input_shapes, Iterable) and any(isinstance(each, Iterable) for each in input_shapes)
    shapes: Iterable[Any] = input_shapes if several else [input_shapes]          # type: ignore[assignment]
    return [as_shape(shape, "check_layer", "input_shapes") for shape in shapes]
