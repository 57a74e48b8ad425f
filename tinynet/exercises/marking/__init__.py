"""Marking: how an answer is tried, and what is said of what is wrong."""
