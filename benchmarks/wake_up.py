"""What it costs the agent's CAN side to be woken, and what each frame costs that it finds then.

``python -m benchmarks.wake_up vcan0`` prints one JSON object.

On SocketCAN, with the large database: so many frames of one message at once, then nothing until they are decoded. Wall
time from the end of the wait to the next one, least disturbed quarter of the rounds; in user-mode Linux CPU time has
steps of 10 ms, which is no clock for this.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import socket
import sys
import time
from statistics import quantiles

from benchmarks.drive import case, frames
from benchmarks.listeners import Sink
from tcu_agent.adapters.can.selection import select
from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.adapters.can.socketcan.frames import pack
from tcu_agent.adapters.clock import SystemClock
from tcu_agent.adapters.entropy import SystemEntropy
from tcu_agent.runtime.can_bus import CanBus
from tcu_agent.runtime.surroundings import Surroundings

_BURSTS = (1, 41)
_ROUNDS = 100
_REST_S = 0.1
"""Between two bursts: they are too rare for the port to make pauses."""


class TimedSelector(selectors.EpollSelector):
    """Keeps the longest time between two waits."""

    def __init__(self) -> None:
        super().__init__()
        self._woken_at = 0.0
        self.longest_s = 0.0

    def start(self) -> None:
        """Forget what was; the time until the next wait counts as well."""
        self._woken_at, self.longest_s = time.perf_counter(), 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as ever."""
        waits = timeout is None or timeout > 0
        if waits:
            self.longest_s = max(self.longest_s, time.perf_counter() - self._woken_at)
        found = super().select(timeout)
        if waits:
            self._woken_at = time.perf_counter()
        return found


async def costs_us(selector: TimedSelector, channel: str) -> dict[str, float]:
    """Return microseconds of a wake-up with one frame, and of each further one."""
    known = case("large")
    selection = select(known.mapping, known.bus)
    port = SocketCanBus(name=known.bus, channel=channel, selection=selection)
    clock = SystemClock(floor_s=0.0)
    decoder = SignalDecoder(known.mapping, known.bus, started_at=clock.boottime())
    around = Surroundings(clock=clock, entropy=SystemEntropy())
    bus = CanBus(port=port, decoder=decoder, sink=Sink(), around=around)
    running = asyncio.create_task(bus.run())
    await bus.opened.wait()
    wanted = selection.wanted or ()
    raw = next(
        pack(one) for one in frames(1.0) if (one.arbitration_id, one.is_extended_id) in wanted
    )
    with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as other:
        other.bind((channel,))
        one, many = [await _round_us(selector, other, raw, burst) for burst in _BURSTS]
    running.cancel()
    await asyncio.wait([running])
    return {"wake_up_us": one, "further_frame_us": (many - one) / (_BURSTS[1] - _BURSTS[0])}


async def _round_us(selector: TimedSelector, other: socket.socket, raw: bytes, burst: int) -> float:
    found = []
    for _ in range(_ROUNDS):
        for _ in range(burst):
            other.send(raw)
        selector.start()  # behind the sending, which is no work of a listener
        await asyncio.sleep(_REST_S)
        found.append(selector.longest_s)
    return quantiles(found, n=4)[0] * 1e6


def main(channel: str) -> None:
    """Measure on this interface."""
    selector = TimedSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        found = runner.run(costs_us(selector, channel))
    print(json.dumps({name: round(us, 1) for name, us in found.items()}))


if __name__ == "__main__":
    main(sys.argv[1])
