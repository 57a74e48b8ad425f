"""The models, and reading them from files, under the name Keras has for their module."""

from tinynet.loading import load_model
from tinynet.sequential import Sequential

__all__ = ["Sequential", "load_model"]
