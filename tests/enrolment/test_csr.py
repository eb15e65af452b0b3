"""A request that is built around a signer: another implementation reads it and finds it signed with its own key."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.adapters.keys.signing_key import (
    Ed25519Signer,
    P256Signer,
    PrivateSigner,
    create_key,
    load_signer,
)
from tcu_agent.enrolment import csr
from tests.contract.tokens import a_token, key_in, needs_softhsm


def check(signer: PrivateSigner, name: str) -> None:
    request = x509.load_der_x509_csr(csr.request_for(signer, common_name=name))
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == f"CN={name}"
    info = request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert info == csr.public_key_info(signer)
    assert list(request.extensions) == []


@given(st.integers(1, 2**250))
def test_any_p256_key_makes_a_request(seed: int) -> None:
    del seed  # another key, and another signature, whose integers have other lengths
    check(P256Signer(generate_private_key(SECP256R1())), "car-1")


@pytest.mark.parametrize("name", ["c", "car-1", "x" * 32])
def test_an_ed25519_key_too(name: str) -> None:
    check(Ed25519Signer(Ed25519PrivateKey.generate()), name)


@needs_softhsm
def test_a_key_in_a_token_too(tmp_path: Path) -> None:
    with a_token(tmp_path / "token") as token:
        create_key(key_in(token))
        check(load_signer(key_in(token)), "car-1")


def test_lengths_are_in_their_shortest_form() -> None:
    assert csr._der(4, b"x" * 127)[:2] == b"\x04\x7f"
    assert csr._der(4, b"x" * 128)[:3] == b"\x04\x81\x80"
    assert csr._der(4, b"x" * 256)[:4] == b"\x04\x82\x01\x00"
