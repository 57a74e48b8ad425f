"""Checks that find wrong backward passes and say what is wrong, and that hold layers to their contract."""

from types import ModuleType
from typing import TYPE_CHECKING

from tinynet.testing.contract.check import check_layer, layer_checks
from tinynet.testing.contract.report import ContractReport, ContractViolation
from tinynet.testing.contract.rules import RULES
from tinynet.testing.functions.function import check_function
from tinynet.testing.functions.loss import check_loss
from tinynet.testing.functions.vjp import check_vjp
from tinynet.testing.gradcheck.gradients import check_gradients
from tinynet.testing.gradcheck.report import GradientMismatch, GradientReport

if TYPE_CHECKING:
    from tinynet.testing import strategies

__all__ = ["RULES", "ContractReport", "ContractViolation", "GradientMismatch", "GradientReport", "check_function",
           "check_gradients", "check_layer", "check_loss", "check_vjp", "layer_checks", "strategies"]


def __getattr__(name: str) -> ModuleType:
    """Load `strategies` when it is first used: nothing else here needs Hypothesis."""
    if name == "strategies":
        from importlib import import_module
        return import_module("tinynet.testing.strategies")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
