"""Gradient checking: analytic gradients against measured slopes."""
