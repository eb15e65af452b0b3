"""Frames of a python-can bus in batches: wait for the first, take what else is there, leave out what nobody wants.

Waking up for a frame costs twenty times as much as the frame. So where frames wait for us in a buffer, we look again
only after a moment: on a busy bus a batch has several, on a quiet one the first comes at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import can

from tcu_agent.adapters.can.faults import is_overrun
from tcu_agent.adapters.can.selection import Selection
from tcu_agent.adapters.can.socketcan.stamps import StampClock
from tcu_agent.adapters.can.waiting_frames import MOST_FRAMES, waiting
from tcu_agent.ports import CanFrame

POLL_S = 0.1
"""How long one batch waits at most for its first frame."""
PAUSES_S = {"virtual": 0.04, "socketcan": 0.02, "slcan": 0.02}
"""Between two batches; how late a frame may be for it. Only for interfaces known to keep more than comes meanwhile.

`virtual` has a queue without an end; the kernel's socket 278 frames (14,000 a second); a serial line 4 KiB.
"""
SAMPLE_S = 0.1
"""After so long without a wanted frame, one of those that nobody wants is handed on all the same: a sign of life."""
_STAMPED_WHEN_READ = frozenset({"slcan", "iscan", "cantact"})
"""Interfaces without a clock of their own, and none in the kernel: python-can stamps a frame when it is read."""
_HELD_UP_S = 0.3
"""After so long without a look, frames that are stamped when they are read did not come at that moment."""
_NOISE = (ValueError, IndexError, KeyError)
"""What slcan makes of a serial line with noise on it."""
_CLASSIC_BYTES = 8
_LARGEST_ID = {False: 0x7FF, True: 0x1FFF_FFFF}


class Batches:
    """Reads one open bus, in one thread. Counts as `BusCounters` has them."""

    def __init__(
        self,
        bus: can.BusABC,
        *,
        interface: str,
        selection: Selection,
        boottime: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._bus = bus
        self._take_waiting = waiting(bus)
        self._takes_echoes = interface == "socketcan"
        self._was_held_up = False
        self._is_stamped_when_read = interface in _STAMPED_WHEN_READ
        self._pause_s = PAUSES_S.get(interface, 0.0)
        self._wanted = selection.wanted
        self._numbers = frozenset(number for number, _ in selection.wanted or ())
        self._boottime = boottime
        self._clock = StampClock(boottime=boottime, wall=wall)
        self._sampled_at = float("-inf")
        self._is_busy = False
        self.drained_at = -math.inf
        """What came before is in the batches up to the last one (CLOCK_BOOTTIME, s): nothing of it waits outside."""
        self.malformed = 0
        self.on_bus = self.received = self.overruns = 0

    def read(self, batch: list[CanFrame]) -> bool:
        """Add the next frames to `batch`; what was read before an error is in it.

        False when none came for `POLL_S`.

        Raises:
            Exception: whatever the interface raises.
        """
        messages: list[can.Message] = []
        try:
            self._gather(messages)
        except _NOISE:
            self.malformed += 1
        finally:
            self._is_busy = bool(messages)
            self.on_bus += len(messages)
            self._pick(messages, batch)
        return self._is_busy

    def pause(self) -> None:
        """Let frames gather."""
        if self._pause_s:
            time.sleep(self._pause_s)  # noqa: TID251 -- in a thread of its own; an Event's wait costs twice as much
        else:
            self._is_busy = False

    def _gather(self, messages: list[can.Message]) -> None:
        if not self._is_busy and (first := self._bus.recv(POLL_S)) is not None:
            messages.append(first)
        # A wait that ended while we were held up may have found nothing although something waits; this looks again.
        looked_at = self._boottime()
        self._take_waiting(messages)
        if self._is_stamped_when_read and _HELD_UP_S < looked_at - self.drained_at < math.inf:
            _spread(messages, over_s=looked_at - self.drained_at)
            self._was_held_up = True
        if len(messages) < MOST_FRAMES:
            self.drained_at = looked_at

    def _pick(self, messages: list[can.Message], batch: list[CanFrame]) -> None:
        if not messages:
            return
        self._clock.look(is_emptied=len(messages) < MOST_FRAMES)
        now = self._clock.now
        # After we were held up each of them is a sign of life, of a time when nobody looked.
        takes_all = self._wanted is None or self._was_held_up
        self._was_held_up = False
        for message in messages if takes_all else self._wanted_of(messages):
            self._add(message, batch)
        if self._count(batch):
            self._sampled_at = now  # a sign of life as good as any
        elif self._wanted is not None and now - self._sampled_at >= SAMPLE_S:
            self._sampled_at = now
            self._add_sample(messages, batch)

    def _count(self, wanted: list[CanFrame]) -> int:
        """Count what was wanted, and what the controller tells; return how many frames of others there are."""
        received = sum(not frame.is_error_frame for frame in wanted)
        self.received += received
        if received != len(wanted):
            self.overruns += sum(frame.is_error_frame and is_overrun(frame) for frame in wanted)
        return received

    def _wanted_of(self, messages: list[can.Message]) -> list[can.Message]:
        # One cheap look at each; the few that are left are looked at again.
        numbers, wanted = self._numbers, self._wanted or ()
        likely = [
            each for each in messages if each.arbitration_id in numbers or each.is_error_frame
        ]
        return [
            each
            for each in likely
            if each.is_error_frame or (each.arbitration_id, each.is_extended_id) in wanted
        ]

    def _add_sample(self, messages: list[can.Message], batch: list[CanFrame]) -> None:
        last = messages[-1]
        if not self._wanted_of([last]):
            self._add(last, batch)

    def _add(self, message: can.Message, batch: list[CanFrame]) -> None:
        if not message.is_rx and not self._takes_echoes:
            self.on_bus -= 1
            return  # an echo of our own; on SocketCAN we ask for none, and others on this host are not "rx" either
        if not message.is_error_frame and not _is_well_formed(message):
            self.malformed += 1
            return
        batch.append(
            CanFrame(
                message.arbitration_id,
                bytes(message.data),
                message.is_extended_id,
                message.is_fd,
                message.is_error_frame,
                message.is_remote_frame,
                self._clock.boottime_at(message.timestamp),
            )
        )


def _spread(messages: list[can.Message], *, over_s: float) -> None:
    """Stamp what has waited as if it had come at even intervals: that is neither a silence nor a burst."""
    for behind, message in enumerate(reversed(messages)):
        message.timestamp -= over_s * behind / len(messages)


def _is_well_formed(message: can.Message) -> bool:
    """Return whether id and length are possible; a serial line that lost characters brings others."""
    length = len(message.data)
    return (
        message.arbitration_id <= _LARGEST_ID[message.is_extended_id]
        and (message.is_remote_frame or length == message.dlc)
        and (message.is_fd or length <= _CLASSIC_BYTES)
    )
