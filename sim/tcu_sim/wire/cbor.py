"""Deterministic CBOR, and a scanner that refuses everything else before a decoder sees it.

The scanner walks the heads of the items without recursion: definite lengths, shortest heads, tag 18
in front alone, the simple values false, true and null, at most four levels, no byte left over.
Re-encoding must then give the same bytes, which shuts out doubled and unsorted keys. Source: RFC
8949, 4.2.1.
"""

from __future__ import annotations

import cbor2

from tcu_sim.wire.errors import WireError

LONGEST_MESSAGE_BYTES = 8192
LONGEST_CONTAINER_BYTES = 65536
"""Source: docs/protocol.md, "Encoding"."""
DEEPEST = 4
_SIGN1_TAG_HEAD = 0xD2
_SIMPLE = frozenset({0xF4, 0xF5, 0xF6})  # false, true, null


def encode(value: object) -> bytes:
    """Return the deterministic encoding of `value`."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, *, longest: int = LONGEST_MESSAGE_BYTES) -> object:
    """Return the one item in `data`; a leading tag 18 is not part of what is returned.

    Raises:
        WireError: too long, or not the deterministic encoding of plain data.
    """
    if len(data) > longest:
        raise WireError(f"{len(data)} bytes are more than {longest}")
    _scan(data)
    try:
        value: object = cbor2.loads(data)
    except (cbor2.CBORError, ValueError) as error:
        raise WireError("no CBOR") from error
    if encode(value) != data:
        raise WireError("not the deterministic encoding")
    return value.value if isinstance(value, cbor2.CBORTag) else value


def _scan(data: bytes) -> None:
    position = 1 if data[:1] == bytes([_SIGN1_TAG_HEAD]) else 0
    open_items = [1]  # how many items are still to come on each level
    while open_items:
        if open_items[-1] == 0:
            open_items.pop()
            continue
        open_items[-1] -= 1
        major, argument, position = _head(data, position)
        if major in {2, 3}:
            position += argument
        elif major in {4, 5}:
            open_items.append(argument * (major - 3))
        if position > len(data) or len(open_items) > DEEPEST + 1:
            raise WireError("cut off" if position > len(data) else "nested too deeply")
    if position != len(data):
        raise WireError("bytes left over")


def _head(data: bytes, position: int) -> tuple[int, int, int]:
    """Return major type, argument and the position behind the head."""
    if position >= len(data):
        raise WireError("cut off")
    initial = data[position]
    major, info = initial >> 5, initial & 0x1F
    if major == 6 or (major == 7 and initial not in _SIMPLE) or info > 27:
        raise WireError("an item that the protocol does not use")
    if info < 24:
        return major, info, position + 1
    size = 1 << (info - 24)
    raw = data[position + 1 : position + 1 + size]
    argument = int.from_bytes(raw, "big")
    if len(raw) < size or argument < (24 if size == 1 else 1 << (4 * size)):
        raise WireError("a head that is cut off or longer than needed")
    return major, argument, position + 1 + size
