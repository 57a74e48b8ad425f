"""What a model gets wrong, and how sure it is of it."""
