"""Targets: what comes over MQTT. As it lies, and behind good signatures, where the codec and the rules begin."""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

from tcu_agent.cli import main as command_line
from tcu_agent.core.verify.verdicts import Refused
from tcu_agent.errors import BadInput, BugError, MalformedError
from tcu_agent.protocol import cbor, codec, cose, trust
from tcu_agent.protocol.messages import Message, Trust
from tcu_agent.protocol.vocabulary import Reason, Service
from tcu_sim.wire.envelope import open_signed
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.from_vehicle import Availability, Challenge, Event, Position, Refusal, Result
from tcu_sim.wire.keys import PublicKey
from tcu_sim.wire.messages import Message as WireMessage
from tests.fuzz.target import Target, written
from tests.protocol import signing
from tests.protocol.car import a_car
from tests.vectors import judging

DOWN = ("request", "grant", "account", "trust", "call", "ack", "position-ack", "case-end")
"""Types that the centre says to the car."""
FROM_VEHICLE: tuple[type[WireMessage], ...] = (
    Challenge,
    Refusal,
    Result,
    Event,
    Position,
    Availability,
)


# ------------------------------------------------------------------ as they lie on the broker


_cars: dict[str, judging.Car] = {}
"""A refusal changes nothing, so a car stays until it has accepted something."""


def car_names() -> list[str]:
    """Return the names of the vectors' cars."""
    return sorted(judging.load("cars.json")["cars"])


def _car(name: str) -> judging.Car:
    if name not in _cars:
        _cars[name] = judging.Car(judging.load("cars.json")["cars"][name])
    return _cars[name]


def judge_arrival(data: bytes) -> bool:
    """`data`: a byte for the topic, one for the car's state, then the message."""
    if len(data) < 2:
        return False
    names = car_names()
    name = names[data[1] % len(names)]
    outcome = _car(name).judge(DOWN[data[0] % len(DOWN)], data[2:])
    if isinstance(outcome, Reason):
        return False
    del _cars[name]
    return True


def arrivals() -> Iterable[bytes]:
    """Every vector that the centre sends, in front of its car."""
    names = car_names()
    for name in judging.files():
        content = judging.load(name)
        for vector in content["vectors"]:
            message, data = judging.arriving(content["message"], vector)
            if message in DOWN:
                yield bytes([DOWN.index(message), names.index(vector["car"])]) + data


# ------------------------------------------------------------------ behind a good signature


@dataclass
class Signed:
    """Payload bytes that the right key signed: what a compromised service could say."""

    parts: tuple[tuple[str, Callable[[bytes], object]], ...] = field(init=False)

    def __post_init__(self) -> None:
        """Put a fresh car behind each way in."""
        self.car, self.answer = a_car(Service.UNLOCK)
        self.position_car, self.position_answer = a_car(Service.POSITION)
        judge, ring = self.car.verifier, self.car.keyring
        self.parts = (
            ("request", self._centre("request", self.car.judge_request)),
            ("grant", self._centre("grant", self.car.judge_grant)),
            ("account", self._centre("account", self.car.judge_account)),
            ("trust", lambda data: judge.verify_trust(_container(data), keyring=ring)),
            ("call", self._centre("call", lambda d: judge.verify_call(d, keyring=ring, call=None))),
            (
                "ack",
                self._centre(
                    "ack",
                    lambda d: judge.verify_ack(
                        d, keyring=ring, stream_id=signing.STREAM_ID, last_seq=9
                    ),
                ),
            ),
            ("evidence", self._evidence),
            ("approval", self._approval),
        )

    @staticmethod
    def _centre(word: str, judge: Callable[[bytes], object]) -> Callable[[bytes], object]:
        kind = codec.message_of(f"tcu-{word}+cose")
        assert kind is not None
        return lambda payload: judge(_signed(kind, payload))

    def _evidence(self, payload: bytes) -> object:
        evidence = _signed(codec.message_of("tcu-evidence+cose"), payload)
        return self.car.judge_grant(self.answer.signed(evidence=evidence))

    def _approval(self, payload: bytes) -> object:
        approval = _signed(codec.message_of("tcu-approval+cose"), payload)
        return self.position_car.judge_grant(self.position_answer.signed(approval=approval))


def _signed(kind: type[Message] | None, payload: bytes) -> bytes:
    assert kind is not None
    return signing.sign_payload(payload, typ=codec.typ_of(kind), party=signing.SIGNER_OF[kind])


def _container(payload: bytes) -> bytes:
    typ = codec.typ_of(Trust)
    both = [signing.sign_payload(payload, typ=typ, party=root) for root in signing.ROOTS[:2]]
    return cbor.encode(list[cbor.CborValue](both))


def judge_signed(data: bytes) -> bool:
    """`data`: a byte for the type, then the payload that gets signed."""
    if not data:
        return False
    ways = _signed_ways()
    _, judge = ways.parts[data[0] % len(ways.parts)]
    try:
        verdict = judge(data[1:])
    except BugError:
        # The test's own centre cannot put it into a grant: the grammar bounds the size of what is nested.
        return False
    if isinstance(verdict, Refused):
        return False
    _signed_ways.cache_clear()
    return True


@cache
def _signed_ways() -> Signed:
    return Signed()


