"""What the layers of a model respond to."""
