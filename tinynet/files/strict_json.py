"""JSON without its ambiguities: one way to write a value, and nothing read that two parsers could take differently."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, TypeVar

MAX_DEPTH = 100
T = TypeVar("T")


def dump(value: object) -> bytes:
    """Write a value in canonical form: sorted keys, no spaces, ASCII; a ValueError for what `load` would not read.

    >>> dump({"b": [1.5, None], "a": "x"})
    b'{"a":"x","b":[1.5,null]}'
    """
    return json.dumps(not_too_deep(value), sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def load(text: bytes) -> Any:
    """Parse UTF-8; a ValueError for a key that is there twice, numbers that are not finite, and deep nesting."""
    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        (key, count), = Counter(key for key, _ in pairs).most_common(1) or [("", 1)]
        if count > 1:
            raise ValueError(f"the key {key[:100]!r} {count} times")
        return dict(pairs)

    def finite(number: str) -> float:
        if not math.isfinite(float(number)):
            raise ValueError(number)
        return float(number)
    try:
        return not_too_deep(json.loads(text.decode("utf-8"), object_pairs_hook=without_duplicates, parse_float=finite,
                                       parse_constant=finite))
    except RecursionError:
        raise ValueError(f"nesting deeper than {MAX_DEPTH}") from None


def not_too_deep(value: T) -> T:
    """Return a tree of dicts and lists, or raise a ValueError if it could exhaust the stack of what walks it."""
    depth: int = 0
    level: list[Any] = [value]                                    # level by level, as recursion would exhaust it too
    while level:
        if depth > MAX_DEPTH:
            raise ValueError(f"nesting deeper than {MAX_DEPTH}")
        depth += 1
        level = [child for item in level if isinstance(item, (dict, list))
                 for child in (item.values() if isinstance(item, dict) else item)]
    return value
