"""Every field of every message: flip it, expect exactly this reason, restore it, expect success.

Twice: by somebody on the way, who has no key (`bad-signature`, always), and by its own signer, whose key was stolen
(`field_flips`). The fields are taken from the agent's own tables, so that a new one without a row fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import cbor2
import pytest

from tcu_agent.core.verify.verifier import AcceptedRequest
from tcu_agent.errors import MalformedError
from tcu_agent.protocol import cbor, codec, cose, tables
from tcu_agent.protocol.messages import Message
from tcu_agent.protocol.schema import Table
from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.wire import envelope as other_envelope
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import PublicKey
from tests.protocol.car import refused
from tests.protocol.deliveries import DELIVERIES, Delivery, signed
from tests.protocol.field_flips import BOUND_BY_HASH, DROPPED, ROWS, SPOILT, TAKEN
from tests.protocol.samples import SAMPLES
from tests.protocol.signing import ENVIRONMENT, VEHICLE

BY_NAME: dict[str, Table[Any]] = {table.name: table for table in codec.MESSAGES}
PARAMETERS = (tables.UNLOCK_PARAMETERS, tables.POSITION_PARAMETERS, tables.USER_PARAMETERS)
INSIDE: dict[str, tuple[Table[Any], ...]] = {
    "keys": (tables.KEY_RECORD,),
    "parameters": PARAMETERS,
}
"""Fields that are maps with fields of their own, or lists of such."""
FROM_THE_CAR = ("challenge", "refusal", "result", "event", "position", "availability")


def table_of(message: Message) -> Table[Any]:
    return BY_NAME[codec.topic_type(type(message))]


def inner_table(name: str, fields: dict[Any, Any]) -> Table[Any]:
    """Return the table of a map inside a message: the first one that has all its keys and values of their kinds."""
    for table in INSIDE[name]:
        try:
            table.read(fields)
        except MalformedError:
            continue
        return table
    return tables.NO_PARAMETERS


def paths(message: Message) -> Iterator[str]:
    """Yield the path of every field that a message has or may have."""
    table, fields = table_of(message), _fields(message)
    for each in table.fields:
        yield each.name
        if each.name not in INSIDE or each.key not in fields:
            continue
        values = fields[each.key]
        for place, value in enumerate(values) if isinstance(values, list) else [(-1, values)]:
            head = each.name if place < 0 else f"{each.name}[{place}]"
            yield from (f"{head}.{field.name}" for field in inner_table(each.name, value).fields)


def _fields(message: Message) -> dict[Any, Any]:
    fields = cbor.decode(codec.encode(message))
    assert isinstance(fields, dict)
    return fields


def changed(table: Table[Any], fields: dict[Any, Any], path: str, value: object) -> bytes:
    """Return the payload with another value at a path."""
    fields = deepcopy(fields)
    _put(table, fields, path, value)
    return cbor2.dumps(fields, canonical=True)


def _put(table: Table[Any], fields: dict[Any, Any], path: str, value: object) -> None:
    head, _, rest = path.partition(".")
    found = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", head)
    assert found is not None
    (key,) = (each.key for each in table.fields if each.name == found[1])
    if rest:
        inner = fields[key][int(found[2])] if found[2] else fields[key]
        _put(inner_table(found[1], inner), inner, rest, value)
    elif value is DROPPED:
        del fields[key]
    elif value is SPOILT:
        fields[key] = fields[key][:-1] + bytes([fields[key][-1] ^ 1])
    else:
        assert fields.get(key) != value, "a row that changes nothing"
        fields[key] = value


# ------------------------------------------------------------ by its own signer, or with his key


@pytest.mark.parametrize(
    ("delivery", "path", "value", "reason", "why"),
    ROWS,
    ids=[
        f"{delivery}-{path}-{reason.code if reason else 'taken'}"
        for delivery, path, _, reason, _ in ROWS
    ],
)
def test_a_flipped_field_has_its_reason(
    delivery: str, path: str, value: object, reason: Reason | None, why: str
) -> None:
    given = DELIVERIES[delivery]()
    payload = changed(table_of(given.message), given.fields(), path, value)
    if reason is TAKEN:
        assert why, "who knows better, if the car does not?"
        verdict = given.judge(given.data(payload))
        assert given.is_taken(verdict), verdict
        if why == BOUND_BY_HASH:
            good = DELIVERIES[delivery]()
            accepted = good.judge(good.data())
            assert isinstance(verdict, AcceptedRequest)
            assert isinstance(accepted, AcceptedRequest)
            assert verdict.request_hash != accepted.request_hash
        return
    # What is wrong in a bundle may be seen before its roots are known.
    is_authentic = None if delivery == "trust" else True
    refused(given.judge(given.data(payload)), reason, authenticated=is_authentic)
    assert given.is_taken(given.judge(given.data()))


def test_every_field_of_every_message_to_the_car_has_a_row() -> None:
    told = {(table_of(DELIVERIES[name]().message).name, _plain(path)) for name, path, *_ in ROWS}
    for table in codec.MESSAGES:
        if table.name in FROM_THE_CAR:
            continue
        for each in table.fields:
            assert (table.name, each.name) in told, f"{table.name}.{each.name}"
    for name, inner in INSIDE.items():
        for each in (field for table in inner for field in table.fields):
            assert any(path == f"{name}.{each.name}" for _, path in told), f"{name}: {each.name}"


def test_every_delivery_has_rows_and_every_refusal_is_a_rule_of_the_car() -> None:
    """Each reason that a message of the right signer can earn is earned by some row."""
    assert {delivery for delivery, *_ in ROWS} == DELIVERIES.keys()
    earned = {reason for _, _, _, reason, _ in ROWS if reason is not TAKEN}
    assert {
        Reason.WRONG_VEHICLE, Reason.SERVICE_MISMATCH, Reason.REQUEST_MISMATCH, Reason.NONCE_MISMATCH,
        Reason.BOOT_ID_MISMATCH, Reason.CHALLENGE_MISMATCH, Reason.PARAMETERS_MISMATCH, Reason.PIN_TOO_OLD,
        Reason.UNKNOWN_CHALLENGE, Reason.CHALLENGE_EXPIRED, Reason.APPROVAL_MISSING, Reason.CASE_MISMATCH,
        Reason.STALE_REQUEST, Reason.STALE_VERSION, Reason.GENERATION_MISMATCH, Reason.EVIDENCE_MISSING,
        Reason.CHANGE_NOT_ALLOWED, Reason.UNKNOWN_INCIDENT, Reason.UNKNOWN_STREAM, Reason.BEYOND_SENT,
        Reason.BAD_SIGNATURE, Reason.MALFORMED,
    } == earned  # fmt: skip


def _plain(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path)


# ----------------------------------------------------------------------- by somebody on the way


def candidates(value: object) -> list[object]:
    """Return other values of the same kind; for an absent field, values of every kind."""
    match value:
        case None:
            return [1, bytes(16), b"x" * 32, 60, "x"]
        case bool():
            return [not value]
        case int():
            return [value ^ 1, value + 2, value - 1]
        case bytes():
            return [bytes([value[0] ^ 1]) + value[1:]]
        case str():
            return ["y" + value[1:]]
        case list():
            return [value[:-1], [*value, "zzz"]]
        case dict():
            return [dict(list(value.items())[1:]), {1: 1}, {0: 1, 1: 10}, {"Vehicle.X": 1}]
        case _:
            raise AssertionError(value)


def flipped(message: Message, path: str) -> bytes:
    """Return the payload with one field flipped: to what the grammar allows, where one flip can do that."""
    table, fields = table_of(message), _fields(message)
    payloads = [
        changed(table, fields, path, other)
        for other in candidates(_get(table, fields, path))
        if other != _get(table, fields, path)
    ]
    for payload in payloads:
        try:
            codec.decode(type(message), payload)
        except MalformedError:
            continue
        return payload
    return payloads[0]


def _get(table: Table[Any], fields: dict[Any, Any], path: str) -> object:
    head, _, rest = path.partition(".")
    found = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", head)
    assert found is not None
    (key,) = (each.key for each in table.fields if each.name == found[1])
    if not rest:
        return fields.get(key)
    inner = fields[key][int(found[2])] if found[2] else fields[key]
    return _get(inner_table(found[1], inner), inner, rest)


ON_THE_WAY = [(name, path) for name, make in DELIVERIES.items() for path in paths(make().message)]


@pytest.mark.parametrize(
    ("delivery", "path"), ON_THE_WAY, ids=[" ".join(each) for each in ON_THE_WAY]
)
def test_a_field_flipped_on_the_way_to_the_car_is_a_bad_signature(delivery: str, path: str) -> None:
    given = DELIVERIES[delivery]()
    bad = given.data(instead=flipped(given.message, path))
    refused(given.judge(bad), Reason.BAD_SIGNATURE, authenticated=given.is_inside)
    assert given.is_taken(given.judge(given.data()))


FROM_CAR = [
    (name, path)
    for name, message in SAMPLES.items()
    if codec.topic_type(type(message)) in FROM_THE_CAR
    for path in paths(message)
]


@pytest.mark.parametrize(("sample", "path"), FROM_CAR, ids=[" ".join(each) for each in FROM_CAR])
def test_a_field_flipped_on_the_way_from_the_car_is_a_bad_signature(sample: str, path: str) -> None:
    """Both implementations say so; what a car's own stolen key may say is in docs/threat-model.md."""
    message = SAMPLES[sample]
    payload, typ = codec.encode(message), codec.typ_of(type(message))
    key = PublicKey(VEHICLE.alg, VEHICLE.public_key)
    bad = signed(payload, VEHICLE, typ=typ, instead=flipped(message, path))
    assert (
        cose.verify(cose.parse(bad), key=VEHICLE.verification_key, environment=ENVIRONMENT) is None
    )
    with pytest.raises(WireError, match="bad-signature"):
        other_envelope.look(bad).verify(key, ENVIRONMENT)
    good = signed(payload, VEHICLE, typ=typ)
    assert cose.verify(cose.parse(good), key=VEHICLE.verification_key, environment=ENVIRONMENT)
    other_envelope.look(good).verify(key, ENVIRONMENT)


def test_every_message_is_flipped_on_its_way() -> None:
    names = {table_of(DELIVERIES[name]().message).name for name, _ in ON_THE_WAY}
    names |= {table_of(SAMPLES[name]).name for name, _ in FROM_CAR}
    assert names == BY_NAME.keys()
    for table in codec.MESSAGES:
        flips = {path for name, path in ON_THE_WAY if table_of(DELIVERIES[name]().message) is table}
        flips |= {path for name, path in FROM_CAR if table_of(SAMPLES[name]) is table}
        assert {each.name for each in table.fields} <= flips, table.name


def test_a_good_delivery_is_taken_once_or_again_as_its_message_allows() -> None:
    """What carries evidence is used up; the rest says what is so, as often as it is said."""
    for name, make in DELIVERIES.items():
        given: Delivery = make()
        assert given.is_taken(given.judge(given.data())), name
        again = given.judge(given.data())
        is_used_up = any(
            word in name for word in ("grant", "evidence", "approval", "account, user")
        )
        assert given.is_taken(again) is not is_used_up, name
