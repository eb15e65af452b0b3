"""Whatever bytes a server sends: a certificate that is judged, or an error that is documented."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.enrolment import judging
from tcu_agent.enrolment.est import certificate_in
from tcu_agent.errors import EnrolmentError
from tcu_sim.est.authority import Authority
from tests.enrolment.bench import CAR

NOW_S = 1_800_000_000.0


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Return a good answer, DER, and the key that it is for."""
    authority = Authority.open(tmp_path_factory.mktemp("authority"))
    key = generate_private_key(SECP256R1()).public_key()
    certificate = authority.certify(key, CAR, days=365)
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return pkcs7.serialize_certificates([certificate], Encoding.DER), info


def judge(answer: bytes, info: bytes, old: x509.Certificate | None = None) -> None:
    certificate = certificate_in(answer)
    judging.check_certificate(
        certificate, old=old, public_key_info=info, common_name=CAR, now_s=NOW_S
    )


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes(data: bytes, coded: bool) -> None:
    with pytest.raises(EnrolmentError):
        judge(base64.encodebytes(data) if coded else data, b"")


@given(data=st.data())
def test_any_damage_to_a_good_one(good: tuple[bytes, bytes], data: st.DataObject) -> None:
    der, info = good
    place = data.draw(st.integers(0, len(der) - 1))
    spoilt = bytearray(der)
    spoilt[place] = data.draw(st.integers(0, 255))
    try:
        judge(base64.encodebytes(bytes(spoilt)), info)
    except EnrolmentError:
        return
    # What is not judged (serial number, issuer, extensions, the signature: TLS has vouched for the server) may differ.
    assert judging.public_key_of(certificate_in(base64.encodebytes(bytes(spoilt)))) == info
