"""The slope of a function along a line, measured from its values alone."""
