"""What does not fit together though each part is right by itself: loss and last layer, an image's shape and its axes.

What cannot learn is an error. What learns something, and hardly what was meant, is a warning: one of each kind for a
compiled model, from the first call that takes targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tinynet.checks import warn
from tinynet.layers.base import Layer
from tinynet.steps.plan import LossWithLogits, PlannedLoss, ends_in_probabilities, made_by
from tinynet.steps.step import Step, steps_of, without_penalties

LAST_LAYER, IMAGE_SHAPE = "Loss and last layer", "Image shape"


def check(model: Layer, loss: PlannedLoss) -> None:
    """Raise a ValueError for a built model that cannot learn; warn of what hardly anybody means."""
    steps = without_penalties(steps_of(model))
    outputs = (model.output_shape or ())[-1:]
    model.expect(not (ends_in_probabilities(steps) and outputs == (1,)),
                 "a softmax over two outputs or more (of one it is always 1, and nothing is learned: two classes are "
                 "Dense(2, activation='softmax'), or Dense(1, activation='sigmoid') with loss='binary_crossentropy')",
                 "one output")
    told = dict((*of_softmax(steps), *of_loss(steps, loss), *of_image_shape(steps)))                # one of each kind
    for kind, message in told.items():
        warn(f"{kind}: {message} If it is meant so, warnings.filterwarnings('ignore', '{kind}') before this silences "
             f"it.")


def of_loss(steps: Sequence[Step], loss: PlannedLoss) -> Iterator[tuple[str, str]]:
    """Find a cross-entropy of probabilities that is given something else, or one of logits that are none."""
    if not steps or not isinstance(loss, LossWithLogits):
        return
    last, name, by = steps[-1], type(loss).__name__, made_by(loss)
    of_rows = by == "softmax"                          # which sum to 1; any probabilities answer questions of yes or no
    fits = ends_in_probabilities(steps) if of_rows else hasattr(last.layer, "gives_probabilities")
    if not loss.from_logits and not fits:
        lost = "each row of its outputs is divided by its sum" if of_rows else "outputs beyond 0 and 1 learn nothing"
        yield LAST_LAYER, (f"{name} takes probabilities, and the model ends in '{last.name}', not in a {by}; {lost}. "
                           f"Expected activation='{by}' at the end, or "
                           f"loss={name}(from_logits=True) for outputs without an activation.")
    if loss.from_logits and getattr(last.layer, "bounded", False):
        yield LAST_LAYER, (f"{name}(from_logits=True) takes logits, numbers of any size, and the model ends in "
                           f"'{last.name}', which bounds them. Expected no activation at the end, or a {by} and "
                           f"loss={name}().")


def of_softmax(steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """Find a softmax of a softmax: all probabilities become nearly the same."""
    with_weights = [index for index, step in enumerate(steps) if step.layer.params]
    softmaxes = [step.name for step in steps[max(with_weights, default=0):] if ends_in_probabilities([step])]
    if len(softmaxes) > 1:
        yield LAST_LAYER, (f"the model applies softmax twice, in '{softmaxes[0]}' and in '{softmaxes[1]}', which makes "
                           f"all probabilities nearly the same. Expected one softmax at the end.")


def of_image_shape(steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """Find images whose last axis looks like that of the channels."""
    layer = next((step.layer for step in steps if hasattr(step.layer, "windows")), None)
    if layer is not None and layer.input_shape is not None:
        C, H, W = layer.input_shape
        if W <= 4 < min(C, H):
            yield IMAGE_SHAPE, (f"{layer} takes {(C, H, W)} as {C} channels of {H} x {W} pixels: images are channels "
                                f"first, (C, H, W). For {W} channels of {C} x {H} pixels, expected "
                                f"input_shape={(W, C, H)} and x.transpose(0, 3, 1, 2).")
