"""Find the bug: broken copies of tinynet's own files, and of small scripts, with what is seen of each from outside."""

from tinynet.exercises.bugs.catalogue import Bug, find, load

__all__ = ["Bug", "find", "load"]
