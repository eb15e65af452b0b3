"""One CAN bus: frames in, events out; lost and opened again; the alarm of its decoder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from tcu_agent.core.events import BusFellAsleep, BusWokeUp, CoreEvent
from tcu_agent.errors import CanTransportError, ConfigError
from tcu_agent.ports import CanFrame, CanPort, EventSink
from tcu_agent.runtime.backoff import Backoff
from tcu_agent.runtime.bus_tally import BusTally, CountingDecoder
from tcu_agent.runtime.surroundings import Surroundings
from tcu_agent.runtime.waiting import Alarm

FIRST_RETRY_S = 0.2
MOST_RETRY_S = 5.0
RETRY_FLOOR = 0.5
"""Of each bound, at least: there is no fleet to be spread on a car's own bus, and a pause by chance is none."""
"""A bus that comes back must be heard soon: somebody may press ON CALL."""
LOOK_AGAIN_S = 0.1
"""After a port could not say yet whether frames wait for us: one that is read by a thread of its own looks so often."""
SEND_TIMEOUT_S = 0.5
"""For a frame without a deadline of its own, which comes again anyway."""


class Decoder(CountingDecoder, Protocol):
    """What is needed of `adapters.can.signals.SignalDecoder`."""

    def receive_all(self, frames: Sequence[CanFrame]) -> Sequence[CoreEvent]:
        """Take frames, oldest first."""

    def handle_timer(self, now: float) -> Sequence[CoreEvent]:
        """Let time pass."""

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` is wanted next."""

    def command_sent(self, counter: int, *, now: float) -> Sequence[CoreEvent]:
        """Wait for the response to this command."""

    def link_lost(self, *, now: float) -> Sequence[CoreEvent]:
        """Forget every value: the interface is gone."""

    def link_restored(self, *, now: float) -> Sequence[CoreEvent]:
        """Listen again after `link_lost`: from now on silence may be sleep."""


@runtime_checkable
class BufferedPort(Protocol):
    """A CAN port in which frames may wait that came before now."""

    def catch_up(self) -> bool:
        """Take what waits outside; return whether there is nothing left to `receive`.

        A port that cannot know yet says False, and will know when it is asked again.
        """


class CanBus:
    """Joins one port and its decoder."""

    def __init__(
        self,
        *,
        port: CanPort,
        decoder: Decoder,
        sink: EventSink,
        around: Surroundings,
    ) -> None:
        self._port = port
        self._buffered = port if isinstance(port, BufferedPort) else None
        self._decoder = decoder
        self._sink = sink
        self._around = around
        self._clock = around.clock
        self._logbook = around.logbook
        self._backoff = Backoff(
            entropy=around.entropy, first_s=FIRST_RETRY_S, most_s=MOST_RETRY_S, floor=RETRY_FLOOR
        )
        self._tally = BusTally(
            port=port, decoder=decoder, logbook=around.logbook, now=around.clock.boottime()
        )
        self._due = asyncio.Event()
        self._alarm = Alarm(clock=around.clock, ring=self._due.set)
        # Two tasks put events; what one decoded first must reach the core first, also when the queue is full.
        self._in_order = asyncio.Lock()
        self.awake = asyncio.Event()
        """Set while other nodes are heard: cleared by their silence."""
        self.opened = asyncio.Event()
        """Set once the bus has been opened for the first time."""

    @property
    def name(self) -> str:
        """Logical name of the bus."""
        return self._port.name

    async def run(self) -> None:
        """Keep the bus open and listen until cancelled.

        Raises:
            ConfigError: it can never be opened as it is configured.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._alarm.run(), name=f"can alarm {self.name}")
            group.create_task(self._watch_time(), name=f"can timer {self.name}")
            try:
                while True:
                    await self._open()
                    await self._listen()
            finally:
                await self._port.close()
                self._tally.tell(self._clock.boottime())

    async def send(self, frame: CanFrame, *, within_s: float = SEND_TIMEOUT_S) -> None:
        """Hand a frame to the driver, within `within_s` at most: for a command, what its deadline leaves.

        Raises:
            CanTransportError: not taken; `may_have_happened` says whether it may be on the bus.
        """
        await self._port.send(frame, timeout_s=within_s)

    def expect_response(self, counter: int) -> Sequence[CoreEvent]:
        """Prepare for the response to a command, before it is sent; return what that changes."""
        return self._decoder.command_sent(counter, now=self._clock.boottime())

    async def _open(self) -> None:
        while True:
            try:
                await self._port.open()
            except CanTransportError as error:
                if not (error.temporary or self.opened.is_set()):
                    raise ConfigError(str(error), where=f"[can.bus.{self.name}]") from error
                await self._pause("can-open-failed", error)
            else:
                self._logbook.info("can-open", bus=self.name)
                self.opened.set()
                async with self._in_order:
                    await self._put_all(self._decoder.link_restored(now=self._clock.boottime()))
                self._alarm.set(self._decoder.next_deadline())
                return

    async def _listen(self) -> None:
        """Listen until the bus is lost."""
        try:
            while True:
                frames = await self._port.receive()
                self._backoff.reset()
                await self._take(frames)
        except CanTransportError as error:
            self.awake.clear()
            async with self._in_order:
                await self._put_all(self._decoder.link_lost(now=self._clock.boottime()))
            await self._port.close()
            self._tally.look_at_end(self._clock.boottime())
            await self._pause("can-lost", error)

    async def _take(self, frames: Sequence[CanFrame]) -> None:
        # An error frame is our own controller's, and a late echo our own.
        if any(not (frame.is_error_frame or frame.is_late_echo) for frame in frames):
            self.awake.set()
        async with self._in_order:
            await self._put_all(self._decoder.receive_all(frames))
        self._alarm.set(self._decoder.next_deadline())
        if frames:
            self._tally.look(frames[-1].timestamp_s)

    async def _watch_time(self) -> None:
        self._alarm.set(self._decoder.next_deadline())
        while True:
            await self._due.wait()
            self._due.clear()
            async with self._in_order:
                now = self._clock.boottime()
                deadline = self._decoder.next_deadline()
                if deadline is not None and deadline <= now:
                    if self._buffered is not None and not self._buffered.catch_up():
                        # After a slow moment of our own: silence up to now only seems so.
                        self._alarm.set(
                            now + LOOK_AGAIN_S
                        )  # or as `_take` says, if there is something to take
                        continue
                    await self._put_all(self._decoder.handle_timer(now))
            self._alarm.set(self._decoder.next_deadline())

    async def _put_all(self, events: Sequence[CoreEvent]) -> None:
        for event in events:
            if isinstance(event, BusFellAsleep):
                self.awake.clear()
                self._tally.look_at_end(self._clock.boottime())
            elif isinstance(event, BusWokeUp):
                self.awake.set()
            await self._sink.put(event)

    async def _pause(self, word: str, error: CanTransportError) -> None:
        delay_s = self._backoff.next_delay_s()
        failures = self._backoff.failures
        # Of a channel that is not there for days: the 1st, 2nd, 4th, 8th ... time, else it would fill the log.
        say = self._logbook.debug if failures & (failures - 1) else self._logbook.warning
        say(word, bus=self.name, detail=str(error), failures=failures, retry_s=delay_s)
        await self._around.wait_s(delay_s)
