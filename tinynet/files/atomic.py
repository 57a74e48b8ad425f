"""Atomic writes: at every moment a file is complete, the old one or the new one, whatever happens."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

StrPath = str | os.PathLike[str]
TEMPORARY = ".tinynet-{}.tmp"       # what a kill in the middle of a write leaves behind; safe to delete


def write(path: StrPath, pieces: Iterable[bytes | memoryview]) -> None:
    """Write `pieces`, one after the other, as the file at `path`.

    They go to a temporary file in the same folder, which is flushed to disk and then renamed: at every moment
    `path` is the old file or the new one. Last the folder is flushed, so that the new one survives a power cut. Of
    several concurrent writers, the last to rename wins.

    Raises OSError (the system's own subclass: PermissionError, FileNotFoundError, ...) if the file cannot be written;
    then the old one is unchanged, and the temporary one is deleted.
    """
    path = Path(os.path.realpath(path))                       # a link is followed, not replaced by the file
    temporary = path.with_name(TEMPORARY.format(secrets.token_hex(8)))
    try:
        try:
            with open(temporary, "xb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:                                 # Ctrl-C too
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        missing = error.errno == errno.ENOENT and not path.parent.is_dir()
        why = f"there is no folder {path.parent}" if missing else error.strerror
        raise OSError(error.errno, f"{path}: could not be written ({why}). What was there is unchanged") from error
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
