"""Single numbers, and the numbers that they are computed from, forward and backward."""
