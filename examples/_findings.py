"""What the tour says of the model it goes through: sentences whose numbers are computed from that model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinynet import Sequential, study
from tinynet.callbacks import History


def products(step: study.ConvStep) -> str:
    """Say how much the positive and the negative products of an output pixel make."""
    positive, negative = (float(step.products[side].sum()) for side in (step.products > 0, step.products < 0))
    return f"Here the products above 0 sum to {positive:+.3f} and those below to {negative:+.3f}."


def channels(step: study.ConvStep) -> str:
    """Say what part of the sum comes from the channels that are drawn."""
    drawn = step.strongest(3)
    return (f"Of the sum of {step.sum:+.3f}, the {len(drawn)} channels with the largest sums, of {len(step.patch)}, "
            f"make {step.channel_sums[drawn].sum():+.3f}.")


def silent(maps: np.ndarray) -> str:
    """Say how many maps (C, H, W) are constant: nothing in the image moves them."""
    flat = maps.reshape(len(maps), -1)
    still = np.flatnonzero(flat.max(axis=1) == flat.min(axis=1)).tolist()
    if not still:
        return f"Each of these {len(maps)} maps answers to this digit somewhere."
    return f"{len(still)} of these {len(maps)} maps do not answer to this digit at all{numbers(still)}."


def shifted(model: Sequential, before: str, after: str, x: np.ndarray) -> str:
    """Say how much a shift of the image by one pixel changes the maps before and after a pooling."""
    here, there = (study.activations(model, image) for image in (x, np.roll(x, 1, axis=-1)))
    change = {name: float(np.linalg.norm(there[name] - here[name]) / np.linalg.norm(here[name]))
              for name in (before, after)}
    verb = "softens" if change[after] < change[before] else "does not soften"
    return (f"That {verb} a shift, and removes none: with this digit one pixel further to the right, the maps before "
            f"the pooling change by {percent(change[before])} of their norm, those after it by "
            f"{percent(change[after])}.")


def zeros(step: study.DenseStep) -> str:
    """Say how many inputs of a unit are 0."""
    none = int((step.inputs == 0).sum())
    return f"Of its {len(step.inputs)} inputs, {none} are exactly 0 here, and add nothing."


def answer(step: study.SoftmaxStep) -> str:
    """Say what the model answers, and what would be right."""
    p, true, given = step.probabilities, int(np.argmax(np.asarray(step.target))), int(step.probabilities.argmax())
    if given == true:
        return f"Here the right class, {true}, has the probability {p[true]:.3f}, and so {p[true] - 1:+.3f}."
    return (f"Here the right class, {true}, has the probability {p[true]:.3f}, and so {p[true] - 1:+.3f}; the answer "
            f"given, {given}, has {p[given]:.3f}, and {p[given]:+.3f}.")


def share_of_terms(terms: study.GradientTerms) -> str:
    """Say how many terms of a gradient are not 0, and what the largest contributes."""
    alive = int(np.count_nonzero(terms.terms))
    if not alive:
        return f"Here all {len(terms.terms)} products are 0, and so is the gradient."
    largest = float(terms.terms[np.abs(terms.terms).argmax()])
    return (f"Here {alive} of {len(terms.terms)} products are not 0; the largest is {largest:+.3g}, and their sum "
            f"{terms.total:+.3g}.")


def overfitting(history: History) -> str:
    """Say where the test loss was lowest, and on which side of it the training loss ended."""
    loss, test = history.history["loss"], history.history["val_loss"]
    best = int(np.argmin(test))
    course = f"Here the test loss was lowest, {test[best]:.4f}, after epoch {best + 1} of {len(test)}"
    rest = f", and is {test[-1]:.4f} at the end" if best < len(test) - 1 else ", the last"
    side = "above" if loss[-1] > test[-1] else "below"
    return (f"{course}{rest}; the training loss ended {side} the test loss, at {loss[-1]:.4f}. To stop where the test "
            f"loss is lowest would be to choose by the test images: that is what a validation set is for.")


def flow(recorder: study.HealthRecorder) -> str:
    """Say how the gradient changes on its way back, and how large the last update was."""
    norms = [(step.name, step.gradient_norm) for step in recorder.records[-1].steps
             if step.weighted and step.gradient_norm]
    (first, end), (last, start) = norms[0], norms[-1]
    ratio = end / start
    way = f"grows {ratio:.1f} times" if ratio > 1 else f"shrinks to {ratio:.2g} of itself"
    ratios = [p.update_ratio for p in recorder.records[-1].parameters
              if len(p.shape) > 1 and p.update_ratio is not None]
    return (f"At the end it {way} here on its way back, from {start:.2g} at {last} to {end:.2g} at {first}. "
            f"The last updates are {min(ratios):.1g} to {max(ratios):.1g} "
            f"of the weights; about a thousandth is usual.")


def dead(health: study.Health) -> str:
    """Name the dead units of every layer that has some."""
    found = [f"{len(step.dead_units)} of {step.units} in {step.name}{numbers(step.dead_units)}"
             for step in health.steps if step.dead_units]
    return f"Dead here, on {health.samples} images: {'; '.join(found) if found else 'none'}."


def hollow(surface: study.LossSurface) -> str:
    """Say whether the loss at the weights is the lowest of those computed."""
    lowest = float(np.nanmin(surface.losses))
    edge = float(np.nanmin(np.concatenate([surface.losses[[0, -1]].ravel(), surface.losses[:, [0, -1]].ravel()])))
    where = ("the lowest of the grid" if surface.centre <= lowest else
             f"not the lowest: {lowest:.4g} is, elsewhere on the grid. Training lowered the loss of its own images, "
             f"with dropout on if there is any; these are test images")
    return f"At the cross it is {surface.centre:.4g}, {where}. On the edge of the grid it is {edge:.3g} at least."


def moved(kernel: np.ndarray, before: np.ndarray) -> str:
    """Say which filters changed most and least, relative to what they were."""
    flat, old = (array.reshape(len(array), -1) for array in (kernel, before))
    change = np.linalg.norm(flat - old, axis=1) / np.linalg.norm(old, axis=1)
    least, most = int(change.argmin()), int(change.argmax())
    return (f"Filter {least} changed least, by {change[least]:.2g} times the norm it began with, and filter {most} "
            f"most, by {change[most]:.2g} times.")


def excited(patches: study.ExcitingPatches, labels: np.ndarray) -> str:
    """Say how many different digits a filter's patches come from, and which filters answer to nothing."""
    digits = [len(set(labels[samples].tolist())) for samples in patches.samples]
    still = [int(f) for f, values in zip(patches.filters, patches.values, strict=True) if values[0] <= 0]
    dead = (f" The largest output of {len(still)} is not above 0{numbers(still)}: a ReLU lets nothing of it through."
            if still else "")
    return f"The patches of one filter come from {min(digits)} to {max(digits)} different digits.{dead}"


