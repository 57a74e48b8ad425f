"""Files: models and trainings, written atomically, and trusted only once they are checked."""
