"""Keeps the link to the broker: connect, listen, send, lose it, wait, connect again.

When any part of a connection fails, all of it ends and the core hears of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tcu_agent.core.events import Connected, Disconnected, MessageArrived
from tcu_agent.errors import (
    ConfigError,
    KeyStoreError,
    MqttTransportError,
    PublicationRefusedError,
)
from tcu_agent.ports import EventSink, LinkPort
from tcu_agent.protocol.messages import Availability
from tcu_agent.protocol.vocabulary import Presence
from tcu_agent.runtime.backoff import Backoff
from tcu_agent.runtime.notary import Notary, Signed
from tcu_agent.runtime.outbox import OutboxSender
from tcu_agent.runtime.position_sender import PositionSender
from tcu_agent.runtime.prompt_sender import PromptSender
from tcu_agent.runtime.refusals import Refusals
from tcu_agent.runtime.surroundings import Surroundings
from tcu_agent.runtime.takeovers import Takeovers
from tcu_agent.runtime.waiting import wait_first

FIRST_RETRY_S = 1.0
MOST_RETRY_S = 120.0
REFUSED_LEAST_S = 300.0
REFUSED_MOST_S = 1800.0
"""A broker that refuses us will not change its mind in seconds, and a fleet must not hammer it."""
STABLE_S = 30.0
"""A connection that held so long has worked: the next loss starts from the first delay again."""
GOODBYE_S = 2.0
REST_S = 5.0
"""For the last word and for closing the connection; a board that is about to suspend waits no longer."""
_RANDOM_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Senders:
    """What sends on a connection."""

    prompt: PromptSender
    outbox: OutboxSender
    positions: PositionSender


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who speaks: `boot_id` is new at every start of the agent."""

    vehicle_id: str
    boot_id: bytes


