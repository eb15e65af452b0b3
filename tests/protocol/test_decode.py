"""`tcu-agent decode`: what was caught on the broker, in every form, checked as the car checks it."""

import base64
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcu_agent.cli.main import main
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Event, Grant
from tcu_agent.protocol.vocabulary import EventKind
from tests.protocol.samples import SAMPLES
from tests.protocol.signing import (
    BOOT_ID,
    COMMAND,
    PIN_AUTHORITY,
    ROOTS,
    STREAM_ID,
    VEHICLE,
    Party,
    sign,
    sign_payload,
    trust_container,
)

BENCH = ["--environment", "bench"]
VEHICLE_KEY = ["--vehicle-key", VEHICLE.public_key.hex()]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "trust.cbor").write_bytes(trust_container())
    roots = "".join(
        f'[[root]]\nalg = {root.alg}\npublic_key = "{root.public_key.hex()}"\n' for root in ROOTS
    )
    (tmp_path / "roots.toml").write_text(f"threshold = 2\n{roots}")
    return tmp_path


@pytest.fixture
def keys(files: Path) -> list[str]:
    return [
        *BENCH,
        *VEHICLE_KEY,
        "--trust",
        str(files / "trust.cbor"),
        "--roots",
        str(files / "roots.toml"),
    ]


def decode(*arguments: str) -> int:
    return main(["decode", *arguments])


