"""The witness of one lane: every central locking frame, lamp and message, noted as it passes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from tcu_sim.bench.light_centre import LightCentre
from tcu_sim.bus.frame import Frame
from tcu_sim.bus.router import LinkCounters
from tcu_sim.campaign.evidence import Command, Evidence, Press
from tcu_sim.vehicle.database import Database
from tcu_sim.wire import messages as m
from tcu_sim.wire.cbor import encode
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.fields import pack
from tcu_sim.wire.numbers import Told
from tcu_sim.wire.sealing import label_of, unseal

COMMAND, STATUS = "CentralLockCommand", "TcuStatus"
ASKED_FOR = "Requested"
NO_CALL = frozenset({"Idle", "Ended", "Failed"})
PRESS_SHOWS_WITHIN_S = 2.0
FIRST_LATITUDE_DEG, LONGITUDE_DEG = 50.0, 11.98
DEGREES_PER_S = 0.0005
"""About 55 metres: far more than the receiver's noise."""


def boottime() -> float:
    """Return CLOCK_BOOTTIME in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class PlaceClock:
    """The car stands somewhere else each second, so a place tells a time, whatever the agent says about time."""

    began_at: float

    def place_at(self, at: float) -> tuple[float, float]:
        """Return latitude and longitude in degrees."""
        return FIRST_LATITUDE_DEG + int(at - self.began_at) * DEGREES_PER_S, LONGITUDE_DEG

    def time_of(self, latitude_e7: int) -> float:
        """Return since when the car has stood there."""
        return self.began_at + round((latitude_e7 / 1e7 - FIRST_LATITUDE_DEG) / DEGREES_PER_S)


class Ear:
    """A node of the bus that only listens."""

    def __init__(self, take: Callable[[Frame], None]) -> None:
        self.name = "observer"
        self.counters = LinkCounters()
        self._take = take

    def deliver(self, frame: Frame) -> None:
        """Called by the router."""
        self._take(frame)

    def resume(self) -> None:
        """It never sends."""


class Observer:
    """Notes into `evidence`."""

    def __init__(self, *, centre: LightCentre, database: Database) -> None:
        self.evidence = Evidence()
        self.ear = Ear(self._take_frame)
        self.clock = PlaceClock(boottime())
        self.recorded: dict[bytes, str] = {}
        """Everything that ever went down to the car, and on which topic."""
        self.trace: list[str] = []
        """Every frame as candump writes it, and every message: kept where something was found."""
        self._presses: list[float] = []
        """When somebody began to press ON CALL; none of these has been shown yet."""
        self.call_state = ""
        """What the status frame shows of the call now."""
        self._centre = centre
        self._database = database
        self._ids = {database.arbitration_id(name) for name in (COMMAND, STATUS)}
        self._news = asyncio.Event()

    async def news(self) -> None:
        """Wait for the next thing of interest."""
        self._news.clear()
        await self._news.wait()

    def pressed(self) -> None:
        """Somebody begins to press ON CALL."""
        self._presses.append(boottime())

    def take_message(self, topic: str, payload: bytes) -> None:
        """Note one publication."""
        *_, way, word = topic.split("/")
        self.trace.append(f"({boottime():.6f}) mqtt {way} {word} {payload.hex()}")
        if way == "down":
            self.recorded.setdefault(payload, word)
        else:
            self._take_up(word, payload)
        self._news.set()

    def _take_up(self, word: str, payload: bytes) -> None:
        try:
            message = self._centre.hear(word, payload)
        except WireError as error:
            self.evidence.unreadable.append(f"{word} of the car: {error}")
            return
        seen = self.evidence
        match message:
            case m.Challenge():
                seen.nonces[message.request_id].add(message.nonce)
                seen.versions.append((boottime(), message.account_version, message.trust_version))
            case m.Result():
                seen.results[message.request_id].add(_payload(message))
                seen.outcomes[message.request_id] = message
                seen.stored[message.stream_id, message.seq].add(_payload(message))
            case m.Event(seq=0):
                pass
            case m.Event():
                seen.stored[message.stream_id, message.seq].add(_payload(message))
                if message.kind == Told.TOMBSTONE:
                    seen.tombstones.append(message.seq)
            case m.Position():
                self._take_position(message)
            case _:
                pass

    def _take_position(self, position: m.Position) -> None:
        if position.sealed is None:
            self.evidence.unreadable.append(f"position {position.seq} of the car: lost")
            return
        label = label_of(position, self._centre.environment)
        fix = unseal(position.sealed, label, self._centre.desk_private)
        place = None if fix.latitude_e7 is None else self.clock.time_of(fix.latitude_e7)
        self.evidence.places[position.case_id, position.seq] = place

    def _take_frame(self, frame: Frame) -> None:
        self.evidence.frames += 1
        self.trace.append(f"({boottime():.6f}) can0 {frame.arbitration_id:03X}#{frame.data.hex()}")
        if frame.arbitration_id not in self._ids or frame.is_extended_id:
            return
        decoded = self._database.decoded(frame)
        if decoded is None:
            return
        if decoded.name == COMMAND:
            is_unlock = decoded.signals["LockCommand"] == "UnlockAll"
            self.evidence.commands.append(Command(boottime(), is_unlock))
            self._news.set()
        else:
            self._take_status(str(decoded.signals["OnCallState"]))

    def _take_status(self, call_state: str) -> None:
        before, self.call_state = self.call_state, call_state
        if before == call_state:
            return
        self._news.set()
        now = boottime()
        if call_state == ASKED_FOR and before in NO_CALL:
            # The lamp of a car that died over a press, and is back, may be that one's or a later one's.
            if self._presses and now - self._presses[-1] <= PRESS_SHOWS_WITHIN_S:
                self.evidence.presses.append(Press(self._presses[0], now, len(self._presses)))
            self._presses.clear()


def _payload(message: m.Result | m.Event) -> bytes:
    return encode(pack(message))
