"""The exercises, a file for each chapter of the book."""