def surpassed(made: study.Maximised, patches: study.ExcitingPatches) -> str:
    """Say how much larger outputs the images found have than the best patch of real images."""
    best = dict(zip(patches.filters.tolist(), patches.values[:, 0].tolist(), strict=True))
    ratios = [value / best[k] for k, value in zip(made.channels.tolist(), made.values[-1].tolist(), strict=True)
              if best[k] > 0]
    if not ratios:
        return "No patch of real images gives an output above 0."
    return f"Their outputs are {min(ratios):.1f} to {max(ratios):.1f} times those of the best patches of real images."


def convinced(model: Sequential, made: study.Maximised) -> str:
    """Say how sure the model is of the images that were made for the classes."""
    p = model.predict(made.images)[np.arange(len(made.channels)), made.channels]
    return f"The model takes each for its class with a probability of {np.floor(1000 * p.min()) / 1000:.3f} or more."


def separated(found: dict[str, study.PrincipalComponents], labels: np.ndarray) -> str:
    """Say what part of the variance in the plane lies between the classes, and which two lie closest at the end."""
    parts = {name: between(part.scores[:, :2], labels) for name, part in found.items()}
    name, last = list(found.items())[-1]
    kinds = np.unique(labels)
    means = np.stack([last.scores[labels == k, :2].mean(axis=0) for k in kinds])
    distance = np.linalg.norm(means[:, None] - means, axis=-1)
    distance[np.diag_indices(len(kinds))] = np.inf
    a, b = np.unravel_index(distance.argmin(), distance.shape)
    shares = ", ".join(f"{step} {percent(share)}" for step, share in parts.items())
    return (f"Of the variance in each plane, this part lies between the classes: {shares}. At {name} the classes "
            f"{kinds[a]} and {kinds[b]} lie closest to each other, in this plane; it shows "
            f"{percent(last.ratio[:2].sum())} of the variance, and along other components they may be far apart.")


