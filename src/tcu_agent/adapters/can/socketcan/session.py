"""One time that the bus is open: from its sockets to batches of frames, until the interface fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.adapters.can.faults import (
    BUS_OFF,
    BUS_OFF_CLASS,
    RESTARTED,
    bus_state,
    is_overrun,
)
from tcu_agent.adapters.can.socketcan.frames import pack
from tcu_agent.adapters.can.socketcan.life import SignsOfLife
from tcu_agent.adapters.can.socketcan.pace import LEAST_ROOM_BYTES, PAUSE_S, Pace
from tcu_agent.adapters.can.socketcan.reading import Batch, Reader
from tcu_agent.adapters.can.socketcan.sending import Sending
from tcu_agent.adapters.can.socketcan.sockets import Sockets
from tcu_agent.adapters.can.socketcan.stamps import StampClock
from tcu_agent.ports import CanFrame

BATCH_FRAMES = 128
"""In one turn of the event loop. What is told of a frame takes several turns more, to the broker and back: on a full
bus and a busy machine larger batches made doors known seconds late.
"""


class Session:
    """Reads and sends until `close`."""

    def __init__(
        self,
        *,
        sockets: Sockets,
        where: str,
        bit_rate_switch: bool,
        boottime: Callable[[], float],
        wall: Callable[[], float],
        took: Callable[[Sequence[CanFrame]], None],
        failed: Callable[[OSError], None],
    ) -> None:
        """`took` gets the frames of others as they come, oldest first; `failed` says, once, that no more will."""
        self._sockets = sockets
        self._took = took
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        clock = StampClock(boottime=boottime, wall=wall)
        self._reader = Reader(sockets.main, clock)
        self._sending = Sending(
            hand_over=lambda frame: self._hand_over(pack(frame, bit_rate_switch=bit_rate_switch)),
            controller=sockets.controller,
            boottime=boottime,
            where=where,
        )
        self._received = self._dropped = self._overruns = 0
        self._sign: tuple[CanFrame, float] | None = None
        """A sign of life, and when it was heard, that waits until what came before it is read."""
        self._is_reading = True
        self._pace = Pace()
        self._has_room = sockets.buffer_bytes >= LEAST_ROOM_BYTES
        self._pause: asyncio.TimerHandle | None = None
        """Until its end no frame wakes us."""
        self._loop.add_reader(sockets.main.fileno(), self._drain)
        self._life: SignsOfLife | None = None
        if sockets.life is not None:
            reader = Reader(sockets.life, StampClock(boottime=boottime, wall=wall))
            self._life = SignsOfLife(
                opened=sockets.life,
                reader=reader,
                wanted=sockets.selection.wanted or (),
                heard=self._live,
            )
        if sockets.is_off:
            self._drained([_bus_off(boottime())])

    def counters(self) -> BusCounters:
        """Return what was counted since it was opened; the agent's own drops are not in it."""
        life_frames = self._life.frames if self._life is not None else 0
        return BusCounters(
            received=self._received,
            sent=self._sending.sent,
            dropped=self._reader.dropped,
            malformed=self._reader.malformed,
            overruns=self._overruns,
            on_bus=life_frames or self._received,
        )

    def catch_up(self) -> None:
        """Take what waits in the sockets, as much as one turn of the event loop has room for."""
        if self._is_reading:
            self._drain()
        if self._is_reading and self._life is not None:
            self._life.catch_up()

    async def send(self, frame: CanFrame, *, timeout_s: float) -> None:
        """Do as `Sending.send`, knowing what has come in a pause: a bus that went off in it takes no command.

        Raises:
            CanTransportError: not sent, or not seen (`may_have_happened`).
        """
        if self._pause is not None:
            self._drain()
        await self._sending.send(frame, timeout_s=timeout_s)

    def close(self) -> None:
        """Stop reading and close the sockets; never raises."""
        self._stop()
        self._sockets.close()
        self._sending.gone()

    def _drain(self) -> None:
        batch = self._reader.drain(BATCH_FRAMES)
        late = [
            replace(echo, is_late_echo=True) for echo in batch.echoes if self._sending.echoed(echo)
        ]
        if late:
            self._took(late)
        if batch.is_emptied and self._reader.dropped != self._dropped:
            # Not sooner: our echo may lie behind what was read in this turn.
            self._dropped = self._reader.dropped
            self._sending.lost_frames()
        if batch.frames:
            self._received += sum(not frame.is_error_frame for frame in batch.frames)
            self._drained(batch.frames)
        if batch.is_emptied and self._sign is not None:
            self._hand_on(*self._sign)
        if batch.error is not None:
            self._stop()
            self._sending.gone()
            self._failed(batch.error)
        elif self._has_room:
            self._wait(pause_s=self._next_pause_s(batch))

    def _next_pause_s(self, batch: Batch) -> float | None:
        is_thick = self._pace.is_thick(batch.frames, self._reader.now)
        # An echo is waited for by somebody, and so is what becomes of it.
        if not is_thick or self._sending.is_under_way:
            return None
        return PAUSE_S if batch.is_emptied else 0.0

    def _wait(self, *, pause_s: float | None) -> None:
        """Look again after a pause; None: when the next frame comes."""
        was_paused = self._pause is not None
        if self._pause is not None:
            self._pause.cancel()
        self._pause = None if pause_s is None else self._loop.call_later(pause_s, self._drain)
        is_paused = self._pause is not None
        if is_paused and not was_paused:
            self._loop.remove_reader(self._sockets.main.fileno())
        elif was_paused and not is_paused:
            self._loop.add_reader(self._sockets.main.fileno(), self._drain)

    def _hand_over(self, raw: bytes) -> None:
        self._sockets.main.send(raw)
        self._dropped = self._reader.dropped  # what was dropped before it was not its echo
        self._wait(pause_s=None)

    def _drained(self, frames: Sequence[CanFrame]) -> None:
        self._judge(frames)
        self._took(frames)

    def _judge(self, frames: Sequence[CanFrame]) -> None:
        """Tell the sender what the frames say about the bus."""
        for frame in frames:
            if frame.is_error_frame:
                self._note_state(bus_state(frame), frame.timestamp_s)
                self._overruns += is_overrun(frame)
        last = frames[-1]
        if not last.is_error_frame:
            self._sending.heard(last.timestamp_s)
            if self._life is not None:
                self._life.spare(last.timestamp_s, now=self._reader.now)

    def _note_state(self, state: str | None, at: float) -> None:
        if state == BUS_OFF:
            self._sending.went_off(at)
        elif state == RESTARTED:
            self._sending.restarted()

    def _live(self, frame: CanFrame, at: float) -> None:
        self._sign = (frame, at)
        self._drain()  # what waits there may be older, and would look as young as the sign if it came behind it

    def _hand_on(self, frame: CanFrame, at: float) -> None:
        self._sign = None
        if at != frame.timestamp_s and not self._sending.is_off:
            # Heard since, we do not know when; so it must not take back what the controller has told meanwhile.
            frame = replace(frame, timestamp_s=at)
        self._sending.heard(frame.timestamp_s)
        self._took((frame,))

    def _stop(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._wait(pause_s=None)
            self._loop.remove_reader(self._sockets.main.fileno())
            if self._life is not None:
                self._life.stop()


def _bus_off(at: float) -> CanFrame:
    """Return what the driver has told before anybody listened."""
    return CanFrame(BUS_OFF_CLASS, bytes(8), is_error_frame=True, timestamp_s=at)
