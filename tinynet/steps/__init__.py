"""Steps: what a model does, as a flat list; how it is planned, and how it is run."""