def outlines(maps: Mapping[str, np.ndarray]) -> str:
    """Say what the attributions among these that look at more than one pixel do."""
    words = {"occlusion": "Occlusion hides pixels and asks again.",
             "Grad-CAM": "Grad-CAM is as coarse as the maps of the convolution it looks at; it never speaks against, "
                         "and says nothing of the border."}
    return " ".join(words[name] for name in maps if name in words)


def between(points: np.ndarray, labels: np.ndarray) -> float:
    """Return the fraction of the variance of points (N, 2) that is between the means of the classes."""
    centred = points - points.mean(axis=0)
    means = np.stack([centred[labels == k].mean(axis=0) for k in np.unique(labels)])
    sizes = np.unique(labels, return_counts=True)[1]
    return float((sizes[:, None] * means**2).sum() / (centred**2).sum())


def confused(confusion: study.Confusion) -> str:
    """Name the most frequent mistakes."""
    found = [f"{true} is taken for {given} ({times} times)" for true, given, times in confusion.most_confused(4)]
    return f"Most often {'; '.join(found)}." if found else "There is no mistake."


def trusted(found: study.Calibration) -> str:
    """Say how many answers are in the last bin, how many of them are right, and whether the model is too sure."""
    confidence, accuracy = found.overall
    many = int(found.counts[-1])
    last = (f"{many:,} of {found.counts.sum():,} images are in the last bin, and {percent(found.accuracy[-1], 2)} of "
            f"them right. " if many else "")
    verdict = "surer than it is right" if confidence > accuracy else "no surer than it is right"
    return (f"{last}On the whole the model is {verdict}: its mean confidence is {confidence:.4f}, its accuracy "
            f"{accuracy:.4f}. Bins of few images say little.")


def cost(model: Sequential, found: study.Profile) -> str:
    """Say which layers have the work and which the parameters, and what the whole takes as `fit` runs it."""
    work, size = (sum(getattr(step, what) or 0 for step in found.steps) for what in ("multiply_adds", "parameters"))
    most = max(found.steps, key=lambda step: step.multiply_adds or 0)
    widest = max(found.steps, key=lambda step: step.parameters)
    together = [" + ".join(row.layers) for row in model.plan() if len(row.layers) > 1]
    passes = f", with {'; '.join(together)} in one pass each" if together else ""
    return (f"{most.name} has {percent((most.multiply_adds or 0) / work)} of the work, {widest.name} "
            f"{percent(widest.parameters / size)} of the parameters. The steps by themselves sum to "
            f"{found.milliseconds:.1f} ms; as they are planned{passes}, a batch takes {found.planned_ms:.1f} ms.")


def speed(found: study.KernelComparison) -> str:
    """Say how many times as long as the fast kernels the others take."""
    total = {name: found.forward_ms[name] + found.backward_ms[name] for name in found.forward_ms}
    return (f"On {found.shape[0]} images, forward and backward together, the loops took "
            f"{total['naive'] / total['fast']:,.0f} times as long as the fast kernels, im2col "
            f"{total['im2col'] / total['fast']:.1f} times.")


def percent(fraction: float, decimals: int = 0) -> str:
    """Write a fraction in percent: ``61 %``."""
    return f"{100 * fraction:.{decimals}f} %"


def numbers(things: Sequence[int]) -> str:
    """Write the numbers of the first things in brackets: `` (3, 7)``; "" for none."""
    more = f" and {len(things) - 8} more" if len(things) > 8 else ""
    return f" ({', '.join(map(str, things[:8]))}{more})" if things else ""
