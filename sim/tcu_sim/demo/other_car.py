"""Another customer's car, taken apart on his bench: it has its own lawful key and says what he likes.

It answers requests for itself with a lawful challenge, so that the centre grants it what its owner asked for, and keeps
the grants: to be tried on somebody else's car.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt

from tcu_sim.demo.observer import BrokerAddress
from tcu_sim.errors import SimulatorError
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import Verified, sign
from tcu_sim.wire.keys import SigningKey
from tcu_sim.wire.numbers import Presence
from tcu_sim.wire.trust import TrustedKeys

TTL_S = 30


class OtherCar:
    """Use `open_other_car`."""

    def __init__(
        self, *, vehicle_id: str, key: SigningKey, trusted: TrustedKeys, client: aiomqtt.Client
    ) -> None:
        self.vehicle_id = vehicle_id
        self.grants: asyncio.Queue[bytes] = asyncio.Queue()
        """Grants for this car, as they came."""
        self._key = key
        self._trusted = trusted
        self._client = client
        self._boot_id = secrets.token_bytes(8)
        self._account: m.Account | None = None

    async def come_online(self) -> None:
        """Tell the centre that it is there."""
        await self._say(
            m.Availability(
                vehicle_id=self.vehicle_id,
                boot_id=self._boot_id,
                connection=1,
                presence=Presence.ONLINE,
            )
        )

    async def live(self) -> None:
        """Answer the centre, until cancelled."""
        async for message in self._client.messages:
            word = str(message.topic).rsplit("/", 1)[-1]
            if word == "account":
                self._account = self._trusted.open(message.payload, m.Account).message
            elif word == "request":
                await self._answer(self._trusted.open(message.payload, m.Request))
            elif word == "grant":
                self.grants.put_nowait(message.payload)

    async def _answer(self, request: Verified[m.Request]) -> None:
        trust, account = self._trusted.trust, self._account
        await self._say(
            m.Challenge(
                vehicle_id=self.vehicle_id,
                service=request.message.service,
                request_id=request.message.request_id,
                nonce=secrets.token_bytes(16),
                boot_id=self._boot_id,
                request_hash=request.hash,
                trust_version=trust.version,
                trust_epoch=trust.epoch,
                account_version=account.version if account else 0,
                ownership_generation=account.ownership_generation if account else 0,
                pin_generation=account.pin_generation if account else 0,
                ttl_s=TTL_S,
            )
        )

    async def _say(self, message: m.Challenge | m.Availability) -> None:
        data = sign(message, self._key, self._trusted.environment)
        await self._client.publish(f"tcu/v1/{self.vehicle_id}/up/{message.TYP}", data, qos=1)


@asynccontextmanager
async def open_other_car(
    broker: BrokerAddress, *, vehicle_id: str, key: SigningKey, trusted: TrustedKeys
) -> AsyncIterator[OtherCar]:
    """Give a car that answers while the context lasts.

    Raises:
        SimulatorError: the broker cannot be reached.
    """
    try:
        async with broker.client(f"tcu-{vehicle_id}") as client:
            await client.subscribe(f"tcu/v1/{vehicle_id}/down/#", qos=1)
            car = OtherCar(vehicle_id=vehicle_id, key=key, trusted=trusted, client=client)
            living = asyncio.create_task(car.live())
            try:
                await car.come_online()
                yield car
            finally:
                living.cancel()
    except aiomqtt.MqttError as error:
        raise SimulatorError(f"broker {broker.host}:{broker.port}: {error}") from error
