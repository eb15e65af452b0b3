"""The tally of a loop's calls into the kernel counts what was done, and nothing outside of it."""

from __future__ import annotations

import asyncio
import socket
import time

from benchmarks.tally import Tally, kernel_costs_us

from tcu_agent.adapters.timerfd import BoottimeTimer

SOON_S = 0.01


def counted(*, wakings: int, reads: int, timers: int) -> dict[str, object]:
    """So much of each, between the same outside of what is counted."""
    tally = Tally()

    async def do() -> None:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with near, far:
            for _ in range(reads):
                far.send(b"!")
                near.recvmsg(8)
        for _ in range(timers):
            with BoottimeTimer():
                time.clock_gettime(time.CLOCK_BOOTTIME)
        for _ in range(wakings):
            woken = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(SOON_S, woken.set_result, None)
            await woken

    async def all_of_it() -> None:
        await do()
        with tally.counting():
            await do()
        await do()

    with asyncio.Runner(loop_factory=tally.loop) as runner:
        runner.run(all_of_it())
    return tally.told()


def test_it_counts_what_was_done_while_it_counts() -> None:
    told = counted(wakings=3, reads=5, timers=7)
    assert told["wake_ups"] == 3
    calls = told["calls"]
    assert isinstance(calls, dict)
    assert (calls["recvmsg"], calls["timerfd"]) == (5, 7)
    assert calls["epoll_wait"] == told["turns"]
    assert calls["clock_gettime"] >= 7 + 3


def test_each_call_that_is_counted_has_a_cost() -> None:
    costs = kernel_costs_us()
    told = counted(wakings=1, reads=1, timers=1)["calls"]
    assert isinstance(told, dict)
    assert set(told) <= set(costs)
    assert all(us > 0 for us in costs.values())
