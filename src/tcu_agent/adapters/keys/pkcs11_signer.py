"""The `Signer` port on a key in a PKCS#11 token: what is signed for is hashed here and signed there.

One signer in a process uses a module at a time: to find a token that was pulled and is back, the module is started
anew, which ends every session with it.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pkcs11
from pkcs11 import Mechanism, PKCS11Error

from tcu_agent.adapters.keys.pkcs11_token import (
    find_private_key,
    find_public_key,
    gone,
    open_session,
)
from tcu_agent.config import TokenKey
from tcu_agent.errors import KeyStoreError
from tcu_agent.protocol.cose import ES256, VerificationKey, kid_of

_PROBE = b"tcu-agent: is this the private half of that public key?"


class TokenSigner:
    """ES256 with a P-256 key that never leaves its token."""

    alg: int = ES256

    def __init__(self, where: TokenKey) -> None:
        """Log in, find the key, and see that the public key belongs to it.

        Raises:
            KeyStoreError: module, token, PIN or key is missing or wrong; the text says what to do.
        """
        self._where = where
        self._given_up: KeyStoreError | None = None
        self._session = open_session(where)
        try:
            self._key = find_private_key(self._session, where)
            self.public_key = find_public_key(self._session, where)
            self.kid = kid_of(self.public_key)
            self._check_pair()
        except KeyStoreError:
            self.close()
            raise

    def sign(self, data: bytes) -> bytes:
        """Return r || s, 32 bytes each, big-endian (ES256). A session that broke is opened again.

        Raises:
            KeyStoreError: the token is gone (`temporary`), or it refuses us. A refusal is for good, until the agent
                is started again: a token that sees a wrong PIN a few times locks itself.
        """
        if self._given_up is not None:
            raise self._given_up
        digest = hashlib.sha256(data).digest()
        with suppress(PKCS11Error):
            return self._signed(digest)
        try:
            self._reopen()
            return self._signed(digest)
        except PKCS11Error as error:
            raise gone(self._where, error) from error
        except KeyStoreError as error:
            if not error.temporary:
                self._given_up = error
            raise

    def close(self) -> None:
        """End the session; never raises. The next signature opens another."""
        with suppress(PKCS11Error):
            self._session.close()

    def _signed(self, digest: bytes) -> bytes:
        return self._key.sign(digest, mechanism=Mechanism.ECDSA)

    def _reopen(self) -> None:
        self.close()
        with suppress(PKCS11Error):
            # Some modules see a token that came back only after this, SoftHSM among them.
            pkcs11.lib(str(self._where.module)).reinitialize()
        self._session = open_session(self._where)
        self._key = find_private_key(self._session, self._where)
        if find_public_key(self._session, self._where) != self.public_key:
            raise KeyStoreError(f"{self._where.uri}: is another key than at the start")

    def _check_pair(self) -> None:
        key = VerificationKey(alg=self.alg, public_key=self.public_key)
        if not key.is_signature(self.sign(_PROBE), _PROBE):
            detail = "the public key of this label belongs to another private key"
            raise KeyStoreError(f"{self._where.uri}: {detail} (give each pair a label of its own)")
