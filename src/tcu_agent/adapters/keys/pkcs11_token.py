"""A PKCS#11 token (secure element, smart card, HSM, SoftHSM): log in, find the key pair, make one that never leaves.

Needs python-pkcs11, the extra `pkcs11` of this distribution. Source: PKCS#11 v2.40.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pkcs11
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass, PKCS11Error, exceptions
from pkcs11.util.ec import encode_named_curve_parameters

from tcu_agent.adapters.keys.secret_file import read_secret
from tcu_agent.config import TokenKey
from tcu_agent.errors import KeyStoreError, NoSuchKeyError

P256 = encode_named_curve_parameters("secp256r1")
_ID_BITS = 64
_UNCOMPRESSED = b"\x04\x41"
"""DER: OCTET STRING of 65 bytes, the length of an uncompressed point."""
_WRONG_PIN = (
    exceptions.PinIncorrect,
    exceptions.PinInvalid,
    exceptions.PinLenRange,
    exceptions.PinLocked,
    exceptions.PinExpired,
    exceptions.UserPinNotInitialized,
)
T = TypeVar("T")


def create_token_key(where: TokenKey) -> None:
    """Make a P-256 key pair in the token; its private half can be neither read nor taken out.

    Raises:
        KeyStoreError: there is one of this label, or the token refuses.
    """
    with open_session(where, for_writing=True) as session:
        if _find(session, where, ObjectClass.PRIVATE_KEY):
            raise KeyStoreError(f"{where.uri}: there already; a key is never overwritten")
        asked(where, lambda: _generate(session, where))


def _generate(session: pkcs11.Session, where: TokenKey) -> None:
    curve = {Attribute.EC_PARAMS: P256}
    session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
        store=True,
        label=where.label,
        id=session.generate_random(_ID_BITS),
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
    )


def open_session(where: TokenKey, *, for_writing: bool = False) -> pkcs11.Session:
    """Return a session in which the user is logged in.

    Raises:
        KeyStoreError: module, token or PIN is missing or wrong.
    """
    token, pin = _token(where), _pin(where)
    try:
        try:
            return token.open(rw=for_writing, user_pin=pin)
        except exceptions.UserAlreadyLoggedIn:  # in another session of this process
            return token.open(rw=for_writing)
    except _WRONG_PIN as error:
        raise KeyStoreError(
            f"{where.uri}: the token refuses the PIN ({word(error)}); look into {where.pin_file} before you try "
            "again, for a token locks itself after a few wrong ones"
        ) from None
    except PKCS11Error as error:
        raise gone(where, error) from error


def find_private_key(session: pkcs11.Session, where: TokenKey) -> pkcs11.SignMixin:
    """Return the private key, which stays in the token whatever anybody asks of it.

    Raises:
        NoSuchKeyError: there is none.
        KeyStoreError: there are several, no P-256 key, or one that can leave.
    """
    found = _find(session, where, ObjectClass.PRIVATE_KEY)
    if len(found) != 1:
        what = f"{len(found) or 'no'} private keys of this label"
        error = KeyStoreError if found else NoSuchKeyError
        raise error(f"{where.uri}: {what} (tcu-agent key create makes one)")
    key = found[0]
    if _attribute(where, key, Attribute.KEY_TYPE) != KeyType.EC:
        raise KeyStoreError(f"{where.uri}: is no key on an elliptic curve")
    if _attribute(where, key, Attribute.EC_PARAMS) != P256 or not isinstance(key, pkcs11.SignMixin):
        raise KeyStoreError(f"{where.uri}: is no P-256 key that may sign")
    if _attribute(where, key, Attribute.EXTRACTABLE) is not False:
        raise KeyStoreError(f"{where.uri}: this key can be taken out (make one that stays)")
    if _attribute(where, key, Attribute.SENSITIVE) is not True:
        raise KeyStoreError(f"{where.uri}: this key can be read (make one that stays)")
    return key


def find_public_key(session: pkcs11.Session, where: TokenKey) -> bytes:
    """Return the public key with the private one's label: a compressed point, 33 bytes.

    Raises:
        KeyStoreError: there is none, or it is no point of P-256.
    """
    found = _find(session, where, ObjectClass.PUBLIC_KEY)
    if len(found) != 1:
        what = f"{len(found) or 'no'} public keys of this label"
        raise KeyStoreError(f"{where.uri}: {what} beside the private one")
    point = asked(where, lambda: bytes(found[0][Attribute.EC_POINT]))
    # The standard wraps the point into an OCTET STRING; some tokens give it bare.
    try:
        public = EllipticCurvePublicKey.from_encoded_point(
            SECP256R1(), point.removeprefix(_UNCOMPRESSED)
        )
    except ValueError:
        raise KeyStoreError(f"{where.uri}: the public key is no point of P-256") from None
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def asked(where: TokenKey, ask: Callable[[], T]) -> T:
    """Return what the token answers.

    Raises:
        KeyStoreError: it does not.
    """
    try:
        return ask()
    except PKCS11Error as error:
        raise gone(where, error) from error


def gone(where: TokenKey, error: PKCS11Error) -> KeyStoreError:
    """Return the error for a token that does not do what it could do before."""
    detail = f"{where.uri}: the token does not answer as it should ({word(error)})"
    return KeyStoreError(detail, temporary=True)


def word(error: PKCS11Error) -> str:
    """Return what a PKCS#11 error says: its return value's name, mostly."""
    return str(error) or type(error).__name__


def _token(where: TokenKey) -> pkcs11.Token:
    try:
        module = pkcs11.lib(str(where.module))
    except PKCS11Error as error:
        # The library itself has no return value's name for what the system's loader said.
        hint = "install the token's PKCS#11 library, or correct pkcs11_module"
        raise KeyStoreError(
            f"{where.module}: cannot be used: {word(error)} ({hint})",
            temporary=type(error) is not PKCS11Error,
        ) from error
    tokens = asked(where, lambda: list(module.get_tokens(token_label=where.token)))
    if not tokens:
        hint = "is it plugged in, and its service running?"
        raise KeyStoreError(f"{where.uri}: no token of this label ({hint})", temporary=True)
    if len(tokens) > 1:
        raise KeyStoreError(f"{where.uri}: {len(tokens)} tokens have this label")
    return tokens[0]


def _pin(where: TokenKey) -> str:
    lines = read_secret(where.pin_file).splitlines()
    try:
        pin = lines[0].decode() if len(lines) == 1 else ""
    except UnicodeDecodeError:
        pin = ""
    if not pin:
        raise KeyStoreError(f"{where.pin_file}: must hold the PIN on one line, and nothing else")
    return pin


def _find(session: pkcs11.Session, where: TokenKey, kind: ObjectClass) -> list[pkcs11.Object]:
    wanted = {Attribute.CLASS: kind, Attribute.LABEL: where.label}
    return asked(where, lambda: list(session.get_objects(wanted)))


def _attribute(where: TokenKey, key: pkcs11.Object, name: Attribute) -> object:
    """Return what the token says about a key; None if it does not tell, which proves nothing."""
    try:
        return key[name]
    except (exceptions.AttributeTypeInvalid, KeyError):
        return None
    except PKCS11Error as error:
        raise gone(where, error) from error
