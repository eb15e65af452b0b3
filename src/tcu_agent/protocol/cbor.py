"""Deterministic CBOR and nothing else: what is not the one right encoding of a plain value is refused.

cbor2 turns bytes into values and back, but it is made to accept: tags that compile regular
expressions or compute powers, bignums, duplicate keys, indefinite lengths. So `decode` first walks
the bytes itself and lets cbor2 see only what the profile allows, and encodes the values again
afterwards: other bytes than those that came are refused, whatever the cause.

Source: RFC 8949, 4.2.1; docs/protocol.md, "Encoding".
"""

from __future__ import annotations

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
_LAST_SHORT = 23
"""Up to here the head is the argument. Source: RFC 8949, 3."""
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
    if behind := len(data) - _walk(data):
        raise MalformedError(f"{behind} bytes after the end")
    try:
        value: CborValue = cbor2.loads(data)
        again = encode(value)
    except (cbor2.CBORDecodeError, cbor2.CBOREncodeError, ValueError, TypeError) as error:
        # All that is left after the walk is text that is not UTF-8.
        raise MalformedError(f"no valid CBOR: {type(error).__name__}") from error
    if again != data:
        raise MalformedError("not deterministic: map keys out of order or twice")
    return value


def _walk(data: bytes) -> int:
    """Refuse what the structure of the first item alone shows to be outside the profile; return where it ends."""
    end, position = len(data), 0
    # Items still to come at this level; the outermost is the document itself.
    left, is_map = 1, False
    around: list[tuple[int, bool]] = []
    while left or around:
        if not left:
            left, is_map = around.pop()
            continue
        left -= 1
        if position >= end:
            raise MalformedError("cut off: a value is missing")
        major, argument = data[position] >> 5, data[position] & 0x1F
        position += 1
        if argument > _LAST_SHORT:
            argument, position = _long_argument(data, position, major, argument)
        if is_map and left % 2:  # which of the two kinds of keys a map takes, its message says
            _check_key(major, argument)
        if major > _MAP:
            _check_simple(major, argument)
        elif major > _TEXT:
            around.append((left, is_map))
            is_map = major == _MAP
            left = _items(argument, is_map=is_map, room=end - position, depth=len(around))
        elif major > _NEGATIVE:
            position += argument
            if position > end:
                raise MalformedError("cut off inside a string")
    return position


def _items(argument: int, *, is_map: bool, room: int, depth: int) -> int:
    """Return how many items an array or map has; each takes at least one of the bytes that are left (`room`)."""
    items = 2 * argument if is_map else argument
    if items > room:
        raise MalformedError("cut off inside an array or map")
    if depth > MAX_DEPTH:
        raise MalformedError(f"more than {MAX_DEPTH} levels of arrays and maps")
    return items


def _long_argument(data: bytes, position: int, major: int, info: int) -> tuple[int, int]:
    """Return an argument that stands behind the head's first byte, in its shortest form, and the position after it."""
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
    return argument, position + size


def _check_simple(major: int, argument: int) -> None:
    if major == _TAG:
        raise MalformedError(f"tag {argument} is not allowed here")
    if argument not in _FALSE_TRUE_NULL:
        raise MalformedError("a float or a simple value other than false, true, null")


def _check_key(major: int, argument: int) -> None:
    if major != _TEXT and (major != _UINT or argument > MAX_KEY):
        raise MalformedError("a map key that is neither 0..23 nor text")
