"""What the enrolment server decides, without HTTP: who asks, for which key, and what may be certified.

- A vehicle without a certificate shows its one-time password; one with a certificate shows that, unless it is revoked.
- A TLS key is certified for the vehicle that asks, whatever key it is: it was made in the vehicle.
- A signing key is entered into the register (`tcu_sim.pki.enrolment`). With a certificate alone, only the key that is
  there already: whoever stole a TLS key must not be able to become the vehicle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7

from tcu_sim.errors import BadInput
from tcu_sim.est.authority import Authority, common_name_of
from tcu_sim.est.invitations import Invitations
from tcu_sim.est.revocations import Revocations
from tcu_sim.pki.ceremony import check_vehicle_id
from tcu_sim.pki.enrolment import enrol
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.public import read_vehicles
from tcu_sim.wire.keys import EDDSA, ES256, PublicKey

ANOTHER = "ask the back end for a new one-time password"


class Refused(Exception):
    """The server says no. `status`: HTTP's."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks: the vehicle of a certificate that TLS has verified, or whoever shows a name and a password."""

    certified: str | None = None
    serial: int | None = None
    """Of that certificate."""
    username: str | None = None
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentService:
    """One bench's enrolment. `days`: how long a certificate lasts."""

    layout: Layout
    authority: Authority
    invitations: Invitations
    days: float = 90

    def enrol(self, asker: Asker, request: bytes, *, is_signing: bool, again: bool) -> bytes:
        """Return the certificate for a request (PKCS #10, DER) as PKCS #7, DER.

        Raises:
            Refused: not for this asker, or not this request.
        """
        vehicle_id = self._vehicle(asker, again=again)
        csr = _read(request)
        if common_name_of(csr.subject) != vehicle_id:
            raise Refused(403, "the request is for another name")
        if not again:
            certificate = self._invited(vehicle_id, csr, is_signing=is_signing)
        else:
            if is_signing:
                self._enter(vehicle_id, csr, is_invited=False)
            certificate = self._issued(vehicle_id, csr)
        return pkcs7.serialize_certificates([certificate], Encoding.DER)

    def trust(self, asker: Asker) -> bytes:
        """Return the trust container.

        Raises:
            Refused: there is none yet, or the asker is nobody.
        """
        self._vehicle(asker, again=asker.certified is not None)
        path: Path = self.layout.trust
        if not path.exists():
            raise Refused(503, "the trust bundle is still to be signed")
        return path.read_bytes()

    def _vehicle(self, asker: Asker, *, again: bool) -> str:
        vehicle_id = self._shown(asker, again=again)
        try:
            check_vehicle_id(vehicle_id)
        except BadInput as error:  # an older simulator may have invited it
            raise Refused(403, str(error)) from error
        return vehicle_id

    def _shown(self, asker: Asker, *, again: bool) -> str:
        if again:
            if asker.certified is None:
                raise Refused(401, "no certificate of this authority")
            if asker.serial is not None and self._revocations.is_revoked(asker.serial):
                raise Refused(403, "this certificate is revoked: " + ANOTHER)
            return asker.certified
        if asker.username is None or not self.invitations.admits(asker.username, asker.password):
            raise Refused(401, "no such one-time password, or it has ended: " + ANOTHER)
        return asker.username

    @property
    def _revocations(self) -> Revocations:
        return Revocations(self.authority)

    def _invited(
        self, vehicle_id: str, csr: x509.CertificateSigningRequest, *, is_signing: bool
    ) -> x509.Certificate:
        """Return the certificate for the key that the password is tied to, the same again if it was given before."""
        kind = "signing" if is_signing else "tls"
        info = csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if not self.invitations.tie(vehicle_id, kind, info):
            raise Refused(401, "this one-time password was shown with another key: " + ANOTHER)
        if is_signing:
            self._enter(vehicle_id, csr, is_invited=True)
        if (given := self.invitations.answered(vehicle_id, kind)) is not None:
            certificate = x509.load_pem_x509_certificate(given)
            if certificate.not_valid_after_utc > datetime.now(tz=UTC):
                return certificate
        certificate = self._issued(vehicle_id, csr)
        self.invitations.answer(vehicle_id, kind, certificate.public_bytes(Encoding.PEM))
        return certificate

    def _issued(self, vehicle_id: str, csr: x509.CertificateSigningRequest) -> x509.Certificate:
        certificate = self.authority.certify(csr.public_key(), vehicle_id, days=self.days)
        self._revocations.issued(vehicle_id, certificate)
        return certificate

    def _enter(
        self, vehicle_id: str, csr: x509.CertificateSigningRequest, *, is_invited: bool
    ) -> None:
        key = _protocol_key(csr)
        known = read_vehicles(self.layout.vehicles).keys.get(vehicle_id)
        if known == key:
            return
        if not is_invited:
            raise Refused(403, "another signing key: " + ANOTHER)
        try:
            enrol(self.layout, vehicle_id, key)
        except BadInput as error:
            raise Refused(403, str(error)) from error


def _read(request: bytes) -> x509.CertificateSigningRequest:
    try:
        csr = x509.load_der_x509_csr(request)
        is_signed = csr.is_signature_valid
    except ValueError as error:
        raise Refused(400, "no PKCS #10 request") from error
    if not is_signed:
        raise Refused(400, "the request is not signed with its own key")
    return csr


def _protocol_key(csr: x509.CertificateSigningRequest) -> PublicKey:
    key = csr.public_key()
    if isinstance(key, ed25519.Ed25519PublicKey):
        return PublicKey(EDDSA, key.public_bytes_raw())
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return PublicKey(ES256, key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
    raise Refused(400, "neither P-256 nor Ed25519")
