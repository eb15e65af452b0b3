"""SecOC of the central locking command, the receiver's side: AES-128-CMAC, freshness, lock-out. No I/O.

A Secured I-PDU here: 4 bytes payload, the low byte of the 32 bit freshness value, 24 bit authenticator, which
covers data id, payload and full freshness value, all big endian. Source: dbc/README.md; AUTOSAR SecOC; RFC 4493.
"""

from __future__ import annotations

import hmac
from enum import Enum, unique
from typing import Final

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from tcu_sim.vehicle.reference import COMMAND_DATA_ID, FRESHNESS_DATA_ID

KEY_BYTES: Final = 16
PAYLOAD_BYTES: Final = 4
SECURED_BYTES: Final = 8
AUTHENTICATOR_BYTES: Final = 3
FRESHNESS_LIMIT: Final = 0xFFFF_FFFF
FRESHNESS_ATTEMPTS: Final = 4
"""Values with the received low byte that are tried: up to 1,023 may be skipped (a sender's block and lost frames)."""
FAILURES_ALLOWED: Final = 3
LOCK_OUT_S: Final = 60.0
"""A 24 bit authenticator is swept in an hour at bus speed; three guesses a minute make that ten years."""


def authenticator(key: bytes, *, data_id: int, payload: bytes, freshness: int) -> bytes:
    """Return the first 24 bit of the CMAC."""
    cmac = CMAC(AES(key))
    cmac.update(data_id.to_bytes(2, "big") + payload + freshness.to_bytes(4, "big"))
    return cmac.finalize()[:AUTHENTICATOR_BYTES]


def secured(key: bytes, *, data_id: int, payload: bytes, freshness: int) -> bytes:
    """Return the 8 bytes of a Secured I-PDU."""
    mac = authenticator(key, data_id=data_id, payload=payload, freshness=freshness)
    return payload + bytes([freshness & 0xFF]) + mac


@unique
class Authentication(Enum):
    """What the receiver thinks of a secured frame."""

    PASSED = "passed"
    FAILED = "failed"
    LOCKED_OUT = "locked-out"


class CommandReceiver:
    """Judges secured commands, and remembers the last freshness value it accepted."""

    def __init__(self, *, key: bytes, last_freshness: int = 0) -> None:
        """`key`: 16 bytes; `last_freshness`: the last accepted full value."""
        self.last_freshness = last_freshness
        self._key = key
        self._failures = 0
        self._locked_out_until: float | None = None

    def judge(self, data: bytes, *, now: float) -> Authentication:
        """Judge 8 bytes; a passed one makes its freshness value the last accepted."""
        if self.is_locked_out(now):
            return Authentication.LOCKED_OUT
        for freshness in self._candidates(data[PAYLOAD_BYTES]):
            if self._fits(data, freshness):
                self.last_freshness = freshness
                self._failures = 0
                return Authentication.PASSED
        self._failures += 1
        if self._failures >= FAILURES_ALLOWED:
            self._locked_out_until = now + LOCK_OUT_S
            self._failures = 0
        return Authentication.FAILED

    def is_locked_out(self, now: float) -> bool:
        """Whether commands are ignored for now."""
        return self._locked_out_until is not None and now < self._locked_out_until

    def resync(self) -> bytes:
        """Return the payload bytes of SecocFreshness: the last accepted value, secured with itself."""
        return secured(
            self._key,
            data_id=FRESHNESS_DATA_ID,
            payload=self.last_freshness.to_bytes(PAYLOAD_BYTES, "big"),
            freshness=self.last_freshness,
        )

    def _candidates(self, low_byte: int) -> list[int]:
        first = self.last_freshness + 1 + (low_byte - self.last_freshness - 1) % 256
        candidates = (first + 256 * step for step in range(FRESHNESS_ATTEMPTS))
        return [value for value in candidates if value <= FRESHNESS_LIMIT]

    def _fits(self, data: bytes, freshness: int) -> bool:
        expected = authenticator(
            self._key, data_id=COMMAND_DATA_ID, payload=data[:PAYLOAD_BYTES], freshness=freshness
        )
        return hmac.compare_digest(expected, data[PAYLOAD_BYTES + 1 :])
