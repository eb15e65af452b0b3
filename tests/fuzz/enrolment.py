"""What an enrolment server answers: a certificate (PKCS #7), and a trust bundle."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7

from tcu_agent.enrolment import judging
from tcu_agent.enrolment.est import certificate_in
from tcu_agent.errors import EnrolmentError
from tcu_sim.est.authority import Authority
from tests.fuzz.target import Target, scratch

CAR = "car-1"


@cache
def good() -> tuple[x509.Certificate, bytes]:
    """Return a certificate of this process, and the key that it is for (SubjectPublicKeyInfo)."""
    authority = Authority.open(scratch() / "authority")
    key = generate_private_key(SECP256R1()).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return authority.certify(key, CAR, days=365), info


def judge_answer(data: bytes) -> bool:
    """Take bytes for the answer to a request; an odd first byte: they are base64 already."""
    if not data:
        return False
    certificate, info = good()
    answer = data[1:] if data[0] % 2 else base64.encodebytes(data[1:])
    try:
        judging.check_certificate(
            certificate_in(answer),
            old=None,
            public_key_info=info,
            common_name=CAR,
            now_s=certificate.not_valid_before_utc.timestamp() + 1,
        )
    except EnrolmentError:
        return False
    return True


def answers() -> Iterable[bytes]:
    """A good answer, coded here or there."""
    der = pkcs7.serialize_certificates([good()[0]], Encoding.DER)
    return b"\0" + der, b"\1" + base64.encodebytes(der)


TARGETS = (
    Target(
        name="est-answer",
        run=judge_answer,
        seeds=answers,
        decoder="tcu_agent.enrolment.judging.public_key_of",
    ),
)
