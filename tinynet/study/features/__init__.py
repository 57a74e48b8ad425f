"""What the layers of a model have learned to respond to."""
