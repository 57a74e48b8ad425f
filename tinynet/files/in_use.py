"""One at a time in a folder: a lock that ends with its process, however that ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:                     # Windows, where nothing is locked
    fcntl = None                        # type: ignore[assignment]

NAME = ".in-use"


class InUse:
    """Holds a folder for one training: `begin` it, and `end` it."""

    def __init__(self, folder: Path):
        self.path = folder / NAME
        self.file: IO[str] | None = None

    def begin(self) -> None:
        """Take the folder, or raise a ValueError where another training has it, in this process or any other."""
        file = open(self.path, "a+")                           # noqa: SIM115 (it stays open until `end`)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read() or "another process"
            file.close()
            raise ValueError(f"{self.path.parent} is in use by another training that runs now, in {holder}. Give each "
                             f"training a folder of its own, or wait for that one to end.") from None
        except OSError:                                        # a file system without locks
            pass
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        self.file = file

    def end(self) -> None:
        """Let others have the folder."""
        if self.file is not None:
            self.path.unlink(missing_ok=True)
            self.file.close()
            self.file = None
