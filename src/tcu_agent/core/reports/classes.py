"""What becomes of a stored message that the centre does not fetch: the one table of classes and their policy.

Theory: a car may be offline for weeks, and its store is small. Each class has a share of its own, so that no class can
push out another, whoever makes many messages of one. What is given up is replaced by a tombstone with its numbers.

    class      | what is given up when the share is full             | age
    -----------+-----------------------------------------------------+--------------------------
    telemetry  | the oldest                                          | given up after some days
    others     | the middle: how it began and how it stands now stay | never given up
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from tcu_agent.protocol.messages import Event, Result
from tcu_agent.protocol.vocabulary import EventKind


@unique
class OutboxClass(Enum):
    """How much a stored message is worth."""

    ON_CALL = "on-call"
    DEED = "deed"
    """How a grant ended, and what the agent did by itself."""
    SECURITY = "security"
    TELEMETRY = "telemetry"

    @property
    def is_protected(self) -> bool:
        """Whether it is never given up for its age, nor before all telemetry."""
        return self is not OutboxClass.TELEMETRY


CLASS_OF_KIND = {
    EventKind.ON_CALL_PRESSED: OutboxClass.ON_CALL,
    EventKind.CALL_STATE: OutboxClass.ON_CALL,
    EventKind.HANG_UP: OutboxClass.ON_CALL,
    EventKind.BUTTON_FAULT: OutboxClass.ON_CALL,
    EventKind.UNLOCK_ARMED: OutboxClass.DEED,
    EventKind.UNLOCK_DISARMED: OutboxClass.DEED,
    EventKind.RELOCKED: OutboxClass.DEED,
    EventKind.RELOCK_FAILED: OutboxClass.DEED,
    EventKind.RELOCK_CANCELLED: OutboxClass.DEED,
    EventKind.TRACKING_STARTED: OutboxClass.DEED,
    EventKind.TRACKING_ENDED: OutboxClass.DEED,
    EventKind.STATE_CHANGED: OutboxClass.TELEMETRY,
    EventKind.STATE_REPORT: OutboxClass.TELEMETRY,
    EventKind.BUS_STATE: OutboxClass.TELEMETRY,
}
"""Every other kind is `SECURITY`: what nobody has thought about yet is kept. Tombstones are in no class."""


def class_of(message: Result | Event) -> OutboxClass:
    """Return the class of a stored message (not of a tombstone, which is never given up)."""
    if isinstance(message, Result):
        return OutboxClass.DEED
    return CLASS_OF_KIND.get(message.kind, OutboxClass.SECURITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxBounds:
    """How much waits for the centre. Bytes are payload bytes; a tombstone for each gap comes on top."""

    telemetry_bytes: int = 1024 * 1024
    protected_bytes: int = 512 * 1024
    """For each of the three protected classes."""
    telemetry_age_s: float = 7 * 86_400.0
    """By CLOCK_BOOTTIME for what this start of the agent made; by the wall clock, stamped and read while it was
    synchronised, for the rest: whoever sets it wrong costs telemetry, nothing else."""

    def bytes_of(self, of: OutboxClass) -> int:
        """Return the share of a class."""
        return self.protected_bytes if of.is_protected else self.telemetry_bytes
