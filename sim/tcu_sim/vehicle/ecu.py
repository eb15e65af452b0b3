"""What every ECU has: its messages and their cycles, sleep and wake-up, E2E protection. No I/O, time is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from tcu_sim.bus.frame import Frame
from tcu_sim.vehicle.database import Database, Decoded, Signals
from tcu_sim.vehicle.e2e import E2eSender
from tcu_sim.vehicle.reference import E2E_DATA_IDS, WAKE_UP_MESSAGES
from tcu_sim.vehicle.transmitter import Transmitter

NETWORK_TIMEOUT_S: Final = 1.0
"""Without network management for so long, an ECU falls silent: two of NmBcm's cycles."""


class Node(Protocol):
    """Anything on the vehicle's bus."""

    def receive(self, frame: Frame, now: float) -> list[Frame]:
        """Take a frame from the bus and return what to send at once."""

    def handle_timer(self, now: float) -> list[Frame]:
        """Do what is due and return what to send."""

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` is wanted next; a time in the past means at once, None never."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What an ECU is built with: the DBC, and randomness of its own. No cycle is shorter than `least_cycle_s`."""

    database: Database
    rng: Random
    least_cycle_s: float = 0.0

    def cycle_s(self, message: str) -> float | None:
        """Return the cycle time of a message; None for one that is sent on an event only."""
        cycle_s = self.database.cycle_s(message)
        return None if cycle_s is None else max(cycle_s, self.least_cycle_s)


class Ecu:
    """An ECU of the reference vehicle. It starts asleep."""

    def __init__(
        self, wiring: Wiring, *, messages: Sequence[str], hears: Sequence[str] = ()
    ) -> None:
        """`messages`: what it sends, in this order when several are due together.

        `hears`: what it listens to besides network management; as in a controller's filter, nothing else reaches it.
        """
        cycles_s = {name: wiring.cycle_s(name) for name in messages}
        self.transmitter = Transmitter(cycles_s, rng=wiring.rng)
        self.e2e = {
            name: E2eSender(E2E_DATA_IDS[name]) for name in messages if name in E2E_DATA_IDS
        }
        self._database = wiring.database
        self._messages = tuple(messages)
        self._heard_ids = {wiring.database.arbitration_id(n) for n in (*hears, *WAKE_UP_MESSAGES)}
        self._awake_until: float | None = None

    @property
    def is_awake(self) -> bool:
        """Whether it listens and sends."""
        return self._awake_until is not None

    def stay_awake(self, now: float) -> None:
        """Wake up, or stay awake for another network timeout."""
        if self._awake_until is None:
            self.transmitter.start(now)
            self._awake_until = now
            self.woke_up(now)
        self._awake_until = max(self._awake_until, now + NETWORK_TIMEOUT_S)

    def receive(self, frame: Frame, now: float) -> list[Frame]:
        """Take a frame; while asleep only network management is heard."""
        if frame.arbitration_id not in self._heard_ids:
            return []
        message = self._database.decoded(frame)
        if message is not None and message.name in WAKE_UP_MESSAGES:
            self.stay_awake(now)
        if not self.is_awake:
            self.overslept(frame, now)
            return []
        self.heard(frame, message, now)
        return self.handle_timer(now)

    def handle_timer(self, now: float) -> list[Frame]:
        """Do what is due and return what to send."""
        self.advance(now)
        if self._awake_until is not None and self._awake_until <= now:
            self._awake_until = None
            self.transmitter.stop()
        return (
            [self._frame(name, now) for name in self.transmitter.due(now)] if self.is_awake else []
        )

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` is wanted next."""
        soonest = self._awake_until
        if soonest is not None:
            sending = self.transmitter.next_deadline()
            soonest = soonest if sending is None or soonest < sending else sending
        # A plain loop: every node is asked at every instant, and all else here is quick.
        for deadline in self.deadlines():
            if deadline is not None and (soonest is None or deadline < soonest):
                soonest = deadline
        return soonest

    def check_database(self, now: float) -> None:
        """Build every message once, unsent, to see that the DBC fits.

        Raises:
            BadInput: it does not.
        """
        for name in self._messages:
            self._database.frame(name, self._signals(name, now))

    def content(self, name: str, now: float) -> Signals:
        """Return every signal of one of its messages (CRC and counter are filled in later)."""
        raise NotImplementedError

    def heard(self, frame: Frame, message: Decoded | None, now: float) -> None:
        """A frame that it hears came while awake; `message` is None when that does not fit the DBC."""

    def overslept(self, frame: Frame, now: float) -> None:
        """A frame came while asleep and was not understood."""

    def advance(self, now: float) -> None:
        """Let time pass inside the ECU."""

    def deadlines(self) -> Sequence[float | None]:
        """Return the ECU's own deadlines."""
        return ()

    def woke_up(self, now: float) -> None:
        """The ECU is awake from now on."""

    def _frame(self, name: str, now: float) -> Frame:
        frame = self._database.frame(name, self._signals(name, now))
        return self.e2e[name].protect(frame) if name in self.e2e else frame

    def _signals(self, name: str, now: float) -> Signals:
        header = {"Crc": 0, "AliveCounter": 0} if name in self.e2e else {}
        return {**header, **self.content(name, now)}
