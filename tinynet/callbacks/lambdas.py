"""LambdaCallback: callbacks on the fly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinynet.callbacks.base import Callback
from tinynet.registry import pick

HOOKS = {name: name for name in vars(Callback) if name.startswith("on_")}


class LambdaCallback(Callback):
    """Call functions instead of methods: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))``.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : functions of the epoch and the figures.
    on_train_begin, on_train_end : functions of the figures.
    on_train_batch_begin, on_train_batch_end : functions of the batch and the figures.
    others : any other method of `Callback` that begins with ``on_``.
    """

    def __init__(self, on_epoch_begin: Callable | None = None, on_epoch_end: Callable | None = None,
                 on_train_begin: Callable | None = None, on_train_end: Callable | None = None,
                 on_train_batch_begin: Callable | None = None, on_train_batch_end: Callable | None = None,
                 **others: Any):
        super().__init__()
        given = {"on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
                 "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
                 "on_train_batch_end": on_train_batch_end, **others}
        for name, function in given.items():
            if function is not None:
                setattr(self, pick("method of a callback", name, HOOKS), function)
