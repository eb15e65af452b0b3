"""How people and their programs talk to the centre: one class a role, each with its own tokens.

A bench holds all of them (`Client`); in real life each would be another person's. Every method raises `Denied` with a
stable word when the centre refuses, and `ServiceUnreachable` when it does not answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp

from tcu_sim.centre.api import Peer
from tcu_sim.centre.app_client import App
from tcu_sim.centre.desk_clients import DeskClerk, Owner, Police
from tcu_sim.centre.http import HttpPeer
from tcu_sim.centre.operator_client import Operator
from tcu_sim.centre.phone_clients import Keypad, Telephone
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.tokens import read_token

PeerFactory = Callable[[str, str], Peer]


class Client:
    """All roles of a bench. `peer(caller, service)` gives the way to a service."""

    def __init__(self, peer: PeerFactory) -> None:
        self._peer = peer

    def operator(self, number: int = 1) -> Operator:
        """Return operator 1 or 2."""
        name = f"operator-{number}"
        return Operator(
            command=self._peer(name, "command"),
            account=self._peer(name, "account"),
            desk=self._peer(name, "desk"),
            pin=self._peer(name, "pin"),
        )

    def app(self) -> App:
        """Return an app on a phone, not signed in."""
        return App(account=self._peer("app", "account"), pin=self._peer("app", "pin"))

    def telephone(self) -> Telephone:
        """Return the telephone exchange."""
        return Telephone(
            command=self._peer("telephone", "command"), pin=self._peer("telephone", "pin")
        )

    def keypad(self) -> Keypad:
        """Return the caller's keypad (or form), which leads straight to the PIN authority."""
        return Keypad(pin=self._peer("keypad", "pin"))

    def owner(self) -> Owner:
        """Return the owner, who agrees to a theft case."""
        return Owner(desk=self._peer("owner", "desk"))

    def police(self) -> Police:
        """Return the police."""
        return Police(desk=self._peer("police", "desk"))

    def desk_clerk(self) -> DeskClerk:
        """Return the theft desk's clerk, who alone sees positions."""
        return DeskClerk(desk=self._peer("desk-clerk", "desk"))


@asynccontextmanager
async def open_client(layout: Layout) -> AsyncIterator[Client]:
    """Talk to the services that run in the bench directory of `layout`."""
    async with aiohttp.ClientSession() as session:
        yield Client(http_peers(layout, session))


def http_peers(layout: Layout, session: aiohttp.ClientSession) -> PeerFactory:
    """Return a factory of ways over HTTP, with the callers' tokens from the bench directory."""

    def peer(caller: str, service: str) -> Peer:
        return HttpPeer(
            service=service,
            url_file=layout.run / f"{service}.url",
            token=read_token(layout, caller=caller, service=service),
            session=session,
        )

    return peer
