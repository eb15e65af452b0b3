"""What only a virtual interface can be made to do here: CAN FD, and error frames of any class."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tcu_agent.adapters.can.faults import BUS_OFF, RESTARTED, bus_state
from tcu_agent.adapters.can.selection import Selection
from tcu_agent.adapters.can.socketcan.bus import FdMode, SocketCanBus
from tcu_agent.ports import CanFrame, CanPort
from tests.socketcan.bench import Bench, report_error, run
from tests.socketcan.foreign import Candump, cansend
from tests.socketcan.ports import CountingPort, on

FD_BUS = "vcanfd0"
FD_MTU = 72
OWN = 0x6A0
LONG = bytes(range(12))
SELECTIONS = {
    "everything": Selection(),
    "selected": Selection(
        wanted=frozenset({(0x123, False), (0x124, False)}), own=frozenset({(OWN, False)})
    ),
}


@pytest.fixture
def fd_bus() -> Iterator[str]:
    """A bus of its own: the gateway between the bench's two ends passes on classic frames only."""
    run("ip", "link", "add", "dev", FD_BUS, "mtu", str(FD_MTU), "type", "vcan")
    run("ip", "link", "set", FD_BUS, "up")
    yield FD_BUS
    run("ip", "link", "delete", FD_BUS)


def fd_port(channel: str, selection: str, fd: FdMode | None) -> SocketCanBus:
    return SocketCanBus(name="body", channel=channel, fd=fd, selection=SELECTIONS[selection])


async def first(port: CanPort, *numbers: int) -> list[CanFrame]:
    """Return the first frames with these identifiers."""
    found: list[CanFrame] = []
    while len(found) < len(numbers):
        found += [one for one in await port.receive() if one.arbitration_id in numbers]
    return found


@pytest.mark.parametrize("selection", SELECTIONS)
def test_fd_frames_arrive_beside_classic_ones(fd_bus: str, selection: str) -> None:
    async def test(port: CountingPort) -> None:
        cansend(fd_bus, f"123##1{LONG.hex()}", "124#01")
        long, short = await first(port, 0x123, 0x124)
        assert (long.data, long.is_fd) == (LONG, True)
        assert (short.data, short.is_fd) == (b"\x01", False)
        assert port.counters().received == 2

    on(fd_port(fd_bus, selection, FdMode()), test)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_port_for_classic_frames_hears_no_others(fd_bus: str, selection: str) -> None:
    async def test(port: CountingPort) -> None:
        cansend(fd_bus, f"123##1{LONG.hex()}", "124#01")
        assert [one.data for one in await first(port, 0x124)] == [b"\x01"]
        assert port.counters().received == 1

    on(fd_port(fd_bus, selection, None), test)


@pytest.mark.parametrize("bit_rate_switch", [True, False])
def test_an_fd_frame_is_sent_once_padded_and_with_its_bit_rate(
    fd_bus: str, dump: Candump, *, bit_rate_switch: bool
) -> None:
    async def test(port: CountingPort) -> None:
        mark = dump.mark()
        await port.send(CanFrame(OWN, LONG[:9], is_fd=True), timeout_s=10.0)
        cansend(fd_bus, "124#01")
        await first(port, 0x124)
        told = await asyncio.to_thread(dump.texts, mark, fd_bus, 2)
        assert told[1:] == ["124#01"]
        number, flags, data = told[0][:5], int(told[0][5], 16), told[0][6:]
        assert (number, data) == ("6A0##", (LONG[:9] + bytes(3)).hex().upper())
        assert bool(flags & 1) is bit_rate_switch
        assert port.counters().sent == 1

    on(fd_port(fd_bus, "selected", FdMode(bit_rate_switch=bit_rate_switch)), test)


def test_error_frames_that_tell_a_state_arrive_and_those_of_each_disturbed_frame_do_not(
    bench: Bench,
) -> None:
    async def test(port: CountingPort) -> None:
        for error_class in (0x008, 0x020, 0x080, 0x040, 0x100):
            report_error(bench.agent, error_class)
        cansend(bench.far, "123#01")
        frames: list[CanFrame] = []
        while not frames or frames[-1].is_error_frame:
            frames += await port.receive()
        states = [bus_state(one) for one in frames if one.is_error_frame]
        assert states == [BUS_OFF, RESTARTED]

    on(SocketCanBus(name="body", channel=bench.agent, selection=SELECTIONS["selected"]), test)
