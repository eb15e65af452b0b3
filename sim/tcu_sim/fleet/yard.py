"""A process with some hundred cars in it. Orders come line by line on standard input, what happened goes to its output.

`press ID ...` lets somebody press ON CALL in those cars; the end of the input ends all of them.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.config import REFERENCE_MAPPING
from tcu_agent.runtime.logbook import Logbook
from tcu_sim.fleet.car import FleetCar, Place, run_cars
from tcu_sim.fleet.measures import resident_kib
from tcu_sim.pki.layout import Layout

READY = "ready"
"""Said once, with the process's memory in KiB before it held a car."""


def say(what: str, vehicle_id: str) -> None:
    """Tell the director, with the time on CLOCK_MONOTONIC, which all processes share."""
    sys.stdout.write(f"{what} {vehicle_id} {time.monotonic():.6f}\n")
    sys.stdout.flush()


async def run_yard(place: Place, vehicle_ids: Sequence[str]) -> None:
    """Run these cars until the input ends."""
    ended, logbook = asyncio.Event(), Logbook()
    empty_kib = resident_kib(os.getpid())
    cars = {each: FleetCar(each, place, logbook=logbook, tell=say) for each in vehicle_ids}
    sys.stdout.write(f"{READY} {empty_kib}\n")
    sys.stdout.flush()
    orders = await _standard_input()
    if await orders.readline() != b"go\n":
        return
    async with asyncio.TaskGroup() as group:
        group.create_task(run_cars(cars, ended=ended))
        while line := (await orders.readline()).split():
            for vehicle_id in line[1:]:
                cars[vehicle_id.decode()].press_on_call()
        ended.set()


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1 << 20)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    return reader


def main(argv: Sequence[str]) -> None:
    """`DIR ENVIRONMENT PORT ID ...`."""
    directory, environment, port, *vehicle_ids = argv
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    place = Place(
        layout=Layout(Path(directory)),
        environment=environment,
        broker_port=int(port),
        mapping=load_mapping(REFERENCE_MAPPING),
    )
    asyncio.run(run_yard(place, vehicle_ids))


if __name__ == "__main__":
    main(sys.argv[1:])
