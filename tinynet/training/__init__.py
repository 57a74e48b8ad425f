"""Training: compile, fit, evaluate and predict, and what they need."""
