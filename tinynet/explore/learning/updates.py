"""What the optimizer's next update would do to one weight: gradient, running means, step and new value."""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import numpy as np

from tinynet.optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, Lion, Nadam, RMSprop
from tinynet.training.model import Model

FORMULAS: dict[type, dict[str, str]] = {               # of what each keeps for a weight, and of its step
    Adam: {"m": "beta_1 m + (1 - beta_1) g", "v": "beta_2 v + (1 - beta_2) g^2",
           "v_max": "the largest v so far, which then takes its place",
           "step": "-rate_t m / (sqrt(v) + epsilon)"},
    Nadam: {"m": "beta_1 m + (1 - beta_1) g", "v": "beta_2 v + (1 - beta_2) g^2",
            "step": "-rate m_hat / (sqrt(v_hat) + epsilon)"},
    Adamax: {"m": "beta_1 m + (1 - beta_1) g", "u": "max(beta_2 u, |g|)",
             "step": "-rate / (1 - beta_1^t) m / (u + epsilon)"},
    Lion: {"m": "beta_2 m + (1 - beta_2) g, after the step", "step": "-rate sign(beta_1 m + (1 - beta_1) g)"},
    RMSprop: {"square": "rho v + (1 - rho) g^2", "mean": "rho mean + (1 - rho) g", "velocity": "the steps, added up",
              "step": "-rate g / sqrt(v + epsilon)"},
    Adagrad: {"accumulator": "a + g^2", "step": "-rate g / sqrt(a + epsilon)"},
    Adadelta: {"square": "rho v + (1 - rho) g^2", "step_square": "rho s + (1 - rho) d^2",
               "step": "-rate d, with d = sqrt(s + epsilon) / sqrt(v + epsilon) g"},
    SGD: {"velocity": "momentum v - rate g", "step": "-rate g, or the velocity"},
}


class Line(NamedTuple):
    """A number on the way to the update, and where it comes from."""

    name: str
    value: float
    formula: str = ""


def next_step(model: Model, grads: dict[str, np.ndarray], name: str, at: tuple[int, ...]) -> dict[str, Any]:
    """Make the update that the optimizer would make next on copies, and tell what it does to one weight."""
    params, optimizer = model.trainable_params(), model.optimizer
    if name not in params:
        raise ValueError(f"{name} is frozen: no update changes it.")
    trial = copy.deepcopy(optimizer)
    rate, old = trial.current_learning_rate(), {key: float(slot[at]) for key, slot in trial.slots.get(name, {}).items()}
    clipped = trial.clipped({key: grads[key] for key in params})
    updated = {key: array.copy() for key, array in params.items()}
    with np.errstate(all="ignore"):
        trial.update(updated, grads)
    step, limit = float(updated[name][at]) - float(params[name][at]), dict(model.constraints()).get(name)
    if limit is not None:
        updated[name] = np.asarray(limit(updated[name]))
    formulas = next((FORMULAS[kind] for kind in type(optimizer).__mro__ if kind in FORMULAS), {})
    before, after = float(params[name][at]), float(updated[name][at])
    lines = [Line("gradient g", float(grads[name][at]), "d loss / d weight")]
    if clipped[name][at] != grads[name][at]:
        lines.append(Line("g, clipped", float(clipped[name][at]), "scaled down, as the optimizer's settings say"))
    lines.append(Line("learning rate", rate))
    for key, slot in trial.slots[name].items():
        lines += [Line(f"{key}, before", old.get(key, 0.0)), Line(key, float(slot[at]), formulas.get(key, ""))]
    lines += adams(trial, rate)
    if optimizer.weight_decay:
        lines.append(Line("decay", -rate * optimizer.weight_decay * before, "-learning rate * weight decay * weight"))
    lines.append(Line("step", step, formulas.get("step", "")))
    if limit is not None:
        lines.append(Line("constraint", after - before - step, "what brings the weights back within their limits"))
    return {"optimizer": type(optimizer).__name__, "lines": [line._asdict() for line in lines], "before": before,
            "after": after}


def adams(optimizer: object, rate: float) -> list[Line]:
    """Return the lines of Adam's corrected rate."""
    if not isinstance(optimizer, Adam):
        return []
    t = optimizer.iterations
    corrected = rate * math.sqrt(1 - optimizer.beta_2 ** t) / (1 - optimizer.beta_1 ** t)
    return [Line("t", float(t), "updates, with this one"),
            Line("rate_t", corrected, "learning rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)")]
