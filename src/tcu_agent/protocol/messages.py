"""Every message of the protocol as a frozen value, field by field as docs/protocol.cddl has it.

Values only: how they become bytes is `codec`, who may say them is `verify`. All byte fields have the length
that the CDDL gives; all times are seconds unless the name ends in ``_ms``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tcu_agent.errors import BugError
from tcu_agent.protocol.vocabulary import (
    CallState,
    EventKind,
    FixQuality,
    LockState,
    Outcome,
    PositionKind,
    Presence,
    Reason,
    Relock,
    Role,
    Service,
    UnlockMode,
)

VssValue = bool | int | str | None
"""A VSS value in an event; None is "unknown"."""
PLACES = "Vehicle.CurrentLocation"
"""What the path of everything that tells where the car is begins with: no event can hold it."""


@dataclass(frozen=True, slots=True)
class NoParameters:
    """Parameters of state and end-subscription."""


@dataclass(frozen=True, slots=True)
class UnlockParameters:
    """Unlock; `window_s` (10..1800) only in armed mode."""

    mode: UnlockMode
    window_s: int | None = None


@dataclass(frozen=True, slots=True)
class PositionParameters:
    """Position; `interval_s` (5..3600) and `duration_s` (10..604800) only for tracking."""

    kind: PositionKind
    interval_s: int | None = None
    duration_s: int | None = None


@dataclass(frozen=True, slots=True)
class UserParameters:
    """App-link and add-user: the opaque user id to add."""

    user_id: str


Parameters = NoParameters | UnlockParameters | PositionParameters | UserParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The five fields that tie challenge, evidence, approval, grant and result together."""

    vehicle_id: str
    service: Service
    request_id: bytes
    nonce: bytes
    boot_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The command service asks for a challenge."""

    vehicle_id: str
    service: Service
    request_id: bytes
    seq: int
    incident_id: bytes
    parameters: Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """The vehicle's answer to a request; what it has learnt so far, and how long it will wait."""

    common: Common
    request_hash: bytes
    trust_version: int
    trust_epoch: int
    account_version: int
    ownership_generation: int
    pin_generation: int
    ttl_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The vehicle will not go on, and why."""

    vehicle_id: str
    boot_id: bytes
    reason: Reason
    request_id: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The PIN authority: a PIN check for exactly this request succeeded."""

    common: Common
    challenge_hash: bytes
    pin_session_id: bytes
    pin_age_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The theft desk: this position request belongs to an open theft case."""

    common: Common
    challenge_hash: bytes
    case_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The command service: do it, once. Evidence and approval are whole signed messages."""

    common: Common
    evidence: bytes
    parameters: Parameters
    max_age_s: int
    approval: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a grant, as the car's own signals showed it."""

    common: Common
    outcome: Outcome
    reason: Reason
    grant_hash: bytes
    locks: Mapping[int, LockState]
    relock: Relock
    seq: int
    stream_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One sealed fix; without request id and fix: nothing up to `seq` is left, what the desk lacks of it is lost."""

    vehicle_id: str
    case_id: bytes
    seq: int
    stream_id: bytes
    request_id: bytes | None = None
    sealed: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What is inside a sealed position. Never put into a log, an event or an error."""

    quality: FixQuality
    wall_time_ms: int = 0
    latitude_e7: int | None = field(default=None, repr=False)
    longitude_e7: int | None = field(default=None, repr=False)
    age_ms: int | None = None
    accuracy_cm: int | None = None
    heading_ddeg: int | None = None
    speed_ckmh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened in the car. Where the car is, no event says: a position leaves it only sealed.

    Raises:
        BugError: a path of `values` begins with `PLACES`.
    """

    vehicle_id: str
    boot_id: bytes
    kind: EventKind
    seq: int
    boot_time_ms: int
    wall_time_ms: int
    stream_id: bytes
    values: Mapping[str, VssValue] = field(default_factory=dict)
    reason: Reason = Reason.NONE
    request_id: bytes | None = None
    incident_id: bytes | None = None
    first_seq: int | None = None
    last_seq: int | None = None

    def __post_init__(self) -> None:
        """Refuse a place."""
        if any(path.startswith(PLACES) for path in self.values):
            raise BugError("a place in an event, which everybody on the way can read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """The centre has stored results and events up to `seq` without a gap."""

    vehicle_id: str
    seq: int
    stream_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionAck:
    """The theft desk has stored the positions of a case up to `seq` of this stream."""

    vehicle_id: str
    case_id: bytes
    seq: int
    stream_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Call control for one incident."""

    vehicle_id: str
    boot_id: bytes
    incident_id: bytes
    seq: int
    state: CallState


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEnd:
    """A theft case is over: stop tracking."""

    vehicle_id: str
    case_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Ownership, PIN generation, app users and subscription, as the account service has them."""

    vehicle_id: str
    version: int
    epoch: int
    ownership_generation: int
    pin_generation: int
    users: tuple[str, ...]
    subscription_active: bool
    evidence: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One key of the trust bundle."""

    kid: bytes
    role: Role
    alg: int
    public_key: bytes
    hpke_public_key: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The trust bundle: who may say what."""

    version: int
    epoch: int
    keys: tuple[KeyRecord, ...]
    revoked: tuple[bytes, ...]
    issued_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether the vehicle can be reached; also the will."""

    vehicle_id: str
    boot_id: bytes
    connection: int
    presence: Presence
    asleep_until_s: int | None = None


Message = (
    Request
    | Grant
    | Call
    | Ack
    | Evidence
    | Approval
    | PositionAck
    | CaseEnd
    | Account
    | Trust
    | Challenge
    | Refusal
    | Result
    | Event
    | Position
    | Availability
)
