"""SecOC: the authenticator of a Secured I-PDU, and the sender's freshness value.

    CMAC input   data id (2 bytes, big endian) || payload || full freshness value (4 bytes, big endian)
    on the bus   payload || low bits of the freshness value || first bits of the CMAC

Source: AUTOSAR CP SWS SecureOnboardCommunication (truncated freshness and authenticator); NIST SP 800-38B (AES-CMAC);
dbc/README.md, "SecOC".
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from tcu_agent.adapters.mapping.mapping import SecocProtection
from tcu_agent.errors import StorageError

KEY_BYTES = 16
FRESHNESS_BYTES = 4
LARGEST_FRESHNESS = (1 << 8 * FRESHNESS_BYTES) - 1
RESERVED_BLOCK = 64
"""Values reserved by one durable write. Small enough that a receiver which sees 8 bits follows several lost blocks."""


class FreshnessStore(Protocol):
    """Durable upper end of the freshness values that may have been used, for one secured message."""

    def load(self) -> int:
        """Return the highest value ever reserved, 0 at first.

        Raises:
            StorageError: unreadable (then nothing is sent).
        """

    def reserve(self, up_to: int) -> None:
        """Make durable that values up to `up_to` may be used from now on; on the disk when it returns.

        Raises:
            StorageError: not durable (then nothing is sent).
        """


def authenticator(key: bytes, *, data_id: int, payload: bytes, freshness_value: int) -> bytes:
    """Return the whole 16-byte CMAC. `key`: 16 bytes."""
    cmac = _keyed(key).copy()
    cmac.update(
        data_id.to_bytes(2, "big") + payload + freshness_value.to_bytes(FRESHNESS_BYTES, "big")
    )
    return cmac.finalize()


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> CMAC:
    """Return a CMAC with nothing in it yet, to be copied: the key's own part is a good half of the work."""
    return CMAC(AES(key))


def secure(frame: bytes, protection: SecocProtection, key: bytes, freshness_value: int) -> bytes:
    """Return the frame with its last bytes replaced by freshness value and authenticator."""
    payload = frame[: len(frame) - protection.trailer_bytes]
    cmac = authenticator(
        key, data_id=protection.data_id, payload=payload, freshness_value=freshness_value
    )
    truncated = freshness_value.to_bytes(FRESHNESS_BYTES, "big")[-protection.freshness_bits // 8 :]
    return payload + truncated + cmac[: protection.mac_bits // 8]


def is_authentic(
    frame: bytes, protection: SecocProtection, key: bytes, freshness_value: int
) -> bool:
    """Return whether the frame's end is what `secure` makes of its payload with this full freshness value."""
    return hmac.compare_digest(secure(frame, protection, key, freshness_value), frame)


class FreshnessCounter:
    """Gives each freshness value once, through restarts; only ever goes up.

    Nothing is reserved before the first use after a start, so restarts alone do not move it on.
    """

    def __init__(self, store: FreshnessStore) -> None:
        self._store = store
        self._last: int | None = None
        self._reserved = 0

    def next(self) -> int:
        """Return the next value.

        Raises:
            StorageError: it could not be made durable, or the values are used up.
        """
        last = self._start() if self._last is None else self._last
        if last >= LARGEST_FRESHNESS:
            raise StorageError(
                "the freshness values of a secured message are used up: its key must be replaced"
            )
        if last >= self._reserved:
            up_to = min(last + RESERVED_BLOCK, LARGEST_FRESHNESS)
            self._store.reserve(up_to)
            self._reserved = up_to
        self._last = last + 1
        return self._last

    def accepted_by_receiver(self, value: int) -> None:
        """Take an authentic resynchronisation message: values up to `value` are used up, whoever used them.

        An older value changes nothing: a repeated message cannot turn the counter back.

        Raises:
            StorageError: the stored value could not be read.
        """
        last = self._start() if self._last is None else self._last
        if value > last:
            self._last = value

    def _start(self) -> int:
        self._last = self._reserved = self._store.load()
        return self._last
