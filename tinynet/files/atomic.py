"""Atomic writes: at every moment a file is complete, the old one or the new one, whatever happens."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from tinynet.checks import invalid

StrPath = str | os.PathLike[str]
TEMPORARY = ".tinynet-{}.tmp"       # what a kill in the middle of a write leaves behind; safe to delete


def write(path: StrPath, pieces: Iterable[bytes | memoryview]) -> None:
    """Write `pieces`, one after the other, as the file at `path`.

    They go to a temporary file in the same folder, which is flushed to disk and then renamed: at every moment
    `path` is the old file or the new one. Last the folder is flushed, so that the new one survives a power cut. Of
    several concurrent writers, the last to rename wins.

    Raises OSError (the system's own subclass: PermissionError, FileNotFoundError, ...) if the file cannot be written;
    then the old one is unchanged, and the temporary one is deleted. Raises ValueError for a pipe, a socket or a device,
    which the rename would replace.
    """
    check_replaceable(path)
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


def check_replaceable(path: StrPath) -> None:
    """Raise a ValueError unless there is a file at `path`, or nothing; what the system says of folders is clear."""
    with contextlib.suppress(OSError):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise invalid(os.fspath(path), "the path of a file", "a pipe, a socket or a device, which stays as it is")


def flush_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can; the new file is there in any case."""
    if hasattr(os, "O_DIRECTORY"):
        with contextlib.suppress(OSError):         # folders that may not be read, file systems that cannot flush them
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
