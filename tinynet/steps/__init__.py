"""What a model does, as a flat list of steps: how it is made (step), planned (plan) and run (run)."""
