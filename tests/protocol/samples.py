"""One message of every kind and variant, and strategies that make any message within its ranges.

Written from docs/protocol.cddl, not from the agent's tables: what they disagree on shows.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tcu_agent.protocol.messages import (
    Account,
    Ack,
    Approval,
    Availability,
    Call,
    CaseEnd,
    Challenge,
    Common,
    Event,
    Evidence,
    Fix,
    Grant,
    KeyRecord,
    Message,
    NoParameters,
    Parameters,
    Position,
    PositionAck,
    PositionParameters,
    Refusal,
    Request,
    Result,
    Trust,
    UnlockParameters,
    UserParameters,
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
from tests.protocol.signing import (
    ARMED,
    BOOT_ID,
    DIRECT,
    STREAM_ID,
    TRACKING,
    VEHICLE_ID,
    Centre,
    Party,
    account_state,
    id16,
    sign,
    trust_bundle,
)

HASH = bytes(range(32))


def common(service: Service = Service.UNLOCK) -> Common:
    """Return the common fields of a request with a challenge."""
    return Common(
        vehicle_id=VEHICLE_ID,
        service=service,
        request_id=id16("request"),
        nonce=id16("nonce"),
        boot_id=BOOT_ID,
    )


def challenge(service: Service = Service.UNLOCK) -> Challenge:
    """Return a challenge for a service."""
    return Challenge(
        common=common(service),
        request_hash=HASH,
        trust_version=1,
        trust_epoch=1,
        account_version=7,
        ownership_generation=2,
        pin_generation=3,
        ttl_s=30,
    )


def _event(kind: EventKind, **more: Any) -> Event:
    return Event(
        vehicle_id=VEHICLE_ID,
        boot_id=BOOT_ID,
        kind=kind,
        seq=5,
        boot_time_ms=1_000,
        wall_time_ms=1_790_000_000_000,
        stream_id=STREAM_ID,
        values={}
        if more
        else {"Vehicle.Speed": -3, "Vehicle.A": True, "Vehicle.B": None, "Vehicle.C": "x"},
        request_id=id16("request"),
        incident_id=id16("incident or case"),
        **more,
    )


_CENTRE = Centre()
SAMPLES: dict[str, Message] = {
    **{f"request {service.name}": _CENTRE.request(service) for service in Service},
    "request armed": _CENTRE.request(Service.UNLOCK, parameters=ARMED),
    "request tracking": _CENTRE.request(Service.POSITION, parameters=TRACKING),
    "challenge": challenge(),
    "evidence": _CENTRE.evidence(challenge()),
    "approval": _CENTRE.approval(challenge(Service.POSITION)),
    "grant unlock": _CENTRE.grant(challenge(), DIRECT),
    "grant position": _CENTRE.grant(challenge(Service.POSITION), TRACKING),
    "call": _CENTRE.call(CallState.CONNECTED, 1),
    "ack": _CENTRE.ack(9),
    "position-ack": _CENTRE.position_ack(3),
    "case-end": _CENTRE.case_end(),
    "account": account_state(users=("user-1", "user-2")),
    "account with evidence": account_state(
        evidence=sign(_CENTRE.evidence(challenge(Service.ADD_USER)))
    ),
    "trust": trust_bundle(revoked=(bytes(8),)),
    "refusal": Refusal(vehicle_id=VEHICLE_ID, boot_id=BOOT_ID, reason=Reason.TOO_LARGE),
    "refusal of a request": Refusal(
        vehicle_id=VEHICLE_ID, boot_id=BOOT_ID, reason=Reason.BUSY, request_id=id16("request")
    ),
    "result": Result(
        common=common(),
        outcome=Outcome.EXECUTED,
        reason=Reason.NONE,
        grant_hash=HASH,
        locks={0: LockState.UNLOCKED, 4: LockState.UNKNOWN},
        relock=Relock.AGENT,
        seq=6,
        stream_id=STREAM_ID,
    ),
    "event": _event(EventKind.STATE_CHANGED),
    "tombstone": _event(EventKind.TOMBSTONE, first_seq=3, last_seq=4),
    "position": Position(
        vehicle_id=VEHICLE_ID,
        request_id=id16("request"),
        case_id=id16("incident or case"),
        seq=1,
        stream_id=STREAM_ID,
        sealed=bytes(64),
    ),
    "position, lost": Position(
        vehicle_id=VEHICLE_ID, case_id=id16("incident or case"), seq=1, stream_id=STREAM_ID
    ),
    "availability online": Availability(
        vehicle_id=VEHICLE_ID, boot_id=BOOT_ID, connection=1, presence=Presence.ONLINE
    ),
    "availability asleep": Availability(
        vehicle_id=VEHICLE_ID,
        boot_id=BOOT_ID,
        connection=2,
        presence=Presence.ASLEEP,
        asleep_until_s=1_790_003_600,
    ),
}

NAME = st.text("ABCXYZabcxyz0189_-", min_size=1, max_size=32)
ID16, ID8, HASHES = (
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=32, max_size=32),
)
UINT32, UINT53 = st.integers(0, 2**32 - 1), st.integers(0, 2**53 - 1)
SIGNED = st.binary(min_size=1, max_size=300)
USER = st.builds(UserParameters, NAME)
NOTHING = st.just(NoParameters())
PARAMETERS: dict[Service, st.SearchStrategy[Parameters]] = {
    Service.STATE: NOTHING,
    Service.APP_LINK: USER,
    Service.UNLOCK: st.just(DIRECT)
    | st.builds(UnlockParameters, st.just(UnlockMode.ARMED), st.integers(10, 1800)),
    Service.POSITION: st.just(PositionParameters(PositionKind.SNAPSHOT))
    | st.builds(
        PositionParameters,
        st.just(PositionKind.TRACKING),
        st.integers(5, 3600),
        st.integers(10, 604_800),
    ),
    Service.ADD_USER: USER,
    Service.END_SUBSCRIPTION: NOTHING,
}
VALUES = st.dictionaries(
    st.text(st.characters(codec="ascii"), min_size=1, max_size=96),
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=16),
    max_size=5,
)


def commons(service: Service) -> st.SearchStrategy[Common]:
    """Return any common fields of a service."""
    return st.builds(
        Common, vehicle_id=NAME, service=st.just(service), request_id=ID16, nonce=ID16, boot_id=ID8
    )


ANY_COMMON = st.sampled_from(Service).flatmap(commons)


def _requests(service: Service) -> st.SearchStrategy[Request]:
    return st.builds(
        Request,
        vehicle_id=NAME,
        service=st.just(service),
        request_id=ID16,
        seq=UINT53,
        incident_id=ID16,
        parameters=PARAMETERS[service],
    )


def _grants(service: Service) -> st.SearchStrategy[Grant]:
    return st.builds(
        Grant,
        common=commons(service),
        evidence=SIGNED,
        parameters=PARAMETERS[service],
        max_age_s=st.integers(1, 120),
        approval=st.none() | SIGNED if service is Service.POSITION else st.none(),
    )


def _events(kind: EventKind) -> st.SearchStrategy[Event]:
    tombstone = kind is EventKind.TOMBSTONE
    return st.builds(
        Event,
        vehicle_id=NAME,
        boot_id=ID8,
        kind=st.just(kind),
        seq=UINT53,
        boot_time_ms=UINT53,
        wall_time_ms=UINT53,
        stream_id=ID8,
        values=VALUES,
        reason=st.sampled_from(Reason),
        request_id=st.none() | ID16,
        incident_id=st.none() | ID16,
        first_seq=st.integers(0, 1000) if tombstone else st.none(),
        last_seq=st.integers(1000, 2**53 - 1) if tombstone else st.none(),
    )


def _availabilities(presence: Presence) -> st.SearchStrategy[Availability]:
    asleep = presence is Presence.ASLEEP
    return st.builds(
        Availability,
        vehicle_id=NAME,
        boot_id=ID8,
        connection=UINT32,
        presence=st.just(presence),
        asleep_until_s=st.none() | UINT53 if asleep else st.none(),
    )


def _key_record(name: str, role: Role, alg: int) -> KeyRecord:
    return Party(name, alg, role).key_record()


KEYS = st.builds(
    _key_record,
    st.sampled_from(["a", "b", "c", "d", "e", "f"]),
    st.sampled_from(Role),
    st.sampled_from([-7, -8]),
)
ANY_MESSAGE: st.SearchStrategy[Message] = st.one_of(
    st.sampled_from(Service).flatmap(_requests),
    st.sampled_from(Service).flatmap(_grants),
    st.sampled_from(EventKind).flatmap(_events),
    st.sampled_from(Presence).flatmap(_availabilities),
    st.builds(
        Call,
        vehicle_id=NAME,
        boot_id=ID8,
        incident_id=ID16,
        seq=UINT32,
        state=st.sampled_from(
            [CallState.RINGING, CallState.CONNECTED, CallState.ENDED, CallState.FAILED]
        ),
    ),
    st.builds(Ack, vehicle_id=NAME, seq=UINT53, stream_id=ID8),
    st.builds(
        Evidence, common=ANY_COMMON, challenge_hash=HASHES, pin_session_id=ID16, pin_age_s=UINT32
    ),
    st.builds(Approval, common=ANY_COMMON, challenge_hash=HASHES, case_id=ID16),
    st.builds(PositionAck, vehicle_id=NAME, case_id=ID16, seq=UINT32, stream_id=ID8),
    st.builds(CaseEnd, vehicle_id=NAME, case_id=ID16),
    st.builds(
        Account,
        vehicle_id=NAME,
        version=UINT53,
        epoch=UINT32,
        ownership_generation=UINT32,
        pin_generation=UINT32,
        users=st.sets(NAME, max_size=16).map(lambda users: tuple(sorted(users))),
        subscription_active=st.booleans(),
        evidence=st.none() | SIGNED,
    ),
    st.builds(
        Trust,
        version=UINT53,
        epoch=UINT32,
        keys=st.lists(KEYS, min_size=1, max_size=8, unique_by=lambda key: key.kid).map(tuple),
        revoked=st.lists(ID8, max_size=32, unique=True).map(tuple),
        issued_s=UINT53,
    ),
    st.builds(
        Challenge,
        common=ANY_COMMON,
        request_hash=HASHES,
        trust_version=UINT53,
        trust_epoch=UINT32,
        account_version=UINT53,
        ownership_generation=UINT32,
        pin_generation=UINT32,
        ttl_s=st.integers(1, 120),
    ),
    st.builds(
        Refusal,
        vehicle_id=NAME,
        boot_id=ID8,
        reason=st.sampled_from(Reason),
        request_id=st.none() | ID16,
    ),
    st.builds(
        Result,
        common=ANY_COMMON,
        outcome=st.sampled_from(Outcome),
        reason=st.sampled_from(Reason),
        grant_hash=HASHES,
        locks=st.dictionaries(st.integers(0, 4), st.sampled_from(LockState)),
        relock=st.sampled_from(Relock),
        seq=UINT53,
        stream_id=ID8,
    ),
    st.builds(
        Position,
        vehicle_id=NAME,
        request_id=ID16,
        case_id=ID16,
        seq=st.integers(1, 2**32 - 1),
        stream_id=ID8,
        sealed=st.binary(min_size=48, max_size=512),
    ),
    st.builds(
        Position,
        vehicle_id=NAME,
        case_id=ID16,
        seq=st.integers(1, 2**32 - 1),
        stream_id=ID8,
        request_id=st.none(),
        sealed=st.none(),
    ),
)
_LATITUDE, _LONGITUDE = 900_000_000, 1_800_000_000
ANY_FIX = st.builds(
    Fix,
    quality=st.just(FixQuality.NONE),
    wall_time_ms=UINT53,
) | st.builds(
    Fix,
    quality=st.sampled_from([FixQuality.LAST_KNOWN, FixQuality.FIX_2D, FixQuality.FIX_3D]),
    wall_time_ms=UINT53,
    latitude_e7=st.integers(-_LATITUDE, _LATITUDE),
    longitude_e7=st.integers(-_LONGITUDE, _LONGITUDE),
    age_ms=st.none() | UINT32,
    accuracy_cm=st.none() | UINT32,
    heading_ddeg=st.none() | st.integers(0, 3599),
    speed_ckmh=st.none() | UINT32,
)
