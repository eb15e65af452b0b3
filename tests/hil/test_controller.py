"""The kernel's driver, bit timing, the short transmit queue, and the counters of a CAN controller."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess

import pytest

from tcu_agent.ports import CanFrame
from tests.socketcan.bench import (
    BIT_RATE,
    INTERFACES,
    RESTART_MS,
    Bench,
    bring_up,
    counters,
    run,
    take_down,
)
from tests.socketcan.foreign import Candump, cansend
from tests.socketcan.ports import CountingPort, on

QUEUE_FRAMES = 10
"""What a SocketCAN driver asks for (`tx_queue_len`)."""
FRAMES = 300
PUSHED_FRAMES = 5_000
MOST_PUSHES = 20


@pytest.mark.parametrize("end", ["agent", "far"])
def test_the_driver_is_a_controllers_and_has_its_bit_timing(bench: Bench, end: str) -> None:
    interface = getattr(bench, end)
    assert (INTERFACES / interface / "device" / "driver").resolve().name == "kvaser_pci"
    told = run("ip", "-details", "link", "show", interface)
    assert f"bitrate {BIT_RATE} sample-point 0.875" in told
    assert f"restart-ms {RESTART_MS}" in told
    assert "can state ERROR-ACTIVE" in told
    assert f"qlen {QUEUE_FRAMES}" in told


def test_the_transmit_queue_is_so_short_that_cangen_finds_it_full(bench: Bench) -> None:
    """Else the next test would prove nothing.

    An emulated controller has sent a frame as soon as it gets it; the queue grows only while the processor that takes
    its interrupt does something else. So cangen runs on one processor after the other: the interrupt is on one of them.
    """
    options = ["-g", "0", "-I", "7E0", "-L", "8", "-n", str(PUSHED_FRAMES)]
    for processor in sorted(os.sched_getaffinity(0)) * MOST_PUSHES:
        done = subprocess.run(
            ["taskset", "--cpu-list", str(processor), "cangen", bench.agent, *options],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        if done.returncode:
            assert "No buffer space available" in done.stderr
            return
    pytest.fail(f"{PUSHED_FRAMES} frames at once found room, {MOST_PUSHES} times on each processor")


def test_a_full_queue_is_waited_for_and_nothing_is_lost_or_sent_twice(
    port: CountingPort, bench: Bench, dump: Candump
) -> None:
    async def test(port: CountingPort) -> None:
        mark = dump.mark()
        for number in range(FRAMES):
            await port.send(CanFrame(0x7E1, number.to_bytes(2, "big")), timeout_s=10.0)
        cansend(bench.far, "7E2#")

        def enough() -> bool:
            return bool(dump.since(mark, bench.far, "7E2"))

        assert await asyncio.to_thread(dump.wait, enough)
        arrived = [int(one.data, 16) for one in dump.since(mark, bench.far, "7E1")]
        assert arrived == list(range(FRAMES))
        assert port.counters().sent == FRAMES

    on(port, test)


def test_the_error_counters_are_read_and_show_a_clean_bus(bench: Bench) -> None:
    for interface in (bench.agent, bench.far):
        told = run("ip", "-details", "-statistics", "link", "show", interface)
        assert re.search(r"berr-counter tx 0 rx 0", told)
        counted = counters(interface)
        assert counted.keys() >= {"re-started", "bus-errors", "error-warn", "error-pass", "bus-off"}
        assert not any(counted.values()), counted


def test_the_bit_rate_can_only_be_set_while_the_link_is_down(bench: Bench) -> None:
    """As on a board: who sets it without taking the link down is told so, and the old one stays."""
    timing = ("type", "can", "bitrate", "250000")
    with pytest.raises(AssertionError, match="Device or resource busy"):
        run("ip", "link", "set", bench.agent, *timing)
    take_down(bench.agent)
    run("ip", "link", "set", bench.agent, *timing)
    assert "bitrate 250000" in run("ip", "-details", "link", "show", bench.agent)
    run("ip", "link", "set", bench.agent, "type", "can", "bitrate", str(BIT_RATE))
    bring_up(bench.agent)
