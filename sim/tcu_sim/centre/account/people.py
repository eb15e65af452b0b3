"""App accounts: the password signs in and does nothing else (S12); a locked account stays dead (S11)."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from tcu_sim.centre.account import schema
from tcu_sim.centre.api import Peer
from tcu_sim.centre.errors import BadCall, Denied
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock, Entropy

QUICK_PASSWORDS = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""For tests and simulated time; no protection worth the name."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person types to sign in."""

    login: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppAccounts:
    """All app accounts and who is signed in."""

    store: sqlite3.Connection
    passwords: PasswordHasher
    pin: Peer
    clock: Clock
    entropy: Entropy

    async def create(self, credentials: Credentials) -> str:
        """Create an app account and return its id, which is also its user id in vehicles.

        Raises:
            BadCall: the password is too short.
            Denied: the login has a living account. (A locked one is dead: its login may be used anew.)
        """
        if len(credentials.password) < schema.SHORTEST_PASSWORD:
            raise BadCall(f"password: at least {schema.SHORTEST_PASSWORD} characters")
        existing = self._newest(credentials.login)
        if existing is not None and not await self._is_dead(existing["app_account"]):
            raise Denied("login", "there is an account already")
        app_account = self.entropy.random_bytes(12).hex()
        with transaction(self.store):
            self.store.execute(
                "INSERT INTO app_accounts VALUES (?, ?, ?, ?)",
                (
                    app_account, credentials.login, self.passwords.hash(credentials.password),
                    self.clock.now_s(),
                ),
            )  # fmt: skip
        return app_account

    async def sign_in(self, credentials: Credentials) -> str:
        """Return a session; unknown login and wrong password look and take the same.

        Raises:
            Denied: ``sign-in``, ``throttled``, or ``locked``.
        """
        self._count_sign_in(credentials.login)
        row = self._newest(credentials.login)
        try:
            self.passwords.verify(self._hash_of(row), credentials.password)
        except VerifyMismatchError as error:
            raise Denied("sign-in", "login or password is wrong") from error
        if row is None:
            raise Denied("sign-in", "login or password is wrong")
        if await self._is_dead(row["app_account"]):
            raise Denied("locked", "this app account is locked for good")
        session = self.entropy.random_bytes(24).hex()
        expires_at_s = self.clock.now_s() + schema.SESSION_LIFE_S
        with transaction(self.store):
            self.store.execute("DELETE FROM sign_ins WHERE login = ?", (credentials.login,))
            self.store.execute(
                "INSERT INTO sessions VALUES (?, ?, ?)",
                (_hash(session), row["app_account"], expires_at_s),
            )
        return session

    async def signed_in(self, session: str) -> str:
        """Return whose session it is.

        Raises:
            Denied: ``signed-out``, or ``locked``.
        """
        row = self.store.execute(
            "SELECT app_account FROM sessions WHERE session_hash = ? AND expires_at_s > ?",
            (_hash(session), self.clock.now_s()),
        ).fetchone()
        if row is None:
            raise Denied("signed-out", "sign in again")
        if await self._is_dead(row["app_account"]):
            raise Denied("locked", "this app account is locked for good")
        return str(row["app_account"])

    def has(self, app_account: str) -> bool:
        """Whether there is such an app account, living or locked."""
        found = self.store.execute(
            "SELECT 1 FROM app_accounts WHERE app_account = ?", (app_account,)
        ).fetchone()
        return found is not None

    async def _is_dead(self, app_account: str) -> bool:
        """Ask the PIN authority, which alone counts wrong PINs, whether the account is locked (and so dead)."""
        reply = await self.pin.call("app-account", {"app_account": app_account})
        return bool(reply["is_locked"])

    def _newest(self, login: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM app_accounts WHERE login = ? ORDER BY rowid DESC LIMIT 1", (login,)
        ).fetchone()
        return row

    def _hash_of(self, row: sqlite3.Row | None) -> str:
        # For an unknown login a hash is made and compared all the same.
        return self.passwords.hash("nobody's password") if row is None else str(row["password"])

    def _count_sign_in(self, login: str) -> None:
        now_s = self.clock.now_s()
        with transaction(self.store):
            self.store.execute("INSERT INTO sign_ins VALUES (?, ?)", (login, now_s))
        count = self.store.execute(
            "SELECT count(*) FROM sign_ins WHERE login = ? AND at_s > ?",
            (login, now_s - schema.SIGN_IN_WINDOW_S),
        ).fetchone()[0]
        if count > schema.SIGN_IN_TRIES:
            raise Denied("throttled", "too many tries; wait a quarter of an hour")


def _hash(session: str) -> bytes:
    return hashlib.sha256(session.encode()).digest()
