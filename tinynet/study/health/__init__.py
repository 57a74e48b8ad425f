"""Diagnosis of a training: gradients, dead units, updates, curves, and the loss around the weights."""
