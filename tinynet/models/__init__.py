"""The models, and reading them from files, under the name Keras has for their module."""

from tinynet.models.loading import load_model
from tinynet.models.sequential import Sequential

__all__ = ["Sequential", "load_model"]
