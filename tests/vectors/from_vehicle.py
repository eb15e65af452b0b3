"""Vectors of what the car says to the centre. Whoever reads them checks envelope, key and grammar."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tcu_sim.wire import fields as wire_fields
from tcu_sim.wire import messages as m
from tcu_sim.wire import sealing
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.numbers import Lock, Outcome, Presence, Quality, Relock, Told
from tests.vectors import world as w
from tests.vectors.cases import ACCEPT, FOLDER, Case, as_json
from tests.vectors.from_centre import OVER32, OVER53
from tests.vectors.keys import COMMAND, ENVIRONMENT, OTHER_VEHICLE, THEFT_DESK, VEHICLE
from tests.vectors.spoiling import (
    changed,
    envelope_parts,
    field_spoilings,
    flipped,
    malformed_payloads,
    with_signature,
)

PATH = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"
OPTIONAL: Mapping[str, frozenset[int]] = {
    "refusal": frozenset({2}),
    "event": frozenset({2, 10}),
    "availability": frozenset({7}),
}
BEYOND: Mapping[str, Mapping[int, Sequence[object]]] = {
    "challenge": {1: (6,), 6: (OVER53,), 7: (OVER32,), 8: (OVER53,), 9: (OVER32,), 10: (OVER32,),
                  11: (0, 121)},
    "refusal": {5: (OVER32,)},
    "result": {1: (6,), 5: (5,), 6: (OVER32,), 8: ({5: 0}, {0: 3}), 9: (3,), 10: (OVER53,)},
    "event": {5: (OVER32,), 6: (OVER53,), 7: (OVER53,), 8: (OVER53,),
              9: ({"": 1}, {"x" * 97: 1}, {"x": "y" * 65}, {"x": b""}, {1: 1}), 14: (OVER32,)},
    "position": {6: (0, OVER32), 7: (bytes(47), bytes(513))},
    "availability": {5: (OVER32,), 6: (4,)},
}  # fmt: skip


def _vehicle_cases(name: str, message: Any) -> Iterator[Case]:
    typ, fields = message.TYP, wire_fields.pack(message)
    good = Case(name=name, data=VEHICLE.sign(message), expect=ACCEPT)
    payload = changed(fields)

    def case(what: str, data: bytes, expect: str) -> Case:
        return replace(good, name=what, data=data, expect=expect, spoilt_from=name)

    yield case("a byte behind the message", good.data + b"\x00", "malformed")
    yield case("the last byte cut off", good.data[:-1], "malformed")
    bent = with_signature(good.data, flipped(envelope_parts(good.data)[3], 63))
    yield case("a bit of the signature flipped", bent, "bad-signature")
    elsewhere = VEHICLE.sign_payload(payload, typ=typ, environment="production")
    yield case("signed for another environment", elsewhere, "bad-signature")
    other_typ = "event" if typ != "event" else "result"
    yield case(
        "under another typ", VEHICLE.sign_payload(payload, typ=other_typ), "unsupported-type"
    )
    other = OTHER_VEHICLE.sign_payload(payload, typ=typ)
    yield case("signed by another vehicle", other, "unknown-key")
    yield case("signed by the centre", COMMAND.sign_payload(payload, typ=typ), "unknown-key")
    for what, spoilt in (
        *malformed_payloads(fields),
        *field_spoilings(fields, optional=OPTIONAL.get(typ, frozenset()), beyond=BEYOND[typ]),
    ):
        data = VEHICLE.sign_payload(spoilt, typ=typ)
        yield case(what, data, "malformed")


def _good(name: str, message: Any) -> Case:
    return Case(name=name, data=VEHICLE.sign(message), expect=ACCEPT)


def challenges() -> Iterator[Case]:
    """Yield the vectors of `challenge`."""
    for exchange in w.EXCHANGES:
        if exchange is not w.STATE:
            yield _good(exchange.name, exchange.challenge)
    yield from _vehicle_cases("unlock", w.UNLOCK.challenge)


def refusals() -> Iterator[Case]:
    """Yield the vectors of `refusal`."""
    refusal = m.Refusal(
        vehicle_id=w.VEHICLE_ID,
        request_id=w.UNLOCK.request.request_id,
        boot_id=w.BOOT_ID,
        reason=33,
    )
    yield _good("busy", refusal)
    yield _good("without a request id", replace(refusal, request_id=None, reason=2))
    yield from _vehicle_cases("busy", refusal)


def results() -> Iterator[Case]:
    """Yield the vectors of `result`."""
    result = m.Result(
        **w.UNLOCK.common,
        outcome=Outcome.EXECUTED,
        reason=0,
        grant_hash=w.named("grant", 32),
        locks=dict.fromkeys(range(5), Lock.UNLOCKED),
        relock=Relock.AGENT,
        seq=10,
        stream_id=w.STREAM_ID,
    )
    unknown = replace(result, outcome=Outcome.UNKNOWN, reason=61, locks={}, relock=Relock.NONE)
    failed = replace(
        result, outcome=Outcome.FAILED, reason=60, locks={0: Lock.LOCKED, 4: Lock.UNKNOWN}
    )
    yield _good("executed", result)
    yield _good("unknown", unknown)
    yield _good("failed", failed)
    yield from _vehicle_cases("executed", result)


def events() -> Iterator[Case]:
    """Yield the vectors of `event`."""
    event = m.Event(
        vehicle_id=w.VEHICLE_ID,
        request_id=w.STATE.request.request_id,
        boot_id=w.BOOT_ID,
        kind=Told.STATE_REPORT,
        seq=11,
        boot_time_ms=1_234_567,
        wall_time_ms=1_790_000_000_000,
        values={PATH: True, "Vehicle.Speed": 0, "Vehicle.LowVoltageSystemState": "LOCK", "X": None},
        incident_id=w.INCIDENT,
        stream_id=w.STREAM_ID,
        reason=0,
    )
    pressed = replace(event, kind=Told.ON_CALL_PRESSED, request_id=None, values={}, wall_time_ms=0)
    tombstone = replace(
        pressed, kind=Told.TOMBSTONE, incident_id=None, first_seq=3, last_seq=9, reason=96
    )
    yield _good("state report", event)
    yield _good("ON CALL pressed, time not known", pressed)
    yield _good("tombstone", tombstone)
    fields = wire_fields.pack(event)
    for name, changes in (
        ("a range outside a tombstone", {"k11": 3, "k12": 9}),
        ("a tombstone without a range", {"k5": 0}),
        ("a tombstone with half a range", {"k5": 0, "k11": 3}),
    ):
        data = VEHICLE.sign_payload(changed(fields, **changes), typ="event")
        yield Case(name=name, data=data, expect="malformed", spoilt_from="state report")
    yield from _vehicle_cases("state report", event)


def availabilities() -> Iterator[Case]:
    """Yield the vectors of `availability`."""
    online = m.Availability(
        vehicle_id=w.VEHICLE_ID, boot_id=w.BOOT_ID, connection=3, presence=Presence.ONLINE
    )
    yield _good("online", online)
    asleep = replace(online, presence=Presence.ASLEEP, asleep_until_s=1_790_003_600)
    yield _good("asleep until", asleep)
    yield _good("asleep", replace(online, presence=Presence.ASLEEP))
    yield _good("dozing", replace(online, presence=Presence.DOZING))
    yield _good("offline (the will)", replace(online, presence=Presence.OFFLINE))
    yield from _vehicle_cases("online", online)


FIXES: Mapping[str, sealing.Fix] = {
    "a fix": sealing.Fix(
        quality=Quality.FIX_3D, wall_time_ms=1_790_000_000_000, latitude_e7=481_374_300,
        longitude_e7=115_754_900, age_ms=800, accuracy_cm=350, heading_ddeg=3599, speed_ckmh=5012,
    ),
    "south-west": sealing.Fix(
        quality=Quality.LAST_KNOWN, wall_time_ms=0, latitude_e7=-900_000_000,
        longitude_e7=-1_800_000_000,
    ),
    "no fix": sealing.Fix(quality=Quality.NONE, wall_time_ms=1_790_000_000_000),
}  # fmt: skip


def _label(seq: int, **changes: Any) -> sealing.Label:
    values: dict[str, Any] = {
        "environment": ENVIRONMENT,
        "vehicle_id": w.VEHICLE_ID,
        "case_id": w.INCIDENT,
        "seq": seq,
    }
    return sealing.Label(**{**values, **changes})


def _sealed_before() -> Mapping[str, bytes]:
    """Return the sealed bytes that are committed: sealing takes fresh randomness, so it is done once."""
    file = FOLDER / "position.json"
    if not file.exists():
        return {}
    vectors = json.loads(file.read_text(encoding="utf-8"))["vectors"]
    return {
        each["name"]: bytes.fromhex(each["fields"]["7"]["hex"])
        for each in vectors
        if each["name"] in FIXES
    }


def sealed(name: str, label: sealing.Label) -> bytes:
    """Return a fix sealed to the theft desk: the committed bytes as long as they open to it."""
    before = _sealed_before().get(name)
    try:
        if before is not None and sealing.unseal(before, label, THEFT_DESK.hpke) == FIXES[name]:
            return before
    except WireError:
        pass  # something that it is bound to was changed: seal anew
    return sealing.seal(FIXES[name], label, THEFT_DESK.hpke.public_key().public_bytes_raw())


def _opens(label: sealing.Label, fix: sealing.Fix | None) -> Mapping[str, object]:
    plain = None if fix is None else as_json(wire_fields.pack(fix))
    return {"with": THEFT_DESK.name, "info": label.info.hex(), "fix": plain}


def positions() -> Iterator[Case]:
    """Yield the vectors of `position`, with what the theft desk finds inside."""
    base = m.Position(
        vehicle_id=w.VEHICLE_ID,
        request_id=w.SNAPSHOT.request.request_id,
        case_id=w.INCIDENT,
        seq=1,
        stream_id=w.STREAM_ID,
        sealed=bytes(48),
    )
    good = {}
    for seq, (name, fix) in enumerate(FIXES.items(), start=1):
        message = replace(base, seq=seq, sealed=sealed(name, _label(seq)))
        good[name] = message
        yield replace(_good(name, message), opens=_opens(_label(seq), fix))
    first = good["a fix"]
    lost = replace(base, seq=5, request_id=None, sealed=None)
    yield _good("lost", lost)
    fields = wire_fields.pack(lost)
    for name, half in (
        ("a fix without a request", {"k7": bytes(48)}),
        ("a request without a fix", {"k2": base.request_id}),
    ):
        data = VEHICLE.sign_payload(changed(fields, **half), typ="position")
        yield Case(name=name, data=data, expect="malformed", spoilt_from="lost")
    bound = sealed("a fix", _label(1))
    for name, changes in (
        ("moved to another seq", {"seq": 4}),
        ("moved to another case", {"case_id": w.named("x")}),
        ("a bit of enc flipped", {"sealed": flipped(bound, 0)}),
        ("a bit of the ciphertext flipped", {"sealed": flipped(bound, 32)}),
        ("a bit of the tag flipped", {"sealed": flipped(bound, len(bound) - 1)}),
    ):
        message = replace(first, **changes)
        label = sealing.label_of(message, ENVIRONMENT)
        yield replace(_good(name, message), opens=_opens(label, None), spoilt_from="a fix")
    label = _label(1, environment="production")
    yield replace(
        _good("opened in another environment", first),
        opens=_opens(label, None),
        spoilt_from="a fix",
    )
    yield from _vehicle_cases("a fix", first)
