"""What is said between page and server: JSON there, and back a header in JSON with the arrays' bytes behind it.

An answer is: the length of the header, 4 bytes, little endian; the header; zeros up to a multiple of 8; the arrays,
each at a multiple of 8 from there. In the header an array is ``{"$array": [offset, shape, dtype]}``. A number that is
not finite is null in it: JSON has no name for those.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet.files import strict_json

ALIGNED = 8
DTYPES = {"f4": "float32", "f8": "float64", "i4": "int32", "u1": "uint8"}


def read(body: bytes) -> dict[str, Any]:
    """Return the object that a request holds, or raise a ValueError."""
    try:
        value = strict_json.load(body or b"{}")
    except ValueError as error:
        raise ValueError(f"Expected a JSON object. Received what cannot be read as one: {error!s:.200}.") from None
    if not isinstance(value, dict):
        raise ValueError(f"Expected a JSON object. Received: a {type(value).__name__}.")
    return value


def encode(answer: Mapping[str, Any]) -> bytes:
    """Return an answer as bytes.

    >>> encode({"loss": 0.5, "pixels": np.array([1.0])})[4:]
    b'{"loss":0.5,"pixels":{"$array":[0,[1],"float64"]}}\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xf0?'
    """
    arrays: list[np.ndarray] = []
    header = json.dumps(plain(answer, arrays), separators=(",", ":"), allow_nan=False).encode()
    parts: list[bytes | memoryview] = [len(header).to_bytes(4, "little"), header, bytes(-(4 + len(header)) % ALIGNED)]
    for array in arrays:
        parts += [array.data if array.size else b"", bytes(-array.nbytes % ALIGNED)]
    return b"".join(parts)


def plain(value: Any, arrays: list[np.ndarray]) -> Any:
    """Return a value as JSON can hold it; its arrays are appended to `arrays`."""
    if isinstance(value, np.ndarray):
        offset = sum(array.nbytes + -array.nbytes % ALIGNED for array in arrays)
        array = as_sent(value)
        arrays.append(array)
        return {"$array": [offset, list(array.shape), DTYPES[array.dtype.str[1:]]]}
    if isinstance(value, Mapping):
        return {key: plain(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, arrays) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_sent(array: np.ndarray) -> np.ndarray:
    """Return an array in one of the four dtypes that the page can read, row-major; most are so already."""
    kind = {"b": "<u1", "i": "<i4", "u": "<i4"}.get(array.dtype.kind, "<f8")
    if array.dtype.str[1:] not in DTYPES or not array.dtype.isnative:
        array = array.astype(kind)
    return np.ascontiguousarray(array).reshape(array.shape)
