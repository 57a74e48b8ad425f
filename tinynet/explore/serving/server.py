"""The server: the standard library's, on this machine alone, for those who know its address; it answers only so much.

Any page that a browser shows may send requests to this machine. What keeps them out: the token in the address, the Host
that a request must name, so that no name of somebody else's can be made to lead here (DNS rebinding), and the Origin.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from socket import SHUT_RDWR, socket
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from tinynet.explore.serving.handler import Handler, Methods

HERE = "127.0.0.1"
MAX_CONNECTIONS = 32                                   # a browser opens 6 to a server
PATIENCE = 60.0                                        # seconds for a request, from waiting for it to having answered
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Server(ThreadingMixIn, TCPServer):
    """Serves the files of a folder and the methods of a session, a thread for each connection.

    Attributes
    ----------
    methods : what the page may call, by name.
    files : what the page may load: each file of the folder under the name that a request must give, to the letter.
    token : without it in the address nothing is answered.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name != "nt"              # elsewhere a port in use would be taken over
    request_queue_size = 256

    def __init__(self, methods: Methods, folder: Path, port: int = 0):
        self.methods = methods
        self.files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        self.token = secrets.token_urlsafe(24)
        self.slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.lock = threading.Lock()
        self.deadlines: dict[socket, float] = {}
        try:
            super().__init__((HERE, port), Handler)
        except OSError as error:
            raise OSError(error.errno, f"explore: expected a port that is free. Received: {port}, which cannot be had "
                          f"({error.strerror}). Without port= a free one is taken.") from None

    @property
    def port(self) -> int:
        """The port it listens at."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HERE}:{self.port}/{self.token}/"

    @property
    def hosts(self) -> set[str]:
        """The names under which a browser on this machine may know it."""
        return {f"{name}:{self.port}" for name in (HERE, "localhost")}

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread for a connection, unless there are too many: those are turned away at once."""
        if not self.slots.acquire(blocking=False):
            with suppress(OSError):
                request.setblocking(False)
                request.send(BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:                          # no thread to be had
            self.slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer the requests of a connection until it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.lock:
                self.deadlines.pop(request, None)
            self.slots.release()

    def begin(self, connection: socket) -> None:
        """Note that a connection waits for its next request."""
        with self.lock:
            self.deadlines[connection] = time.monotonic() + PATIENCE

    def service_actions(self) -> None:
        """End the connections that take too long, however slowly they go on sending."""
        self.hang_up(before=time.monotonic())

    def hang_up(self, before: float = float("inf")) -> None:
        """End the connections whose time is up before a moment."""
        with self.lock:
            overdue = [connection for connection, deadline in self.deadlines.items() if deadline < before]
        for connection in overdue:
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that broke off; of what should not happen, the traceback."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)
