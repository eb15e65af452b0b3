"""What a vector is, and how it is written as JSON. The form is described in README.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cbor2

from tcu_sim.wire import cbor, envelope
from tcu_sim.wire.errors import WireError
from tests.vectors.keys import ENVIRONMENT, EVERYBODY

FOLDER = Path(__file__).parent
PROTOCOL = FOLDER.parents[1] / "docs" / "protocol.md"
ACCEPT, ANSWER_AGAIN, UNCHANGED = "accept", "answer-again", "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One vector.

    `expect`: `accept`, `answer-again`, `unchanged`, or the word of the reason for a refusal.
    `spoilt_from`: the good case that differs in the one thing that `name` says. `carrier`: the type
    and bytes of the message that takes this one to the car. `opens_with`: whether a position opens.
    """

    name: str
    data: bytes
    expect: str
    car: str = "usual"
    spoilt_from: str | None = None
    carrier: tuple[str, bytes] | None = None
    opens: Mapping[str, object] | None = None


@cache
def reasons() -> Mapping[str, int]:
    """Return the numbers of the reasons by their words, as docs/protocol.md lists them."""
    text = PROTOCOL.read_text(encoding="utf-8")
    table = text[text.index("\n## Reason codes") : text.index("\n## Event kinds")]
    return {
        word: int(number)
        for number, word in re.findall(r"^\| (\d+) \| `([a-z0-9-]+)`", table, re.MULTILINE)
    }


def described(case: Case) -> dict[str, object]:
    """Return a vector as README.md describes it."""
    entry: dict[str, object] = {"name": case.name, "car": case.car, "bytes": case.data.hex()}
    if case.carrier is not None:
        entry["inside"] = {"message": case.carrier[0], "bytes": case.carrier[1].hex()}
    if case.expect in {ACCEPT, ANSWER_AGAIN, UNCHANGED}:
        entry["outcome"] = case.expect
    else:
        entry["outcome"] = "refuse"
        entry["reason"] = {"word": case.expect, "code": reasons()[case.expect]}
    if case.spoilt_from is not None:
        entry["spoilt_from"] = case.spoilt_from
    entry["signature"] = signature_of(case.data)
    if case.expect == ACCEPT:
        entry["fields"] = fields_of(case.data)
    if case.opens is not None:
        entry["opens"] = case.opens
    return entry


def messages_in(data: bytes) -> Iterable[bytes]:
    """Return the messages in a trust-container, or the one message.

    Raises:
        WireError: neither.
    """
    if data[:1] == b"\xd2":
        return [data]
    items = cbor.decode(data, longest=cbor.LONGEST_CONTAINER_BYTES)
    if isinstance(items, list) and items and all(type(item) is bytes for item in items):
        return items
    raise WireError("no messages")


def signature_of(data: bytes) -> str:
    """Return `good`, `bad` (a key of keys.json, not its signature), `unknown-key` or `none`."""
    known = {holder.public.kid: holder.public for holder in EVERYBODY}
    found = set()
    try:
        for message in messages_in(data):
            opened = envelope.look(message)
            if opened.kid not in known:
                found.add("unknown-key")
                continue
            try:
                opened.verify(known[opened.kid], ENVIRONMENT)
                found.add("good")
            except WireError:
                found.add("bad")
    except WireError:
        return "none"
    return next(word for word in ("bad", "unknown-key", "good") if word in found)


def fields_of(data: bytes) -> object:
    """Return the payload of a good message (of a container: the one payload) as JSON."""
    return as_json(cbor2.loads(envelope.look(next(iter(messages_in(data)))).payload))


def as_json(value: object) -> object:
    """Return decoded CBOR as JSON: keys as strings, byte strings as {"hex": ...}."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value
