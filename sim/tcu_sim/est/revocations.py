"""Certificates of vehicles that are good no more: refused at renewal, and listed for the broker (RFC 5280, 5)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tcu_sim.est.authority import Authority
from tcu_sim.pki import files

LIST_DAYS = 3650
"""mosquitto refuses everybody once a list has passed its "next update"; a bench makes a new one at each revocation."""


@dataclass(frozen=True, slots=True)
class Revocations:
    """In the authority's directory: `issued.json` and `revoked.json` (serial numbers), and `revoked.pem`."""

    authority: Authority

    @property
    def list_file(self) -> Path:
        """The list, PEM: what a broker's `crlfile` names."""
        return self.authority.directory / "revoked.pem"

    def issued(self, vehicle_id: str, certificate: x509.Certificate) -> None:
        """Take note of a certificate of a vehicle."""
        known = self._read("issued")
        serials = [*known.get(vehicle_id, []), certificate.serial_number]
        self._write("issued", {**known, vehicle_id: serials})

    def revoke(self, vehicle_id: str) -> int:
        """Revoke all that a vehicle was given until now; return how many that were."""
        revoked = self._read("revoked")
        now = datetime.now(tz=UTC).replace(microsecond=0)
        serials = self._read("issued").get(vehicle_id, [])
        new = [str(serial) for serial in serials if str(serial) not in revoked]
        self._write("revoked", {**revoked, **dict.fromkeys(new, now.isoformat())})
        self.publish()
        return len(new)

    def is_revoked(self, serial: int) -> bool:
        """Whether this certificate is good no more."""
        return str(serial) in self._read("revoked")

    def publish(self) -> None:
        """Write the list anew."""
        now = datetime.now(tz=UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.authority.certificate.subject)
            .last_update(now - timedelta(minutes=5))
            .next_update(now + timedelta(days=LIST_DAYS))
        )
        for serial, at in self._read("revoked").items():
            entry = x509.RevokedCertificateBuilder(int(serial), datetime.fromisoformat(at))
            builder = builder.add_revoked_certificate(entry.build())
        made = builder.sign(self.authority.key, hashes.SHA256())
        files.replace_public(self.list_file, made.public_bytes(Encoding.PEM).decode("ascii"))

    def _read(self, name: str) -> dict[str, Any]:
        file = self.authority.directory / f"{name}.json"
        if not file.exists():
            return {}
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return content

    def _write(self, name: str, content: dict[str, Any]) -> None:
        files.replace_public(self.authority.directory / f"{name}.json", json.dumps(content))
