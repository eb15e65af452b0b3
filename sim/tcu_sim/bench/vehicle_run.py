"""The virtual vehicle on simulated time: its frames, its timers, and the people at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from tcu_sim.bench.can_bus import InMemoryCanPort
from tcu_sim.bench.vehicle_node import VehicleNode
from tcu_sim.vehicle.person import Person
from tcu_sim.vehicle.vehicle import Vehicle, VehicleSettings

WIRE_S = 0.00025
"""How long a frame takes on the wire at 500 kbit/s: the vehicle never answers in the same instant."""
T = TypeVar("T")


class VehicleRun:
    """Joins the sans-I/O vehicle to a port. Its time is the loop's: it never suspends."""

    def __init__(self, *, port: InMemoryCanPort, settings: VehicleSettings) -> None:
        self.vehicle = Vehicle(settings, now=0.0)
        self.person = Person(self.vehicle)
        self._port = port
        self._node = VehicleNode(port)
        self._nudge = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Put the vehicle on the bus."""
        await self._port.open()
        self._tasks = [
            asyncio.create_task(self._listen(), name="vehicle listens"),
            asyncio.create_task(self._live(), name="vehicle lives"),
        ]

    async def stop(self) -> None:
        """Take it off the bus."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._port.close()

    def do(self, act: Callable[[float], T]) -> T:
        """Let something happen at the vehicle now: `act` is given the present time in seconds.

        Raises:
            NotPossible: the world does not allow it.
        """
        result = act(self.now())
        self._nudge.set()
        return result

    @staticmethod
    def now() -> float:
        """Return the vehicle's time in seconds."""
        return asyncio.get_running_loop().time()

    async def _listen(self) -> None:
        while True:
            frames = await self._node.receive()
            await asyncio.sleep(WIRE_S)
            for frame in frames:
                await self._node.send(self.vehicle.receive(frame, self.now()))
            self._nudge.set()

    async def _live(self) -> None:
        while True:
            await self._node.send(self.vehicle.handle_timer(self.now()))
            self._nudge.clear()
            await self._wait(self.vehicle.next_deadline())

    async def _wait(self, until: float | None) -> None:
        # No asyncio.timeout_at: a quarter of a simulation's time went into its cancelling.
        loop = asyncio.get_running_loop()
        timer = None if until is None else loop.call_at(until, self._nudge.set)
        try:
            await self._nudge.wait()
        finally:
            if timer is not None:
                timer.cancel()
