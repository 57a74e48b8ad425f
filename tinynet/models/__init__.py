"""The models, and loading them from files, under the name that Keras has for their module."""

from tinynet.models.functional import Functional as Model
from tinynet.models.loading import clone_model, load_model, model_from_json, save_model
from tinynet.models.sequential import Sequential

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
