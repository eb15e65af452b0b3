"""Our own port: what it asks of the kernel, the kernel does. Without one of these settings a test here fails."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.can.selection import Selection
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.adapters.can.socketcan.controller import KernelController, can_state
from tcu_agent.adapters.can.socketcan.life import LATE_S
from tcu_agent.adapters.can.socketcan.sockets import RECEIVE_BUFFER_BYTES
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame, CanPort
from tests.socketcan.bench import Bench, VirtualBench, blocked
from tests.socketcan.foreign import Candump, cansend
from tests.socketcan.ports import CountingPort, on, text

ERROR_ACTIVE = 0
OWN = 0x6A0
"""Not that of the commands, which the story counts."""
MANY = 20
"""More than the second socket has room for."""
LAST = CanFrame(0x7E7, b"\x77")
NEAR_MISSES = (
    "123#01",
    "00000123#02",
    "124#03",
    "00000124#04",
    "123#R",
    "00000123#R",
    "1FFFFFFF#05",
)
"""Of each identifier the other length, its neighbour, its remote frame."""
RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
NOBODY = 65534
BUFFER = """
import sys
from tcu_agent.adapters.can.selection import Selection
from tcu_agent.adapters.can.socketcan.sockets import open_sockets
print(open_sockets(sys.argv[1], fd=False, selection=Selection()).buffer_bytes)
"""


def selecting(bench: Bench, *wanted: FrameKey) -> SocketCanBus:
    """Return a port that wants only these identifiers, and the last frame of a test."""
    keys = frozenset({*wanted, (LAST.arbitration_id, False)})
    selection = Selection(wanted=keys, own=frozenset({(OWN, False)}))
    return SocketCanBus(name="body", channel=bench.agent, selection=selection)


async def until(port: CanPort, frame: CanFrame) -> list[CanFrame]:
    """Return what comes, up to this frame."""
    frames: list[CanFrame] = []
    while frame.arbitration_id not in {one.arbitration_id for one in frames}:
        frames += await port.receive()
    return frames


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([(0x123, False)], ["123#01"]),
        ([(0x123, True)], ["00000123#02"]),
        ([(0x123, False), (0x124, True)], ["123#01", "00000124#04"]),
        ([(0x1FFFFFFF, True)], ["1FFFFFFF#05"]),
    ],
)
def test_the_kernel_wakes_us_for_what_is_wanted_and_exactly_that(
    bench: Bench, wanted: Sequence[FrameKey], expected: Sequence[str]
) -> None:
    """What the second socket brings, as a sign of life, is not counted as received."""

    async def test(port: CountingPort) -> None:
        await asyncio.to_thread(cansend, bench.far, *NEAR_MISSES, text(LAST))
        frames = await until(port, LAST)
        seen = [text(one) for one in frames if (one.arbitration_id, one.is_extended_id) in wanted]
        assert [one for one in seen if not one.endswith("R")] == expected
        assert port.counters().received == len(expected) + 1

    on(selecting(bench, *wanted), test)


def test_a_bus_of_strangers_is_heard_and_our_own_frames_are_no_sign_of_life(bench: Bench) -> None:
    async def test(port: CountingPort) -> None:
        await port.send(CanFrame(OWN, b"\x01"), timeout_s=10.0)
        cansend(bench.far, "124#03")
        (frame,) = await port.receive()
        assert text(frame) == "124#03"
        assert (port.counters().received, port.counters().sent) == (0, 1)

    on(selecting(bench, (0x123, False)), test)


def test_a_bus_that_is_alive_while_we_are_held_up_is_heard_now(bench: Bench) -> None:
    """The kernel says how many found no room, also when none comes after them."""

    async def test(port: CountingPort) -> None:
        await port.send(CanFrame(OWN, b"\x01"), timeout_s=10.0)
        until_s = time.monotonic() + 3 * LATE_S
        count = 0
        while count < MANY or time.monotonic() < until_s:  # the event loop stands still
            cansend(bench.far, "124#03")
            count += 1
        held_until = time.clock_gettime(time.CLOCK_BOOTTIME)
        (frame,) = await port.receive()
        counted = port.counters()
        assert (text(frame), counted.on_bus) == ("124#03", count)
        assert frame.timestamp_s >= held_until

    on(selecting(bench, (0x123, False)), test)


def test_a_selecting_port_sends_and_sees_its_own_on_the_bus(bench: Bench, dump: Candump) -> None:
    """Its own frames come back whatever it listens to, and only once they are out."""

    async def test(port: CountingPort) -> None:
        mark = dump.mark()
        for number in (OWN, OWN):
            await port.send(CanFrame(number, b"\x01"), timeout_s=10.0)
        await asyncio.to_thread(cansend, bench.far, text(LAST))
        assert [text(one) for one in await until(port, LAST)] == [text(LAST)]
        seen = await asyncio.to_thread(dump.texts, mark, bench.far, 3)
        assert seen == ["6A0#01", "6A0#01", text(LAST)]
        assert port.counters().sent == 2

    on(selecting(bench, (OWN, False)), test)


def test_a_full_queue_is_waited_for_until_the_deadline_and_the_frame_goes_out_once(
    bench: Bench, dump: Candump
) -> None:
    async def test(port: CountingPort) -> None:
        mark = dump.mark()
        with blocked(bench.agent):
            cansend(bench.agent, "7E8#08")  # has the only place
            with pytest.raises(CanTransportError, match="room in the driver's queue") as caught:
                await port.send(CanFrame(OWN, b"\x09"), timeout_s=0.1)
            assert not caught.value.may_have_happened
            waiting = asyncio.create_task(port.send(CanFrame(OWN, b"\x0a"), timeout_s=50.0))
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting
        await asyncio.to_thread(cansend, bench.far, text(LAST))
        await until(port, LAST)

        def texts() -> list[str]:
            return [one.text for one in dump.since(mark, bench.far) if one.number != "7E8"]

        assert await asyncio.to_thread(dump.wait, lambda: text(LAST) in texts())
        assert texts() == ["6A0#0A", text(LAST)]

    on(selecting(bench), test)


def test_the_kernel_knows_the_controllers_state_and_counts_what_was_sent(bench: Bench) -> None:
    async def test(port: CountingPort) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            controller = KernelController(asking, bench.agent)
            before = controller.sent()
            for _ in range(3):
                await port.send(CanFrame(OWN, bytes(8)), timeout_s=10.0)
            after = controller.sent()
            assert None not in {before, after}
            assert after == (before or 0) + 3
            assert (controller.is_up(), controller.is_running(), controller.is_off()) == (
                *(True, True),
                False,
            )
        is_virtual = isinstance(bench, VirtualBench)
        assert can_state(bench.agent) == (None if is_virtual else ERROR_ACTIVE)

    on(selecting(bench), test)


def test_without_a_capability_the_receive_buffer_is_what_the_board_allows(bench: Bench) -> None:
    """With deploy/sysctl.d it is as large as root's."""
    allowed = int(RMEM_MAX.read_text()) if RMEM_MAX.exists() else RECEIVE_BUFFER_BYTES
    assert _buffer(bench, NOBODY) == 2 * min(allowed, RECEIVE_BUFFER_BYTES)
    assert _buffer(bench, 0) == 2 * RECEIVE_BUFFER_BYTES


def _buffer(bench: Bench, user: int) -> int:
    # The children's way to the interpreter may be root's alone: the user is changed when all is imported.
    program = BUFFER.replace("print(", f"import os; os.setuid({user}); print(")
    done = subprocess.run(
        [sys.executable, "-c", program, bench.agent],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ,
    )
    return int(done.stdout)
