"""What is wrong with a function and its vjp, in their own terms: the checks themselves speak of layers."""

from __future__ import annotations

import re
from dataclasses import replace

from tinynet.testing.gradcheck.report import Failure

# By cause: what was observed, and what it is likely to come from; {f} and {vjp} are what the two are called.
TERMS = {
    "nothing returned": ("{vjp} returned None for it.", "a return statement, or one of the gradients, is missing."),
    "missing": ("{vjp} returned None for it.", "every floating argument has a gradient; wrt= leaves arguments out."),
    "not repeatable": (None, "it keeps something from call to call, or draws from a generator that was not found: pass "
                             "one as an argument, or let the function close over it."),
    "stale": ("{vjp} is wrong if {f} runs on something else before it.",
              "it uses what the latest call of {f} stored outside; it must work from its own arguments."),
    "accumulates": (None, "an array that is kept is added to with +=; each call must begin with zeros."),
    "nothing measured": (None, "there is nothing to perturb: pass floating arrays that are not empty, to a function "
                               "that returns floating numbers."),
    "new mask": ("{vjp} draws random numbers.", "it draws a mask of its own, where it must use the one that {f} drew: "
                                                "the same seed in both, or the mask as an argument."),
}


def in_their_terms(failure: Failure, words: tuple[str, str]) -> Failure:
    """Return a failure that speaks of f and vjp, or whatever the two are called, in place of forward and backward."""
    message, explanation = TERMS.get(failure.cause or "", (None, None))
    explanation = failure.explanation if explanation is None else explanation.format(f=words[0], vjp=words[1])
    message = failure.message if message is None else message.format(f=words[0], vjp=words[1])
    return replace(failure, message=renamed(message, words), explanation=renamed(explanation, words))


def renamed(text: str, words: tuple[str, str]) -> str:
    """Put the names of a function and its vjp where a text speaks of forward and backward.

    >>> renamed("backward is wrong: forward-mode, the layer's own slope.", ("f", "vjp"))
    "vjp is wrong: forward-mode, the function's own slope."
    """
    for word, name in (("forward", words[0]), ("backward", words[1]), ("layer", "function")):
        text = re.sub(rf"\b{word}\b(?!-)", name, text)
    return text
