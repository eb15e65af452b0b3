"""A small certificate authority for the tests of TLS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class Authority:
    """Issues certificates into `folder`."""

    folder: Path
    name: str
    key: EllipticCurvePrivateKey

    @classmethod
    def make(cls, folder: Path, name: str) -> Authority:
        """Return a new one; its certificate is `name`.pem."""
        authority = cls(folder, name, generate_private_key(SECP256R1()))
        basic = x509.BasicConstraints(ca=True, path_length=0)
        built = authority._builder(name, authority.key).add_extension(basic, critical=True)
        authority._write(name, built.sign(authority.key, hashes.SHA256()))
        return authority

    @property
    def file(self) -> Path:
        """The authority's own certificate."""
        return self.folder / f"{self.name}.pem"

    def issue(
        self, subject: str, *, address: str = "127.0.0.1", age: timedelta = timedelta()
    ) -> tuple[Path, Path]:
        """Return certificate and key files for `subject`; `age` shifts its two days of life into the past."""
        key = generate_private_key(SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        built = self._builder(subject, key, age).add_extension(names, critical=False)
        certificate = self._write(subject, built.sign(self.key, hashes.SHA256()))
        file = self.folder / f"{subject}.key"
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(pem)
        file.chmod(0o600)
        return certificate, file

    def _builder(
        self, subject: str, key: EllipticCurvePrivateKey, age: timedelta = timedelta()
    ) -> x509.CertificateBuilder:
        now = datetime.now(tz=UTC) - age
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    def _write(self, subject: str, certificate: x509.Certificate) -> Path:
        file = self.folder / f"{subject}.pem"
        file.write_bytes(certificate.public_bytes(Encoding.PEM))
        return file


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
