"""An agent that was held up reads what waits before it takes its own slow moment for the silence of a bus."""

from __future__ import annotations

import asyncio

import pytest

from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.core.events import BusFellAsleep, CoreEvent
from tcu_agent.ports import CanFrame
from tcu_agent.runtime.can_bus import LOOK_AGAIN_S, CanBus
from tcu_agent.runtime.surroundings import Surroundings
from tcu_sim.bench.can_bus import InMemoryBus, InMemoryCanPort
from tcu_sim.bench.ports import SeededEntropy, SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.runtime.rig import mapping

STRANGER = 0x7A0
AGO_S = 0.5


class BufferedPort(InMemoryCanPort):
    """Frames wait outside, for so many looks, and come in only when they are asked for."""

    def __init__(self, clock: SimulatedClock, *, looks: int) -> None:
        super().__init__(bus=InMemoryBus(name="body", clock=clock))
        self.clock = clock
        self.looks = looks

    def catch_up(self) -> bool:
        self.looks -= 1
        if self.looks >= 0:
            self.hear(CanFrame(STRANGER, b"", timestamp_s=self.clock.boottime() - AGO_S))
        return self.looks < 0


class ReadingPort(InMemoryCanPort):
    """Another thread reads: whether frames wait outside is known only after it has looked, so many questions later."""

    def __init__(self, clock: SimulatedClock, *, unsure: int) -> None:
        super().__init__(bus=InMemoryBus(name="body", clock=clock))
        self.unsure = unsure

    def catch_up(self) -> bool:
        self.unsure -= 1
        return self.unsure < 0


class Sink:
    def __init__(self) -> None:
        self.asleep: asyncio.Future[BusFellAsleep] = asyncio.get_running_loop().create_future()

    async def put(self, event: CoreEvent) -> None:
        if isinstance(event, BusFellAsleep):
            self.asleep.set_result(event)


@pytest.mark.parametrize("looks", [0, 1, 3])
def test_a_bus_is_not_asleep_while_frames_of_it_wait(looks: int) -> None:
    """Each look finds one that came half a second ago; only when one finds nothing has the bus been silent."""

    async def body() -> None:
        clock, sink = SimulatedClock(), Sink()
        port = BufferedPort(clock, looks=looks)
        started = clock.boottime()
        decoder = SignalDecoder(mapping(), "body", started_at=started)
        around = Surroundings(clock=clock, entropy=SeededEntropy())
        bus = CanBus(port=port, decoder=decoder, sink=sink, around=around)
        running = asyncio.create_task(bus.run())
        fell_asleep = await sink.asleep
        running.cancel()
        await asyncio.wait([running])
        asleep_after_s = mapping().buses["body"].asleep_after_s
        assert asleep_after_s is not None
        assert fell_asleep.at - started == pytest.approx(
            asleep_after_s + looks * (asleep_after_s - AGO_S)
        )
        assert port.looks == -1

    run_simulated(body())


@pytest.mark.parametrize("unsure", [0, 1, 3])
def test_a_port_that_does_not_know_yet_is_asked_again(unsure: int) -> None:
    """And if then nothing has come, the bus fell asleep when it did, not when that was known."""

    async def body() -> None:
        clock, sink = SimulatedClock(), Sink()
        started = clock.boottime()
        bus = CanBus(
            port=ReadingPort(clock, unsure=unsure),
            decoder=SignalDecoder(mapping(), "body", started_at=started),
            sink=sink,
            around=Surroundings(clock=clock, entropy=SeededEntropy()),
        )
        running = asyncio.create_task(bus.run())
        fell_asleep = await sink.asleep
        running.cancel()
        await asyncio.wait([running])
        assert fell_asleep.at - started == pytest.approx(mapping().buses["body"].asleep_after_s)
        assert clock.boottime() - fell_asleep.at == pytest.approx(unsure * LOOK_AGAIN_S)

    run_simulated(asyncio.wait_for(body(), 60.0))
