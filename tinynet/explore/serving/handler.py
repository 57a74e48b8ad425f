"""One request: is it the page's own, what does it ask, and the answer."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socket import socket
from typing import Any, Protocol, cast

from tinynet.explore.serving import websocket, wire

Method = Callable[[dict[str, Any]], Mapping[str, Any]]
Methods = Mapping[str, Method]
MAX_BODY = 8_000_000                                   # bytes: a large picture, as base64
IDLE = 10.0                                            # seconds that a connection may say nothing
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
         ".json": "application/json"}
LOCAL = "http://127.0.0.1:* http://localhost:*"        # a notebook's page, which shows this one in a frame
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
                               f"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {LOCAL}",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",                  # the address has the token in it
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Owner(Protocol):
    """What a request needs of its server, see `tinynet.explore.serving.server.Server`."""

    methods: Methods
    files: Mapping[str, Path]
    token: str

    @property
    def hosts(self) -> set[str]:
        """The names under which a browser may know it."""

    def begin(self, connection: socket) -> None:
        """Note that a connection waits for its next request."""


class RefusedError(Exception):
    """A request that is not answered: with which status, and why."""

    def __init__(self, status: HTTPStatus, why: str):
        super().__init__(why)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"                      # so that a connection is kept for the next request
    server_version, sys_version = "tinynet", ""
    timeout = IDLE
    wbufsize = -1                                      # head and body of an answer leave together,
    disable_nagle_algorithm = True                     # and at once

    @property
    def owner(self) -> Owner:
        """The server that it belongs to."""
        return cast("Owner", self.server)

    def handle_one_request(self) -> None:
        """Wait for a request, and answer it."""
        self.owner.begin(self.connection)
        super().handle_one_request()

    def do_GET(self) -> None:
        """Answer with a file of the page, or begin to answer questions on a WebSocket."""
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.answer_messages()
        else:
            self.answer(self.file)

    def do_POST(self) -> None:
        """Answer with what a method returns."""
        self.answer(self.called)

    def answer(self, make: Any) -> None:
        """Send what a function makes, or why it does not."""
        try:
            body, content_type = make(self.expect_ours())
            self.send(HTTPStatus.OK, body, content_type)
        except RefusedError as refused:
            self.close_connection = True               # what else it sends is not read
            self.send_words(refused.status, str(refused))
        except (ValueError, TypeError) as error:
            self.send_words(HTTPStatus.BAD_REQUEST, str(error))
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:                     # a layer of somebody's own may raise anything
            self.send_words(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")

    def answer_messages(self) -> None:
        """Answer each message as `called` answers the body of a request: arrays, or an error in words."""
        self.close_connection = True                   # after it, nothing else is said on this connection
        try:
            method = self.method(self.expect_ours())
        except RefusedError as refused:
            self.send_words(refused.status, str(refused))
            return
        self.send_response(HTTPStatus.SWITCHING_PROTOCOLS)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", websocket.accepted(self.headers.get("Sec-WebSocket-Key", "")))
        self.end_headers()
        self.wfile.flush()
        while (body := websocket.message(self.rfile, MAX_BODY, self.send_frame)) is not None:
            try:
                self.send_frame(websocket.frame(websocket.BINARY, wire.encode(method(wire.read(body)))))
            except (ValueError, TypeError) as error:
                self.send_frame(websocket.frame(websocket.TEXT, in_words(str(error))))
            except (ConnectionError, TimeoutError):
                raise
            except Exception as error:
                self.send_frame(websocket.frame(websocket.TEXT, in_words(f"{type(error).__name__}: {error}")))
            self.owner.begin(self.connection)

    def send_frame(self, frame: bytes) -> None:
        """Send a frame of a WebSocket, at once."""
        self.wfile.write(frame)
        self.wfile.flush()

    def expect_ours(self) -> str:
        """Return what is asked for, without the token, or refuse a request that is not from the page itself."""
        host, origin = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        if len(host) != 1 or host[0] not in self.owner.hosts:
            raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "This server answers under its machine's name alone.")
        if any(each not in {f"http://{name}" for name in self.owner.hosts} for each in origin):
            raise RefusedError(HTTPStatus.FORBIDDEN, "This server answers its own page alone.")
        _, token, rest = (*self.path.split("/", 2), "", "")[:3]
        if not hmac.compare_digest(token.encode(), self.owner.token.encode()):
            raise RefusedError(HTTPStatus.FORBIDDEN, "The address is not complete: take the one that was printed.")
        return rest

    def file(self, name: str) -> tuple[bytes, str]:
        """Return a file of the page, and its type."""
        path = self.owner.files.get(name or "index.html")
        if path is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "There is no such file.")
        return path.read_bytes(), f"{TYPES.get(path.suffix, 'application/octet-stream')}; charset=utf-8"

    def called(self, name: str) -> tuple[bytes, str]:
        """Return what a method answers, and its type."""
        body = self.body()
        return wire.encode(self.method(name)(wire.read(body))), "application/octet-stream"

    def method(self, name: str) -> Method:
        """Return the method that is asked."""
        method = self.owner.methods.get(name.removeprefix("api/")) if name.startswith("api/") else None
        if method is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "There is no such method.")
        return method

    def body(self) -> bytes:
        """Read what was sent, if it says how much that is, and that it is not too much."""
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or len(lengths) != 1 or not lengths[0].isascii() or \
                not lengths[0].isdigit():
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "Expected a Content-Length.")
        if len(lengths[0]) > 12 or int(lengths[0]) > MAX_BODY:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Expected at most {MAX_BODY:,} bytes.")
        body = self.rfile.read(int(lengths[0]))
        if len(body) < int(lengths[0]):
            raise ConnectionAbortedError
        return body

    def send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def send_words(self, status: HTTPStatus, words: str) -> None:
        """Send an error, in words for a person."""
        self.send(status, in_words(words), "application/json")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class cannot read."""
        self.close_connection = True
        status = HTTPStatus(code)
        self.send_words(status, message or status.phrase)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: the terminal is the learner's."""


def in_words(error: str) -> bytes:
    """Return an error as the page reads it."""
    return json.dumps({"error": error}).encode()
