"""Certificates for a bench, right ones and wrong ones: X.509 on P-256, two days long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tcu_sim.pki.files import write_secret

LIFE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Paper:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class PaperAuthority:
    """Issues certificates into a folder; its own is `file`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        built = self._builder(name, self._key, age=timedelta())
        certificate = built.add_extension(constraints, critical=True).sign(
            self._key, hashes.SHA256()
        )
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(
        self, subject: str, *, file: str | None = None, age: timedelta = timedelta()
    ) -> Paper:
        """Return certificate and key for `subject` at 127.0.0.1; `age` moves its life into the past."""
        name = file or subject
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        built = self._builder(subject, key, age=age).add_extension(names, critical=False)
        paper = Paper(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        certificate = built.sign(self._key, hashes.SHA256())
        paper.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_secret(paper.key, pem)
        return paper

    def _builder(
        self, subject: str, key: ec.EllipticCurvePrivateKey, *, age: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(tz=UTC) - age
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self._name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LIFE / 2)
            .not_valid_after(now + LIFE / 2)
        )
