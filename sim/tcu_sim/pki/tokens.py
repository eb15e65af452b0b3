"""Who may call which service: one token for each pair, known to the service by its hash alone.

A caller that is not in `CALLERS` of a service has no token there, and what a caller may do with its
token stands beside each operation (`tcu_sim.centre.api`). One person's token at one service says
nothing at another.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tcu_sim.pki.errors import KeyFileError
from tcu_sim.pki.files import make_private_directory, read_secret, write_secret
from tcu_sim.pki.layout import SERVICES, Layout

OPERATORS = ("operator-1", "operator-2")
CALLERS: Mapping[str, tuple[str, ...]] = {
    "pin": ("command", "account", "telephone", "keypad", "app", *OPERATORS),
    "command": ("account", "telephone", *OPERATORS),
    "account": ("app", *OPERATORS),
    "desk": ("command", "account", "owner", "police", "desk-clerk", *OPERATORS),
}
"""Service -> callers that hold a token for it."""
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """The hashes of the tokens that one service accepts."""

    hashes: Mapping[str, str]
    """Caller -> SHA-256 of its token, hex."""

    def caller_of(self, token: str) -> str | None:
        """Return whose token it is.

        The time it takes does not depend on how much of it is right.
        """
        given = _hash(token)
        found = None
        for caller, known in self.hashes.items():
            if hmac.compare_digest(given, known):
                found = caller
        return found


def issue_tokens(layout: Layout) -> None:
    """Make a token for every pair of caller and service."""
    for service in SERVICES:
        hashes: dict[str, str] = {}
        for caller in CALLERS[service]:
            token = secrets.token_urlsafe(_TOKEN_BYTES)
            path = layout.token(caller, service)
            make_private_directory(path.parent)
            write_secret(path, token.encode())
            hashes[caller] = _hash(token)
        write_secret(_callers_file(layout.service(service)), json.dumps(hashes).encode())


def read_token_check(service_directory: Path) -> TokenCheck:
    """Return what a service knows about its callers.

    Raises:
        KeyFileError: the file is missing or damaged.
    """
    path = _callers_file(service_directory)
    try:
        hashes = json.loads(read_secret(path))
    except ValueError as error:
        raise KeyFileError(f"{path}: no JSON") from error
    return TokenCheck({str(caller): str(value) for caller, value in hashes.items()})


def read_token(layout: Layout, *, caller: str, service: str) -> str:
    """Return the token of a caller for a service.

    Raises:
        KeyFileError: it has none.
    """
    return read_secret(layout.token(caller, service)).decode()


def _callers_file(directory: Path) -> Path:
    return directory / "callers.json"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
