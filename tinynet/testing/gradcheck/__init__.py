"""Gradient checking: analytic gradients against numerically measured slopes."""
