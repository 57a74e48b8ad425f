"""LambdaCallback: callbacks made of functions."""

from __future__ import annotations

from collections.abc import Callable

from tinynet.callbacks.base import Callback, Logs
from tinynet.registry import pick

NumberedHook = Callable[[int, Logs | None], object]              # of the epoch or the batch, and the logs
Hook = Callable[[Logs | None], object]
HOOKS = {name: name for name in vars(Callback) if name.startswith("on_")}


class LambdaCallback(Callback):
    """Call functions instead of methods: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))``.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : functions of the epoch and the logs.
    on_train_begin, on_train_end : functions of the logs.
    on_train_batch_begin, on_train_batch_end : functions of the batch and the logs.
    others : any other method of `Callback` that begins with ``on_``.
    """

    def __init__(self, on_epoch_begin: NumberedHook | None = None, on_epoch_end: NumberedHook | None = None,
                 on_train_begin: Hook | None = None, on_train_end: Hook | None = None,
                 on_train_batch_begin: NumberedHook | None = None, on_train_batch_end: NumberedHook | None = None,
                 **others: Hook | NumberedHook | None):
        super().__init__()
        hooks = {"on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
                 "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
                 "on_train_batch_end": on_train_batch_end, **others}
        for name, function in hooks.items():
            if function is not None:
                setattr(self, pick("method of a callback", name, HOOKS), function)
