"""One frame of ours at a time in the driver: the next is handed over when the last one is seen on the bus.

Theory of operation. Who hands frames over as they come fills the driver's queue while nobody acknowledges on the bus;
an unlock command behind them acts when somebody does, long after it was wanted. So each frame is waited for: the kernel
gives it back, marked as ours, when the controller has sent it. As long as one is under way no other is handed over,
and a command that finds one under way until its deadline was never sent, which is a clear answer.

A frame ceases to be under way when it is seen; and when the controller went off or the interface away: it may have been
on the bus. An echo may also be lost, because our socket has dropped frames or the driver gives none back (others have
been heard for a second, and it was not), and that must not silence us for good. But a node that babbles with a high
priority looks the same. So the interface is asked then: only if it has sent something since, the frame is given up,
as one that may have been on the bus. Where nobody counts what is sent, a driver that has given a frame back before is
believed to do so again.

A frame whose sender has given up stays with the controller, which nobody but the owner of the interface can empty. When
its echo comes after all it is handed on, marked as late: it has acted, and whoever gave up is told.

A frame can also be lost between kernel and driver, and nobody tells: who changes the interface's queueing (`tc`)
empties its queue. So even a frame that the interface has not sent is given up in the end, or we were silent for good.
"""

from __future__ import annotations

import asyncio
import errno
import math
from collections.abc import Callable
from enum import Enum, unique

from tcu_agent.adapters.can.faults import BUS_OFF_LASTS_S
from tcu_agent.adapters.can.socketcan.controller import Controller
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame

ROOM_RETRY_S = 0.002
"""Eight frames at 500 kbit/s: the driver's queue has room again by then."""
ECHO_LOST_AFTER_S = 1.0
"""Others are on the bus, and we are not: no frame of ours waits for so long on a bus that is not blocked for good."""

FORGOTTEN_AFTER_S = 20.0
"""No frame waits for so long behind a bus on which others are heard. Were it a babbling node that takes all of the bus,
the locks' signals would be stale long since, and no command would be decided to be handed over behind it."""


@unique
class Fate(Enum):
    """What became of a frame that the kernel has taken."""

    SEEN = "was seen on the bus"
    UNSEEN = "was taken by the kernel, and its echo is lost"
    BUS_OFF = "was under way when the controller went off the bus"
    GONE = "was under way when the interface went away"


class _UnderWay:
    """A frame that the kernel has taken. `since`: CLOCK_BOOTTIME. `sent_before`: the interface's count before it."""

    def __init__(self, frame: CanFrame, since: float, sent_before: int | None) -> None:
        self.frame = frame
        self.since = since
        self.sent_before = sent_before
        self.is_given_up = False
        """Its sender waits no longer: it has been told that the frame may have been sent."""
        self.fate: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()

    def end(self, fate: Fate) -> None:
        if not self.fate.done():
            self.fate.set_result(fate)


