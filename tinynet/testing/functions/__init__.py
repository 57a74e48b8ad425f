"""Gradients of plain functions: NumPy pairs, losses, and functions of libraries that differentiate themselves."""
