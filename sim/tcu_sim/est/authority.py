"""The authority that certifies vehicles and their brokers: X.509, P-256, in files beside the bench's other keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from tcu_sim.pki import files
from tcu_sim.pki.errors import KeyFileError

CA_DAYS = 3650
SERVER_DAYS = 90
CLOCK_SLACK = timedelta(minutes=5)
"""A certificate begins so long before it is made: a vehicle's clock may be a little behind."""


@dataclass(frozen=True, slots=True)
class Authority:
    """One authority in a directory: `ca.pem`, `ca.key`."""

    directory: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def open(cls, directory: Path) -> Authority:
        """Return the authority in a directory, made if there is none.

        Raises:
            KeyFileError: what lies there is none.
        """
        if not (directory / "ca.key").exists():
            _make(files.make_private_directory(directory))
        key = load_pem_private_key(files.read_secret(directory / "ca.key"), None)
        certificate = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyFileError(f"{directory}: no P-256 authority")
        return cls(directory, certificate, key)

    def certify(
        self, public_key: CertificatePublicKeyTypes, common_name: str, *, days: float
    ) -> x509.Certificate:
        """Return a certificate for a vehicle's key: for a TLS client, and nothing else."""
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = self._builder(public_key, common_name, days).add_extension(usage, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def server_files(self, host: str) -> tuple[Path, Path]:
        """Return certificate and key files of a server with this name or address, made anew."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            name: x509.GeneralName = x509.IPAddress(ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        builder = self._builder(key.public_key(), host, SERVER_DAYS).add_extension(
            x509.SubjectAlternativeName([name]), critical=False
        )
        certificate = builder.sign(self.key, hashes.SHA256())
        paths = self.directory / f"{host}.pem", self.directory / f"{host}.key"
        paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        paths[1].unlink(missing_ok=True)
        files.write_secret(paths[1], _pem(key))
        return paths

    def _builder(
        self, public_key: CertificatePublicKeyTypes, common_name: str, days: float
    ) -> x509.CertificateBuilder:
        return _builder(common_name, self.certificate.subject, public_key, days)


def common_name_of(name: x509.Name) -> str | None:
    """Return the common name where it is all that there is."""
    attributes = list(name)
    if len(attributes) != 1 or attributes[0].oid != x509.NameOID.COMMON_NAME:
        return None
    return str(attributes[0].value)


def _make(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("tcu-sim vehicles")
    basic = x509.BasicConstraints(ca=True, path_length=0)
    certificate = (
        _builder("tcu-sim vehicles", name, key.public_key(), CA_DAYS)
        .add_extension(basic, critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    files.write_secret(directory / "ca.key", _pem(key))


def _builder(
    common_name: str, issuer: x509.Name, public_key: CertificatePublicKeyTypes, days: float
) -> x509.CertificateBuilder:
    now = datetime.now(tz=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
