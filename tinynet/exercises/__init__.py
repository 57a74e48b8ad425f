"""Learning by doing: what a learner fills in, or finds, and what marks it."""
