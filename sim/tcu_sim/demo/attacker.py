"""Someone who has broken into the broker: hears every byte, keeps them, and publishes what he likes.

He holds no key of the centre and none of the demo's car. What he sends is what he has heard, or what he signs with keys
of his own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiomqtt

from tcu_sim.demo.observer import BrokerAddress
from tcu_sim.errors import SimulatorError
from tcu_sim.wire.envelope import look, sign_payload
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import SigningKey

HEARING_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One publication as it came."""

    topic: str
    payload: bytes


class Attacker:
    """Use `open_attacker`."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.heard: list[Heard] = []
        self._client = client
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Keep everything, until cancelled."""
        async for message in self._client.messages:
            self.heard.append(Heard(str(message.topic), message.payload))
            self._news.set()

    async def message(self, payload_hash: str) -> bytes:
        """Return the message with this payload hash (hex, or its beginning), waiting until he has heard it.

        Raises:
            SimulatorError: he has not, although somebody else has.
        """
        try:
            async with asyncio.timeout(HEARING_TIMEOUT_S):
                while (found := self._find(payload_hash)) is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise SimulatorError(f"the attacker has not heard message {payload_hash}") from None
        return found

    def _find(self, payload_hash: str) -> bytes | None:
        for heard in self.heard:
            with suppress(WireError):
                if look(heard.payload).payload_hash.hex().startswith(payload_hash):
                    return heard.payload
        return None

    async def publish(
        self, vehicle_id: str, word: str, payload: bytes, *, retain: bool = False
    ) -> None:
        """Publish to a car; returns when the broker has it."""
        topic = f"tcu/v1/{vehicle_id}/down/{word}"
        await self._client.publish(topic, payload, qos=1, retain=retain)

    async def clear_retained(self, vehicle_id: str, word: str) -> None:
        """Take a retained message off the broker again (an empty one, as MQTT wants it)."""
        await self._client.publish(f"tcu/v1/{vehicle_id}/down/{word}", b"", qos=1, retain=True)


def signed_anew(data: bytes, key: SigningKey, environment: str) -> bytes:
    """Return the same payload under the same type, signed with another key: a forgery."""
    envelope = look(data)
    typ = envelope.typ.removeprefix("tcu-").removesuffix("+cose")
    return sign_payload(envelope.payload, typ=typ, key=key, environment=environment)


def with_flipped_bit(data: bytes) -> bytes:
    """Return the message with the last bit of its signature flipped."""
    return data[:-1] + bytes([data[-1] ^ 1])


@asynccontextmanager
async def open_attacker(broker: BrokerAddress) -> AsyncIterator[Attacker]:
    """Give an attacker who listens while the context lasts.

    Raises:
        SimulatorError: the broker cannot be reached.
    """
    try:
        async with broker.client("attacker") as client:
            await broker.subscribe_all(client)
            attacker = Attacker(client)
            listening = asyncio.create_task(attacker.listen())
            try:
                yield attacker
            finally:
                listening.cancel()
    except aiomqtt.MqttError as error:
        raise SimulatorError(f"broker {broker.host}:{broker.port}: {error}") from error
