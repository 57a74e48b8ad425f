"""How a training fares: gradients, dead units, updates, curves."""
