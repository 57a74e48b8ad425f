"""The models, and loading them from files, under the name that Keras has for their module."""

from tinynet.models.loading import load_model
from tinynet.models.sequential import Sequential

__all__ = ["Sequential", "load_model"]
