"""Building a service from its directory: identity, secrets, store; the same for a process and for a bench in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from argon2 import PasswordHasher

from tcu_sim.centre.account import schema as account_schema
from tcu_sim.centre.account import service as account
from tcu_sim.centre.api import Bus, Peer, Service
from tcu_sim.centre.command import schema as command_schema
from tcu_sim.centre.command import service as command
from tcu_sim.centre.desk import schema as desk_schema
from tcu_sim.centre.desk import service as desk
from tcu_sim.centre.identity import Identity, read_identity
from tcu_sim.centre.pin import schema as pin_schema
from tcu_sim.centre.pin import service as pin
from tcu_sim.centre.pin.hashing import Cost, PinHasher
from tcu_sim.centre.pin.post import LetterboxDirectory, Post
from tcu_sim.centre.store import IN_MEMORY, open_store
from tcu_sim.centre.world import Clock, Entropy, SystemClock, SystemEntropy
from tcu_sim.pki import files
from tcu_sim.pki.ceremony import PEPPER_BYTES, STORE_KEY_BYTES
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.successors import read_hpke_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is around the services. The defaults are those of a real process.

    `post`: None = letterbox directories on the disk; `in_memory`: databases leave nothing behind.
    """

    clock: Clock = field(default_factory=SystemClock)
    entropy: Entropy = field(default_factory=SystemEntropy)
    post: Post | None = None
    in_memory: bool = False
    pin_cost: Cost = field(default_factory=Cost)
    passwords: PasswordHasher = field(default_factory=PasswordHasher)
    keeper_hold_s: float = account_schema.KEEPER_HOLD_S


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds services of one bench. `peer(caller, service)` gives the way from one service to another."""

    layout: Layout
    around: Surroundings
    bus: Bus
    peer: Callable[[str, str], Peer]
    stores: list[sqlite3.Connection] = field(default_factory=list)

    def close(self) -> None:
        """Close the databases of all services that were built."""
        for store in self.stores:
            store.close()

    def build(self, name: str) -> Service:
        """Return a service, ready to be called.

        Raises:
            BadInput: a file of its directory is missing or damaged.
            WireError: its trust bundle does not verify.
        """
        makers = {
            "pin": self._pin,
            "command": self._command,
            "account": self._account,
            "desk": self._desk,
        }
        return makers[name](read_identity(self.layout.service(name)))

    def _open(self, name: str, schema: str) -> sqlite3.Connection:
        path = IN_MEMORY if self.around.in_memory else self.layout.service(name) / f"{name}.db"
        store = open_store(path, schema)
        self.stores.append(store)
        return store

    def _pin(self, identity: Identity) -> Service:
        pepper = files.read_secret(identity.directory / "pepper.key", size=PEPPER_BYTES)
        return pin.PinAuthority(
            pin.Means(
                store=self._open("pin", pin_schema.SCHEMA),
                identity=identity,
                hasher=PinHasher(pepper=pepper, cost=self.around.pin_cost),
                post=self.around.post or LetterboxDirectory(self.layout.post),
                clock=self.around.clock,
                entropy=self.around.entropy,
            )
        )

    def _command(self, identity: Identity) -> Service:
        return command.CommandService(
            command.Means(
                store=self._open("command", command_schema.SCHEMA),
                identity=identity,
                bus=self.bus,
                pin=self.peer("command", "pin"),
                desk=self.peer("command", "desk"),
                clock=self.around.clock,
                entropy=self.around.entropy,
            )
        )

    def _account(self, identity: Identity) -> Service:
        return account.AccountService(
            account.Means(
                store=self._open("account", account_schema.SCHEMA),
                identity=identity,
                passwords=self.around.passwords,
                bus=self.bus,
                pin=self.peer("account", "pin"),
                command=self.peer("account", "command"),
                desk=self.peer("account", "desk"),
                clock=self.around.clock,
                entropy=self.around.entropy,
                keeper_hold_s=self.around.keeper_hold_s,
            )
        )

    def _desk(self, identity: Identity) -> Service:
        return desk.TheftDesk(
            desk.Means(
                store=self._open("desk", desk_schema.SCHEMA),
                identity=identity,
                hpke=read_hpke_keys(identity.directory),
                store_key=files.read_secret(identity.directory / "store.key", size=STORE_KEY_BYTES),
                bus=self.bus,
                clock=self.around.clock,
                entropy=self.around.entropy,
            )
        )
