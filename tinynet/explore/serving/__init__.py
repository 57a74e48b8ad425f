"""The page, and what it asks, over HTTP: for one browser on this machine, and nobody else."""