def signed_payloads() -> Iterable[bytes]:
    """A good payload of each type, and what the vectors have of it."""
    ways = Signed()
    good = {
        "request": ways.car.centre.request(Service.UNLOCK),
        "grant": ways.answer.grant(),
        "account": signing.account_state(version=8),
        "trust": signing.trust_bundle(version=2),
        "ack": ways.car.centre.ack(3),
        "evidence": ways.answer.evidence(),
        "approval": ways.position_answer.approval(),
    }
    for number, (word, _) in enumerate(ways.parts):
        if word in good:
            yield bytes([number]) + codec.encode(good[word])
        content = judging.load(f"{word}.json")
        for vector in content["vectors"]:
            if vector["outcome"] == "accept" and not vector["bytes"].startswith("8"):
                payload = cose.parse(bytes.fromhex(vector["bytes"])).claimed_payload
                yield bytes([number]) + payload


# ------------------------------------------------------------------ one by one


def decode_payload(data: bytes) -> bool:
    """`data`: a byte for the type, then a payload. What is decoded is encoded to the same bytes."""
    if not data:
        return False
    kind = codec.message_of(f"tcu-{codec.MESSAGES[data[0] % len(codec.MESSAGES)].name}+cose")
    assert kind is not None
    try:
        message = codec.decode(kind, data[1:])
    except MalformedError:
        return False
    assert codec.encode(message) == data[1:]
    assert repr(message)
    return True


def payloads() -> Iterable[bytes]:
    """The payloads of the accepted vectors."""
    for number, table in enumerate(codec.MESSAGES):
        for vector in judging.load(f"{table.name}.json")["vectors"]:
            data = bytes.fromhex(vector["bytes"])
            if vector["outcome"] == "accept":
                message = data if data[:1] == b"\xd2" else trust.messages_of(data)[0]
                yield bytes([number]) + cose.parse(message).claimed_payload


def open_trust(data: bytes) -> bool:
    """A trust container, with and without a look at its signatures."""
    roots = trust.root_keys(judging.key(f"root {number}").public_key for number in (1, 2, 3))
    environment = judging.load("keys.json")["environment"]
    try:
        trust.claimed_bundle(data).position_recipient()
        trust.open_container(data, roots=roots, threshold=2, environment=environment)
    except MalformedError:
        return False
    return True


def containers() -> Iterable[bytes]:
    """The containers of the vectors."""
    return (bytes.fromhex(each["bytes"]) for each in judging.load("trust.json")["vectors"])


# ------------------------------------------------------------------ tcu-agent decode


def run_decode(data: bytes) -> bool:
    """`tcu-agent decode` on a file: a status, lines, and nothing but its documented error."""
    args = _decode_arguments()
    args.file = written("caught", data)
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            status: int = args.func(args)
        except BadInput:
            return False
    assert status in {0, 1, 2}
    return status != command_line.EXIT_BAD_INPUT


@cache
def _decode_arguments() -> argparse.Namespace:
    vehicle = judging.load("keys.json")["keys"]["vehicle car-1"]["public"]
    environment = judging.load("keys.json")["environment"]
    words = ["decode", "--vehicle-key", vehicle, "--json", "--environment", environment]
    return command_line.make_parser().parse_args(words)


def caught() -> Iterable[bytes]:
    """Vectors as raw bytes, hex, base64 and lines with a topic; what is in a trust container as well."""
    for name in judging.files():
        vector = judging.load(name)["vectors"][0]
        data = bytes.fromhex(vector["bytes"])
        yield data
        yield data.hex().encode() + b"\n"
        yield b"tcu/v1/car-1/up/event " + data.hex().upper().encode() + b"\n" + b"0x" + b"d2\n"
    yield b"0oRYGq==\n"


# ------------------------------------------------------------------ the centre's own implementation


def open_at_the_centre(data: bytes) -> bool:
    """`data`: a byte for the type, then a message as a vehicle would send it."""
    if not data:
        return False
    vehicle = judging.load("keys.json")["keys"]["vehicle car-1"]
    key = PublicKey(vehicle["alg"], bytes.fromhex(vehicle["public"]))
    kind = FROM_VEHICLE[data[0] % len(FROM_VEHICLE)]
    try:
        open_signed(data[1:], kind, key, judging.load("keys.json")["environment"])
    except WireError:
        return False
    return True


def from_the_vehicle() -> Iterable[bytes]:
    """The vectors that a vehicle sends."""
    for number, kind in enumerate(FROM_VEHICLE):
        for vector in judging.load(f"{kind.TYP}.json")["vectors"]:
            yield bytes([number]) + bytes.fromhex(vector["bytes"])


TARGETS = (
    Target(
        name="mqtt",
        run=judge_arrival,
        seeds=arrivals,
        decoder="tcu_agent.protocol.cose.parse",
        max_bytes=16_384,
    ),
    Target(
        name="signed",
        run=judge_signed,
        seeds=signed_payloads,
        decoder="tcu_agent.protocol.codec.decode",
    ),
    Target(
        name="payload",
        run=decode_payload,
        seeds=payloads,
        decoder="tcu_agent.protocol.codec.decode",
    ),
    Target(
        name="trust",
        run=open_trust,
        seeds=containers,
        decoder="tcu_agent.protocol.cose.parse",
        max_bytes=16_384,
    ),
    Target(
        name="decode-command",
        run=run_decode,
        seeds=caught,
        decoder="tcu_agent.protocol.cose.parse",
        max_bytes=16_384,
    ),
    Target(
        name="centre",
        run=open_at_the_centre,
        seeds=from_the_vehicle,
        decoder="tcu_sim.wire.cbor.decode",
    ),
)
