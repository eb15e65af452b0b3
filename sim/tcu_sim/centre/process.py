"""One service as a process: HTTP on the loopback, MQTT where it has topics, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from tcu_sim.centre.api import Service
from tcu_sim.centre.build import Builder, Surroundings
from tcu_sim.centre.client import http_peers
from tcu_sim.centre.http import remove_url, serve, write_url
from tcu_sim.centre.identity import read_identity
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
        BadInput: a file of its directory is missing or damaged.
    """
    os.umask(0o077)
    stop = _stop_event(with_parent=plan.with_parent)
    bus = MqttBus(plan.broker, client_id=f"centre-{plan.name}")
    async with aiohttp.ClientSession() as session:
        builder = Builder(plan.layout, plan.around, bus, http_peers(plan.layout, session))
        service = builder.build(plan.name)
        tokens = read_identity(plan.layout.service(plan.name)).tokens
        server = await serve(service, tokens)
        url_file = plan.layout.run / f"{plan.name}.url"
        write_url(url_file, server.url)
        try:
            await _run_until(stop, service, bus, ready=_ready_line(plan, server.url))
        finally:
            remove_url(url_file)
            await server.close()
            builder.close()


async def _run_until(stop: asyncio.Event, service: Service, bus: MqttBus, *, ready: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[Any]] = [tasks.create_task(_tick(service), name="tick")]
        if service.topics:
            running.append(tasks.create_task(bus.run(service), name="mqtt"))
            waiting = tasks.create_task(bus.connected.wait())
            stopping = tasks.create_task(stop.wait())
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            running += [waiting, stopping]
        if not stop.is_set():
            _say(ready)
        await stop.wait()
        for task in running:
            task.cancel()


async def _tick(service: Service) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        await service.tick()


def _stop_event(*, with_parent: bool) -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        # Whoever started us holds the other end of the pipe and never writes: readable means gone.
        loop.add_reader(sys.stdin.fileno(), _note_parent_gone, stop, loop)
    return stop


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
