"""A whole centre in memory with light vehicles, an owner's letterbox and a clock that tests move."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tcu_sim.centre.account.people import QUICK_PASSWORDS
from tcu_sim.centre.build import Surroundings
from tcu_sim.centre.local import LocalCentre
from tcu_sim.centre.pin.hashing import QUICK
from tcu_sim.centre.pin.post import LettersInMemory
from tcu_sim.centre.views import RequestView
from tcu_sim.centre.world import SystemEntropy
from tcu_sim.pki.ceremony import Plan, initialise
from tcu_sim.pki.layout import Layout
from tests.centre.light_vehicle import LightVehicle

CAR = "car-1"
OTHER_CAR = "car-2"
HOME = "owner-home"
OTHER_HOME = "other-home"
T = TypeVar("T")


@dataclass
class MovableClock:
    """The centre's wall clock."""

    at_s: float = 1_800_000_000.0

    def now_s(self) -> float:
        return self.at_s

    def pass_s(self, duration_s: float) -> None:
        self.at_s += duration_s


@dataclass
class Loop:
    """The broker of this town: hands what is published to the vehicle, or loses it."""

    vehicles: dict[str, LightVehicle] = field(default_factory=dict)
    published: list[tuple[str, str, bytes]] = field(default_factory=list)
    loses: set[str] = field(default_factory=set)
    """Message types that get lost on the way to the car."""

    async def publish(
        self, vehicle_id: str, message_type: str, payload: bytes, *, expiry_s: int | None = None
    ) -> None:
        self.published.append((vehicle_id, message_type, payload))
        if message_type not in self.loses and vehicle_id in self.vehicles:
            await self.vehicles[vehicle_id].receive(message_type, payload)

    def last(self, message_type: str) -> bytes:
        return next(data for _, kind, data in reversed(self.published) if kind == message_type)


class Town:
    """Everything; call `settle` after anything that makes messages flow."""

    def __init__(
        self, root: Path, *, clock: MovableClock | None = None, in_memory: bool = True
    ) -> None:
        self.layout = shared_layout(root)
        self.clock = clock or MovableClock()
        self.post = LettersInMemory()
        self.bus = Loop()
        self.entropy = SystemEntropy()
        around = Surroundings(
            clock=self.clock,
            entropy=self.entropy,
            post=self.post,
            in_memory=in_memory,
            pin_cost=QUICK,
            passwords=QUICK_PASSWORDS,
        )
        self.centre = LocalCentre(self.layout, bus=self.bus, around=around)
        self.client = self.centre.client()
        self.operator = self.client.operator(1)
        self.app = self.client.app()
        self.car = self._vehicle(CAR)
        self.other_car = self._vehicle(OTHER_CAR)

    def _vehicle(self, vehicle_id: str) -> LightVehicle:
        async def send(message_type: str, payload: bytes) -> None:
            self.centre.feed(f"tcu/v1/{vehicle_id}/up/{message_type}", payload)

        vehicle = LightVehicle(self.layout, vehicle_id, send)
        self.bus.vehicles[vehicle_id] = vehicle
        return vehicle

    async def settle(self) -> None:
        await self.centre.settle()

    async def while_settling(self, waiting: Awaitable[T]) -> T:
        """Await a call that itself waits for the vehicle, while messages flow."""
        task = asyncio.ensure_future(waiting)
        while not task.done():
            await self.settle()
            await asyncio.sleep(0)
        return await task

    async def subscribe(self, vehicle_id: str = CAR, address: str = HOME) -> str:
        """Subscribe, let the car learn, and return the PIN from the owner's letterbox."""
        await self.operator.subscribe(vehicle_id, address=address)
        await self.settle()
        return self.pin(address)

    def pin(self, address: str = HOME) -> str:
        """Return the PIN of the newest letter to an address."""
        letters = [text for to, kind, text in self.post.letters if (to, kind) == (address, "pin")]
        found = re.search(r"\d{4}$", letters[-1])
        assert found is not None
        return found.group()

    def notices(self, address: str = HOME) -> list[str]:
        return [kind for to, kind, _ in self.post.letters if to == address and kind != "pin"]

    async def call_on_call(self) -> bytes:
        """The driver presses ON CALL and an operator answers; returns the incident."""
        incident_id = await self.car.press_on_call()
        await self.settle()
        await self.operator.answer(incident_id)
        return incident_id

    async def enter(self, request_id: bytes, pin: str) -> str:
        ticket = await self.operator.ticket(request_id)
        return await self.client.keypad().enter(ticket, pin)

    async def send(self, request_id: bytes) -> RequestView:
        await self.operator.send(request_id)
        await self.settle()
        return await self.operator.request(request_id)

    async def unlock(self, pin: str, incident_id: bytes | None = None) -> RequestView:
        """An unlock over ON CALL, from the press to whatever comes out."""
        incident_id = incident_id or await self.call_on_call()
        request_id = await self.operator.draft_unlock(CAR, incident_id)
        assert await self.enter(request_id, pin) == "right"
        return await self.send(request_id)


_layouts: dict[str, Layout] = {}


def shared_layout(root: Path) -> Layout:
    """Return keys made once a test session: stores are in memory, so nobody changes the directory.

    A process that a test has started uses the keys that are there.
    """
    key = str(root)
    if key not in _layouts:
        there = Layout(root / "bench")
        is_made = there.trust.exists()
        _layouts[key] = (
            there if is_made else initialise(there.root, Plan(vehicles=(CAR, OTHER_CAR)))
        )
    return _layouts[key]


def wrong(pin: str) -> str:
    """Return another PIN than this one."""
    return f"{(int(pin) + 1) % 10_000:04d}"
