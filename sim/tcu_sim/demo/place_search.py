"""Looking for a place in what was published: either coordinate alone, in the encodings that somebody would choose.

Messages are taken apart as CBOR, so that a number is compared as a number: in raw bytes, four of a ciphertext are soon
those of one place among thousands. Any bytes are searched for both coordinates together, and for doubles.
"""

from __future__ import annotations

import base64
import contextlib
import io
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

import cbor2

SAME_E7 = 300
"""Some 3 m, in 1e-7 degree."""
SCALES = (1, 10, 100)
"""Of integers: 1e-7, 1e-6 and 1e-5 degree."""
SMALLEST = 0x10000
"""An integer below could be any counter."""
TIMES = frozenset({7, 8})
"""Keys of an event's times, which pass through the numbers of any place: they are none."""
SMALLEST_DOUBLE, LARGEST_DOUBLE = 0.01, 180.0
SAME_DOUBLE_E7 = 0.01
DEEPEST = 16
"""Levels of arrays, maps, and messages in messages."""
DECIMAL = re.compile(r"-?\d{1,3}\.(\d{3,})|-?\d{5,10}", re.ASCII)
Interval = tuple[float, float]
"""In 1e-7 degree, both ends included."""


def is_in_clear(payload: bytes, positions: Iterable[tuple[int, int]]) -> bool:
    """Whether a coordinate of one of these positions (1e-7 degree, north and east) stands in the payload as it is.

    Found are: an integer of 1e-7, 1e-6 or 1e-5 degree and a float of degrees, as CBOR, to within 3 m; a number of
    degrees in text, with three decimals or more; text that is hex or base64 of such; a double in any bytes; and the
    integers of the protocol wherever both stand together. Not found: a coordinate alone below 0.007 degree.
    """
    known = tuple(positions)
    if stand_together(payload, known):
        return True
    suspects = list(_of_content(payload, DEEPEST))
    for coordinates in zip(*known, strict=True):
        # Few of the numbers in a message are anywhere near, and there may be thousands of positions.
        least, most = min(coordinates), max(coordinates)
        near = [each for each in suspects if each[1] >= least and each[0] <= most]
        if any(
            low <= each <= high
            for low, high in near
            for each in coordinates
            if abs(each) >= SMALLEST
        ):
            return True
    return False


def stand_together(content: bytes, positions: Iterable[tuple[int, int]]) -> bool:
    """Whether both coordinates of a position stand in these bytes as the protocol writes them, to within 3 m.

    Looked for are its integers (CBOR, 32 bit, 1e-7 degree) without their last byte.
    """
    return any(
        _as_protocol(latitude) in content and _as_protocol(longitude) in content
        for latitude, longitude in positions
    )


def _as_protocol(degrees_e7: int) -> bytes:
    head, magnitude = (b"\x3a", -1 - degrees_e7) if degrees_e7 < 0 else (b"\x1a", degrees_e7)
    return head + magnitude.to_bytes(4, "big")[:3]


def _of_content(content: bytes, depth: int) -> Iterator[Interval]:
    """Give where a place would be that some part of the content tells; `depth`: how much further it is taken apart."""
    yield from _of_doubles(content)
    stream = io.BytesIO(content)
    try:
        value = cbor2.load(stream)
    except (cbor2.CBORError, ValueError, EOFError, OverflowError, RecursionError):
        value = None
    if value is None or stream.tell() != len(content):
        yield from _of_decimals(content.decode("latin-1"))
    else:
        yield from _of_value(value, depth)


def _of_value(value: object, depth: int) -> Iterator[Interval]:
    if isinstance(value, float | Decimal):
        yield from _around(float(value) * 1e7, SAME_E7)
    elif isinstance(value, int):
        yield from _of_integer(value)
    elif isinstance(value, str):
        yield from _of_decimals(value)
    if depth:
        for coded in _coded(value):
            yield from _of_content(coded, depth - 1)
        for part in _parts(value):
            yield from _of_value(part, depth - 1)


def _parts(value: object) -> Iterator[object]:
    """Give what a value is made of, but times."""
    match value:
        case Mapping():
            yield from value
            yield from (v for k, v in value.items() if not (k in TIMES and isinstance(v, int)))
        case list() | tuple():
            yield from value
        case cbor2.CBORTag():
            yield value.value
        case _:
            pass


def _of_integer(value: int) -> Iterator[Interval]:
    if abs(value) >= SMALLEST:
        for scale in SCALES:
            yield from _around(value * scale, SAME_E7)


def _of_decimals(text: str) -> Iterator[Interval]:
    for found in DECIMAL.finditer(text):
        if found[1] is None:
            yield from _of_integer(int(found[0]))
        else:
            yield from _around(float(found[0]) * 1e7, SAME_E7 + 10.0 ** (7 - len(found[1])))


def _coded(value: object) -> Iterator[bytes]:
    """Give the bytes that a value is: as it stands, in hex, or in either base64."""
    if isinstance(value, bytes):
        yield value
    if isinstance(value, str):
        for decode in (bytes.fromhex, base64.b64decode, base64.urlsafe_b64decode):
            with contextlib.suppress(ValueError):
                yield decode(value)


def _of_doubles(content: bytes) -> Iterator[Interval]:
    """Give the doubles in any eight bytes; so narrow that no chance hits them."""
    for at in range(len(content) - 7):
        for order in "<>":
            (value,) = struct.unpack_from(f"{order}d", content, at)
            if SMALLEST_DOUBLE < abs(value) <= LARGEST_DOUBLE:
                yield from _around(value * 1e7, SAME_DOUBLE_E7)


def _around(degrees_e7: float, far_e7: float) -> Iterator[Interval]:
    yield degrees_e7 - far_e7, degrees_e7 + far_e7
