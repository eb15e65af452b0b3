"""Vectors that others made: Wycheproof for the signatures, the COSE working group's for the envelope.

They are read where they lie (see tests/foreign_data.py) and are no part of this project.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

import cbor2
import pytest

from tcu_agent.errors import MalformedError
from tcu_agent.protocol import cose
from tcu_agent.protocol.cose import SIGNATURE_LENGTH, VerificationKey
from tests.foreign_data import foreign_data


def load(relative: str) -> Any:
    return json.loads(foreign_data(relative).read_text())


def compressed(x: bytes, y: bytes) -> bytes:
    return bytes([2 + (y[-1] & 1)]) + x


def p256_key(group: dict[str, Any]) -> VerificationKey:
    point = bytes.fromhex(group["publicKey"]["uncompressed"])
    assert len(point) == 65
    return VerificationKey.of(compressed(point[1:33], point[33:]))


def ed25519_key(group: dict[str, Any]) -> VerificationKey:
    return VerificationKey.of(bytes.fromhex(group["publicKey"]["pk"]))


@pytest.mark.parametrize(
    ("file", "key_of", "count"),
    [
        ("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json", p256_key, 262),
        ("wycheproof/ed25519_test.json", ed25519_key, 151),
    ],
)
def test_wycheproof(file: str, key_of: Any, count: int) -> None:
    """Every case, without exception: valid is accepted, invalid is refused."""
    vectors = load(file)
    judged: Counter[bool] = Counter()
    for group in vectors["testGroups"]:
        key = key_of(group)
        for case in group["tests"]:
            signature, message = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
            expected = {"valid": True, "invalid": False}[case["result"]]
            assert key.is_signature(signature, message) is expected, case
            judged[expected] += 1
            if len(signature) != SIGNATURE_LENGTH:
                assert not expected
    assert sum(judged.values()) == vectors["numberOfTests"] == count
    assert min(judged[True], judged[False]) > 50


def test_wycheproof_signatures_in_der_are_no_signatures_here() -> None:
    """The same curve, the other format: the profile knows r || s alone."""
    vectors = load("wycheproof/ecdsa_secp256r1_sha256_test.json")
    of_64_bytes = 0
    for group in vectors["testGroups"]:
        key = p256_key(group)
        for case in group["tests"]:
            signature = bytes.fromhex(case["sig"])
            of_64_bytes += len(signature) == SIGNATURE_LENGTH
            assert not key.is_signature(signature, bytes.fromhex(case["msg"])), case
    assert of_64_bytes < 5


SHAPE = "the unprotected header must be empty"
TAG = "not tagged 18"
COSE_CASES: dict[str, tuple[str, bool | str]] = {
    # file: (why the envelope is outside the strict profile, whether the signature in it is good,
    #        or why there can be no key for it)
    # Kid, and at times alg, unprotected: in all of them.
    "ecdsa-examples/ecdsa-sig-01.json": (SHAPE, True),
    "ecdsa-examples/ecdsa-sig-02.json": (SHAPE, "P-384"),
    "ecdsa-examples/ecdsa-sig-03.json": (SHAPE, "P-521"),
    "ecdsa-examples/ecdsa-sig-04.json": (SHAPE, False),  # P-256 with SHA-512
    "eddsa-examples/eddsa-sig-01.json": (SHAPE, True),
    "eddsa-examples/eddsa-sig-02.json": (SHAPE, "Ed448"),
    "sign1-tests/sign-pass-01.json": (
        SHAPE,
        False,
    ),  # alg unprotected, protected h'A0' signed as h''
    "sign1-tests/sign-pass-02.json": (SHAPE, True),  # external data
    "sign1-tests/sign-pass-03.json": (TAG, True),
    "sign1-tests/sign-fail-01.json": (TAG, True),  # tag 998
    "sign1-tests/sign-fail-02.json": (SHAPE, False),
    "sign1-tests/sign-fail-03.json": (SHAPE, False),
    "sign1-tests/sign-fail-04.json": (SHAPE, False),
    "sign1-tests/sign-fail-06.json": (SHAPE, False),
    "sign1-tests/sign-fail-07.json": (SHAPE, False),
    # COSE_Sign (tag 98, several signers): another structure.
    "ecdsa-examples/ecdsa-01.json": (TAG, "COSE_Sign"),
    "ecdsa-examples/ecdsa-02.json": (TAG, "COSE_Sign"),
    "ecdsa-examples/ecdsa-03.json": (TAG, "COSE_Sign"),
    "ecdsa-examples/ecdsa-04.json": (TAG, "COSE_Sign"),
    "eddsa-examples/eddsa-01.json": (TAG, "COSE_Sign"),
    "eddsa-examples/eddsa-02.json": (TAG, "COSE_Sign"),
}


def test_every_cose_vector_is_in_the_list() -> None:
    folder = foreign_data("cose")
    assert {str(file.relative_to(folder)) for file in folder.rglob("*.json")} == set(COSE_CASES)


def coordinate(key: dict[str, str], name: str) -> bytes:
    if f"{name}_hex" in key:
        return bytes.fromhex(key[f"{name}_hex"])
    text = key[name]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(("file", "expected"), COSE_CASES.items())
def test_cose(file: str, expected: tuple[str, bool | str]) -> None:
    """No vector fits the strict envelope; the signature rule underneath is held to all of them."""
    vector = load(f"cose/{file}")
    data = bytes.fromhex(vector["output"]["cbor"])
    why, signature_is_good = expected
    with pytest.raises(MalformedError, match=why):
        cose.parse(data)
    if signature_is_good == "COSE_Sign":
        assert "sign0" not in vector["input"]
        return
    given = vector["input"]["sign0"]
    key = given["key"]
    x = coordinate(key, "x")
    public_key = compressed(x, coordinate(key, "y")) if key["kty"] == "EC" else x
    if isinstance(signature_is_good, str):
        assert key["crv"] == signature_is_good
        with pytest.raises(MalformedError):
            VerificationKey.of(public_key)
        return
    message = cbor2.loads(data)
    protected, _, payload, signature = getattr(message, "value", message)
    external = bytes.fromhex(given.get("external", ""))
    signed = cbor2.dumps(["Signature1", protected, external, payload])
    if signature_is_good:
        assert signed.hex().upper() == vector["intermediates"]["ToBeSign_hex"]
    assert VerificationKey.of(public_key).is_signature(signature, signed) is signature_is_good