def as_json(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("sample", sorted(set(SAMPLES) - {"trust"}))
def test_every_message_is_shown_and_verified(
    sample: str, keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = SAMPLES[sample]
    assert decode(sign(message).hex(), *keys, "--json") == 0
    (shown,) = as_json(capsys)
    assert shown["type"] == codec.topic_type(type(message))
    assert shown["signature"] == "verified"
    assert shown["fields"]["vehicle_id"] == "car-1"
    table = next(each for each in codec.MESSAGES if each.name == shown["type"])
    holders = (message, getattr(message, "common", None))
    for field in table.fields:
        given_somewhere = any(getattr(each, field.name, None) is not None for each in holders)
        assert (field.name in shown["fields"]) is given_somewhere, field.name
    assert decode(sign(message).hex(), *keys) == 0
    text = capsys.readouterr().out
    assert "signature: verified" in text
    for name in shown["fields"]:
        assert f"{name}:" in text


def test_what_is_inside_is_checked_too(keys: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    good, evidence = SAMPLES["grant position"], SAMPLES["evidence"]
    assert isinstance(good, Grant)
    spoilt = replace(good, evidence=sign(evidence, Party("stranger")))
    wrong = replace(good, evidence=sign(evidence, environment="production"))
    role = replace(good, evidence=sign(evidence, COMMAND))
    for message, said in (
        (spoilt, "not verified (no key)"),
        (wrong, "WRONG"),
        (role, "WRONG: the role command may not sign this"),
    ):
        assert decode(sign(message).hex(), *keys, "--json") == 1
        (shown,) = as_json(capsys)
        assert shown["signature"] == "verified"
        assert shown["fields"]["evidence"]["signature"] == said
        assert shown["fields"]["approval"]["signature"] == "verified"


def test_without_keys_nothing_is_verified_but_all_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert decode(sign(SAMPLES["result"]).hex()) == 1
    shown = capsys.readouterr().out
    assert "signature: not verified (no key)" in shown
    assert "outcome: executed" in shown
    assert "locks: front-left=unlocked, tailgate=unknown" in shown


def test_a_wrong_signature_says_in_which_environment(
    keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = sign(SAMPLES["call"])
    spoilt = spoilt[:-1] + bytes([spoilt[-1] ^ 1])
    assert decode(spoilt.hex(), *keys) == 1
    assert "signature: WRONG in environment 'bench'" in capsys.readouterr().out


def test_a_revoked_key(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "later.cbor").write_bytes(trust_container(version=2, revoked=(COMMAND.kid,)))
    trust = ["--trust", str(files / "later.cbor"), "--roots", str(files / "roots.toml")]
    assert decode(sign(SAMPLES["call"]).hex(), *BENCH, *trust) == 1
    assert "WRONG: the key is revoked" in capsys.readouterr().out


def test_another_vehicles_key_is_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    other = ["--vehicle-key", Party("vehicle car-2").public_key.hex()]
    assert decode(sign(SAMPLES["event"]).hex(), *BENCH, *other) == 1
    assert "not verified (no key)" in capsys.readouterr().out


def test_sealed_positions_stay_sealed(capsys: pytest.CaptureFixture[str]) -> None:
    assert decode(sign(SAMPLES["position"]).hex(), *BENCH, *VEHICLE_KEY) == 0
    shown = capsys.readouterr().out
    assert "sealed: 64 bytes, sealed to the theft desk" in shown
    assert "00" * 60 not in shown


def test_a_trust_container_shows_each_root(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roots = ["--roots", str(files / "roots.toml")]
    assert decode("--file", str(files / "trust.cbor"), *BENCH, *roots, "--json") == 0
    shown = as_json(capsys)
    assert [each["signature"] for each in shown] == ["verified", "verified"]
    assert [each["kid"] for each in shown] == [root.kid.hex() for root in ROOTS[:2]]
    assert shown[0]["fields"]["keys"][0]["role"] == "command"
    assert decode("--file", str(files / "trust.cbor"), *BENCH) == 1
    assert "role=theft-desk" in capsys.readouterr().out


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))


MESSAGE = sign(SAMPLES["event"])
FORMS = {
    "raw": MESSAGE,
    "hex": MESSAGE.hex().encode(),
    "hex, upper case, 0x": b"0x" + MESSAGE.hex().upper().encode() + b"\r\n",
    "hex in groups": MESSAGE.hex(" ", 2).encode(),
    "base64": base64.b64encode(MESSAGE),
    "base64url without padding": base64.urlsafe_b64encode(MESSAGE).rstrip(b"="),
    "topic and hex": b"tcu/v1/car-1/up/event " + MESSAGE.hex().encode() + b"\n",
    "empty lines around": b"\n\n" + MESSAGE.hex().encode() + b"\n\n",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_form_is_taken_from_a_pipe_and_from_a_file(
    form: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(monkeypatch, form)
    assert decode(*BENCH, *VEHICLE_KEY) == 0
    piped = capsys.readouterr().out
    (tmp_path / "caught").write_bytes(form)
    assert decode(*BENCH, *VEHICLE_KEY, "--file", str(tmp_path / "caught")) == 0
    assert capsys.readouterr().out == piped
    assert "kind: state-changed" in piped


def test_lines_are_judged_one_by_one(
    monkeypatch: pytest.MonkeyPatch, keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        f"tcu/v1/car-1/up/event {MESSAGE.hex()}",
        f"tcu/v1/car-1/down/grant {sign(SAMPLES['call']).hex()}",
        "tcu/v1/car-1/up/event d28440",
        f"tcu/v1/car-1/down/call {sign(SAMPLES['call']).hex()}",
    ]
    feed(monkeypatch, "\n".join(lines).encode())
    assert decode(*keys, "--json") == 2
    shown = as_json(capsys)
    assert [each.get("signature") for each in shown] == [
        "verified",
        "WRONG: caught on the topic of another type",
        None,
        "verified",
    ]
    assert shown[2] == {"malformed": "cut off inside an array or map", "reason": "malformed"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "nothing in it"),
        ("hello, world!", "neither hex nor base64"),
        ("d2", "malformed: cut off"),
        ("a0", "malformed: envelope: not tagged 18"),
        (MESSAGE.hex() + "00", "malformed: 1 bytes after the end"),
        ((MESSAGE + bytes(9000)).hex(), "too-large: "),
        (
            sign_payload(b"\xa0", typ="tcu-event+cose", party=VEHICLE).hex(),
            "malformed: event.vehicle_id: missing",
        ),
        (sign_payload(b"\xa0", typ="x\x1b[2J", party=VEHICLE).hex(), r"unknown typ 'x\x1b[2J'"),
        ("82" + "40" * 2, "malformed: "),
        ("81" + "40", "trust-container: not 2..8 messages"),
        ("820101", "trust-container: an item that is no message"),
    ],
)
def test_what_is_no_message_says_exactly_why(
    data: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, data.encode())
    assert decode(*BENCH) == 2
    captured = capsys.readouterr()
    assert said in captured.out + captured.err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--trust", "no-such-file"], "no-such-file: cannot be read"),
        (["--roots", "no-such-file"], "no-such-file"),
        (["--vehicle-key", "no-such-file"], "no-such-file: cannot be read"),
        (["--vehicle-key", "aabb"], "2 bytes are no key"),
        (["--vehicle-key", "02" + "ff" * 32], "no compressed point"),
        (["--file", "no-such-file"], "no-such-file: cannot be read"),
    ],
)
def test_a_wrong_option_is_one_clear_line(
    option: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = [] if option[0] == "--file" else [MESSAGE.hex()]
    assert decode(*message, *option) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_bundle_that_the_roots_did_not_sign(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roots = ["--roots", str(files / "roots.toml")]
    (files / "one.cbor").write_bytes(trust_container(signers=(ROOTS[0], Party("stranger"))))
    assert decode(MESSAGE.hex(), *BENCH, "--trust", str(files / "one.cbor"), *roots) == 2
    assert "threshold-not-met" in capsys.readouterr().err
    assert decode(MESSAGE.hex(), "--trust", str(files / "trust.cbor"), *roots) == 2
    assert "bad-signature" in capsys.readouterr().err


def test_a_bundle_without_roots_is_taken_and_said_to_be_unchecked(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decode(sign(SAMPLES["call"]).hex(), *BENCH, "--trust", str(files / "trust.cbor")) == 0
    assert "not checked" in capsys.readouterr().err


def test_a_vehicle_key_may_be_a_pem_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    p256 = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), VEHICLE.public_key)
    ed25519 = Ed25519PublicKey.from_public_bytes(PIN_AUTHORITY.public_key)
    for key, party in ((p256, VEHICLE), (ed25519, PIN_AUTHORITY)):
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / "key.pem").write_bytes(pem)
        message = sign(SAMPLES["event"], party).hex()
        assert decode(message, *BENCH, "--vehicle-key", str(tmp_path / "key.pem")) == 0
    (tmp_path / "key.pem").write_text("nothing of the sort")
    assert decode(MESSAGE.hex(), "--vehicle-key", str(tmp_path / "key.pem")) == 2
    assert "PEM" in capsys.readouterr().err


def test_an_unverified_text_does_not_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    event = Event(
        vehicle_id="car-1",
        boot_id=BOOT_ID,
        kind=EventKind.STATE_CHANGED,
        seq=1,
        boot_time_ms=0,
        wall_time_ms=2**53 - 1,
        stream_id=STREAM_ID,
        values={"Vehicle.A": "\x1b[2J", "\x1b]0;x\x07": 1},
    )
    assert decode(sign(event).hex(), *BENCH) == 1
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "wall_time: beyond the calendar" in shown


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(min_size=1, max_size=100))
def test_any_bytes_give_a_status_and_no_traceback(
    data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decode(data.hex()) == 2
    assert "bug" not in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "caught.txt"
    line = trust_container().hex() + "\n"
    file.write_text(line * 200)
    program = [sys.executable, "-m", "tcu_agent", "decode", "--file", str(file)]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait(30) == 1, "not everything was verified"
