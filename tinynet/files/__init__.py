"""Files: models and trainings, written whole or not at all, and believed only once they are checked."""
