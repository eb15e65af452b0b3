"""The agent, put into the state that a vector names, and asked. Reads the JSON files alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tcu_agent.core.verify.challenges import ChallengeTable, Outstanding
from tcu_agent.core.verify.verifier import (
    AcceptedAccount,
    AcceptedTrust,
    AlreadyAnswered,
    OpenCall,
    Refused,
    Verifier,
)
from tcu_agent.errors import MalformedError
from tcu_agent.protocol import cbor, codec, cose, trust
from tcu_agent.protocol.cose import VerificationKey
from tcu_agent.protocol.messages import Account, Challenge, Request
from tcu_agent.protocol.trust import Keyring
from tcu_agent.protocol.vocabulary import Reason

FOLDER = Path(__file__).parent
STATES = ("keys.json", "cars.json")
FROM_THE_CAR = ("challenge", "refusal", "result", "event", "position", "availability")
Outcome = str | Reason
Vector = Mapping[str, Any]


@cache
def load(name: str) -> Any:
    """Return a file of the folder."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def files() -> list[str]:
    """Return the names of the files with vectors."""
    return sorted(path.name for path in FOLDER.glob("*.json") if path.name not in STATES)


def key(name: str) -> VerificationKey:
    """Return a public key of keys.json."""
    return VerificationKey.of(bytes.fromhex(load("keys.json")["keys"][name]["public"]))


def decode(kind: type[Any], payload: str) -> Any:
    return codec.decode(kind, bytes.fromhex(payload))


@dataclass
class Car:
    """A car of cars.json, as the agent's verifier sees it."""

    state: Mapping[str, Any]

    def __post_init__(self) -> None:
        state = self.state
        self.now: float = state["now_s"]
        self.verifier = Verifier(
            vehicle_id=state["vehicle_id"],
            environment=state["environment"],
            boot_id=bytes.fromhex(state["boot_id"]),
            roots=tuple(key(name) for name in state["roots"]),
            threshold=state["threshold"],
        )
        self.keyring = self._keyring()
        account = state["account"]
        self.account: Account | None = account and decode(Account, account)
        self.answered = {bytes.fromhex(each) for each in state["answered"]}
        self.table = ChallengeTable()
        for waiting in state["challenges"]:
            entry = self.table.issue(
                decode(Request, waiting["request"]),
                decode(Challenge, waiting["challenge"]),
                account_epoch=waiting["account_epoch"],
                now=waiting["issued_s"],
            )
            assert isinstance(entry, Outstanding)

    def _keyring(self) -> Keyring | None:
        if self.state["trust"] is None:
            return None
        stored = bytes.fromhex(self.state["trust"])
        verdict = self.verifier.verify_trust(stored, keyring=None)
        assert isinstance(verdict, AcceptedTrust), verdict
        return verdict.keyring

    def judge(self, message: str, data: bytes) -> Outcome:
        """Return `accept`, `answer-again`, `unchanged`, or the reason of the refusal."""
        verdict = self._verdict(message, data)
        if isinstance(verdict, Refused):
            return verdict.reason
        if isinstance(verdict, AlreadyAnswered):
            return "answer-again"
        if isinstance(verdict, AcceptedAccount | AcceptedTrust) and not verdict.changed:
            return "unchanged"
        return "accept"

    def _verdict(self, message: str, data: bytes) -> object:
        judge, ring, now = self.verifier, self.keyring, self.now
        match message:
            case "request":
                marks = {bytes.fromhex(k): v for k, v in self.state["request_marks"].items()}
                return judge.verify_request(
                    data, keyring=ring, account=self.account, marks=marks, answered=self.answered
                )
            case "grant":
                return judge.verify_grant(
                    data,
                    keyring=ring,
                    account=self.account,
                    challenges=self.table,
                    answered=self.answered,
                    now=now,
                )
            case "account":
                return judge.verify_account(
                    data, keyring=ring, account=self.account, challenges=self.table, now=now
                )
            case "trust":
                return judge.verify_trust(data, keyring=ring)
            case _:
                return self._rest(message, data)

    def _rest(self, message: str, data: bytes) -> object:
        judge, ring, state = self.verifier, self.keyring, self.state
        match message:
            case "call":
                return judge.verify_call(data, keyring=ring, call=self._call())
            case "ack":
                stream_id = bytes.fromhex(state["stream_id"])
                return judge.verify_ack(
                    data, keyring=ring, stream_id=stream_id, last_seq=state["last_seq"]
                )
            case "position-ack":
                seqs = {bytes.fromhex(k): v for k, v in state["last_position_seqs"].items()}
                stream_id = bytes.fromhex(state["stream_id"])
                return judge.verify_position_ack(
                    data, keyring=ring, stream_id=stream_id, last_seqs=seqs
                )
            case "case-end":
                cases = {bytes.fromhex(each) for each in state["open_cases"]}
                return judge.verify_case_end(data, keyring=ring, cases=cases)
            case _:
                raise AssertionError(message)

    def _call(self) -> OpenCall | None:
        call = self.state["call"]
        return call and OpenCall(
            incident_id=bytes.fromhex(call["incident_id"]),
            boot_id=bytes.fromhex(call["boot_id"]),
            last_seq=call["last_seq"],
        )


def judge_at_the_centre(message: str, data: bytes) -> Outcome:
    """Judge a message of the car by its grammar and the car's key, as docs/protocol.md has it (E2 to E6)."""
    kind = codec.message_of(f"tcu-{message}+cose")
    assert kind is not None
    vehicle = key("vehicle car-1")
    try:
        envelope = cose.parse(data)
        if envelope.typ != codec.typ_of(kind):
            return Reason.UNSUPPORTED_TYPE
        if envelope.kid != vehicle.kid:
            return Reason.UNKNOWN_KEY
        verified = cose.verify(envelope, key=vehicle, environment=load("keys.json")["environment"])
        if verified is None:
            return Reason.BAD_SIGNATURE
        codec.decode(kind, verified.content)
    except MalformedError as error:
        return error.reason
    return "accept"


def expected(vector: Vector) -> Outcome:
    """Return what a vector says will happen."""
    if vector["outcome"] != "refuse":
        return str(vector["outcome"])
    reason = Reason(vector["reason"]["code"])
    assert reason.code == vector["reason"]["word"]
    return reason


def arriving(message: str, vector: Vector) -> tuple[str, bytes]:
    """Return type and bytes of what arrives: the vector, or what it lies inside of."""
    inside = vector.get("inside")
    if inside is not None:
        return inside["message"], bytes.fromhex(inside["bytes"])
    return message, bytes.fromhex(vector["bytes"])


def payload_as_json(data: bytes) -> object:
    """Return the payload of a message (of a container: its one payload), read by the agent's decoder."""
    message = data if data[:1] == b"\xd2" else trust.messages_of(data)[0]
    return _as_json(cbor.decode(cose.parse(message).claimed_payload))


def _as_json(value: object) -> object:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {str(name): _as_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value
