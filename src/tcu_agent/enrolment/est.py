"""Enrolment over Secure Transport (RFC 7030): the little of it that a vehicle needs, over TLS 1.3.

`simpleenroll` with a one-time password (HTTP Basic, 3.2.3), `simplereenroll` with the certificate in force (3.3.2), the
label `signing` for the key that signs messages (3.2.2), and, outside the RFC, `trust` for the trust bundle.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import ssl
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from tcu_agent.enrolment.judging import UNREADABLE, strictly
from tcu_agent.errors import ConfigError, EnrolmentError
from tcu_agent.protocol.trust import CONTAINER_LIMIT

TIMEOUT_S: Final = 30.0
"""For connecting, and for each piece of an answer."""
MOST_BYTES: Final = CONTAINER_LIMIT
"""Of an answer; a trust bundle is the largest."""
_OUT_OF_DATES: Final = {9, 10}
"""Source: OpenSSL, X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""
_REQUEST: Final = {
    "Content-Type": "application/pkcs10",
    "Content-Transfer-Encoding": "base64",
}
_FOR_NOW: Final = {
    HTTPStatus.ACCEPTED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
}
"""Answers that say: later. So does every 5xx."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientIdentity:
    """Who we are to the server: a certificate in force with its key, or a one-time password."""

    certificate: Path | None = None
    key: Path | None = None
    username: str = ""
    password: bytes | None = field(default=None, repr=False)

    @property
    def is_certificate(self) -> bool:
        """Whether TLS itself shows who we are."""
        return self.certificate is not None


class EstClient:
    """One server, `url` = https://host[:port]/.well-known/est, believed if `ca` alone has signed for it."""

    def __init__(self, *, url: str, ca: Path, identity: ClientIdentity) -> None:
        """Raises ConfigError: the URL or a file cannot be used."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError("must be https://host[:port]/path", where="[enrolment] url")
        self._where = (parts.hostname, parts.port or http.client.HTTPS_PORT)
        self._path = parts.path.rstrip("/")
        self._identity = identity
        self._context = _context(ca, identity)

    def enrol(self, request: bytes, *, label: str = "") -> x509.Certificate:
        """Return the certificate for a request (DER).

        Raises:
            EnrolmentError: refused, out of reach, or the answer is none.
        """
        verb = "simplereenroll" if self._identity.is_certificate else "simpleenroll"
        path = "/".join(part for part in (self._path, label, verb) if part)
        answer = self._ask("POST", path, base64.encodebytes(request), _REQUEST)
        return certificate_in(answer)

    def trust(self) -> bytes:
        """Return the trust container, as it is: who signed it is for the caller to see.

        Raises:
            EnrolmentError: refused or out of reach.
        """
        return self._ask("GET", f"{self._path}/trust", None, {})

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        host, port = self._where
        connection = http.client.HTTPSConnection(
            host, port, timeout=TIMEOUT_S, context=self._context
        )
        try:
            connection.request(method, path, body=body, headers={**headers, **self._authority()})
            response = connection.getresponse()
            answer = response.read(MOST_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise EnrolmentError(_words(host, port, error), temporary=True) from error
        finally:
            connection.close()
        if response.status != HTTPStatus.OK:
            raise _refusal(host, response.status, answer)
        if len(answer) > MOST_BYTES:
            raise EnrolmentError(f"{host} answers with too much", temporary=False)
        return answer

    def _authority(self) -> dict[str, str]:
        if self._identity.password is None:
            return {}
        pair = self._identity.username.encode() + b":" + self._identity.password
        return {"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}


def certificate_in(answer: bytes) -> x509.Certificate:
    """Return the one certificate of an answer: PKCS #7, certs-only, base64 (RFC 7030, 4.2.3).

    Raises:
        EnrolmentError: anything else.
    """
    try:
        with strictly():
            certificates = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer))
    except (binascii.Error, *UNREADABLE) as error:
        raise EnrolmentError("the answer is no certificate", temporary=False) from error
    if len(certificates) != 1:
        what = f"the answer holds {len(certificates)} certificates instead of one"
        raise EnrolmentError(what, temporary=False)
    return certificates[0]


def check_authority(ca: Path) -> None:
    """Return if this file can be believed in.

    Raises:
        ConfigError: it is missing, or holds no certificate.
    """
    _context(ca, ClientIdentity())


def _context(ca: Path, identity: ClientIdentity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    file = ca
    try:
        context.load_verify_locations(cafile=ca)
        if identity.certificate is not None:
            file = identity.certificate
            context.load_cert_chain(identity.certificate, identity.key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise ConfigError(f"cannot be used: {reason}", where=str(file)) from error
    return context


def _refusal(host: str, status: int, answer: bytes) -> EnrolmentError:
    is_temporary = status in _FOR_NOW or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    # What a server says is shown as far as it is harmless on a terminal, and no further.
    said = "".join(char for char in answer[:200].decode("ascii", "replace") if char.isprintable())
    return EnrolmentError(f"{host} says {status}: {said}", temporary=is_temporary)


def _words(host: str, port: int, error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = " (is the clock right?)" if error.verify_code in _OUT_OF_DATES else ""
        return f"{host}:{port}: {error.verify_message}{hint}"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{host}:{port}: {reason}"
