"""The checksum beside each row: SQLite notices a torn page, and not a flipped bit inside a value."""

from __future__ import annotations

import hashlib
from typing import Final

CHECKSUM_BYTES: Final = 8


def checksum(label: bytes, content: bytes) -> bytes:
    """Return the checksum of a record under its key, or of a message under its kind."""
    return hashlib.sha256(label + b"\0" + content).digest()[:CHECKSUM_BYTES]


def position_checksum(case_id: bytes, seq: int, payload: bytes) -> bytes:
    """Return the checksum of a sealed position: a damaged case or number is noticed as well."""
    return checksum(case_id + seq.to_bytes(8, "big", signed=True), payload)
