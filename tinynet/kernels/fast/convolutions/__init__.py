"""Convolutions: window by window, with pooling in the same pass, by squares of outputs, and of single channels."""
