"""A broker in memory with MQTT's rules: persistent sessions, retained messages, wills, expiry."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from tcu_agent.errors import MqttTransportError, PublicationRefusedError
from tcu_agent.ports import Clock, Inbound

PUBACK_TIMEOUT_S = 10.0
NOT_AUTHORIZED = 0x87
"""Source: MQTT 5, 3.4.2.1."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One message as the broker took it. `expires_at`: boot time, s; None = never."""

    topic: str
    payload: bytes
    retained: bool = False
    expires_at: float | None = None


Watcher = Callable[[Publication], None]


class InMemoryBroker:
    """One broker for any number of vehicles and watchers; faults are set by attribute."""

    def __init__(self, *, clock: Clock) -> None:
        self.is_reachable = True
        self.refuses_authentication = False
        self.loses_pubacks = False
        """Publications get through, but the publisher never hears of it."""
        self.refused_types: set[str] = set()
        """What a vehicle publishes as one of these gets a PUBACK that says "not authorized", and goes nowhere."""
        self.has_nobody = False
        """Whoever watches is away, and its session is lost: what a vehicle publishes is taken, and given to nobody."""
        self.says_nobody = True
        """Whether a PUBACK tells of that, as it may with MQTT 5."""
        self.seen: list[Publication] = []
        """Every publication, oldest first."""
        self._clock = clock
        self._retained: dict[str, Publication] = {}
        self._links: list[InMemoryLink] = []
        self._watchers: list[Watcher] = []

    def link(self, vehicle_id: str) -> InMemoryLink:
        """Return a vehicle's connection with a persistent session."""
        link = InMemoryLink(broker=self, vehicle_id=vehicle_id, clock=self._clock)
        self.attach(link)
        return link

    def attach(self, link: InMemoryLink) -> None:
        """Serve a connection that somebody else has made, such as one with faults of its own."""
        self._links.append(link)

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with every publication from now on (the centre's end, or an observer)."""
        self._watchers.append(watcher)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: float | None = None
    ) -> None:
        """Take a publication and hand it to all who subscribed; what is retained also stays."""
        expires_at = None if expiry_s is None else self._clock.boottime() + expiry_s
        publication = Publication(topic, payload, retain, expires_at)
        if retain:
            self._retained[topic] = publication
        self.seen.append(publication)
        for link in self._links:
            link.deliver(publication)
        for watcher in () if self.has_nobody else self._watchers:
            watcher(publication)

    def retained(self) -> tuple[Publication, ...]:
        """Return what a new subscription gets at once."""
        return tuple(self._retained.values())

    def cut(self) -> None:
        """Cut every connection in the middle: wills are published, sessions stay."""
        for link in self._links:
            link.lose()

    def forget(self) -> None:
        """Cut every connection and lose all sessions with what waits in them, as one that starts without its store."""
        self.cut()
        for link in self._links:
            link.forget()


class InMemoryLink:
    """The agent's `LinkPort` on an `InMemoryBroker`."""

    def __init__(self, *, broker: InMemoryBroker, vehicle_id: str, clock: Clock) -> None:
        self.connections: list[int] = []
        """The connection numbers of every attempt that got through."""
        self._broker = broker
        self._clock = clock
        self._prefix = f"tcu/v1/{vehicle_id}"
        self._will: bytes | None = None
        self._has_session = False
        self._is_connected = False
        self._queue: deque[Publication] = deque()
        self._news = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether the broker has this connection just now."""
        return self._is_connected

    async def connect(self, *, connection: int, will: bytes) -> bool:
        """Connect with a will; retained messages come first, then what waited in the session.

        Return whether there was a session.
        """
        await asyncio.sleep(0)
        if not self._broker.is_reachable:
            raise _failure("the broker cannot be reached")
        if self._broker.refuses_authentication:
            raise _failure("the broker refuses this client", temporary=False)
        self.connections.append(connection)
        self._will = will
        had_session, self._has_session, self._is_connected = self._has_session, True, True
        waiting = [kept for kept in self._broker.retained() if self._is_mine(kept)]
        self._queue.extendleft(reversed(waiting))
        self._news.set()
        return had_session

    async def messages(self) -> AsyncIterator[Inbound]:
        """Iterate over what arrives until the connection is lost."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._is_connected and self._queue:
                publication = self._queue.popleft()
                if not self._is_expired(publication):
                    yield Inbound(publication.topic, publication.payload, publication.retained)
            if not self._is_connected:
                raise _failure("the connection is lost")

    async def publish(
        self,
        message_type: str,
        payload: bytes,
        *,
        expiry_s: int | None = None,
        correlation: bytes | None = None,  # noqa: ARG002 - nothing here looks at it
    ) -> bool:
        """Publish to the vehicle's up topic; returns after the PUBACK, and whether that says that it went nowhere."""
        if not self._is_connected:
            raise _failure("not connected")
        if message_type in self._broker.refused_types:
            await asyncio.sleep(0)
            raise PublicationRefusedError(NOT_AUTHORIZED, "Not authorized")
        self._broker.publish(f"{self._prefix}/up/{message_type}", payload, expiry_s=expiry_s)
        await asyncio.sleep(0)
        if self._broker.loses_pubacks:
            await self._clock.wait_until(self._clock.boottime() + PUBACK_TIMEOUT_S)
            raise _failure("no PUBACK", may_have_happened=True)
        return self._broker.has_nobody and self._broker.says_nobody

    async def disconnect(self) -> None:
        """End the connection politely: no will; the session stays."""
        self._will = None
        self.lose()

    def forget(self) -> None:
        """Lose the session and all that waits in it."""
        self._has_session = False
        self._queue.clear()

    def deliver(self, publication: Publication) -> None:
        """Take a publication for this vehicle into its session."""
        if self._has_session and self._is_mine(publication):
            self._queue.append(publication)
            self._news.set()

    def lose(self) -> None:
        """Lose the connection; the broker publishes the will."""
        was_connected, self._is_connected = self._is_connected, False
        self._news.set()
        if was_connected and self._will is not None:
            self._broker.publish(f"{self._prefix}/up/availability", self._will)

    def _is_mine(self, publication: Publication) -> bool:
        return publication.topic.startswith(f"{self._prefix}/down/")

    def _is_expired(self, publication: Publication) -> bool:
        expires_at = publication.expires_at
        return expires_at is not None and expires_at <= self._clock.boottime()


def _failure(
    detail: str, *, may_have_happened: bool = False, temporary: bool = True
) -> MqttTransportError:
    return MqttTransportError(detail, may_have_happened=may_have_happened, temporary=temporary)
