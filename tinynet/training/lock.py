"""Updates and predictions take turns, so that a prediction beside a training sees weights between two updates."""

from __future__ import annotations

import os
import threading


class Turns:
    """``with turns:`` one thread at a time, as often nested as it likes; a forked child begins with nobody inside."""

    def __init__(self) -> None:
        self.begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.begin)

    def begin(self) -> None:
        """Let nobody be inside."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


turns = Turns()
