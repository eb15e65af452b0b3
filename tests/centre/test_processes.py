"""The four services as processes, a real broker.

And a light vehicle on MQTT: request, challenge, evidence, grant, result.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from tcu_sim.centre.client import Client, open_client
from tcu_sim.demo.broker import Broker, start_broker
from tcu_sim.demo.processes import Command, Ensemble, Program
from tcu_sim.demo.secret_search import SecretSearch
from tcu_sim.pki.ceremony import Plan, initialise
from tcu_sim.pki.layout import SERVICES, Layout
from tests.centre.light_vehicle import LightVehicle

CAR = "car-1"
HOME = "owner-home"
WAIT_S = 20.0


@dataclass
class City:
    """A running centre, its broker and a car."""

    layout: Layout
    broker: Broker
    client: Client
    car: LightVehicle
    centre: Program
    logs: Path
    programs: Ensemble
    runs_again: asyncio.Event
    """Set when the supervisor says that a service runs again."""

    def pin(self) -> str:
        letter = max((self.layout.post / HOME).glob("*-pin.txt"))
        found = re.search(r"\d{4}$", letter.read_text().strip())
        assert found is not None
        return found.group()

    async def unlock(self, pin: str) -> str:
        """An unlock from the ON CALL press to the result; returns the request's state."""
        operator = self.client.operator()
        incident_id = await self.car.press_on_call()
        while not await operator.incidents(CAR, timeout_s=WAIT_S):
            pass
        await operator.answer(incident_id)
        request_id = await operator.draft_unlock(CAR, incident_id)
        assert await self.client.keypad().enter(await operator.ticket(request_id), pin) == "right"
        await operator.send(request_id)
        return (await operator.request(request_id, timeout_s=WAIT_S)).state


@asynccontextmanager
async def a_car_on(broker: Broker, layout: Layout) -> AsyncIterator[LightVehicle]:
    version = (
        aiomqtt.ProtocolVersion.V5 if broker.mqtt_version == "5" else aiomqtt.ProtocolVersion.V311
    )
    async with aiomqtt.Client("127.0.0.1", broker.port, identifier=CAR, protocol=version) as client:

        async def send(message_type: str, payload: bytes) -> None:
            await client.publish(f"tcu/v1/{CAR}/up/{message_type}", payload, qos=1)

        async def listen(car: LightVehicle) -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                await car.receive(message.topic.value.rsplit("/", 1)[1], message.payload)

        await client.subscribe(f"tcu/v1/{CAR}/down/+", qos=1)
        car = LightVehicle(layout, CAR, send)
        listening = asyncio.create_task(listen(car))
        try:
            yield car
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@asynccontextmanager
async def a_city(folder: Path, *, embedded: bool) -> AsyncIterator[City]:
    layout = initialise(folder / "bench", Plan(vehicles=(CAR,)))
    logs = folder / "logs"
    logs.mkdir()
    async with Ensemble(logs) as ensemble:
        broker = await start_broker(ensemble, folder, embedded=embedded)
        argv = [sys.executable, "-m", "tcu_sim.cli.main", "centre", "--dir", str(layout.root)]
        argv += ["--broker-port", str(broker.port), "--mqtt", broker.mqtt_version, "--json"]
        runs_again = asyncio.Event()

        def listen(line: str) -> None:
            if line.endswith("runs again"):
                runs_again.set()

        centre = await ensemble.start(
            Command(
                name="centre",
                argv=argv,
                ready=r'^\{"ready": true.*\}$',
                timeout_s=40,
                on_line=listen,
            )
        )
        async with a_car_on(broker, layout) as car, open_client(layout) as client:
            yield City(layout, broker, client, car, centre, logs, ensemble, runs_again)


def run(
    folder: Path, story: Callable[[City], Coroutine[Any, Any, None]], *, embedded: bool
) -> None:
    async def in_city() -> None:
        async with a_city(folder, embedded=embedded) as city:
            await story(city)

    asyncio.run(in_city())


async def subscribed(city: City) -> str:
    await city.client.operator().subscribe(CAR, address=HOME)
    await city.client.operator().account_state(CAR, timeout_s=WAIT_S)
    return city.pin()


@pytest.mark.parametrize("embedded", [False, True], ids=["mosquitto", "amqtt"])
def test_an_unlock_through_four_processes(tmp_path: Path, *, embedded: bool) -> None:
    async def story(city: City) -> None:
        pin = await subscribed(city)
        assert await city.unlock(pin) == "completed"
        assert len(city.car.grants) == 1
        facts = json.loads(city.centre.ready.group() if city.centre.ready else "{}")["services"]
        assert sorted(facts) == sorted(SERVICES)
        assert len({fact["pid"] for fact in facts.values()}) == len(SERVICES)
        assert_no_secret_outside(city, pin)

    run(tmp_path, story, embedded=embedded)


def assert_no_secret_outside(city: City, pin: str) -> None:
    """The PIN stands in the owner's letterbox and nowhere else; every secret file is private."""
    wanted = SecretSearch(pins=frozenset({pin}))
    for path in (*city.layout.root.rglob("*"), *city.logs.rglob("*")):
        is_searched = path.suffix in {".db", ".log", ".json", ".url"}
        if is_searched and not path.is_relative_to(city.layout.post):
            assert not wanted.finds_in_file(path), path
        if path.is_file() and path.suffix in {".db", ".pem", ".key", ".token", ".txt"}:
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_service_that_falls_is_started_again_with_what_it_had_decided(tmp_path: Path) -> None:
    async def story(city: City) -> None:
        pin = await subscribed(city)
        facts = json.loads(city.centre.ready.group() if city.centre.ready else "{}")["services"]
        os.kill(facts["pin"]["pid"], signal.SIGKILL)
        await asyncio.wait_for(city.runs_again.wait(), WAIT_S)
        assert await city.unlock(pin) == "completed"

    run(tmp_path, story, embedded=False)
