"""The observer: a process of its own that sees what passes on CAN and broker, and writes it down. It asks for nothing.

One JSON object a line: `t` (seconds since its start; of a frame: when it arrived, however late it was looked at), `at`
(``can``, ``mqtt`` or ``observer``), `what`, and what `can_watch` and `mqtt_watch` tell. Its first line says that it is
ready: bus open, subscription confirmed.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import aiomqtt
from paho.mqtt.subscribeoptions import SubscribeOptions

from tcu_sim.demo.can_source import frames_of
from tcu_sim.demo.can_watch import CanWatch
from tcu_sim.demo.mqtt_watch import MqttWatch
from tcu_sim.errors import BadInput, SimulatorError

TOPIC_FILTER = "tcu/v1/#"
PROTOCOLS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is. `version`: ``5`` or ``3.1.1``."""

    host: str
    port: int
    version: str

    def client(self, identifier: str) -> aiomqtt.Client:
        """Return a client that is not connected yet."""
        return aiomqtt.Client(
            self.host, self.port, identifier=identifier, protocol=PROTOCOLS[self.version]
        )

    async def subscribe_all(self, client: aiomqtt.Client) -> None:
        """Subscribe to every message; MQTT 5 shows which ones were published as retained."""
        if self.version == "5":
            options = SubscribeOptions(qos=1, retainAsPublished=True)
            await client.subscribe(TOPIC_FILTER, options=options)
        else:
            await client.subscribe(TOPIC_FILTER, qos=1)


class Observer:
    """Joins both watches and writes what they tell."""

    def __init__(self, *, can_watch: CanWatch, mqtt_watch: MqttWatch, out: TextIO) -> None:
        self._can_watch = can_watch
        self._mqtt_watch = mqtt_watch
        self._out = out
        self._began = time.monotonic()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, *, can_address: str, broker: BrokerAddress, ended: asyncio.Event) -> None:
        """Watch until `ended` is set.

        Raises:
            BusUnreachable: CAN cannot be opened or went away.
            SimulatorError: the broker cannot be reached or went away.
        """
        try:
            async with broker.client("observer") as client:
                await broker.subscribe_all(client)
                with frames_of(can_address, self._take_frame, self._fail):
                    self._write("observer", {"what": "ready"})
                    await self._watch(client, ended)
        except aiomqtt.MqttError as error:
            raise SimulatorError(f"broker {broker.host}:{broker.port}: {error}") from error

    async def _watch(self, client: aiomqtt.Client, ended: asyncio.Event) -> None:
        messages = asyncio.create_task(self._take_messages(client))
        stop = asyncio.create_task(ended.wait())
        waiting: set[asyncio.Future[Any]] = {messages, stop, self._failure}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                future.result()
        finally:
            messages.cancel()
            stop.cancel()

    async def _take_messages(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if isinstance(message.payload, bytes):
                sighting = self._mqtt_watch.take(
                    str(message.topic),
                    message.payload,
                    retained=message.retain,
                    positions=self._can_watch.positions,
                )
                self._write("mqtt", sighting)

    def _take_frame(self, arbitration_id: int, data: bytes, arrived_s: float) -> None:
        for sighting in self._can_watch.take(arbitration_id, data):
            self._write("can", sighting, at_s=arrived_s)

    def _fail(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    def _write(self, at: str, sighting: dict[str, Any], *, at_s: float | None = None) -> None:
        at_s = time.monotonic() if at_s is None else at_s
        line = {"t": round(at_s - self._began, 4), "at": at, **sighting}
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


async def observe(
    *,
    can_watch: CanWatch,
    mqtt_watch: MqttWatch,
    can_address: str,
    broker: BrokerAddress,
    out: TextIO,
) -> None:
    """Observe until SIGTERM or SIGINT.

    Raises:
        SimulatorError: bus or broker cannot be reached, or went away.
    """
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    observer = Observer(can_watch=can_watch, mqtt_watch=mqtt_watch, out=out)
    await observer.run(can_address=can_address, broker=broker, ended=ended)


def open_out(path: Path) -> TextIO:
    """Open the file to write to.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror})") from error
