"""A WebSocket: a connection on which questions and answers follow each other, without a request's words around each.

A browser takes several milliseconds for a request, and a tenth of one for a message. What the pen draws comes this way.
Of RFC 6455 here is what a browser needs: messages in masked frames, whole or in pieces, pings, and the end.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from io import BufferedIOBase

import numpy as np

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA      # what a frame is
FINAL, MASKED = 0x80, 0x80                                                      # the first bit of its two first bytes
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"                                   # of RFC 6455, section 1.3


def accepted(key: str) -> str:
    """Return what a server answers to a browser's key, so that the browser knows that it speaks to a WebSocket.

    >>> accepted("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return base64.b64encode(hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()


def frame(kind: int, content: bytes) -> bytes:
    """Return content as a server sends it: one frame, not masked.

    >>> frame(TEXT, b"Hello").hex(" ")
    '81 05 48 65 6c 6c 6f'
    """
    size = len(content)
    short, rest = (size, b"") if size < 126 else (126, size.to_bytes(2)) if size < 1 << 16 else (127, size.to_bytes(8))
    return bytes([FINAL | kind, short]) + rest + content


def message(stream: BufferedIOBase, most: int, send: Callable[[bytes], None]) -> bytes | None:
    """Read the next message, answering pings; None when the other end goes, says more than `most` bytes, or nonsense.

    Parameters
    ----------
    send : sends a frame.
    """
    content, begun = b"", False
    while (received := read_frame(stream, most - len(content))) is not None:
        final, kind, part = received
        if kind == PING:
            send(frame(PONG, part))
        elif kind in (TEXT, BINARY, CONTINUED) and begun == (kind == CONTINUED):
            content, begun = content + part, True
            if final:
                return content
        elif kind != PONG:                             # an end, or a piece of nothing
            break
    send(frame(CLOSE, b""))
    return None


def read_frame(stream: BufferedIOBase, most: int) -> tuple[bool, int, bytes] | None:
    """Read one frame: is it a message's last, what is it, its content; None if it ends, is too large, or not masked.

    >>> import io
    >>> read_frame(io.BytesIO(bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")), most=5)
    (True, 1, b'Hello')
    """
    first, second = stream.read(2).ljust(2, b"\0")
    size = second & 0x7F
    if size >= 126:
        size = int.from_bytes(stream.read(2 if size == 126 else 8))
    if not second & MASKED or size > most:
        return None
    mask, content = stream.read(4), stream.read(size)
    if len(mask) < 4 or len(content) < size:
        return None
    plain = np.frombuffer(content, np.uint8) ^ np.resize(np.frombuffer(mask, np.uint8), size)
    return bool(first & FINAL), first & 0x0F, plain.tobytes()
