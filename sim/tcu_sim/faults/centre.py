"""The centre's end of the link: it stores on a disk before it acknowledges, as the command service does, and counts.

The keys and what they sign are the light centre's; records, sessions and reconnecting are the real centre's own code.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tcu_sim.bench.light_centre import LightCentre
from tcu_sim.centre.api import Operation
from tcu_sim.centre.command import schema
from tcu_sim.centre.command.records import RecordBook
from tcu_sim.centre.store import open_store
from tcu_sim.centre.world import SystemClock
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.messages import Event, Result


class StoringCentre:
    """A `Service` for one car. `light`: what signs, and what was heard."""

    name = "command"
    topics = ("challenge", "refusal", "result", "event", "availability")
    operations: Mapping[str, Operation] = {}

    def __init__(self, light: LightCentre, folder: Path) -> None:
        light.acknowledges = False
        self.light = light
        self.store: sqlite3.Connection = open_store(folder / "records.sqlite", schema.SCHEMA)
        self.book = RecordBook(store=self.store, clock=SystemClock())
        self.arrivals: Counter[tuple[bytes, int]] = Counter()
        """How often each number of each stream has arrived."""
        self.unreadable: list[str] = []
        self._news = asyncio.Event()

    async def receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        """Store what the car says, then acknowledge."""
        try:
            message = self.light.hear(message_type, payload)
        except (WireError, StopIteration) as error:
            self.unreadable.append(f"{message_type}: {error}")
            return
        if isinstance(message, Event):
            self.book.keep(self.light.heard.open(payload, Event))
        elif isinstance(message, Result):
            self.book.keep(self.light.heard.open(payload, Result))
        if isinstance(message, Event | Result):
            if message.seq:
                self.arrivals[message.stream_id, message.seq] += 1
            if (ack := self.book.ack(vehicle_id, message.stream_id)) is not None:
                self.light.send(ack)
        self._news.set()

    async def tick(self) -> None:
        """Nothing to do as time passes."""

    async def news(self) -> None:
        """Wait for the next message."""
        self._news.clear()
        await self._news.wait()
