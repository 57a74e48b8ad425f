"""Training from the page: the run, what is recorded of it, failures to look at, and what the next update would do."""
