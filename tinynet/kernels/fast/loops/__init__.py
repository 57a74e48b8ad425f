"""Loops over numbers, channels and windows that are no products: each compiled, and cut into chunks for the threads."""
