"""Deterministic CBOR and nothing else: what is not the one right encoding of a plain value is refused.

cbor2 turns bytes into values and back, but it is made to accept: tags that compile regular
expressions or compute powers, bignums, duplicate keys, indefinite lengths. So `decode` first walks
the bytes itself and lets cbor2 see only what the profile allows, and encodes the values again
afterwards: other bytes than those that came are refused, whatever the cause.

Source: RFC 8949, 4.2.1; docs/protocol.md, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator

import cbor2

from tcu_agent.errors import MalformedError
from tcu_agent.protocol.vocabulary import Reason

CborValue = bool | int | bytes | str | None | list["CborValue"] | dict["CborValue", "CborValue"]

MESSAGE_LIMIT = 8192
"""Bytes of one message with its envelope; the largest real one, a grant, has below 500."""

MAX_DEPTH = 4
"""Levels of arrays and maps; the deepest message, trust, has 3."""

MAX_KEY = 23
"""Integer map keys take one byte. Source: docs/protocol.cddl, head."""

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE_TRUE_NULL = frozenset({20, 21, 22})


def encode(value: CborValue) -> bytes:
    """Return the deterministic encoding of plain values (what `CborValue` lists, integer range of CBOR)."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, *, limit: int = MESSAGE_LIMIT) -> CborValue:
    """Return the value that `data` is the deterministic encoding of.

    Raises:
        MalformedError: longer than `limit` bytes (TOO_LARGE), or outside the profile (MALFORMED).
    """
    if len(data) > limit:
        detail = f"{len(data)} bytes, at most {limit} are allowed"
        raise MalformedError(detail, reason=Reason.TOO_LARGE)
    _walk(data)
    try:
        value: CborValue = cbor2.loads(data)
        again = encode(value)
    except (cbor2.CBORDecodeError, cbor2.CBOREncodeError, ValueError, TypeError) as error:
        # All that is left after the walk is text that is not UTF-8, and keys that do not hash.
        raise MalformedError(f"no valid CBOR: {type(error).__name__}") from error
    if again != data:
        raise MalformedError("not deterministic: map keys out of order or twice")
    _check_keys(value)
    return value


def _walk(data: bytes) -> None:
    """Refuse everything outside the profile that the bytes' structure alone shows, without recursion."""
    remaining = [1]  # items still to come at each level; the outermost is the document itself
    position = 0
    while remaining:
        if remaining[-1] == 0:
            remaining.pop()
            continue
        remaining[-1] -= 1
        major, argument, position = _head(data, position)
        if major in {_BYTES, _TEXT}:
            position += argument
            if position > len(data):
                raise MalformedError("cut off inside a string")
        elif major in {_ARRAY, _MAP}:
            remaining.append(_items(major, argument, left=len(data) - position))
            if len(remaining) > MAX_DEPTH + 1:
                raise MalformedError(f"more than {MAX_DEPTH} levels of arrays and maps")
        elif major == _TAG:
            raise MalformedError(f"tag {argument} is not allowed here")
        elif major == _SIMPLE and argument not in _FALSE_TRUE_NULL:
            raise MalformedError("a float or a simple value other than false, true, null")
    if position != len(data):
        raise MalformedError(f"{len(data) - position} bytes after the end")


def _items(major: int, argument: int, *, left: int) -> int:
    """Return how many items an array or map has; each takes at least one of the bytes that are left."""
    items = argument * (2 if major == _MAP else 1)
    if items > left:
        raise MalformedError("cut off inside an array or map")
    return items


def _head(data: bytes, position: int) -> tuple[int, int, int]:
    """Return major type, argument and the position after the head; the argument in its shortest form."""
    if position >= len(data):
        raise MalformedError("cut off: a value is missing")
    major, info = data[position] >> 5, data[position] & 0x1F
    position += 1
    if info < 24:  # noqa: PLR2004 -- RFC 8949, 3: below 24 the head is the argument
        return major, info, position
    if info > 27:  # noqa: PLR2004 -- RFC 8949, 3: 28..30 reserved, 31 indefinite or break
        raise MalformedError("an indefinite length or a reserved head")
    if major == _SIMPLE:
        raise MalformedError("a float or a simple value other than false, true, null")
    size = 1 << (info - 24)
    argument = int.from_bytes(data[position : position + size], "big")
    if position + size > len(data):
        raise MalformedError("cut off inside a head")
    if argument < (24 if size == 1 else 1 << (4 * size)):
        raise MalformedError("an integer or length that is not in its shortest form")
    return major, argument, position + size


def _check_keys(value: CborValue) -> None:
    """Refuse map keys other than 0..23 and text; which of the two a map takes, its message says."""
    for level in _maps(value):
        for key in level:
            if not (type(key) is int and 0 <= key <= MAX_KEY) and type(key) is not str:
                raise MalformedError("a map key that is neither 0..23 nor text")


def _maps(value: CborValue) -> Iterator[dict[CborValue, CborValue]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _maps(item)
    elif isinstance(value, list):
        for item in value:
            yield from _maps(item)
