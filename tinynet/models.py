"""The models, under the name Keras has for their module."""

from tinynet.sequential import Sequential

__all__ = ["Sequential"]
