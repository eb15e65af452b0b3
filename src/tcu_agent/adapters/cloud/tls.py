"""TLS 1.3 with the vehicle's certificate; there is no setting that switches verification off."""

from __future__ import annotations

import errno
import ssl

from tcu_agent.adapters.keys.secret_file import read_secret
from tcu_agent.config import TlsConfig
from tcu_agent.errors import ConfigError

_OUT_OF_DATES = {9, 10}
"""Source: OpenSSL, X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""


class ClientContext(ssl.SSLContext):
    """A context for one connection. `refusal`: why the broker ended TLS, once it has."""

    refusal: ssl.SSLError | None = None
    most_bytes: int | None = None
    """Who asks for more in one go is not served: paho asks for a whole packet, however long a broker says it is."""


class _Socket(ssl.SSLSocket):
    """Mends three things in paho.

    It leaves a socket open whose handshake fails, keeps a TLS alert to itself, and gathers a packet of any length
    (MQTT allows 268 MB) before it looks at it.
    """

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, or close."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive, or remember the alert: with TLS 1.3 a certificate is refused after the handshake.

        Raises:
            ConnectionAbortedError: the broker sends a packet that is longer than we have told it to.
        """
        most_bytes = self.context.most_bytes if isinstance(self.context, ClientContext) else None
        if most_bytes is not None and buflen > most_bytes:
            raise ConnectionAbortedError(
                errno.ECONNABORTED, f"a packet of {buflen} bytes, more than {most_bytes}"
            )
        try:
            return super().recv(buflen, flags)
        except ssl.SSLError as error:
            if isinstance(self.context, ClientContext) and is_refusal(error):
                self.context.refusal = error
            raise


def is_refusal(error: BaseException | None) -> bool:
    """Whether one side has said no to the other for good.

    A connection that just broke off is no refusal. Nor is a certificate out of its dates: it may be our clock that is
    wrong, as at many a boot, and once it has been set right nobody shall have to wait for long.
    """
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _OUT_OF_DATES:
        return False
    broken = ssl.SSLEOFError | ssl.SSLSyscallError | ssl.SSLZeroReturnError
    waiting = ssl.SSLWantReadError | ssl.SSLWantWriteError
    return isinstance(error, ssl.SSLError) and not isinstance(error, broken | waiting)


def client_context(config: TlsConfig) -> ClientContext:
    """Return a context that trusts `ca` alone, checks the host name and shows our certificate.

    Raises:
        ConfigError: a file is missing, is not what it should be, or key and certificate differ.
        KeyStoreError: the key file is missing, or readable by others.
    """
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = _Socket
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cafile=config.ca)
    except (OSError, ssl.SSLError) as error:
        raise _unusable(str(config.ca), "ca", error) from error
    if config.certificate is not None and config.key is not None:
        read_secret(config.key, setting="[mqtt.tls] key")
        try:
            context.load_cert_chain(config.certificate, config.key, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            raise _unusable(str(config.certificate), "certificate and key", error) from error
    return context


def _no_password() -> str:
    # Without this, OpenSSL would ask on the terminal and a daemon would hang.
    return ""


def _unusable(path: str, field: str, error: OSError) -> ConfigError:
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    return ConfigError(f"cannot be used: {reason}", where=path, hint=f"see [mqtt.tls] {field}")
