"""Finding wrong backward passes, and saying what is wrong with them; and holding layers to their contract."""

from typing import TYPE_CHECKING, Any

from tinynet.testing.contract.check import ContractReport, ContractViolation, check_layer, layer_checks
from tinynet.testing.contract.rules import RULES
from tinynet.testing.gradcheck.gradients import check_gradients
from tinynet.testing.gradcheck.report import GradientMismatch, GradientReport

if TYPE_CHECKING:
    from tinynet.testing import strategies

__all__ = ["RULES", "ContractReport", "ContractViolation", "GradientMismatch", "GradientReport", "check_gradients",
           "check_layer", "layer_checks", "strategies"]


def __getattr__(name: str) -> Any:
    """Load `strategies` when it is asked for: it alone needs Hypothesis."""
    if name == "strategies":
        from importlib import import_module
        return import_module("tinynet.testing.strategies")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
