"""Puts a vehicle on a bus: time from the running loop, sleep through asyncio alone, so also on simulated time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tcu_sim.bus.frame import Frame
from tcu_sim.vehicle.vehicle import Vehicle

QUEUE_FRAMES: Final = 4096
"""What may wait while the bus takes nothing: half a minute of the vehicle's own traffic; then frames are lost."""

Act = Callable[[Vehicle, float], None]
Predicate = Callable[[Vehicle], bool]


class Port(Protocol):
    """A bus, such as `PythonCanPort` or an `InProcessNode`."""

    async def receive(self) -> Sequence[Frame]:
        """Wait for frames and return all that are there, oldest first."""

    async def send(self, frame: Frame) -> None:
        """Send one frame."""


@dataclass(slots=True)
class Waiter:
    """Someone who waits until something about the vehicle is true."""

    predicate: Predicate
    fulfilled: asyncio.Event


class VehicleRunner:
    """Runs one vehicle on one port. `run` does not end by itself: cancel it."""

    def __init__(self, vehicle: Vehicle, port: Port) -> None:
        """The vehicle must have been made with the running loop's time as `now`."""
        self.vehicle = vehicle
        self.lost = 0
        """Frames that the bus did not take in time."""
        self._port = port
        self._outgoing: deque[Frame] = deque()
        self._has_outgoing = asyncio.Event()
        self._changed = asyncio.Event()
        self._waiters: list[Waiter] = []

    async def run(self) -> None:
        """Keep the vehicle running.

        Raises:
            ExceptionGroup: of BusUnreachable, when the port fails.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="vehicle listens")
            tasks.create_task(self._speak(), name="vehicle speaks")
            tasks.create_task(self._keep_time(), name="vehicle keeps time")

    def do(self, act: Act) -> None:
        """Let something happen to the vehicle now."""
        act(self.vehicle, self._now())
        self._notice([])

    async def wait_until(self, predicate: Predicate, *, within_s: float) -> bool:
        """Return True as soon as the predicate holds, False if it does not within the time."""
        waiter = Waiter(predicate, asyncio.Event())
        self._waiters.append(waiter)
        self._check_waiters()
        try:
            async with asyncio.timeout(within_s):
                await waiter.fulfilled.wait()
        except TimeoutError:
            return predicate(self.vehicle)
        finally:
            self._waiters.remove(waiter)
        return True

    async def _listen(self) -> None:
        while True:
            for frame in await self._port.receive():
                self._notice(self.vehicle.receive(frame, self._now()))

    async def _speak(self) -> None:
        """One task sends everything: alive counters must not overtake each other."""
        while True:
            await self._has_outgoing.wait()
            while self._outgoing:
                await self._port.send(self._outgoing.popleft())
            self._has_outgoing.clear()

    async def _keep_time(self) -> None:
        while True:
            self._changed.clear()
            self._notice(self.vehicle.handle_timer(self._now()), changed=False)
            await self._wait_for_deadline()

    async def _wait_for_deadline(self) -> None:
        deadline = self.vehicle.next_deadline()
        if deadline is None:
            await self._changed.wait()
            return
        timer = asyncio.get_running_loop().call_at(deadline, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

    def _notice(self, frames: Iterable[Frame], *, changed: bool = True) -> None:
        for frame in frames:
            if len(self._outgoing) >= QUEUE_FRAMES:
                self.lost += 1
                continue
            self._outgoing.append(frame)
            self._has_outgoing.set()
        if changed:
            self._changed.set()
        self._check_waiters()

    def _check_waiters(self) -> None:
        for waiter in self._waiters:
            if waiter.predicate(self.vehicle):
                waiter.fulfilled.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
