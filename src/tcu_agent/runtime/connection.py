"""Keeps the link to the broker: connect, listen, send, lose it, wait, connect again.

When any part of a connection fails, all of it ends and the core hears of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core.events import Connected, Disconnected, MessageArrived
from tcu_agent.errors import KeyStoreError, MqttTransportError
from tcu_agent.ports import EventSink, LinkPort
from tcu_agent.protocol.messages import Availability
from tcu_agent.protocol.vocabulary import Presence
from tcu_agent.runtime.backoff import Backoff
from tcu_agent.runtime.notary import Notary, Signed
from tcu_agent.runtime.outbox import OutboxSender
from tcu_agent.runtime.position_sender import PositionSender
from tcu_agent.runtime.prompt_sender import PromptSender
from tcu_agent.runtime.surroundings import Surroundings
from tcu_agent.runtime.waiting import wait_first

FIRST_RETRY_S = 1.0
MOST_RETRY_S = 120.0
REFUSED_LEAST_S = 300.0
REFUSED_MOST_S = 1800.0
"""A broker that refuses us will not change its mind in seconds, and a fleet must not hammer it."""
STABLE_S = 30.0
"""A connection that held so long has worked: the next loss starts from the first delay again."""
GOODBYE_S = 2.0
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
        self._number = 0
        self._is_connected = False
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
            try:
                await self._connect()
            except (MqttTransportError, KeyStoreError) as error:
                await self._pause("connect-failed", error)
                continue
            started = self._clock.boottime()
            lost = await self._live()
            if self._clock.boottime() >= started + STABLE_S:
                self._lost.reset()
            await self._pause("link-lost", lost)

    async def say_goodbye(self) -> None:
        """Publish that the vehicle goes offline on purpose; never takes longer than `GOODBYE_S`."""
        if self._is_connected:
            await wait_first(self._publish_offline(), self._around.wait_s(GOODBYE_S))

    async def _connect(self) -> None:
        self._number += 1
        will = self._offline().data
        await self._link.connect(connection=self._number, will=will)
        self._refused.reset()
        self._is_connected = True

    async def _live(self) -> MqttTransportError:
        """Live through one connection; return why it ended."""
        lost = MqttTransportError("the link ended", may_have_happened=False, temporary=True)
        self._senders.prompt.open()
        self._logbook.info("connected", connection=self._number)
        self._supervisor.status("listening and connected")
        try:
            await self._sink.put(Connected(self._number))
            await self._listen_and_send()
        except MqttTransportError as error:
            lost = error
        finally:
            self._is_connected = False
            self._senders.prompt.close()
            await self._link.disconnect()
        await self._sink.put(Disconnected())
        self._supervisor.status("listening, not connected")
        return lost

    async def _listen_and_send(self) -> None:
        # Not a TaskGroup: up to Python 3.12 one that is cancelled in the moment in which a child fails forgets
        # the cancellation, and then the agent would connect again for ever instead of ending.
        senders = (self._senders.prompt, self._senders.outbox, self._senders.positions)
        await wait_first(self._listen(), *(sender.run(self._publish) for sender in senders))

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

    async def _publish(self, signed: Signed) -> None:
        await self._link.publish(
            signed.topic_type,
            signed.data,
            expiry_s=signed.expiry_s,
            correlation=signed.request_id,
        )

    async def _publish_offline(self) -> None:
        try:
            await self._publish(self._offline())
        except (MqttTransportError, KeyStoreError) as error:
            self._logbook.warning("goodbye-not-sent", detail=str(error))

    def _offline(self) -> Signed:
        return self._notary.sign(
            Availability(
                vehicle_id=self._identity.vehicle_id,
                boot_id=self._identity.boot_id,
                connection=self._number,
                presence=Presence.OFFLINE,
            )
        )

    async def _pause(self, word: str, error: MqttTransportError | KeyStoreError) -> None:
        delay_s = (self._lost if error.temporary else self._refused).next_delay_s()
        if error.temporary:
            self._logbook.warning(word, detail=str(error), retry_s=delay_s)
        elif isinstance(error, KeyStoreError):
            # The will is signed before connecting: without the key there is no link.
            self._logbook.error("link-without-key", detail=str(error), retry_s=delay_s)
            self._supervisor.status(f"listening; cannot sign, so not connected: {error}")
        else:
            self._logbook.error("link-refused", detail=str(error), retry_s=delay_s)
            self._supervisor.status(f"listening; the broker refuses us: {error}")
        await self._around.wait_s(delay_s)
