"""How every number of every built-in layer is made, forward and backward: by the kind of layer, a file each."""

# Each registers its layers with `arithmetic`.
from tinynet.explore.explanations import blocks, copied, elementwise, normalised, pooled, softmaxes, weighted
from tinynet.explore.explanations.explain import explain_input, explain_output, explain_parameter, explains
from tinynet.explore.explanations.explanation import Explanation
from tinynet.explore.explanations.numbers import StepNumbers

__all__ = ["Explanation", "StepNumbers", "blocks", "copied", "elementwise", "explain_input", "explain_output",
           "explain_parameter", "explains", "normalised", "pooled", "softmaxes", "weighted"]
