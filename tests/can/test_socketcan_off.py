"""What becomes of a frame when the controller is bus-off or the interface goes away. The kernel is scripted."""

from __future__ import annotations

import asyncio
import errno

import pytest

from tcu_agent.adapters.can.faults import BUS_OFF, bus_state
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame
from tests.can.peers import WAIT_S
from tests.can.scripted_sockets import ScriptedController
from tests.can.sending_bench import LATER, OFF, RESTARTED, UNLOCK, Bench, fails, on, outcome, refuse


def test_bus_off_under_way_may_have_happened_and_is_told_at_once() -> None:
    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        bench.socket.arrive(OFF)
        await fails(outcome(sending), "went off the bus", may_have_happened=True)

    on(test, echoes=False)


@pytest.mark.parametrize(
    ("controller", "is_told"),
    [
        (ScriptedController(off=True), True),  # the flag may be a second behind
        (ScriptedController(running=False, off=True), False),  # it was told before we came
        (ScriptedController(running=False), False),
    ],
)
def test_while_the_controller_is_off_nothing_is_sent(
    controller: ScriptedController, is_told: bool
) -> None:
    """The kernel would swallow it without a word."""

    async def test(bench: Bench) -> None:
        bench.controller.running, bench.controller.off = controller.running, controller.off
        if is_told:
            await bench.let_in(OFF)
        sending = bench.port.send(UNLOCK, timeout_s=1.0)
        await fails(sending, "the controller is bus-off", may_have_happened=False)
        assert bench.sent == []

    on(test)


@pytest.mark.parametrize("sign", ["restarted", "heard", "asked"])
def test_after_bus_off_it_sends_again_by_itself(sign: str) -> None:
    async def test(bench: Bench) -> None:
        await bench.let_in(OFF)
        bench.boot += 0.1
        # "asked": a driver that does not tell of its restart; else one that must not be asked.
        bench.controller.off = sign != "asked"
        if sign != "asked":
            await bench.let_in(RESTARTED if sign == "restarted" else CanFrame(0x7E, b""))
        await bench.port.send(UNLOCK, timeout_s=1.0)
        assert bench.sent == [UNLOCK]

    on(test)


def test_what_was_on_the_bus_before_bus_off_does_not_take_it_back() -> None:
    """Another socket has its own queue, and is looked at later."""

    async def test(bench: Bench) -> None:
        bench.controller.off = True
        await bench.let_in(OFF)
        bench.boot -= 0.05
        await bench.let_in(CanFrame(0x7E, b""))
        sending = bench.port.send(UNLOCK, timeout_s=1.0)
        await fails(sending, "the controller is bus-off", may_have_happened=False)
        assert bench.sent == []

    on(test)


def test_what_our_own_controller_tells_is_nobody_else_on_the_bus() -> None:
    async def test(bench: Bench) -> None:
        bench.controller.off = True
        await bench.let_in(OFF)
        bench.boot += 0.1
        await bench.let_in(CanFrame(0x04, b"\0\x08" + bytes(6), is_error_frame=True))
        sending = bench.port.send(UNLOCK, timeout_s=1.0)
        await fails(sending, "the controller is bus-off", may_have_happened=False)
        assert bench.sent == []

    on(test)


def test_a_bus_that_is_opened_while_its_controller_is_off_says_so() -> None:
    async def test(bench: Bench) -> None:
        bench.controller.off = True
        (told,) = await bench.port.receive()
        assert (told.is_error_frame, bus_state(told), told.timestamp_s) == (True, BUS_OFF, 1000.0)
        sending = bench.port.send(UNLOCK, timeout_s=1.0)
        await fails(sending, "the controller is bus-off", may_have_happened=False)

    on(test, is_off=True)


def test_the_flag_that_is_late_after_a_restart_is_waited_for() -> None:
    """Until the kernel has noticed that the controller is back, it swallows frames."""

    async def test(bench: Bench) -> None:
        bench.controller.running, bench.controller.off = False, False
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=WAIT_S))
        await asyncio.sleep(0)
        assert bench.sent == []
        bench.controller.running = True
        await sending
        assert bench.sent == [UNLOCK]

    on(test)


def test_an_interface_that_goes_away_under_way_may_have_happened() -> None:
    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        bench.socket.fail(errno.ENODEV)
        await fails(outcome(sending), "interface went away", may_have_happened=True)
        with pytest.raises(CanTransportError, match="cannot be read"):
            await bench.port.receive()

    on(test, echoes=False)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENODEV, "No such device"), ValueError("a negative descriptor")]
)
def test_an_interface_that_is_pulled_while_we_ask_for_it_was_not_sent_to(error: OSError) -> None:
    async def test(bench: Bench) -> None:
        await bench.let_in(OFF)
        bench.controller.error = error
        await fails(bench.port.send(UNLOCK, timeout_s=1.0), "was not sent", may_have_happened=False)
        assert bench.sent == []

    on(test)


def test_closing_while_one_waits_for_room_is_a_clear_failure() -> None:
    async def test(bench: Bench) -> None:
        refuse(bench, errno.ENOBUFS, 10_000)
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await asyncio.sleep(0)
        await bench.port.close()
        bench.socket.refusals.clear()
        await fails(outcome(sending), "interface went away", may_have_happened=False)
        assert bench.sent == []

    on(test)


def test_closing_ends_who_waits_behind_another() -> None:
    async def test(bench: Bench) -> None:
        first = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        second = asyncio.create_task(bench.port.send(LATER, timeout_s=1e6))
        await asyncio.sleep(0)
        await bench.port.close()
        await fails(outcome(first), "interface went away", may_have_happened=True)
        await fails(outcome(second), "interface went away", may_have_happened=False)
        assert bench.sent == [UNLOCK]

    on(test, echoes=False)


def test_closing_ends_who_waits() -> None:
    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        await bench.port.close()
        await fails(outcome(sending), "interface went away", may_have_happened=True)

    on(test, echoes=False)