class Connection:
    """The MQTT side of the agent."""

    def __init__(
        self,
        *,
        link: LinkPort,
        identity: Identity,
        notary: Notary,
        senders: Senders,
        sink: EventSink,
        around: Surroundings,
    ) -> None:
        self._link = link
        self._identity = identity
        self._notary = notary
        self._senders = senders
        self._sink = sink
        self._around = around
        self._clock = around.clock
        self._entropy = around.entropy
        self._logbook = around.logbook
        self._supervisor = around.supervisor
        self._refusals = Refusals(logbook=around.logbook, supervisor=around.supervisor)
        self._takeovers = Takeovers(around)
        self._number = 0
        self._is_connected = self._has_connected = self._has_session = False
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._must_leave = asyncio.Event()
        self._woken = asyncio.Event()
        """Ends a pause before connecting."""
        self._is_away = asyncio.Event()
        self._is_away.set()
        self._last_word: tuple[Presence, int | None] = (Presence.ASLEEP, None)
        self._lost = Backoff(entropy=around.entropy, first_s=FIRST_RETRY_S, most_s=MOST_RETRY_S)
        self._refused = Backoff(
            entropy=around.entropy,
            first_s=2 * REFUSED_LEAST_S,
            most_s=REFUSED_MOST_S,
            least_s=REFUSED_LEAST_S,
        )

    async def run(self) -> None:
        """Connect again and again until cancelled."""
        while True:
            await self._may_connect.wait()
            try:
                await self._connect()
            except (MqttTransportError, KeyStoreError) as error:
                self._is_away.set()
                await self._pause("connect-failed", error)
                continue
            except ConfigError as error:
                self._is_away.set()
                if not self._has_connected:
                    raise
                # It was good before: its certificate is being exchanged for a new one, or somebody works on the files.
                await self._pause("connect-failed", _for_now(error))
                continue
            started = self._clock.boottime()
            lost = await self._live()
            held_s = self._clock.boottime() - started
            self._takeovers.note(lost, held_s=held_s)
            if held_s >= STABLE_S and not self._takeovers.is_on:
                self._lost.reset()
                self._refused.reset()
            if self._may_connect.is_set():
                await self._pause("link-lost", lost)

    async def rest(self, *, asleep_until_s: int | None, wakes: bool) -> None:
        """Say that the vehicle sleeps, leave the broker and stay away; never takes longer than `REST_S`.

        `asleep_until_s`: s since 1970-01-01, None = not known, or not before somebody uses the vehicle.
        `wakes`: by itself.
        """
        is_dozing = wakes and asleep_until_s is None
        self._last_word = (Presence.DOZING if is_dozing else Presence.ASLEEP, asleep_until_s)
        self._may_connect.clear()
        self._must_leave.set()
        await wait_first(self._is_away.wait(), self._around.wait_s(REST_S))

    def resume(self) -> None:
        """Connect again after `rest`, without the pauses that there were before it."""
        self._must_leave.clear()
        self._lost.reset()
        self._woken.set()
        self._may_connect.set()

    async def say_goodbye(self) -> None:
        """Publish that the vehicle goes offline on purpose; never takes longer than `GOODBYE_S`."""
        if self._is_connected:
            await self._publish_last(self._availability(Presence.OFFLINE))

    async def _connect(self) -> None:
        self._number += 1
        self._is_away.clear()
        self._woken.clear()
        self._senders.outbox.urgent.clear()
        will = self._notary.sign(self._availability(Presence.OFFLINE)).data
        self._has_session = await self._link.connect(connection=self._number, will=will)
        self._is_connected = self._has_connected = True

    async def _live(self) -> MqttTransportError:
        """Live through one connection; return why it ended."""
        lost = MqttTransportError("the link ended", may_have_happened=False, temporary=True)
        self._senders.prompt.open()
        self._logbook.info("connected", connection=self._number)
        self._supervisor.status("listening and connected")
        # Looked at once: a car that is woken a step later would keep a connection of which the core never hears.
        is_too_late = self._must_leave.is_set()
        try:
            if not is_too_late:
                await self._sink.put(Connected(self._number))
            await self._listen_and_send(is_too_late=is_too_late)
        except MqttTransportError as error:
            lost = error
        finally:
            self._is_connected = False
            self._senders.prompt.close()
            await self._link.disconnect()
            self._is_away.set()
        await self._sink.put(Disconnected())
        self._supervisor.status("listening, not connected")
        return lost

    async def _listen_and_send(self, *, is_too_late: bool) -> None:
        # Not a TaskGroup: up to Python 3.12 one that is cancelled in the moment in which a child fails forgets
        # the cancellation, and then the agent would connect again for ever instead of ending.
        await wait_first(
            self._listen(),
            self._leave(at_once=is_too_late),
            self._takeovers.watch(),
            self._senders.prompt.run(self._publish),
            self._senders.outbox.run(self._publish, has_session=self._has_session),
            self._senders.positions.run(self._publish),
        )

    async def _listen(self) -> None:
        async for inbound in self._link.messages():
            await self._sink.put(
                MessageArrived(
                    topic_type=inbound.topic.rsplit("/", 1)[-1],
                    payload=inbound.payload,
                    retained=inbound.retained,
                    random=self._entropy.random_bytes(_RANDOM_BYTES),
                )
            )
        raise MqttTransportError("the link ended", may_have_happened=False, temporary=True)

    async def _leave(self, *, at_once: bool) -> None:
        if not at_once:
            await self._must_leave.wait()
        await self._publish_last(self._availability(*self._last_word))
        raise MqttTransportError("the vehicle sleeps", may_have_happened=False, temporary=True)

    async def _publish(self, signed: Signed) -> bool:
        """Return whether the broker says that it has nobody to give it to."""
        try:
            is_unheard = await self._link.publish(
                signed.topic_type,
                signed.data,
                expiry_s=signed.expiry_s,
                correlation=signed.request_id,
            )
        except PublicationRefusedError as error:
            # The link holds, and a new one would change nothing: what is stored waits for its next turn.
            self._refusals.refused(signed.topic_type, error)
            return False
        self._refusals.taken(signed.topic_type)
        return is_unheard

    async def _publish_last(self, availability: Availability) -> None:
        await wait_first(self._try_to_publish(availability), self._around.wait_s(GOODBYE_S))

    async def _try_to_publish(self, availability: Availability) -> None:
        try:
            await self._publish(self._notary.sign(availability))
        except (MqttTransportError, KeyStoreError) as error:
            self._logbook.warning("goodbye-not-sent", detail=str(error))

    def _availability(self, presence: Presence, asleep_until_s: int | None = None) -> Availability:
        return Availability(
            vehicle_id=self._identity.vehicle_id,
            boot_id=self._identity.boot_id,
            connection=self._number,
            presence=presence,
            asleep_until_s=asleep_until_s,
        )

    async def _pause(self, word: str, error: MqttTransportError | KeyStoreError) -> None:
        delay_s = (self._lost if error.temporary else self._refused).next_delay_s()
        if error.temporary:
            self._logbook.warning(word, detail=str(error), retry_s=delay_s)
        elif isinstance(error, KeyStoreError):
            # The will is signed before connecting, and the broker may want a key or a password of ours.
            self._logbook.error("link-without-key", detail=str(error), retry_s=delay_s)
            self._supervisor.status(
                f"listening; a key or password fails us, so not connected: {error}"
            )
        else:
            self._logbook.error("link-refused", detail=str(error), retry_s=delay_s)
            self._supervisor.status(f"listening; the broker refuses us: {error}")
        # Who needs help, or has just got in, shall not wait for what was good for a broker that was away.
        hurry = self._woken.wait(), self._senders.outbox.urgent.wait()
        await wait_first(*hurry, self._around.wait_s(delay_s))
        if self._senders.outbox.urgent.is_set():
            self._lost.reset()


def _for_now(error: ConfigError) -> MqttTransportError:
    return MqttTransportError(str(error), may_have_happened=False, temporary=True)
