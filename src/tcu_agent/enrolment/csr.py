"""A certification request (PKCS #10) signed through the `Signer`: so the key may as well lie in a token.

`cryptography` makes one with a private key in hand alone; what is added here is the envelope around what it does make.
Source: RFC 2986, 4; algorithm identifiers RFC 5758, 3.2 and RFC 8410, 3.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tcu_agent.adapters.keys.signing_key import PrivateSigner
from tcu_agent.protocol.cose import ES256

_SEQUENCE: Final = 0x30
_BIT_STRING: Final = 0x03
_VERSION_1: Final = bytes.fromhex("020100")
_NO_ATTRIBUTES: Final = bytes.fromhex("a000")
_ECDSA_WITH_SHA256: Final = bytes.fromhex("300a06082a8648ce3d040302")
_ED25519: Final = bytes.fromhex("300506032b6570")
_COORDINATE_BYTES: Final = 32
_LONG_FORM: Final = 0x80


def request_for(signer: PrivateSigner, *, common_name: str) -> bytes:
    """Return the DER of a request for this key with `common_name` alone as its subject.

    Raises:
        KeyStoreError: the key cannot sign.
    """
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    info = _der(
        _SEQUENCE,
        _VERSION_1 + subject.public_bytes() + public_key_info(signer) + _NO_ATTRIBUTES,
    )
    return _der(_SEQUENCE, info + _signed(signer, info))


def public_key_info(signer: PrivateSigner) -> bytes:
    """Return the public half as SubjectPublicKeyInfo, DER."""
    key: EllipticCurvePublicKey | Ed25519PublicKey
    if signer.alg == ES256:
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), signer.public_key)
    else:
        key = Ed25519PublicKey.from_public_bytes(signer.public_key)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _signed(signer: PrivateSigner, info: bytes) -> bytes:
    signature = signer.sign(info)
    if signer.alg != ES256:
        return _ED25519 + _der(_BIT_STRING, b"\0" + signature)
    r = int.from_bytes(signature[:_COORDINATE_BYTES], "big")
    s = int.from_bytes(signature[_COORDINATE_BYTES:], "big")
    return _ECDSA_WITH_SHA256 + _der(_BIT_STRING, b"\0" + encode_dss_signature(r, s))


def _der(tag: int, content: bytes) -> bytes:
    """Return content with tag and length in front of it (X.690, 8.1.3)."""
    size = len(content)
    if size < _LONG_FORM:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_FORM | len(length)]) + length + content
