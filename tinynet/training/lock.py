"""The lock that updates and predictions share: a prediction during a training sees the weights between two updates."""

from __future__ import annotations

import os
import threading


class ModelLock:
    """``with model_lock:`` one thread at a time; it may be nested; in a forked child it starts unlocked.

    A fork copies a lock as it is, but of the threads only the one that forked: what another thread held at that moment
    would stay locked in the child for ever.
    """

    def __init__(self) -> None:
        self.reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.reset)

    def reset(self) -> None:
        """Begin unlocked."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


model_lock = ModelLock()                # one for all models, as they may share layers
