"""One number at a time: what it was computed from, forward and backward."""
