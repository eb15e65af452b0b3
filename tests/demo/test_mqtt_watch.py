"""What the observer tells about messages, and what it must not tell."""

import json

import pytest

from tcu_sim.demo.attacker import signed_anew, with_flipped_bit
from tcu_sim.demo.mqtt_watch import MqttWatch, Summary
from tcu_sim.pki.public import VehicleRegister
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import sign
from tcu_sim.wire.keys import generate
from tcu_sim.wire.numbers import Call, Lock, Outcome, Relock, Role, Service
from tcu_sim.wire.trust import TrustedKeys, record_of

CAR, COMMAND, STRANGER = generate(), generate(), generate()
ENVIRONMENT = "bench"
RESULT = m.Result(
    vehicle_id="car-1",
    service=Service.UNLOCK,
    request_id=bytes(16),
    nonce=bytes(16),
    boot_id=bytes(8),
    outcome=Outcome.FAILED,
    reason=60,
    grant_hash=bytes(32),
    locks={0: Lock.UNLOCKED, 4: Lock.LOCKED},
    relock=Relock.NONE,
    seq=3,
    stream_id=bytes(8),
)
CALL = m.Call(
    vehicle_id="car-1", boot_id=bytes(8), incident_id=bytes(16), seq=1, state=Call.CONNECTED
)


@pytest.fixture
def watch() -> MqttWatch:
    trust = m.Trust(
        version=1, epoch=1, keys=(record_of(Role.COMMAND, COMMAND.public),), revoked=(), issued_s=0
    )
    return MqttWatch(
        register=VehicleRegister(ENVIRONMENT, {"car-1": CAR.public}),
        trusted=TrustedKeys(trust, ENVIRONMENT),
        reason_word=lambda number: f"reason-{number}",
    )


def take(watch: MqttWatch, topic: str, payload: bytes, *, retained: bool = False) -> Summary:
    return watch.take(topic, payload, retained=retained, positions=[(577_087_000, 119_746_000)])


def test_a_result_is_told_with_its_locks_and_its_signature(watch: MqttWatch) -> None:
    seen = take(watch, "tcu/v1/car-1/up/result", sign(RESULT, CAR, ENVIRONMENT))
    assert seen["what"] == "result"
    assert seen["way"] == "up"
    assert seen["outcome"] == "failed"
    assert seen["reason"] == "reason-60"
    assert seen["locks"] == {"front left": "unlocked", "tailgate": "locked"}
    assert seen["signature"] == "good"
    json.dumps(seen)


def test_a_forged_result_is_told_as_such(watch: MqttWatch) -> None:
    data = sign(RESULT, CAR, ENVIRONMENT)
    topic = "tcu/v1/car-1/up/result"
    assert (
        take(watch, topic, signed_anew(data, STRANGER, ENVIRONMENT))["signature"] == "unknown-key"
    )
    assert take(watch, topic, with_flipped_bit(data))["signature"] == "bad-signature"
    assert take(watch, topic, sign(RESULT, CAR, "production"))["signature"] == "bad-signature"
    assert take(watch, topic, b"\xd2nonsense")["signature"] == "malformed"


def test_a_message_of_another_car_is_not_good_here(watch: MqttWatch) -> None:
    data = sign(RESULT, CAR, ENVIRONMENT)
    assert take(watch, "tcu/v1/car-2/up/result", data)["signature"] == "unknown-key"


def test_the_centre_is_checked_by_role(watch: MqttWatch) -> None:
    topic = "tcu/v1/car-1/down/call"
    assert take(watch, topic, sign(CALL, COMMAND, ENVIRONMENT))["signature"] == "good"
    assert take(watch, topic, sign(CALL, CAR, ENVIRONMENT))["signature"] == "unknown-key"


def test_retained_and_strange_topics_are_told(watch: MqttWatch) -> None:
    assert take(watch, "tcu/v1/car-1/down/grant", b"", retained=True)["retained"] is True
    assert take(watch, "tcu/v1/x", b"123") == {
        "what": "unknown-topic",
        "topic": "tcu/v1/x",
        "bytes": 3,
    }
    assert take(watch, "tcu/v1/car-1/up/gossip", b"")["signature"] == "no message of the protocol"


def test_a_position_in_clear_is_told_but_not_repeated(watch: MqttWatch) -> None:
    leak = b"\x1a" + (577_087_000).to_bytes(4, "big") + b"\x1a" + (119_746_000).to_bytes(4, "big")
    seen = take(watch, "tcu/v1/car-1/up/event", leak)
    assert seen["position_in_clear"] is True
    assert "577087" not in json.dumps(seen)
