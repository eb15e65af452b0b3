"""Wycheproof's cases for the two MACs that are used here: AES-128-CMAC (SecOC) and HMAC-SHA-256 (the PIN's pepper).

Signatures and the COSE working group's examples: tests/protocol/test_foreign_vectors.py. Together they are all
1,382 cases; each that is outside what is used here is counted with its reason.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tcu_agent.adapters.can.secoc import KEY_BYTES, authenticator, is_authentic, secure
from tcu_agent.adapters.mapping.mapping import SecocProtection
from tcu_sim.centre.pin import hashing
from tcu_sim.vehicle import secoc as receiver
from tests.foreign_data import foreign_data
from tests.protocol import test_foreign_vectors as signatures

ELSEWHERE = {
    # file: (cases, the test that judges them)
    "ecdsa_secp256r1_sha256_p1363_test.json": (262, signatures.test_wycheproof),
    "ecdsa_secp256r1_sha256_test.json": (
        484,
        signatures.test_wycheproof_signatures_in_der_are_no_signatures_here,
    ),
    "ed25519_test.json": (151, signatures.test_wycheproof),
}
HERE = {"aes_cmac_test.json": 311, "hmac_sha256_test.json": 174}
OTHER_KEY = "a key of another size than 128 bits: refused when the configuration is loaded"
TOO_SHORT = "shorter than data id and freshness value: no Secured I-PDU has such a message"
SHORTEST_BYTES = 6
"""Data id (2) and freshness value (4). Source: dbc/README.md, "SecOC"."""


def cases(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    document = json.loads(foreign_data(f"wycheproof/{name}").read_text(encoding="utf-8"))
    return ((group, case) for group in document["testGroups"] for case in group["tests"])


def test_every_wycheproof_case_is_judged_somewhere() -> None:
    folder = foreign_data("wycheproof")
    counts = {path.name: sum(1 for _ in cases(path.name)) for path in folder.glob("*.json")}
    assert counts == {**HERE, **{name: count for name, (count, _) in ELSEWHERE.items()}}
    assert sum(counts.values()) == 1382


def cmac(key: bytes, message: bytes) -> bytes:
    """Return the agent's CMAC over a message taken apart as SecOC puts it together."""
    return authenticator(
        key,
        data_id=int.from_bytes(message[:2], "big"),
        payload=message[2:-4],
        freshness_value=int.from_bytes(message[-4:], "big"),
    )


def test_cmac() -> None:
    judged: Counter[str] = Counter()
    for _, case in cases("aes_cmac_test.json"):
        key, message, tag = (bytes.fromhex(case[name]) for name in ("key", "msg", "tag"))
        if len(key) != KEY_BYTES:
            judged[OTHER_KEY] += 1
        elif len(message) < SHORTEST_BYTES:
            judged[TOO_SHORT] += 1
        else:
            assert (cmac(key, message) == tag) is (case["result"] == "valid"), case["tcId"]
            judged[case["result"]] += 1
    assert judged == {"valid": 15, "invalid": 54, OTHER_KEY: 209, TOO_SHORT: 33}


@pytest.mark.parametrize(("freshness_bits", "mac_bits"), [(8, 24), (32, 64)])
def test_a_secured_frame_with_a_cut_cmac(freshness_bits: int, mac_bits: int) -> None:
    """The valid cases as frames: the agent's two halves, and for 24 bits the simulated receiver, agree."""
    judged = 0
    for _, case in cases("aes_cmac_test.json"):
        key, message, tag = (bytes.fromhex(case[name]) for name in ("key", "msg", "tag"))
        if len(key) != KEY_BYTES or len(message) < SHORTEST_BYTES or case["result"] != "valid":
            continue
        judged += 1
        data_id, freshness = int.from_bytes(message[:2], "big"), int.from_bytes(message[-4:], "big")
        protection = SecocProtection(
            data_id=data_id, key="k", freshness_bits=freshness_bits, mac_bits=mac_bits
        )
        frame = message[2:-4] + message[-freshness_bits // 8 :] + tag[: mac_bits // 8]
        assert secure(frame, protection, key, freshness) == frame
        assert is_authentic(frame, protection, key, freshness)
        bent = frame[:-1] + bytes([frame[-1] ^ 1])
        assert not is_authentic(bent, protection, key, freshness)
        made = receiver.authenticator(
            key, data_id=data_id, payload=message[2:-4], freshness=freshness
        )
        assert made == tag[: receiver.AUTHENTICATOR_BYTES]
    assert judged == 15


def test_hmac() -> None:
    """The HMAC of the PIN's pepper, as the PIN authority calls it."""
    judged: Counter[str] = Counter()
    for group, case in cases("hmac_sha256_test.json"):
        key, message, tag = (bytes.fromhex(case[name]) for name in ("key", "msg", "tag"))
        made = hmac.digest(key, message, hashlib.sha256)[: group["tagSize"] // 8]
        assert hmac.compare_digest(made, tag) is (case["result"] == "valid"), case["tcId"]
        judged[case["result"]] += 1
    assert sum(judged.values()) == HERE["hmac_sha256_test.json"]
    assert min(judged.values()) > 50


def test_the_pepper_is_what_the_hmac_is_keyed_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """What argon2id gets is the HMAC of vehicle, generation and PIN: nothing else is stretched."""
    seen: list[bytes] = []

    def argon2id(secret: bytes, *_: object, **__: object) -> bytes:
        seen.append(secret)
        return bytes(32)

    monkeypatch.setattr(hashing, "hash_secret_raw", argon2id)
    hasher = hashing.PinHasher(pepper=b"p" * 32, cost=hashing.QUICK)
    stored = hashing.StoredPin(bytes(16), bytes(32))
    assert hasher.is_right("0417", stored, vehicle_id="car-1", generation=3)
    assert seen == [hmac.digest(b"p" * 32, b"car-1\n3\n0417", hashlib.sha256)]
