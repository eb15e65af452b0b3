"""Seals positions to the theft desk, so that broker, command service and the disk see only ciphertext.

Source: RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM; docs/protocol.cddl, position.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tcu_agent.errors import KeyStoreError

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)


class HpkeSealer:
    """The `Sealer` port."""

    def seal(self, plaintext: bytes, *, recipient: bytes, info: bytes) -> bytes:
        """Return enc || ciphertext for the 32-byte X25519 public key `recipient`.

        Raises:
            KeyStoreError: `recipient` is no usable X25519 key.
        """
        try:
            return _SUITE.encrypt(
                plaintext, X25519PublicKey.from_public_bytes(recipient), info=info
            )
        except ValueError as error:
            raise KeyStoreError("the theft desk's HPKE key cannot be used") from error
