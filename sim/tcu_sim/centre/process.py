"""One service as a process: HTTP on the loopback, MQTT where it has topics, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

from tcu_sim.centre.api import Service
from tcu_sim.centre.build import Builder, Surroundings
from tcu_sim.centre.client import http_peers
from tcu_sim.centre.ending import claimed, end_tasks, stop_event
from tcu_sim.centre.http import remove_url, serve, write_url
from tcu_sim.centre.identity import Identity, read_identity
from tcu_sim.centre.mqtt import BrokerAddress, MqttBus
from tcu_sim.pki.layout import Layout

log = logging.getLogger(__name__)
TICK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlan:
    """What to run. `with_parent`: end when standard input closes, so that no orphan stays behind."""

    name: str
    layout: Layout
    broker: BrokerAddress
    around: Surroundings
    as_json: bool = False
    with_parent: bool = False


async def run_process(plan: ProcessPlan) -> None:
    """Run one service until it is told to end; says when it is ready, on standard output.

    Raises:
        BadInput: a file of its directory is missing or damaged, or it runs already.
    """
    os.umask(0o077)
    identity = read_identity(plan.layout.service(plan.name))
    with claimed(plan.layout.run / f"{plan.name}.lock", what=f"centre {plan.name}"):
        await _run_alone(plan, identity)


async def _run_alone(plan: ProcessPlan, identity: Identity) -> None:
    stop = stop_event()
    if plan.with_parent:
        # Whoever started us holds the other end of the pipe and never writes: readable means gone.
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), _note_parent_gone, stop, loop)
    bus = MqttBus(plan.broker, client_id=f"centre-{plan.name}")
    async with aiohttp.ClientSession() as session:
        builder = Builder(plan.layout, plan.around, bus, http_peers(plan.layout, session))
        service = builder.build(plan.name)
        server = await serve(service, identity.tokens)
        url_file = plan.layout.run / f"{plan.name}.url"
        write_url(url_file, server.url)
        try:
            await _run_until(stop, service, bus, ready=_ready_line(plan, server.url))
        finally:
            remove_url(url_file)
            await server.close()
            builder.close()


async def _run_until(stop: asyncio.Event, service: Service, bus: MqttBus, *, ready: str) -> None:
    running = {asyncio.create_task(_tick(service), name="tick")}
    if service.topics:
        running.add(asyncio.create_task(bus.run(service), name="mqtt"))
    stopping = asyncio.create_task(stop.wait())
    connected = asyncio.create_task(bus.connected.wait())
    try:
        if service.topics:
            await asyncio.wait({stopping, connected, *running}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            _say(ready)
        ended, _ = await asyncio.wait({stopping, *running}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_tasks({stopping, connected, *running})
    for task in ended - {stopping}:
        task.result()  # neither ends by itself unless it has failed


async def _tick(service: Service) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        await service.tick()


def _note_parent_gone(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    with suppress(OSError):
        if os.read(sys.stdin.fileno(), 1):
            return
    loop.remove_reader(sys.stdin.fileno())
    stop.set()


def _ready_line(plan: ProcessPlan, url: str) -> str:
    if plan.as_json:
        return json.dumps({"service": plan.name, "ready": True, "url": url, "pid": os.getpid()})
    return f"centre {plan.name}: ready at {url} (pid {os.getpid()})"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
