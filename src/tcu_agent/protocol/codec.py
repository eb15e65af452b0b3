"""Messages to payload bytes and back. Every rule about a single message's content stands in `tables`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import IntEnum
from typing import TypeVar, cast

from tcu_agent.errors import BugError, MalformedError
from tcu_agent.protocol import cbor, cose, messages, tables
from tcu_agent.protocol.cbor import CborValue
from tcu_agent.protocol.schema import Table

M = TypeVar("M")

MESSAGES: tuple[Table[messages.Message], ...] = cast(
    "tuple[Table[messages.Message], ...]",
    (
        tables.REQUEST,
        tables.GRANT,
        tables.CALL,
        tables.ACK,
        tables.EVIDENCE,
        tables.APPROVAL,
        tables.POSITION_ACK,
        tables.CASE_END,
        tables.ACCOUNT,
        tables.TRUST,
        tables.CHALLENGE,
        tables.REFUSAL,
        tables.RESULT,
        tables.EVENT,
        tables.POSITION,
        tables.AVAILABILITY,
    ),
)
"""Every message that has an envelope of its own."""

_PARTS = (
    tables.FIX,
    tables.KEY_RECORD,
    tables.NO_PARAMETERS,
    tables.UNLOCK_PARAMETERS,
    tables.POSITION_PARAMETERS,
    tables.USER_PARAMETERS,
)
_TABLES: Mapping[object, Table[object]] = {
    each.message: each for each in cast("tuple[Table[object], ...]", (*MESSAGES, *_PARTS))
}
_BY_NAME = {each.name: each for each in MESSAGES}


def topic_type(message: type[messages.Message]) -> str:
    """Return the last level of a message's topic, such as ``position-ack``."""
    return _TABLES[message].name


def typ_of(message: type[messages.Message]) -> str:
    """Return the typ header of a message, such as ``tcu-grant+cose``."""
    return f"tcu-{topic_type(message)}+cose"


def message_of(typ: str) -> type[messages.Message] | None:
    """Return the message that a typ header names, None if there is none."""
    table = _BY_NAME.get(typ.removeprefix("tcu-").removesuffix("+cose"))
    if table is None or typ != f"tcu-{table.name}+cose":
        return None
    return cast("type[messages.Message]", table.message)


def payload_hash(payload: bytes) -> bytes:
    """Return what hash fields hold: SHA-256 of a payload."""
    return hashlib.sha256(payload).digest()


def encode(message: object) -> bytes:
    """Return the payload of a message (or of a fix).

    Raises:
        BugError: a field is out of the range that docs/protocol.cddl gives it.
    """
    payload = cbor.encode(_plain(message))
    try:
        again = decode(type(message), payload)
    except MalformedError as error:
        raise BugError(f"an own message is malformed: {error}") from error
    if again != message:
        raise BugError(f"an own {type(message).__name__} does not survive its encoding")
    return payload


def decode(message: type[M], payload: bytes) -> M:
    """Return the message of this type that `payload` is. Says nothing about who sent it.

    Raises:
        MalformedError: anything but the one encoding of a message within all its ranges.
    """
    return cast("Table[M]", _TABLES[message]).read(cbor.decode(payload))


def position_info(*, environment: str, vehicle_id: str, case_id: bytes, seq: int) -> bytes:
    """Return HPKE's `info` for a sealed position: it opens as this position of this case alone."""
    return cbor.encode(["tcu-position", 1, environment, vehicle_id, case_id, seq])


def prepare(message: messages.Message, *, kid: bytes, alg: int, environment: str) -> cose.Unsigned:
    """Return a message of ours, ready for the signer whose `kid` and `alg` these are.

    Raises:
        BugError: see `encode`.
    """
    return cose.prepare(
        typ=typ_of(type(message)),
        payload=encode(message),
        alg=alg,
        kid=kid,
        environment=environment,
    )


def _plain(value: object) -> CborValue:
    table = _TABLES.get(type(value))
    if table is not None:
        return table.write(value, _plain)
    match value:
        case IntEnum():
            return int(value)
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case bool() | int() | bytes() | str() | None:
            return value
        case _:
            raise BugError(f"a {type(value).__name__} has no place in a message")
