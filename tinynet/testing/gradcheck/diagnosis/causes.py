"""The usual mistakes of a backward pass. Each is a function from the `Evidence` to a sentence, or None if it does
not fit; one of your own is one more entry of `CAUSES`, and is tried before ours::

    def degrees(e):
        if e.ratio_is(np.pi / 180):
            return "every entry is pi / 180 of what it should be: degrees where radians are meant."

    CAUSES["degrees"] = degrees
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinynet.testing.gradcheck.diagnosis.contributions import Contributions
from tinynet.testing.gradcheck.diagnosis.evidence import Evidence
from tinynet.testing.gradcheck.diagnosis.mistakes import (
    chain_rule,
    elementwise,
    factors,
    linearity,
    local_errors,
    order_of_outputs,
    orders,
    patterns,
    precision,
    shapes,
)
from tinynet.testing.gradcheck.diagnosis.mistakes.formulas import (
    missing_terms,
    normalisation,
    softmax,
    through_time,
    weight_in_time,
)
from tinynet.testing.gradcheck.diagnosis.mistakes.formulas.weight_in_time import outputs
from tinynet.testing.gradcheck.diagnosis.words import alternatives

Fits = Callable[[Evidence], str | None]

# The most specific come first. Those of one stage do not exclude each other: where several fit, all are named.
STAGES: list[dict[str, Fits]] = [
    {"kink": local_errors.kink, "lower precision": precision.lower_precision},
    {"not finite": local_errors.not_finite},
    {"rounded forward": precision.rounded_forward},
    {"empty slice": shapes.empty_slice},
    {"all zero": factors.all_zero},
    {"keepdims": shapes.keepdims},
    {"shape of dy": shapes.shape_of_dy},
    {"not cropped": shapes.not_cropped},
    {"too short": shapes.too_short},
    {"another axis": shapes.summed_over_another_axis},
    {"not summed": shapes.not_summed},
    {"dy ignored": linearity.dy_ignored},
    {"normalised": linearity.normalised},
    {"sign of dy": linearity.power_of_dy},
    {"without dy": linearity.without_dy},
    {"clipped": linearity.clipped},
    {"cross-entropy": missing_terms.cross_entropy},
    {"sign": factors.sign},
    {"forward's scale": factors.forward_scale},
    {"batch size": factors.batch_size, "rate": factors.rate, "factor 2": factors.factor_two,
     "number of positions": factors.number_of_positions, "constant": factors.constant,
     "size of an axis": factors.size_of_axis},
    {"number of terms": factors.number_of_terms},
    {"root of a size": factors.root_of_size},
    {"penalty": factors.penalty},
    {"term of normalisation": normalisation.term_of_formula, "training formula": normalisation.training_formula},
    {"derivative of softmax": softmax.derivative_of_softmax},
    {"normalisation": missing_terms.term_of_normalisation},
    {"softmax": missing_terms.term_of_softmax},
    {"skip connection": missing_terms.skip_connection},
    {"transposed": orders.transposed, "reshaped": orders.reshaped, "flipped": orders.flipped,
     "shifted": orders.shifted, "blocks exchanged": orders.blocks},
    {"wrong axes": patterns.summed_over_wrong_axes},
    {"order of dy": order_of_outputs.reordered},
    {"through time": through_time.through_time},
    {"step of the weight": weight_in_time.step_of_weight},
    {"dy passed through": elementwise.dy_passed_through},
    {"derivative elsewhere": elementwise.derivative_elsewhere, "product rule": elementwise.product_rule},
    {"no derivative": elementwise.in_place_of_derivative},
    {"factor of each number": elementwise.factor_of_points},
    {"normalised input": chain_rule.normalised_input},
    {"weight untransposed": patterns.weight_untransposed},
    {"one side": elementwise.one_side},
    {"factor of step": chain_rule.factor_of_step},
    {"factor of outputs": chain_rule.factor_of_outputs, "factor of entries": chain_rule.factor_of_entries},
    {"all the same": factors.all_the_same},
    {"sum of dx": order_of_outputs.sum_of_dx},
    {"part of it": local_errors.part_of_it},
    {"part of dy": local_errors.part_of_dy},
    {"exchanged": order_of_outputs.exchanged},
    {"coupling": patterns.couplings},
    {"overwritten": patterns.overwritten, "left out": order_of_outputs.left_out,
     "left out of windows": order_of_outputs.left_out_of_windows, "counted once": order_of_outputs.counted_once},
    {"should be zero": patterns.lets_through, "mask": patterns.another_mask},
    {"elsewhere": patterns.placed_elsewhere},
    {"sum of dy": order_of_outputs.plain_sum},
    {"as another": weight_in_time.as_another},
    {"from step to step": patterns.between_indices},
    {"part is zero": local_errors.part_is_zero},
    {"not linear": linearity.not_linear},
    {"constant factor": factors.constant_factor},
    {"small everywhere": local_errors.small_everywhere},
    {"one entry": local_errors.one_entry},
    {"some slices": local_errors.some_slices},
    {"borders": local_errors.borders},
]
CAUSES: dict[str, Fits] = {name: fits for stage in STAGES for name, fits in stage.items()}
# These lie in what comes before a tensor, which others share; a factor or a transpose is one tensor's own.
SHARED = {"some slices", "factor of outputs", "factor of step", "should be zero", "mask", "through time", "left out",
          "step of the weight", "from step to step", "term of normalisation", "derivative of softmax", "order of dy",
          "exchanged"}
# Another dy changes the words of these.
ANYWAY = {"kink", "not finite", "one entry", "small everywhere", "part is zero", "lower precision", "rounded forward"}


def likely_cause(evidence: Evidence) -> tuple[str, str] | None:
    """Return the name of the first cause that fits, and the explanation; where several fit alike, all of theirs.

    A cause must fit under another upstream gradient, too, and in the same words, where that can be measured. Where none
    does, that of another tensor is named that is wrong for the same outputs.
    """
    return own_cause(evidence) or cause_of_another(evidence)


def own_cause(evidence: Evidence) -> tuple[str, str] | None:
    """Return the name and the explanation of a cause that fits the tensor itself."""
    ours = {name for stage in STAGES for name in stage}
    stages = [[name] for name in CAUSES if name not in ours] + [list(stage) for stage in STAGES]
    with np.errstate(all="ignore"):            # candidates are made from gradients that may be 0, huge or infinite
        for stage in stages:
            found = {name: text for name in stage if name in CAUSES and (text := confirmed(name, evidence))}
            if found:
                return next(iter(found)), alternatives(list(found.values()))
    return None


def cause_of_another(e: Evidence) -> tuple[str, str] | None:
    """Return the cause of another tensor, if it may be in what both are made from: wrong for the same outputs."""
    c = e.contributions
    for name in e.values if c is not None and e.of is not None else ():
        other = e.of(name, e.coarse) if name != e.name and e.of is not None else None
        if c is None or other is None or other.contributions is None or not wrong_alike(c, other.contributions):
            continue
        found = own_cause(other)
        if found is not None and found[0] in SHARED:
            return "as another", (f"it is wrong for the same outputs as {name}, and may be for the same reason. "
                                  f"Of {name}: {found[1]}")
    return None


def wrong_alike(one: Contributions, two: Contributions) -> bool:
    """Return whether two tensors are wrong for the same outputs, of those that are known of both."""
    seen = outputs(one, np.ones_like(one.right)) & outputs(two, np.ones_like(two.right))
    wrong = outputs(one, ~one.right) & seen
    return bool(wrong) and wrong == outputs(two, ~two.right) & seen


def confirmed(name: str, evidence: Evidence) -> str | None:
    """Return what a cause says, if it says the same under another upstream gradient."""
    explanation = CAUSES[name](evidence)
    if not explanation or name in ANYWAY or (again := evidence.again) is None:
        return explanation
    return explanation if CAUSES[name](again) == explanation else None
