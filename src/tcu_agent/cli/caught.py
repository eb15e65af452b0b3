"""Bytes as a person has them at hand: hex, base64, raw, or what mosquitto_sub prints, line by line.

`mosquitto_sub -F %x` gives hex, `-F '%t %x'` hex behind the topic, no `-F` the raw bytes.
"""

from __future__ import annotations

import base64
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from tcu_agent.errors import BadInput

_PRINTABLE = frozenset(string.printable.encode())
_RAW_LIMIT = (
    70_000  # above a trust container's limit, so that the decoder gets to say that it is too large
)
_LINE_LIMIT = 3 * _RAW_LIMIT
"""Of a text: the same in hex, behind the longest topic."""


@dataclass(frozen=True, slots=True)
class Caught:
    """One message as it was caught; `topic` where it was caught with one, `where` for complaints."""

    data: bytes
    where: str
    topic: str | None = None


def from_text(text: str, *, where: str) -> Caught:
    """Return the message in ``[topic] hex-or-base64``.

    Raises:
        BadInput: neither hex nor base64.
    """
    head, *tail = text.split(maxsplit=1)
    topic, coded = (head, tail[0]) if tail and "/" in head else (None, text)
    packed = "".join(coded.split())
    data = _hex(packed) or _base64(packed)
    if data is None:
        hint = "caught with: mosquitto_sub -t 'tcu/v1/#' -F '%t %x'"
        raise BadInput("neither hex nor base64", where=where, hint=hint)
    return Caught(data, where, topic)


def from_stream(stream: BinaryIO, *, where: str) -> Iterator[Caught]:
    """Yield what a file or pipe holds: raw bytes are one message, of a text each line is one.

    Lines are yielded as they come, so that a live mosquitto_sub can be piped in.

    Raises:
        BadInput: there is nothing, or a line is neither hex nor base64.
    """
    first = stream.readline(_LINE_LIMIT)
    if not first:
        raise BadInput("there is nothing in it", where=where)
    if not _PRINTABLE.issuperset(first):
        yield Caught(first + stream.read(_RAW_LIMIT), where)
        return
    rest = iter(lambda: stream.readline(_LINE_LIMIT), b"")
    yield from _from_lines(chain([first], rest), where)


def _from_lines(lines: Iterable[bytes], where: str) -> Iterator[Caught]:
    for number, line in enumerate(lines, start=1):
        if len(line) >= _LINE_LIMIT:
            raise BadInput("a line too long for any message", where=f"{where}, line {number}")
        text = line.decode("ascii", errors="replace").strip()
        if text:
            yield from_text(text, where=f"{where}, line {number}")


def _hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return None


def _base64(text: str) -> bytes | None:
    standard = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except ValueError:  # also what is no ASCII, which is no binascii.Error
        return None
