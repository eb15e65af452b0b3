"""May what the server sent take the place of what is in force? Nothing that is older, or not ours, ever does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tcu_agent.errors import EnrolmentError, MalformedError
from tcu_agent.protocol.trust import Keyring


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
        EnrolmentError: for another key or name, out of its dates, or it does not outlast the one in force.
    """
    if public_key_of(new) != public_key_info:
        raise _unfit("is for another key")
    names = new.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    if [name.value for name in names] != [common_name]:
        raise _unfit(f"is not for {common_name}")
    if now_s is not None and not is_in_force(new, now_s):
        raise _unfit(
            f"is not in force now, but {new.not_valid_before_utc:%Y-%m-%d}..{new.not_valid_after_utc:%Y-%m-%d}"
        )
    if old is not None and new.not_valid_after_utc <= old.not_valid_after_utc:
        raise _unfit("does not outlast the one in force")


def public_key_of(certificate: x509.Certificate) -> bytes:
    """Return a certificate's key as SubjectPublicKeyInfo, DER.

    Raises:
        EnrolmentError: it is of a kind that is not known here.
    """
    try:
        key = certificate.public_key()
    except ValueError as error:
        raise _unfit("has a key that cannot be read") from error
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
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def bad_bundle(error: MalformedError) -> EnrolmentError:
    """Return what to say of a trust bundle that the configured roots have not signed for this environment."""
    return EnrolmentError(
        f"the trust bundle is not to be believed: {error} ({error.reason.code})", temporary=False
    )


def _unfit(what: str) -> EnrolmentError:
    return EnrolmentError(f"the new certificate {what}", temporary=False)
