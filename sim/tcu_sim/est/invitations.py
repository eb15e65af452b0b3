"""One-time passwords of vehicles that have no certificate yet: hashes, each good for the first keys shown with it.

An enrolment needs two answers (TLS key, signing key), and may stop between them: a power cut, a tunnel, a full disk.
So a password is not used up by being shown; it is tied to the first key of each kind, and for the same key it brings
the same certificate again until it ends. Whoever finds it later has not that key, and gets nothing for another.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcu_sim.pki import files

INVITED_FOR_S = 7 * 86_400.0
"""From the invitation on: long enough for a workshop to try again next week."""
_BYTES = 20


@dataclass(frozen=True, slots=True)
class Invitations:
    """In one file: vehicle id -> hash of the password, when it was made, and per kind of key what it was tied to.

    `now_s`: s since 1970-01-01. A kind is ``tls`` or ``signing``; keys are known by the SHA-256 of their DER.
    """

    file: Path
    now_s: Callable[[], float]

    def make(self, vehicle_id: str) -> str:
        """Return a new password for a vehicle, in the place of any before it."""
        password = secrets.token_urlsafe(_BYTES)
        new = {"sha256": _digest(password.encode()), "made_s": self.now_s(), "tied": {}}
        self._write({**self._read(), vehicle_id: new})
        return password

    def withdraw(self, vehicle_id: str) -> None:
        """Let a vehicle's password be good no more."""
        self._write({each: entry for each, entry in self._read().items() if each != vehicle_id})

    def admits(self, vehicle_id: str, password: str) -> bool:
        """Whether this is the vehicle's password and has not ended."""
        entry = self._read().get(vehicle_id)
        is_right = hmac.compare_digest(entry["sha256"] if entry else "", _digest(password.encode()))
        return bool(entry and is_right and 0 <= self.now_s() - entry["made_s"] <= INVITED_FOR_S)

    def tie(self, vehicle_id: str, kind: str, key: bytes) -> bool:
        """Tie the vehicle's password to its first key of this kind (DER); return whether this is that key."""
        known = self._read()
        tied = known[vehicle_id]["tied"]
        if kind not in tied:
            tied[kind] = {"sha256": _digest(key), "certificate": None}
            self._write(known)
        return bool(tied[kind]["sha256"] == _digest(key))

    def answered(self, vehicle_id: str, kind: str) -> bytes | None:
        """Return the certificate (PEM) that was given for this kind of key, None = none yet."""
        certificate = self._read()[vehicle_id]["tied"][kind]["certificate"]
        return None if certificate is None else str(certificate).encode("ascii")

    def answer(self, vehicle_id: str, kind: str, certificate: bytes) -> None:
        """Keep the certificate (PEM) that is given for this kind of key."""
        known = self._read()
        known[vehicle_id]["tied"][kind]["certificate"] = certificate.decode("ascii")
        self._write(known)

    def _read(self) -> dict[str, Any]:
        if not self.file.exists():
            return {}
        content: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return content

    def _write(self, content: dict[str, Any]) -> None:
        files.replace_public(self.file, json.dumps(content))
        self.file.chmod(0o600)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
