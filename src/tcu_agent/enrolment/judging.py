"""May what the server sent take the place of what is in force? Nothing that is older, or not ours, ever does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tcu_agent.errors import EnrolmentError, MalformedError
from tcu_agent.protocol.trust import Keyring

UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    InternalError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    Warning,
)
"""What `cryptography` raises about certificates that are none; found by changing single bytes of one that is."""


@contextmanager
def strictly() -> Iterator[None]:
    """Let what the library only warns of (BER for DER, a negative serial number) be an error, one of `UNREADABLE`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def check_certificate(
    new: x509.Certificate,
    *,
    old: x509.Certificate | None,
    public_key_info: bytes,
    common_name: str,
    now_s: float | None,
) -> None:
    """Look at a new certificate. `now_s`: s since 1970-01-01, None = the clock is known to be wrong.

    Raises:
        EnrolmentError: for another key or name, out of its dates, or it does not outlast the one in force; or it cannot
            be read.
    """
    try:
        with strictly():
            complaint = _complaint(
                new, old=old, public_key_info=public_key_info, common_name=common_name, now_s=now_s
            )
    except UNREADABLE as error:  # a certificate is parsed as it is asked
        raise _unfit("cannot be read") from error
    if complaint:
        raise _unfit(complaint)


def _complaint(
    new: x509.Certificate,
    *,
    old: x509.Certificate | None,
    public_key_info: bytes,
    common_name: str,
    now_s: float | None,
) -> str:
    if public_key_of(new) != public_key_info:
        return "is for another key"
    names = new.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    if [name.value for name in names] != [common_name]:
        return f"is not for {common_name}"
    if now_s is not None and not is_in_force(new, now_s):
        return f"is not in force now, but {new.not_valid_before_utc:%Y-%m-%d}..{new.not_valid_after_utc:%Y-%m-%d}"
    if old is not None and new.not_valid_after_utc <= old.not_valid_after_utc:
        return "does not outlast the one in force"
    return ""


def public_key_of(certificate: x509.Certificate) -> bytes:
    """Return a certificate's key as SubjectPublicKeyInfo, DER.

    Raises:
        One of `UNREADABLE`: it cannot be read.
    """
    key = certificate.public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def is_in_force(certificate: x509.Certificate, now_s: float) -> bool:
    """Whether a certificate is within its dates."""
    now = datetime.fromtimestamp(now_s, UTC)
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def is_due(certificate: x509.Certificate, *, now_s: float | None, before_days: int) -> bool:
    """Whether it is time for the next one; not known to be where the clock is known to be wrong."""
    if now_s is None:
        return False
    ends_in = certificate.not_valid_after_utc - datetime.fromtimestamp(now_s, UTC)
    return ends_in <= timedelta(days=before_days)


def is_newer(new: Keyring, old: Keyring | None) -> bool:
    """Whether a trust bundle may take the place of another. Source: docs/protocol.md, T6."""
    if old is None:
        return True
    before, after = old.trust, new.trust
    return (after.epoch, after.version) > (before.epoch, before.version)


def read_certificate(path: Path) -> x509.Certificate | None:
    """Return the certificate in a file; None where there is none, or none that can be read."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        public_key_of(certificate)
    except (OSError, *UNREADABLE):
        return None
    return certificate


def bad_bundle(error: MalformedError) -> EnrolmentError:
    """Return what to say of a trust bundle that the configured roots have not signed for this environment."""
    return EnrolmentError(
        f"the trust bundle is not to be believed: {error} ({error.reason.code})", temporary=False
    )


def _unfit(what: str) -> EnrolmentError:
    return EnrolmentError(f"the new certificate {what}", temporary=False)
