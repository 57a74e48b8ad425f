"""The page as one file: the same modules, and the model, its arithmetic in JavaScript, inside it."""
