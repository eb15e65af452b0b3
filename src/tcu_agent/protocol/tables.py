"""docs/protocol.cddl as tables, field by field, with the conditions that stand there as comments.

The order within a table is the order of the keys; a complaint begins with the name of the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from tcu_agent.protocol import messages as m
from tcu_agent.protocol.cbor import MESSAGE_LIMIT, CborValue
from tcu_agent.protocol.cose import EDDSA, ES256, KEY_LENGTHS, KID_LENGTH, kid_of
from tcu_agent.protocol.schema import (
    AnyOf,
    Bool,
    Bytes,
    Field,
    Int,
    Kind,
    ListOf,
    MapOf,
    OneOf,
    Table,
    Text,
)
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

NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
NAME = Text(1, 32, NAME_CHARACTERS)
ID16, ID8, HASH = Bytes(16), Bytes(8), Bytes(32)
KID = Bytes(KID_LENGTH)
UINT32, UINT53 = Int(0, 2**32 - 1), Int(0, 2**53 - 1)
SIGNED = Bytes(1, MESSAGE_LIMIT)
"""A whole message inside another: its shape is checked when it is verified."""
LOCKS = 5  # front left, front right, rear left, rear right, tailgate

VEHICLE_ID = Field(0, "vehicle_id", NAME)
SERVICE = Field(1, "service", OneOf(Service))
REQUEST_ID = Field(2, "request_id", ID16)
BOOT_ID = Field(4, "boot_id", ID8)
COMMON = (VEHICLE_ID, SERVICE, REQUEST_ID, Field(3, "nonce", ID16), BOOT_ID)


def _unlock_rule(it: m.UnlockParameters) -> str | None:
    if (it.mode is UnlockMode.ARMED) != (it.window_s is not None):
        return "window_s: belongs to mode armed, and there it must be"
    return None


def _position_rule(it: m.PositionParameters) -> str | None:
    tracking = it.kind is PositionKind.TRACKING
    if tracking != (it.interval_s is not None) or tracking != (it.duration_s is not None):
        return "interval_s, duration_s: belong to tracking, and there both must be"
    return None


NO_PARAMETERS = Table(m.NoParameters, "none", ())
UNLOCK_PARAMETERS = Table(
    m.UnlockParameters,
    "unlock",
    (Field(0, "mode", OneOf(UnlockMode)), Field(1, "window_s", Int(10, 1800), optional=True)),
    rule=_unlock_rule,
)
POSITION_PARAMETERS = Table(
    m.PositionParameters,
    "position",
    (
        Field(0, "kind", OneOf(PositionKind)),
        Field(1, "interval_s", Int(5, 3600), optional=True),
        Field(2, "duration_s", Int(10, 604_800), optional=True),
    ),
    rule=_position_rule,
)
USER_PARAMETERS = Table(m.UserParameters, "user", (Field(0, "user_id", NAME),))

PARAMETERS_OF: dict[Service, Kind] = {
    Service.STATE: NO_PARAMETERS,
    Service.APP_LINK: USER_PARAMETERS,
    Service.UNLOCK: UNLOCK_PARAMETERS,
    Service.POSITION: POSITION_PARAMETERS,
    Service.ADD_USER: USER_PARAMETERS,
    Service.END_SUBSCRIPTION: NO_PARAMETERS,
}


class _ParametersOfService:
    """What the parameters must be, the service says, which stands before them in every message."""

    def read(self, value: CborValue, earlier: Mapping[str, object]) -> object:
        """See `schema.Kind`."""
        service = cast("Service", earlier["service"])
        return PARAMETERS_OF[service].read(value, earlier)


PARAMETERS = Field(7, "parameters", _ParametersOfService())

REQUEST = Table(
    m.Request,
    "request",
    (
        VEHICLE_ID,
        SERVICE,
        REQUEST_ID,
        Field(5, "seq", UINT53),
        Field(6, "incident_id", ID16),
        PARAMETERS,
    ),
)
EVIDENCE = Table(
    m.Evidence,
    "evidence",
    (
        *COMMON,
        Field(5, "challenge_hash", HASH),
        Field(6, "pin_session_id", ID16),
        Field(7, "pin_age_s", UINT32),
    ),
    has_common=True,
)
APPROVAL = Table(
    m.Approval,
    "approval",
    (*COMMON, Field(5, "challenge_hash", HASH), Field(6, "case_id", ID16)),
    has_common=True,
)


def _grant_rule(it: m.Grant) -> str | None:
    # That it is missing where it must be is a refusal with a reason of its own (core.verify).
    if it.approval is not None and it.common.service is not Service.POSITION:
        return "approval: belongs to service position"
    return None


GRANT = Table(
    m.Grant,
    "grant",
    (
        *COMMON,
        Field(5, "evidence", SIGNED),
        Field(6, "approval", SIGNED, optional=True),
        PARAMETERS,
        Field(8, "max_age_s", Int(1, 120)),
    ),
    has_common=True,
    rule=_grant_rule,
)
CALL = Table(
    m.Call,
    "call",
    (
        VEHICLE_ID,
        BOOT_ID,
        Field(5, "incident_id", ID16),
        Field(6, "seq", UINT32),
        Field(
            7,
            "state",
            OneOf(
                CallState,
                (CallState.RINGING, CallState.CONNECTED, CallState.ENDED, CallState.FAILED),
            ),
        ),
    ),
)
ACK = Table(m.Ack, "ack", (VEHICLE_ID, Field(5, "seq", UINT53), Field(6, "stream_id", ID8)))
POSITION_ACK = Table(
    m.PositionAck,
    "position-ack",
    (VEHICLE_ID, Field(5, "case_id", ID16), Field(6, "seq", UINT32), Field(7, "stream_id", ID8)),
)
CASE_END = Table(m.CaseEnd, "case-end", (VEHICLE_ID, Field(5, "case_id", ID16)))
ACCOUNT = Table(
    m.Account,
    "account",
    (
        VEHICLE_ID,
        Field(5, "version", UINT53),
        Field(6, "ownership_generation", UINT32),
        Field(7, "pin_generation", UINT32),
        Field(8, "users", ListOf(NAME, 0, 16, is_sorted=True)),
        Field(9, "subscription_active", Bool()),
        Field(10, "evidence", SIGNED, optional=True),
        Field(11, "epoch", UINT32),
    ),
)


def _key_rule(it: m.KeyRecord) -> str | None:
    if KEY_LENGTHS[it.alg] != len(it.public_key):
        return "public_key: its length is another algorithm's"
    if it.kid != kid_of(it.public_key):
        return "kid: not the hash of the key"
    if (it.role is Role.THEFT_DESK) != (it.hpke_public_key is not None):
        return "hpke_public_key: belongs to the theft desk, and there it must be"
    return None


KEY_RECORD = Table(
    m.KeyRecord,
    "key",
    (
        Field(0, "kid", KID),
        Field(1, "role", OneOf(Role)),
        Field(2, "alg", Int(EDDSA, ES256)),
        Field(3, "public_key", Bytes(32, 33)),
        Field(4, "hpke_public_key", Bytes(32), optional=True),
    ),
    rule=_key_rule,
)


def _trust_rule(it: m.Trust) -> str | None:
    if len({key.kid for key in it.keys}) != len(it.keys):
        return "keys: a kid twice"
    return None


TRUST = Table(
    m.Trust,
    "trust",
    (
        Field(5, "version", UINT53),
        Field(6, "epoch", UINT32),
        Field(7, "keys", ListOf(KEY_RECORD, 1, 32)),
        Field(8, "revoked", ListOf(KID, 0, 32)),
        Field(9, "issued_s", UINT53),
    ),
    rule=_trust_rule,
)
CHALLENGE = Table(
    m.Challenge,
    "challenge",
    (
        *COMMON,
        Field(5, "request_hash", HASH),
        Field(6, "trust_version", UINT53),
        Field(7, "trust_epoch", UINT32),
        Field(8, "account_version", UINT53),
        Field(9, "ownership_generation", UINT32),
        Field(10, "pin_generation", UINT32),
        Field(11, "ttl_s", Int(1, 120)),
    ),
    has_common=True,
)
REFUSAL = Table(
    m.Refusal,
    "refusal",
    (
        VEHICLE_ID,
        Field(2, "request_id", ID16, optional=True),
        BOOT_ID,
        Field(5, "reason", OneOf(Reason)),
    ),
)
RESULT = Table(
    m.Result,
    "result",
    (
        *COMMON,
        Field(5, "outcome", OneOf(Outcome)),
        Field(6, "reason", OneOf(Reason)),
        Field(7, "grant_hash", HASH),
        Field(8, "locks", MapOf(Int(0, LOCKS - 1), OneOf(LockState))),
        Field(9, "relock", OneOf(Relock)),
        Field(10, "seq", UINT53),
        Field(11, "stream_id", ID8),
    ),
    has_common=True,
)


def _event_rule(it: m.Event) -> str | None:
    tombstone = it.kind is EventKind.TOMBSTONE
    if tombstone != (it.first_seq is not None) or tombstone != (it.last_seq is not None):
        return "first_seq, last_seq: belong to a tombstone, and there both must be"
    if it.first_seq is not None and it.last_seq is not None and it.first_seq > it.last_seq:
        return "first_seq: above last_seq"
    return None


VSS_PATH = Text(1, 96, never=m.PLACES)
VSS_VALUE = AnyOf({bool: Bool(), int: Int(), str: Text(0, 64)})
EVENT = Table(
    m.Event,
    "event",
    (
        VEHICLE_ID,
        Field(2, "request_id", ID16, optional=True),
        BOOT_ID,
        Field(5, "kind", OneOf(EventKind)),
        Field(6, "seq", UINT53),
        Field(7, "boot_time_ms", UINT53),
        Field(8, "wall_time_ms", UINT53),
        Field(9, "values", MapOf(VSS_PATH, VSS_VALUE)),
        Field(10, "incident_id", ID16, optional=True),
        Field(11, "first_seq", UINT53, optional=True),
        Field(12, "last_seq", UINT53, optional=True),
        Field(13, "stream_id", ID8),
        Field(14, "reason", OneOf(Reason)),
    ),
    rule=_event_rule,
)


def _sealed_rule(it: m.Position) -> str | None:
    if (it.request_id is not None) != (it.sealed is not None):
        return "request_id, sealed: both, or neither where positions are lost"
    return None


POSITION = Table(
    m.Position,
    "position",
    (
        VEHICLE_ID,
        Field(2, "request_id", ID16, optional=True),
        Field(5, "case_id", ID16),
        Field(6, "seq", Int(1, UINT32.high)),
        Field(7, "sealed", Bytes(48, 512), optional=True),
        Field(8, "stream_id", ID8),
    ),
    rule=_sealed_rule,
)


def _fix_rule(it: m.Fix) -> str | None:
    found = it.quality is not FixQuality.NONE
    if found != (it.latitude_e7 is not None) or found != (it.longitude_e7 is not None):
        return "latitude_e7, longitude_e7: both, or quality none"
    return None


FIX = Table(
    m.Fix,
    "fix",
    (
        Field(0, "quality", OneOf(FixQuality)),
        Field(1, "wall_time_ms", UINT53),
        Field(2, "latitude_e7", Int(-900_000_000, 900_000_000), optional=True),
        Field(3, "longitude_e7", Int(-1_800_000_000, 1_800_000_000), optional=True),
        Field(4, "age_ms", UINT32, optional=True),
        Field(5, "accuracy_cm", UINT32, optional=True),
        Field(6, "heading_ddeg", Int(0, 3599), optional=True),
        Field(7, "speed_ckmh", UINT32, optional=True),
    ),
    rule=_fix_rule,
)


def _availability_rule(it: m.Availability) -> str | None:
    if it.asleep_until_s is not None and it.presence is not Presence.ASLEEP:
        return "asleep_until_s: belongs to presence asleep"
    return None


AVAILABILITY = Table(
    m.Availability,
    "availability",
    (
        VEHICLE_ID,
        BOOT_ID,
        Field(5, "connection", UINT32),
        Field(6, "presence", OneOf(Presence)),
        Field(7, "asleep_until_s", UINT53, optional=True),
    ),
    rule=_availability_rule,
)
