"""Takes a stream of MQTT apart into packets, and lets PUBLISH packets come late, in another order, and twice.

Source: MQTT 5 (and 3.1.1 alike), 2.1 fixed header, 3.3 PUBLISH.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

PUBLISH = 3
DUP = 0x08


class Packets:
    """Gathers bytes, gives whole packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield each packet that is complete now."""
        self._buffer += chunk
        while (length := _packet_length(self._buffer)) is not None and length <= len(self._buffer):
            yield bytes(self._buffer[:length])
            del self._buffer[:length]


def _packet_length(buffer: bytearray) -> int | None:
    """Return the length of the first packet with its header, or None while that is not known."""
    remaining, shift = 0, 0
    for index, digit in enumerate(buffer[1:5], start=1):
        remaining |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return 1 + index + remaining
    return None


def shuffled(
    rng: Random, *, most_s: float, twice: float
) -> Callable[[], Callable[[bytes], Iterator[tuple[float, bytes]]]]:
    """Return what makes a tampering: each PUBLISH comes up to `most_s` late, and `twice` of them come again, later."""

    def new_connection() -> Callable[[bytes], Iterator[tuple[float, bytes]]]:
        packets = Packets()

        def tamper(chunk: bytes) -> Iterator[tuple[float, bytes]]:
            for packet in packets.feed(chunk):
                if packet[0] >> 4 != PUBLISH:
                    yield 0.0, packet
                    continue
                yield rng.uniform(0, most_s), packet
                if rng.random() < twice:
                    yield most_s + rng.uniform(0, most_s), bytes([packet[0] | DUP]) + packet[1:]

        return tamper

    return new_connection
