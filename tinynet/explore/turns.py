"""Whose turn it is: requests and the training use one model, one after the other, in the order in which they came."""

from __future__ import annotations

import threading


class Turns:
    """``with turns:`` nobody else is at the model. Unlike a Lock's, the turns are given in order: a training that takes
    the next one at once does not keep a request waiting for ever.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.tickets = self.served = 0

    def __enter__(self) -> None:
        with self.changed:
            ticket, self.tickets = self.tickets, self.tickets + 1
            self.changed.wait_for(lambda: self.served == ticket)

    def __exit__(self, *exception: object) -> None:
        with self.changed:
            self.served += 1
            self.changed.notify_all()