class Sending:
    """Sends on one open socket."""

    def __init__(
        self,
        *,
        hand_over: Callable[[CanFrame], object],
        controller: Controller,
        boottime: Callable[[], float],
        where: str,
    ) -> None:
        """`hand_over`: gives the kernel a frame or raises OSError. `where`: for messages."""
        self._hand_over = hand_over
        self._controller = controller
        self._boottime = boottime
        self._where = where
        self._turn = asyncio.Lock()
        self._under_way: _UnderWay | None = None
        self._is_off = self._is_gone = self._has_echoed = False
        self._off_until = -math.inf
        self.sent = 0

    @property
    def is_off(self) -> bool:
        """Whether the controller is bus-off, as far as it was told."""
        return self._is_off

    @property
    def is_under_way(self) -> bool:
        """Whether a frame was handed over whose fate is not known."""
        return self._under_way is not None

    async def send(self, frame: CanFrame, *, timeout_s: float) -> None:
        """Return when the frame was seen on the bus.

        Raises:
            CanTransportError: not sent, or not seen (`may_have_happened`).
        """
        taken: _UnderWay | None = None
        not_after = self._boottime() + timeout_s
        waiting_for = "another frame to be handed over"
        try:
            async with asyncio.timeout(timeout_s):
                async with self._turn:
                    if self._under_way is not None:
                        waiting_for = "an earlier frame, which nobody acknowledges on the bus"
                        await asyncio.wait({self._under_way.fate})
                    waiting_for = "room in the driver's queue"
                    self._under_way = taken = await self._find_room(frame, not_after)
                await asyncio.wait({taken.fate})
        except TimeoutError:
            if taken is None:
                raise self._error(f"was not sent: waited {timeout_s} s for {waiting_for}") from None
            if not taken.fate.done():  # else we were held up, and learned both at once
                raise self._error(f"was not seen on the bus for {timeout_s} s", taken) from None
        finally:
            if taken is not None and not taken.fate.done():
                taken.is_given_up = True
        self._settle(taken)

    def echoed(self, frame: CanFrame) -> bool:
        """One of ours is on the bus; return whether that is late, because its sender has given it up."""
        self._has_echoed = True
        under_way = self._under_way
        if under_way is None or not _same(under_way.frame, frame):
            return True
        self._end(Fate.SEEN)
        return under_way.is_given_up

    def heard(self, at: float) -> None:
        """Another node was heard, at that time (CLOCK_BOOTTIME); it may be older than what was told meanwhile."""
        if at >= self._off_until:
            self._is_off = False
        under_way = self._under_way
        if under_way is None:
            return
        if at - under_way.since > FORGOTTEN_AFTER_S:
            self._end(Fate.UNSEEN)
        elif at - under_way.since > ECHO_LOST_AFTER_S:
            self._doubt(under_way, believes=not self._has_echoed)

    def lost_frames(self) -> None:
        """The socket was full; an echo may have been among what it dropped."""
        if self._under_way is not None:
            self._doubt(self._under_way, believes=True)

    def went_off(self, at: float) -> None:
        """The controller went bus-off at that time: what it had is thrown away."""
        self._is_off = True
        self._off_until = at + BUS_OFF_LASTS_S
        self._end(Fate.BUS_OFF)

    def restarted(self) -> None:
        """The controller is back."""
        self._is_off = False

    def gone(self) -> None:
        """The interface is gone, or closed."""
        self._is_gone = True
        self._end(Fate.GONE)

    async def _find_room(self, frame: CanFrame, not_after: float) -> _UnderWay:
        """Hand over as soon as the driver takes it; never after `not_after`, which counts a suspend in between."""
        while self._boottime() <= not_after:
            if self._is_gone:
                raise self._error("was not sent: the interface went away")
            try:
                if self._may_pass():
                    sent_before = self._controller.sent()
                    self._hand_over(frame)
                    return _UnderWay(frame, self._boottime(), sent_before)
            except (BlockingIOError, InterruptedError):
                pass
            except (OSError, ValueError) as error:  # ValueError: of a socket that is closed
                if getattr(error, "errno", None) != errno.ENOBUFS:
                    raise self._error(f"was not sent: {error}") from error
            await asyncio.sleep(ROOM_RETRY_S)
        raise TimeoutError

    def _may_pass(self) -> bool:
        """Return whether the kernel would pass a frame on; while it would not, it swallows it without a word."""
        is_running = self._controller.is_running()
        if is_running and not self._is_off:
            return True
        self._is_off = self._controller.is_off()
        if self._is_off:
            raise self._error("was not sent: the controller is bus-off")
        return is_running

    def _doubt(self, under_way: _UnderWay, *, believes: bool) -> None:
        """Give the echo up if the interface has sent something; `believes`: also if nobody counts that."""
        before, now = under_way.sent_before, self._controller.sent()
        if believes if before is None or now is None else now != before:
            self._end(Fate.UNSEEN)

    def _settle(self, taken: _UnderWay) -> None:
        fate = taken.fate.result()
        if fate is not Fate.SEEN:
            raise self._error(fate.value, taken)
        self.sent += 1

    def _end(self, fate: Fate) -> None:
        if self._under_way is not None:
            self._under_way.end(fate)
            self._under_way = None

    def _error(self, what: str, taken: _UnderWay | None = None) -> CanTransportError:
        return CanTransportError(
            f"{self._where}: a frame {what}", may_have_happened=taken is not None, temporary=True
        )


def _same(one: CanFrame, other: CanFrame) -> bool:
    """Whether the echo is this frame; FD pads it to the next length that there is."""
    return (
        one.arbitration_id == other.arbitration_id
        and one.is_extended_id == other.is_extended_id
        and other.data.startswith(one.data)
    )
