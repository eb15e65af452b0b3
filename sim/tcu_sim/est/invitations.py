"""One-time passwords of vehicles that have no certificate yet: kept as hashes, used up by the first full enrolment.

An enrolment needs two answers (TLS key, signing key); both count as one use, if they come within `WINDOW_S`.
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

WINDOW_S = 600.0
_BYTES = 20


@dataclass(frozen=True, slots=True)
class Invitations:
    """In one file: vehicle id -> hash of the password, and when it was first used. `now_s`: s since 1970-01-01."""

    file: Path
    now_s: Callable[[], float]

    def make(self, vehicle_id: str) -> str:
        """Return a new password for a vehicle, in the place of any before it."""
        password = secrets.token_urlsafe(_BYTES)
        self._write({**self._read(), vehicle_id: {"sha256": _digest(password), "used_s": None}})
        return password

    def take(self, vehicle_id: str, password: str) -> bool:
        """Whether this is the vehicle's password and still good; from the first use on, for `WINDOW_S` only."""
        known = self._read()
        entry = known.get(vehicle_id)
        is_right = hmac.compare_digest(entry["sha256"] if entry else "", _digest(password))
        if entry is None or not is_right:
            return False
        if entry["used_s"] is None:
            self._write({**known, vehicle_id: {**entry, "used_s": self.now_s()}})
            return True
        return bool(0 <= self.now_s() - entry["used_s"] <= WINDOW_S)

    def _read(self) -> dict[str, Any]:
        if not self.file.exists():
            return {}
        content: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return content

    def _write(self, content: dict[str, Any]) -> None:
        files.replace_public(self.file, json.dumps(content))
        self.file.chmod(0o600)


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
