"""Whether each frame wakes us or we look after pauses: what is told of a bus is the same, with the same times.

The same frames twice, on simulated time and with descriptors that wake: once with a buffer that is left alone while
frames come thick, once with one that never is.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import pytest

from tcu_agent.adapters.can.selection import select
from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.adapters.can.socketcan.pace import LEAST_ROOM_BYTES
from tcu_agent.core.events import BusFellAsleep, BusWokeUp, CoreEvent, SignalsChanged
from tcu_agent.ports import CanFrame
from tcu_agent.runtime.can_bus import CanBus
from tcu_agent.runtime.surroundings import Surroundings
from tcu_sim.bench.clock import SeededEntropy, SimulatedClock
from tcu_sim.bench.simulated_loop import SimulatedEventLoop
from tests.can.scripted_sockets import ScriptedSocket, scripted_sockets
from tests.can.vehicle import button, frame, locks, reference

START_S = 50.0
WALL_S = 1e9
"""Of the wall clock, how much it is ahead."""
HEARD_S = 30.0
LATE_S = 0.005
"""For a frame of ours to be seen: far less than a pause."""
STALLS_S = (0.05, 0.3, 1.5)


class WakingSelector(selectors.DefaultSelector):
    """Wakes for a descriptor that is ready; else time goes on, as the loop's own selector lets it."""

    def __init__(self, simulated: selectors.BaseSelector) -> None:
        super().__init__()
        self._simulated = simulated

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(0) or self._simulated.select(timeout)

    def close(self) -> None:
        self._simulated.close()
        super().close()


class WakingLoop(SimulatedEventLoop):
    """Simulated time, and descriptors all the same."""

    def __init__(self) -> None:
        super().__init__()
        own = self._selector  # type: ignore[has-type]  # asyncio shows nobody its selector
        waking = WakingSelector(own)
        for key in own.get_map().values():
            waking.register(key.fileobj, key.events, key.data)
        self._selector = waking


@dataclass(slots=True)
class Told:
    """What one play brought. `sending_s`: how long each frame of ours took."""

    changes: list[tuple[str, object, float]] = field(default_factory=list)
    life: list[tuple[str, float]] = field(default_factory=list)
    sending_s: list[float] = field(default_factory=list)

    async def put(self, event: CoreEvent) -> None:
        if isinstance(event, SignalsChanged):
            self.changes += [(one.path, one.value, since(one.at)) for one in event.changes]
        elif isinstance(event, BusFellAsleep | BusWokeUp):
            self.life.append((type(event).__name__, since(event.at)))


def since(at: float) -> float:
    return round(at - START_S, 4)


def a_bus(random: Random) -> list[tuple[float, CanFrame]]:
    """Frames that the mapping names: thick, thin, flickering, or none until the bus sleeps."""
    at, count, lock, pressed = 0.0, 0, "Locked", "Released"
    frames = []
    while at < HEARD_S:
        gaps_s, flicker = random.choice(
            [((0.002, 0.01, 0.03), 0.02), ((0.005, 0.02), 0.3), ((0.1, 0.4), 0.1), ((), 0.0)]
        )
        if not gaps_s:
            at += 3.3
        for _ in range(60 if gaps_s else 0):
            at += random.choice(gaps_s) + random.random() * 0.001
            if random.random() < flicker:
                lock, pressed = (
                    random.choice(["Locked", "Unlocked"]),
                    random.choice(["Released", "Pressed"]),
                )
            count += 1
            frames.append((at, random.choice([button(count, at, pressed), locks(count, at, lock)])))
    return frames


def play(frames: Sequence[tuple[float, CanFrame]], seed: int, *, room_bytes: int) -> Told:
    async def run() -> Told:
        random, told = Random(seed), Told()
        clock, loop = SimulatedClock(boottime_s=START_S), asyncio.get_running_loop()
        main, life = ScriptedSocket(), ScriptedSocket()
        selection = select(reference(), "body")
        port = SocketCanBus(
            name="body",
            channel="can0",
            selection=selection,
            open_them=lambda: scripted_sockets(
                main, life=life, selection=selection, buffer_bytes=room_bytes
            ),
            boottime=clock.boottime,
            wall=lambda: clock.boottime() + WALL_S,
        )
        decoder = SignalDecoder(reference(), "body", started_at=START_S)
        around = Surroundings(clock=clock, entropy=SeededEntropy())
        bus = CanBus(port=port, decoder=decoder, sink=told, around=around)
        waiting = list(reversed(frames))

        def arrive(until: float) -> None:
            while waiting and waiting[-1][0] <= until:
                at, one = waiting.pop()
                main.arrive(one, wall=START_S + at + WALL_S)

        def stall(seconds: float) -> None:
            """The agent is held up, and what comes meanwhile waits."""
            arrive(loop.time() + seconds)
            loop._now_s += seconds  # type: ignore[attr-defined]  # as whoever computes for long

        async def send(at: float) -> None:
            await clock.wait_until(START_S + at)
            began = loop.time()
            await bus.send(frame("NmTcu", 0.0))
            told.sending_s.append(loop.time() - began)

        for at, _ in frames:
            loop.call_at(at, arrive, at)
        for _ in range(4):
            loop.call_at(random.uniform(0, HEARD_S), stall, random.choice(STALLS_S))
        running = asyncio.create_task(bus.run())
        await asyncio.gather(*(send(random.uniform(0, HEARD_S)) for _ in range(30)))
        await clock.wait_until(START_S + HEARD_S + 10.0)
        running.cancel()
        await asyncio.wait([running])
        return told

    with asyncio.Runner(loop_factory=WakingLoop) as runner:
        return runner.run(run())


@pytest.mark.parametrize("seed", range(8))
def test_the_same_is_told_however_the_socket_is_waited_for(seed: int) -> None:
    frames = a_bus(Random(seed))
    woken, paused = (
        play(frames, seed, room_bytes=room) for room in (LEAST_ROOM_BYTES - 1, LEAST_ROOM_BYTES)
    )
    assert len(woken.changes) > 20
    assert sorted(paused.changes, key=by_time) == sorted(woken.changes, key=by_time)
    assert paused.life == woken.life
    assert max(paused.sending_s) < LATE_S


def by_time(change: tuple[str, object, float]) -> tuple[float, str]:
    return change[2], change[0]
