"""Vectors of what the centre says to the car; evidence and approval inside a grant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tcu_sim.wire import fields as wire_fields
from tcu_sim.wire import messages as m
from tcu_sim.wire import parameters as p
from tcu_sim.wire.numbers import Call, Service
from tests.vectors import world as w
from tests.vectors.cases import ACCEPT, ANSWER_AGAIN, Case
from tests.vectors.keys import (
    ACCOUNT_SERVICE,
    COMMAND,
    NEXT_COMMAND,
    PIN_AUTHORITY,
    ROLE_KEYS,
    STRANGER,
    THEFT_DESK,
    VEHICLE,
    Holder,
)
from tests.vectors.spoiling import (
    changed,
    envelope_parts,
    field_spoilings,
    flipped,
    malformed_payloads,
    with_signature,
)

OVER32, OVER53 = 2**32, 2**53
BEYOND: Mapping[str, Mapping[int, Sequence[object]]] = {
    "request": {1: (6, -1), 5: (-1, OVER53), 7: ({0: 2}, {0: 0, 1: 300}, {0: 1}, {0: 1, 1: 9},
                {0: 1, 1: 1801}, {})},
    "grant": {1: (6,), 8: (0, 121)},
    "evidence": {1: (6,), 7: (-1, OVER32)},
    "approval": {1: (6,)},
    "call": {6: (-1, OVER32), 7: (0, 5)},
    "ack": {5: (-1, OVER53)},
    "position-ack": {6: (-1, OVER32)},
    "case-end": {},
    "account": {5: (-1, OVER53), 6: (OVER32,), 7: (OVER32,), 8: (["user 1"],), 11: (OVER32,)},
}  # fmt: skip
"""Values just outside the ranges of docs/protocol.cddl."""


def signed(holder: Holder, typ: str, payload: bytes) -> bytes:
    """Return a payload signed by somebody."""
    return holder.sign_payload(payload, typ=typ)


def common_spoilings(
    message: Any, signer: Holder, *, good: Case, wrong_role: Holder
) -> Iterator[Case]:
    """Yield what every message can suffer: its envelope, its signer, each of its fields."""
    typ, fields = message.TYP, wire_fields.pack(message)
    data, payload = good.data, changed(fields)

    def case(name: str, spoilt: bytes, expect: str) -> Case:
        return replace(good, name=name, data=spoilt, expect=expect, spoilt_from=good.name)

    yield case("without the tag", data[1:], "malformed")
    yield case("a byte behind the message", data + b"\x00", "malformed")
    yield case("the last byte cut off", data[:-1], "malformed")
    last = flipped(envelope_parts(data)[3], 63)
    yield case("a bit of the signature flipped", with_signature(data, last), "bad-signature")
    signature = envelope_parts(data)[3]
    other = changed(fields, k0="car-2")
    yield case(
        "the signature of another payload",
        with_signature(signed(signer, typ, other), signature),
        "bad-signature",
    )
    elsewhere = signer.sign_payload(payload, typ=typ, environment="production")
    yield case("signed for another environment", elsewhere, "bad-signature")
    other_typ = "ack" if typ != "ack" else "call"
    yield case("under another typ", signed(signer, other_typ, payload), "unsupported-type")
    yield case("signed by nobody known", signed(STRANGER, typ, payload), "unknown-key")
    yield case("signed by the vehicle", signed(VEHICLE, typ, payload), "unknown-key")
    yield case("signed in a wrong role", signed(wrong_role, typ, payload), "wrong-role")
    yield case("for another vehicle", signed(signer, typ, other), "wrong-vehicle")
    for name, spoilt in malformed_payloads(fields):
        yield case(name, signed(signer, typ, spoilt), "malformed")
    optional = frozenset({6}) if typ == "grant" else frozenset[int]()
    for name, spoilt in field_spoilings(fields, optional=optional, beyond=BEYOND[typ]):
        yield case(name, signed(signer, typ, spoilt), "malformed")


def requests() -> Iterator[Case]:
    """Yield the vectors of `request`."""
    for exchange in w.EXCHANGES:
        yield Case(name=exchange.name, data=COMMAND.sign(exchange.request), expect=ACCEPT)
    good = Case(name="unlock", data=COMMAND.sign(w.UNLOCK.request), expect=ACCEPT)
    request = w.UNLOCK.request
    yield from common_spoilings(request, COMMAND, good=good, wrong_role=PIN_AUTHORITY)

    def sent(name: str, expect: str, car: str = "usual", **changes: Any) -> Case:
        data = COMMAND.sign(replace(request, **changes))
        return replace(good, name=name, data=data, expect=expect, car=car, spoilt_from="unlock")

    yield sent("seq at the mark", "stale-request", seq=40)
    yield sent("seq 0", "stale-request", seq=0)
    yield replace(sent("the lowest seq above the mark", ACCEPT, seq=41), spoilt_from=None)
    yield replace(sent("the highest seq", ACCEPT, seq=OVER53 - 1), spoilt_from=None)
    yield sent("no trust bundle", "trust-missing", "without trust")
    yield sent("no account state", "account-missing", "without account")
    yield sent("account of the former epoch", "account-missing", "trust of the next epoch")
    yield sent("subscription ended", "subscription-ended", "subscription ended")
    yield sent("key revoked", "key-revoked", "command key revoked")
    yield sent("answered before", ANSWER_AGAIN, "has answered the unlock")
    rotated = NEXT_COMMAND.sign(replace(request, seq=0))
    yield Case(
        name="first seq of the next command key",
        data=rotated,
        expect=ACCEPT,
        car="knows the next command key",
    )
    yield replace(
        good,
        name="the next command key before its bundle",
        data=rotated,
        expect="unknown-key",
        spoilt_from="unlock",
    )


def grants() -> Iterator[Case]:
    """Yield the vectors of `grant`."""
    for exchange in (w.UNLOCK, w.ARMED, w.SNAPSHOT, w.TRACKING):
        car = f"waits for {exchange.name}"
        yield Case(name=exchange.name, data=exchange.grant(), expect=ACCEPT, car=car)
    good = Case(name="unlock", data=w.UNLOCK.grant(), expect=ACCEPT, car="waits for unlock")
    message = m.Grant(**w.UNLOCK.grant_fields())
    yield from common_spoilings(message, COMMAND, good=good, wrong_role=PIN_AUTHORITY)
    yield from _grants_that_differ(good)
    yield from _grants_in_time(good)
    yield from _grants_for_positions()


def _grants_that_differ(good: Case) -> Iterator[Case]:
    def sent(name: str, expect: str, **changes: Any) -> Case:
        data = w.UNLOCK.grant(**changes)
        return replace(good, name=name, data=data, expect=expect, spoilt_from=good.name)

    yield sent("another nonce", "unknown-challenge", nonce=w.named("x"))
    yield sent("another boot id", "boot-id-mismatch", boot_id=w.named("x", 8))
    yield sent("another request id", "request-mismatch", request_id=w.named("x"))
    yield sent("another service", "service-mismatch", service=Service.STATE, parameters=p.Nothing())
    yield sent("other parameters", "parameters-mismatch", parameters=w.ARMED.parameters)
    yield sent("no age left", "challenge-expired", max_age_s=11)
    yield sent(
        "the evidence of another exchange",
        "request-mismatch",
        evidence=PIN_AUTHORITY.sign(replace(w.UNLOCK.evidence(), request_id=w.named("x"))),
    )
    yield sent(
        "an approval in the place of the evidence",
        "unsupported-type",
        evidence=THEFT_DESK.sign(w.UNLOCK.approval()),
    )
    yield sent("itself as evidence", "unsupported-type", evidence=good.data)


def _grants_in_time(good: Case) -> Iterator[Case]:
    def put_to(name: str, car: str, expect: str) -> Case:
        source = None if expect == ACCEPT else good.name
        return replace(good, name=name, car=car, expect=expect, spoilt_from=source)

    yield put_to("at the last moment", "waits for unlock, last moment", ACCEPT)
    yield put_to("a moment too late", "waits for unlock, too late", "challenge-expired")
    yield put_to("the clock went back", "waits for unlock, clock went back", "challenge-expired")
    yield put_to("PIN replaced since", "waits for unlock, PIN replaced", "generation-mismatch")
    yield put_to("owner changed since", "waits for unlock, owner changed", "generation-mismatch")
    yield put_to(
        "subscription ended since", "waits for unlock, subscription ended", "subscription-ended"
    )
    yield put_to("agent restarted since", "restarted", "boot-id-mismatch")
    yield put_to("the challenge was used", "usual", "unknown-challenge")
    yield put_to("the challenge was used, outcome known", "has answered the unlock", ANSWER_AGAIN)
    yield put_to("command key revoked since", "command key revoked", "key-revoked")
    yield put_to("no trust bundle", "without trust", "trust-missing")


def _grants_for_positions() -> Iterator[Case]:
    exchange = w.SNAPSHOT
    good = Case(name="snapshot", data=exchange.grant(), expect=ACCEPT, car="waits for snapshot")
    fields = wire_fields.pack(m.Grant(**exchange.grant_fields()))

    def sent(name: str, expect: str, data: bytes) -> Case:
        return replace(good, name=name, data=data, expect=expect, spoilt_from=good.name)

    bare = {key: value for key, value in fields.items() if key != 6}
    yield sent("without approval", "approval-missing", signed(COMMAND, "grant", changed(bare)))
    tracked = exchange.grant(parameters=w.TRACKING.parameters)
    yield sent("a snapshot stretched into tracking", "parameters-mismatch", tracked)
    unlock = wire_fields.pack(m.Grant(**w.UNLOCK.grant_fields()))
    approved = changed(unlock, k6=THEFT_DESK.sign(w.UNLOCK.approval()))
    yield replace(
        good,
        name="an approval where none belongs",
        data=signed(COMMAND, "grant", approved),
        expect="malformed",
        car="waits for unlock",
        spoilt_from="unlock",
    )


def evidences() -> Iterator[Case]:
    """Yield the vectors of `evidence`, inside an otherwise good grant for an unlock."""
    exchange = w.UNLOCK
    fields = wire_fields.pack(m.Grant(**exchange.grant_fields()))

    def carried(name: str, data: bytes, expect: str) -> Case:
        source = None if expect == ACCEPT else "unlock"
        grant = signed(COMMAND, "grant", changed(fields, k5=data))
        return Case(
            name=name, data=data, expect=expect, car="waits for unlock", spoilt_from=source,
            carrier=("grant", grant),
        )  # fmt: skip

    evidence = exchange.evidence()
    yield (good := carried("unlock", PIN_AUTHORITY.sign(evidence), ACCEPT))
    for case in common_spoilings(evidence, PIN_AUTHORITY, good=good, wrong_role=COMMAND):
        yield carried(case.name, case.data, case.expect)
    for name, expect, changes in (
        ("another nonce", "nonce-mismatch", {"nonce": w.named("x")}),
        ("another boot id", "boot-id-mismatch", {"boot_id": w.named("x", 8)}),
        ("another request id", "request-mismatch", {"request_id": w.named("x")}),
        ("another service", "service-mismatch", {"service": Service.POSITION}),
        ("of another challenge", "challenge-mismatch", {"challenge_hash": w.named("x", 32)}),
        ("the oldest PIN check allowed", ACCEPT, {"pin_age_s": 588}),
        ("a PIN check a second too old", "pin-too-old", {"pin_age_s": 589}),
    ):
        yield carried(name, PIN_AUTHORITY.sign(replace(evidence, **changes)), expect)
    for holder in ROLE_KEYS:
        if holder is not PIN_AUTHORITY:
            yield carried(f"by the key of {holder.name}", holder.sign(evidence), "wrong-role")


def approvals() -> Iterator[Case]:
    """Yield the vectors of `approval`, inside an otherwise good grant for a position."""
    exchange = w.SNAPSHOT
    fields = wire_fields.pack(m.Grant(**exchange.grant_fields()))

    def carried(name: str, data: bytes, expect: str) -> Case:
        source = None if expect == ACCEPT else "snapshot"
        grant = signed(COMMAND, "grant", changed(fields, k6=data))
        return Case(
            name=name, data=data, expect=expect, car="waits for snapshot", spoilt_from=source,
            carrier=("grant", grant),
        )  # fmt: skip

    approval = exchange.approval()
    yield (good := carried("snapshot", THEFT_DESK.sign(approval), ACCEPT))
    for case in common_spoilings(approval, THEFT_DESK, good=good, wrong_role=COMMAND):
        yield carried(case.name, case.data, case.expect)
    for name, expect, changes in (
        ("another nonce", "nonce-mismatch", {"nonce": w.named("x")}),
        ("another boot id", "boot-id-mismatch", {"boot_id": w.named("x", 8)}),
        ("another request id", "request-mismatch", {"request_id": w.named("x")}),
        ("another service", "service-mismatch", {"service": Service.UNLOCK}),
        ("of another challenge", "challenge-mismatch", {"challenge_hash": w.named("x", 32)}),
        ("another case", "case-mismatch", {"case_id": w.named("x")}),
    ):
        yield carried(name, THEFT_DESK.sign(replace(approval, **changes)), expect)


def calls() -> Iterator[Case]:
    """Yield the vectors of `call`."""
    call = m.Call(
        vehicle_id=w.VEHICLE_ID, boot_id=w.BOOT_ID, incident_id=w.INCIDENT, seq=3, state=Call.ENDED
    )
    good = Case(name="ended", data=COMMAND.sign(call), expect=ACCEPT)
    for state in Call:
        data = COMMAND.sign(replace(call, state=state))
        yield Case(name=state.name.lower(), data=data, expect=ACCEPT)
    yield from common_spoilings(call, COMMAND, good=good, wrong_role=THEFT_DESK)
    for name, expect, changes in (
        ("another incident", "unknown-incident", {"incident_id": w.named("x")}),
        ("another boot id", "boot-id-mismatch", {"boot_id": w.named("x", 8)}),
        ("seq of the last one", "stale-request", {"seq": 2}),
    ):
        data = COMMAND.sign(replace(call, **changes))
        yield replace(good, name=name, data=data, expect=expect, spoilt_from=good.name)
    for name, expect, car in (
        ("no call is open", "unknown-incident", "no call"),
        ("opened before the restart", "boot-id-mismatch", "a call of another boot"),
    ):
        yield replace(good, name=name, expect=expect, car=car, spoilt_from=good.name)


def acks() -> Iterator[Case]:
    """Yield the vectors of `ack`."""
    ack = m.Ack(vehicle_id=w.VEHICLE_ID, seq=100, stream_id=w.STREAM_ID)
    good = Case(name="all that was given out", data=COMMAND.sign(ack), expect=ACCEPT)
    yield good
    yield replace(good, name="nothing yet", data=COMMAND.sign(replace(ack, seq=0)))
    yield from common_spoilings(ack, COMMAND, good=good, wrong_role=THEFT_DESK)
    for name, expect, changes in (
        ("another stream", "unknown-stream", {"stream_id": w.named("x", 8)}),
        ("a seq that was never given out", "beyond-sent", {"seq": 101}),
    ):
        data = COMMAND.sign(replace(ack, **changes))
        yield replace(good, name=name, data=data, expect=expect, spoilt_from=good.name)


def position_acks() -> Iterator[Case]:
    """Yield the vectors of `position-ack`."""
    ack = m.PositionAck(vehicle_id=w.VEHICLE_ID, case_id=w.INCIDENT, seq=7, stream_id=w.STREAM_ID)
    good = Case(name="all that was given out", data=THEFT_DESK.sign(ack), expect=ACCEPT)
    yield good
    yield from common_spoilings(ack, THEFT_DESK, good=good, wrong_role=COMMAND)
    for name, expect, changes in (
        ("another stream", "unknown-stream", {"stream_id": w.named("x", 8)}),
        ("another case", "case-mismatch", {"case_id": w.named("x")}),
        ("a seq that was never given out", "beyond-sent", {"seq": 8}),
    ):
        data = THEFT_DESK.sign(replace(ack, **changes))
        yield replace(good, name=name, data=data, expect=expect, spoilt_from=good.name)


def case_ends() -> Iterator[Case]:
    """Yield the vectors of `case-end`: the theft desk or the command service may say it."""
    end = m.CaseEnd(vehicle_id=w.VEHICLE_ID, case_id=w.INCIDENT)
    good = Case(name="by the theft desk", data=THEFT_DESK.sign(end), expect=ACCEPT)
    yield good
    yield replace(good, name="by the command service", data=COMMAND.sign(end))
    yield from common_spoilings(end, THEFT_DESK, good=good, wrong_role=ACCOUNT_SERVICE)
    other = THEFT_DESK.sign(replace(end, case_id=w.named("x")))
    yield replace(
        good, name="another case", data=other, expect="case-mismatch", spoilt_from=good.name
    )
    yield replace(
        good, name="no case is open", expect="case-mismatch", car="no case", spoilt_from=good.name
    )
