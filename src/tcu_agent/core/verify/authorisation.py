"""The types that the actuators take. Only `core.verify` can build the first two, only `core.unlock` the third.

Python has no friend classes: a seal object that is private to this module stands in for one. It does not stop code that
sets out to cheat; it makes every honest path go through the verifier, and a test walks all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.errors import BugError
from tcu_agent.protocol.messages import Common, PositionParameters, UnlockParameters

_VERIFIER = object()
_RELOCKER = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockAuthorisation:
    """A grant for one unlock that passed every rule of `core.verify`.

    `accepted_at`, `expires_at` (end of the challenge's lifetime, shortened by the grant's max-age): CLOCK_BOOTTIME, s.
    """

    common: Common
    parameters: UnlockParameters
    incident_id: bytes
    grant_hash: bytes
    accepted_at: float
    expires_at: float
    seal: object

    def __post_init__(self) -> None:
        """Refuse to exist outside the verifier."""
        if self.seal is not _VERIFIER:
            raise BugError("an UnlockAuthorisation is built by core.verify alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionAuthorisation:
    """A grant for one position case that passed every rule of `core.verify`.

    `accepted_at`, `expires_at` (end of the challenge's lifetime, shortened by the grant's max-age): CLOCK_BOOTTIME, s.
    """

    common: Common
    parameters: PositionParameters
    case_id: bytes
    grant_hash: bytes
    accepted_at: float
    expires_at: float
    seal: object

    def __post_init__(self) -> None:
        """Refuse to exist outside the verifier."""
        if self.seal is not _VERIFIER:
            raise BugError("a PositionAuthorisation is built by core.verify alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelockAuthorisation:
    """Permission to lock again, born of an executed unlock; the lock direction only."""

    request_id: bytes
    seal: object

    def __post_init__(self) -> None:
        """Refuse to exist outside the unlock machine."""
        if self.seal is not _RELOCKER:
            raise BugError("a RelockAuthorisation is born of an executed unlock alone")


def relock_after_unlock(request_id: bytes) -> RelockAuthorisation:
    """Return the permission that an executed unlock gives.

    Callers: `core.unlock` when it settles an unlock as executed, and `core.unlock.relock` when it reads that very
    permission back from durable state.
    """
    return RelockAuthorisation(request_id=request_id, seal=_RELOCKER)


def resume_position(
    *, common: Common, parameters: PositionParameters, case_id: bytes, grant_hash: bytes
) -> PositionAuthorisation:
    """Return the permission for a tracking that was accepted before a restart.

    Caller: `core.position` alone, from the durable record of an accepted grant. The time left is its affair, so the
    permission itself is as old as can be.
    """
    return PositionAuthorisation(
        common=common,
        parameters=parameters,
        case_id=case_id,
        grant_hash=grant_hash,
        accepted_at=float("-inf"),
        expires_at=float("-inf"),
        seal=_VERIFIER,
    )
