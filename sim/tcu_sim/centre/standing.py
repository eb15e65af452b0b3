"""What every vehicle must have learnt before an authority serves it. Source: protocol.md, G6."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tcu_sim.centre.api import Call
from tcu_sim.centre.errors import Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.store import transaction
from tcu_sim.wire.messages import Challenge

STANDING_SCHEMA = """
CREATE TABLE IF NOT EXISTS standing (
    vehicle_id TEXT PRIMARY KEY, account_version INTEGER NOT NULL,
    ownership_generation INTEGER NOT NULL, pin_generation INTEGER NOT NULL,
    is_active INTEGER NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What the account service tells of a vehicle."""

    vehicle_id: str
    version: int
    ownership_generation: int
    pin_generation: int
    is_active: bool


def read_news(call: Call) -> News:
    """Return what a call of the account service tells.

    Raises:
        BadCall: a field is missing or of another form.
    """
    return News(
        vehicle_id=call.text("vehicle_id"),
        version=call.integer("version"),
        ownership_generation=call.integer("ownership_generation"),
        pin_generation=call.integer("pin_generation"),
        is_active=call.flag("is_active"),
    )


class Standing:
    """What every vehicle must have learnt before an authority serves it.

    Told by the account service.
    """

    def __init__(self, *, store: sqlite3.Connection, identity: Identity) -> None:
        self._store = store
        self._identity = identity

    def learn(self, news: News) -> None:
        """Take the account service's word; an older version than the known one changes nothing."""
        with transaction(self._store):
            self._store.execute(
                "INSERT INTO standing VALUES (?, ?, ?, ?, ?) ON CONFLICT (vehicle_id) DO UPDATE SET"
                " account_version = excluded.account_version,"
                " ownership_generation = excluded.ownership_generation,"
                " pin_generation = excluded.pin_generation, is_active = excluded.is_active"
                " WHERE excluded.account_version >= account_version",
                (
                    news.vehicle_id, news.version, news.ownership_generation, news.pin_generation,
                    int(news.is_active),
                ),
            )  # fmt: skip

    def check(self, challenge: Challenge) -> None:
        """Return if the vehicle has learnt all there is to know (guarantee G6).

        Raises:
            Denied: it has not (``vehicle-behind``), or nobody told of this vehicle
            (``no-account``).
        """
        row = self._store.execute(
            "SELECT * FROM standing WHERE vehicle_id = ?", (challenge.vehicle_id,)
        ).fetchone()
        if row is None:
            raise Denied("no-account", "no account state is known for this vehicle")
        if not row["is_active"]:
            raise Denied("subscription-ended", "the subscription of this vehicle has ended")
        trust = self._identity.trust.trust
        if (challenge.trust_epoch, challenge.trust_version) < (trust.epoch, trust.version):
            raise Denied("vehicle-behind", "it has not learnt the newest trust bundle")
        if challenge.account_version < row["account_version"]:
            raise Denied("vehicle-behind", "it has not learnt the newest account state")
        if challenge.ownership_generation != row["ownership_generation"]:
            raise Denied("vehicle-behind", "its ownership generation is another")
        if challenge.pin_generation != row["pin_generation"]:
            raise Denied("vehicle-behind", "its PIN generation is another")
