"""What goes out to the car: commands once, the status frame again and again, the wake-up for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from tcu_agent.core.effects import Lamp, ShowCallState
from tcu_agent.core.events import CoreEvent
from tcu_agent.core.verify.authorisation import RelockAuthorisation, UnlockAuthorisation
from tcu_agent.errors import BugError, CanTransportError, KeyStoreError, StorageError
from tcu_agent.ports import CanFrame
from tcu_agent.protocol.vocabulary import CallState
from tcu_agent.runtime.can_bus import CanBus
from tcu_agent.runtime.deadline import time_left_s
from tcu_agent.runtime.surroundings import Surroundings
from tcu_agent.runtime.waiting import wait_news

T = TypeVar("T")
Push = Callable[[Iterable[CoreEvent]], None]

IDLE_S = 60.0
"""How often to look again where the mapping has no cyclic status, or the disk is full."""
CALL_HOLDS_S = 3600.0
"""A call that nobody ends must not empty the battery: the longest time that one state of it keeps the buses awake."""


class Command(Protocol):
    """A frame to send once; see `adapters.can.commands.CommandFrame`."""

    @property
    def bus(self) -> str:
        """Name of the bus."""

    @property
    def frame(self) -> CanFrame:
        """The frame."""

    @property
    def counter(self) -> int:
        """Number of the command, which the response echoes."""


class Cyclic(Protocol):
    """A frame to send again and again; see `adapters.can.commands.CyclicFrame`."""

    @property
    def bus(self) -> str:
        """Name of the bus."""

    @property
    def frame(self) -> CanFrame:
        """The frame."""

    @property
    def repeat_s(self) -> float | None:
        """Pause between two of them."""

    @property
    def for_s(self) -> float | None:
        """For how long; None = until there is another."""


class Encoder(Protocol):
    """What is needed of `adapters.can.commands.CommandEncoder`."""

    def unlock(self) -> Command:
        """Return the frame that unlocks all doors."""

    def lock(self) -> Command:
        """Return the frame that locks all doors."""

    def status(self, lamp: Lamp, call_state: CallState) -> Cyclic | None:
        """Return the status frame, or None if the mapping has none."""

    def wake(self) -> Sequence[Cyclic]:
        """Return what wakes each bus."""


class Transmitter:
    """Puts the agent's frames on the buses."""

    def __init__(
        self,
        *,
        encoder: Encoder,
        buses: Mapping[str, CanBus],
        push: Push,
        around: Surroundings,
    ) -> None:
        """`push` takes events that must reach the core before anything that comes later."""
        self._encoder = encoder
        self._buses = buses
        self._push = push
        self._around = around
        self._clock = around.clock
        self._logbook = around.logbook
        self._shown = ShowCallState(Lamp.OFF, CallState.IDLE)
        self._shown_at = 0.0
        self._news = asyncio.Event()
        self._wake = asyncio.Event()
        self._failing: set[str] = set()

    async def unlock(self, permission: UnlockAuthorisation, *, not_after: float) -> None:
        """Send the unlock command, unless CLOCK_BOOTTIME has passed `not_after` (s) by then.

        Raises:
            BugError: that is no permission of the verifier's; nothing was sent.
            DeadlinePassedError: it has; nothing was sent.
            CanTransportError: not sent (`may_have_happened` says whether it may be on the bus).
            StorageError: its freshness value could not be made durable; nothing was sent.
            KeyStoreError: the key that secures it is lost; nothing was sent.
        """
        # The type says it already; this line is the last one before a door opens.
        if not isinstance(permission, UnlockAuthorisation):
            raise BugError("an unlock without an UnlockAuthorisation")
        await self._send(self._encoder.unlock(), not_after=not_after)

    async def lock(self, permission: RelockAuthorisation, *, not_after: float) -> None:
        """Send the lock command; as `unlock`, with the permission that an executed unlock gives."""
        if not isinstance(permission, RelockAuthorisation):
            raise BugError("a re-lock without a RelockAuthorisation")
        await self._send(self._encoder.lock(), not_after=not_after)

    def show(self, shown: ShowCallState) -> None:
        """Let the status frame say this from now on, and keep the buses awake while a call is shown."""
        self._shown = shown
        self._shown_at = self._clock.boottime()
        self._news.set()
        if self._holds_awake():
            self._wake.set()

    def wake(self) -> None:
        """Wake the buses, or keep them awake for another while."""
        self._wake.set()

    async def run_status(self) -> None:
        """Send the status frame on every change and in its cycle, while its bus is awake."""
        while True:
            self._news.clear()
            cyclic = self._encoded("status", self._status)
            if cyclic is not None and not self._buses[cyclic.bus].awake.is_set():
                # The TCU's status does not keep a parked car awake.
                await self._buses[cyclic.bus].awake.wait()
                continue
            if cyclic is not None:
                await self._try("status", cyclic)
            repeat_s = (cyclic.repeat_s if cyclic is not None else None) or IDLE_S
            await wait_news(self._news, clock=self._clock, timeout_s=repeat_s)

    async def run_wake(self) -> None:
        """Send the wake-up frames whenever the buses shall wake, and as long as a call is shown."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            async with asyncio.TaskGroup() as group:
                for cyclic in self._encoded("wake", self._encoder.wake) or ():
                    group.create_task(self._wake_bus(cyclic), name=f"wake {cyclic.bus}")

    def _holds_awake(self) -> bool:
        """Whether somebody has to see the lamp: a parked car's bus would fall asleep in the middle of a call."""
        is_call = self._shown.call_state is not CallState.IDLE
        return is_call and self._clock.boottime() < self._shown_at + CALL_HOLDS_S

    async def _send(self, command: Command, *, not_after: float) -> None:
        # Looked at last: the transaction before the effect and the freshness value may have waited for a slow disk.
        left_s = time_left_s(not_after, self._clock)
        bus = self._buses[command.bus]
        # Before the frame: the car may answer before we get to run again.
        self._push(bus.expect_response(command.counter))
        await bus.send(command.frame, within_s=left_s)

    def _status(self) -> Cyclic | None:
        return self._encoder.status(self._shown.lamp, self._shown.call_state)

    def _encoded(self, what: str, encode: Callable[[], T]) -> T | None:
        """Return what `encode` makes; a message with SecOC needs the disk, which may be full, and its key."""
        try:
            return encode()
        except (StorageError, KeyStoreError) as error:
            self._logbook.error(f"{what}-not-sent", detail=str(error))
            return None

    async def _wake_bus(self, cyclic: Cyclic) -> None:
        until = self._clock.boottime() + (cyclic.for_s or 0.0)
        while True:
            await self._try("wake", cyclic)
            pause_s = cyclic.repeat_s or IDLE_S
            if self._clock.boottime() + pause_s > until and not self._holds_awake():
                return
            await self._around.wait_s(pause_s)

    async def _try(self, what: str, cyclic: Cyclic) -> None:
        """Send a frame that comes again anyway; say once that it does not get out, and once that it does again."""
        key = f"{what} {cyclic.bus}"
        try:
            await self._buses[cyclic.bus].send(cyclic.frame)
        except CanTransportError as error:
            if key not in self._failing:
                self._failing.add(key)
                # A start is quicker than its bus; one that stays away is told by `can-open-failed`.
                is_open = self._buses[cyclic.bus].opened.is_set()
                say = self._logbook.warning if is_open else self._logbook.info
                say(f"{what}-not-sent", bus=cyclic.bus, detail=str(error))
        else:
            if key in self._failing:
                self._failing.discard(key)
                self._logbook.info(f"{what}-sent-again", bus=cyclic.bus)
