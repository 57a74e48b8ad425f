"""The WebSocket that the pen's drawings go over: it answers and refuses as to requests, and outlives nonsense."""

import json
import socket

import pytest
from page_client import Client, decoded

from tinynet.explore.serving import handler, websocket

MASK = bytes([7, 0, 255, 19])


def masked(content, kind=websocket.TEXT, final=True):
    """A frame as a browser sends it, by RFC 6455, section 5.2."""
    first = (0x80 if final else 0) | kind
    size = len(content)
    long = b"\xfe" + size.to_bytes(2) if size < 2 ** 16 else b"\xff" + size.to_bytes(8)
    length = bytes([0x80 | size]) if size < 126 else long
    return bytes([first]) + length + MASK + bytes(byte ^ MASK[k % 4] for k, byte in enumerate(content))


class Talk:
    """A connection that has asked for a WebSocket; `status` is what was answered to that."""

    def __init__(self, url, name="api/describe", token=None, **headers):
        _, _, host, ours, _ = url.split("/")
        wanted = {"Host": host, "Origin": f"http://{host}", "Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13", **headers}
        self.connection = socket.create_connection(host.split(":"), timeout=30)
        lines = "".join(f"{key}: {value}\r\n" for key, value in wanted.items() if value)
        self.connection.sendall(f"GET /{token or ours}/{name} HTTP/1.1\r\n{lines}\r\n".encode())
        self.stream = self.connection.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        self.headers = [line.strip() for line in iter(self.stream.readline, b"\r\n") if line]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stream.close()
        self.connection.close()

    def send(self, *frames):
        for frame in frames:
            self.connection.sendall(frame)

    def receive(self):
        """The kind and the content of the next frame; None when the server has hung up."""
        head = self.stream.read(2)
        if len(head) < 2:
            return None
        size = head[1]
        if size >= 126:
            size = int.from_bytes(self.stream.read(2 if size == 126 else 8))
        return head[0] & 15, self.stream.read(size)


def test_it_answers_as_it_answers_requests(served):
    with Talk(served.url) as talk, Client(served.url) as client:
        assert talk.status == 101
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in talk.headers         # RFC 6455, section 1.3
        for _ in range(3):
            talk.send(masked(b"{}"))
            kind, content = talk.receive()
            assert kind == websocket.BINARY
            assert decoded(content).keys() == client.ask("describe").keys()


def test_what_cannot_be_done_is_said_and_the_next_message_is_answered(served):
    with Talk(served.url, "api/sample") as talk:
        talk.send(masked(b'{"index": -1}'))
        kind, content = talk.receive()
        assert kind == websocket.TEXT
        assert "index" in json.loads(content)["error"]
        talk.send(masked(b"no json"))
        assert "JSON" in json.loads(talk.receive()[1])["error"]
        talk.send(masked(b'{"index": 0}'))
        assert talk.receive()[0] == websocket.BINARY


def test_pieces_pings_and_long_messages(served):
    with Talk(served.url, "api/sample") as talk:
        talk.send(masked(b'{"ind', final=False), masked(b"are you there?", websocket.PING),
                  masked(b'ex": 0}', websocket.CONTINUED))
        assert talk.receive() == (websocket.PONG, b"are you there?")
        assert talk.receive()[0] == websocket.BINARY
        for padding in (200, 70_000):
            talk.send(masked(b'{"index": 0' + b" " * padding + b"}"))
            assert talk.receive()[0] == websocket.BINARY


@pytest.mark.parametrize(("change", "status"), [
    ({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 421), ({"token": "x"}, 403),
    ({"name": "api/nothing"}, 404), ({"name": "main.js"}, 404)], ids=["origin", "host", "token", "method", "file"])
def test_who_is_refused_a_request_is_refused_a_websocket(served, change, status):
    with Talk(served.url, **change) as talk:
        assert talk.status == status
        talk.stream.read()                                      # it hangs up


@pytest.mark.parametrize("frames", [
    [b"\x81\x02{}"], [b"\x81\xff" + (10 ** 9).to_bytes(8)], [b"\x81\xff" + b"\xff" * 8],
    [masked(b"{}", websocket.CONTINUED)], [masked(b"{", final=False), masked(b"}")],
    [masked(b"", websocket.CLOSE)], [masked(b"{}", 5)]],
    ids=["not masked", "1 GB", "all bits", "a piece of nothing", "two beginnings", "the end", "an unknown kind"])
def test_it_hangs_up_on_nonsense(served, frames):
    with Talk(served.url) as talk:
        talk.send(*frames)
        assert talk.receive() == (websocket.CLOSE, b"")
        assert talk.receive() is None


def test_pieces_add_up_to_no_more_than_a_request_may_have(served, monkeypatch):
    monkeypatch.setattr(handler, "MAX_BODY", 1000)
    with Talk(served.url) as talk:
        talk.send(masked(b"{" + b" " * 600, final=False), masked(b" " * 600 + b"}", websocket.CONTINUED))
        assert talk.receive() == (websocket.CLOSE, b"")


def test_who_says_nothing_is_hung_up_on(served, monkeypatch):
    monkeypatch.setattr(handler.Handler, "timeout", 0.2)
    with Talk(served.url) as talk:
        assert talk.receive() is None
