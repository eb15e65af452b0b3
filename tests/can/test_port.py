"""Interfaces of python-can that misbehave are survived. What all ports promise: tests/contract/test_can.py."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import can
import pytest

from tcu_agent.adapters.can.batches import SAMPLE_S
from tcu_agent.adapters.can.bus import CanInterface, PythonCanBus
from tcu_agent.adapters.can.selection import Selection
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame, CanPort
from tests.can.peers import WAIT_S

Test = Callable[[PythonCanBus], Coroutine[Any, Any, None]]


def on(interface: CanInterface, test: Test, **options: Any) -> None:
    """Run a test on an open port."""

    async def run() -> None:
        port = PythonCanBus(name="body", interface=interface, **options)
        implements_the_port: CanPort = port
        assert implements_the_port.name == "body"
        await port.open()
        try:
            await test(port)
        finally:
            await port.close()

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


async def unreachable(port: PythonCanBus) -> None:
    pytest.fail(f"{port.name} was opened")


async def rest_of(port: CanPort) -> list[CanFrame]:
    """What a closed port still has."""
    frames: list[CanFrame] = []
    with suppress(CanTransportError):
        while True:
            frames += await port.receive()
    return frames


async def take(port: CanPort, count: int) -> list[CanFrame]:
    frames: list[CanFrame] = []
    while len(frames) < count:
        frames += await port.receive()
    return frames


# ------------------------------------------------------------------ what cannot be opened


@pytest.mark.parametrize(
    ("interface", "temporary"),
    [
        (CanInterface(interface="no-such-thing", channel="x"), False),
        (
            CanInterface(
                interface="slcan", channel="/dev/no-such-line", options={"sleep_after_open": 0}
            ),
            True,
        ),
        (CanInterface(interface="slcan", channel=""), False),
    ],
)
def test_what_cannot_be_opened_says_so(interface: CanInterface, temporary: bool) -> None:
    with pytest.raises(CanTransportError, match="cannot be opened") as caught:
        on(interface, unreachable)
    assert caught.value.temporary is temporary


def test_sockets_of_a_kernel_without_can_or_without_the_link_say_so() -> None:
    with pytest.raises(CanTransportError, match=r"socketcan no-can0\) cannot be opened") as caught:
        on(CanInterface(interface="socketcan", channel="no-can0"), unreachable)
    assert caught.value.temporary


# ------------------------------------------------------------------ interfaces that misbehave


class ScriptedBus(can.BusABC):
    """An interface whose every answer the test gives."""

    def __init__(
        self, answers: list[can.Message | Exception], refusals: list[Exception] | None = None
    ) -> None:
        super().__init__(channel="scripted")
        self.answers = answers
        self.refusals = refusals or []
        self.sent: list[can.Message] = []
        self.drained = threading.Event()

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        if not self.answers:
            self.drained.set()
            threading.Event().wait(timeout)
            return None, False
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer, False

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.sent.append(msg)


def scripted(
    monkeypatch: pytest.MonkeyPatch, bus: ScriptedBus, interface: str = "socketcan"
) -> CanInterface:
    monkeypatch.setattr(can, "Bus", lambda **_: bus)
    return CanInterface(interface=interface, channel="can0")


def message(
    number: int = 0x123, *, at: float | None = None, is_rx: bool = True, data: bytes = b"\x01"
) -> can.Message:
    return can.Message(
        arbitration_id=number,
        data=data,
        is_extended_id=False,
        is_rx=is_rx,
        timestamp=time.time() if at is None else at,
    )


def no_room() -> can.CanOperationError:
    return can.CanOperationError("Failed to transmit: No buffer space available", errno.ENOBUFS)


def test_a_full_transmit_queue_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = ScriptedBus([], [no_room() for _ in range(3)])

    async def test(port: PythonCanBus) -> None:
        await port.send(CanFrame(1, b"\x01"), timeout_s=5.0)
        assert len(bus.sent) == 1

    on(scripted(monkeypatch, bus), test)


def test_no_room_until_the_deadline_is_a_clear_error_and_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus = ScriptedBus([], [no_room() for _ in range(1000)])

    async def test(port: PythonCanBus) -> None:
        with pytest.raises(CanTransportError, match="no room in its transmit queue") as caught:
            await port.send(CanFrame(1, b"\x01"), timeout_s=0.02)
        assert caught.value.temporary
        assert not caught.value.may_have_happened
        assert bus.sent == []

    on(scripted(monkeypatch, bus), test)


def test_a_frame_that_waited_behind_another_until_its_deadline_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The board was suspended meanwhile: it counts."""
    bus, boot = ScriptedBus([], [no_room()]), [100.0]

    async def test(port: PythonCanBus) -> None:
        first = asyncio.create_task(port.send(CanFrame(1, b""), timeout_s=60.0))
        second = asyncio.create_task(port.send(CanFrame(2, b""), timeout_s=5.0))
        while bus.refusals:  # noqa: ASYNC110 -- turns of the loop, in which the first meets a full queue
            await asyncio.sleep(0)
        boot[0] += 6.0
        await first
        with pytest.raises(CanTransportError, match="no room") as caught:
            await second
        assert not caught.value.may_have_happened
        assert [one.arbitration_id for one in bus.sent] == [1]

    on(scripted(monkeypatch, bus), test, boottime=lambda: boot[0])


@pytest.mark.parametrize("bit_rate_switch", [True, False])
def test_fd_frames_switch_the_bit_rate_unless_they_are_told_not_to(
    monkeypatch: pytest.MonkeyPatch, *, bit_rate_switch: bool
) -> None:
    bus = ScriptedBus([])

    async def test(port: PythonCanBus) -> None:
        await port.send(CanFrame(1, b"\x01"), timeout_s=1.0)
        await port.send(CanFrame(1, b"\x01", is_fd=True), timeout_s=1.0)
        assert [one.bitrate_switch for one in bus.sent] == [False, bit_rate_switch]

    interface = dataclasses.replace(scripted(monkeypatch, bus), bit_rate_switch=bit_rate_switch)
    on(interface, test)


@pytest.mark.parametrize(
    ("interface", "unsure"), [("socketcan", False), ("virtual", False), ("slcan", True)]
)
def test_a_failed_send_says_whether_it_may_have_happened(
    monkeypatch: pytest.MonkeyPatch,
    interface: str,
    unsure: bool,
) -> None:
    bus = ScriptedBus([], [can.CanOperationError("Network is down", errno.ENETDOWN)])

    async def test(port: PythonCanBus) -> None:
        with pytest.raises(
            CanTransportError, match="did not take a frame: Network is down"
        ) as caught:
            await port.send(CanFrame(1, b"\x01"), timeout_s=1.0)
        assert caught.value.may_have_happened is unsure

    on(scripted(monkeypatch, bus, interface), test)


def test_when_the_agent_is_too_slow_the_oldest_frames_go_and_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus = ScriptedBus([message(number) for number in range(100)])

    async def test(port: PythonCanBus) -> None:
        await asyncio.to_thread(bus.drained.wait, WAIT_S)
        assert [one.arbitration_id for one in await port.receive()] == list(range(92, 100))
        counted = port.counters()
        assert (counted.received, counted.dropped) == (100, 92)

    on(scripted(monkeypatch, bus), test, queue_frames=8)


@pytest.mark.parametrize(
    "error",
    [can.CanOperationError("gone"), OSError(errno.ENODEV, "no device"), RuntimeError("odd")],
)
def test_frames_before_a_failure_are_delivered_then_the_failure(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bus = ScriptedBus([message(1), message(2), error])

    async def test(port: PythonCanBus) -> None:
        assert [one.arbitration_id for one in await take(port, 2)] == [1, 2]
        with pytest.raises(CanTransportError, match="cannot be read"):
            await port.receive()

    on(scripted(monkeypatch, bus), test)


def test_error_frames_are_passed_on_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    error = can.Message(
        arbitration_id=0x40,
        is_error_frame=True,
        is_extended_id=False,
        data=bytes(8),
        timestamp=time.time(),
    )
    bus = ScriptedBus([error])

    async def test(port: PythonCanBus) -> None:
        (frame,) = await take(port, 1)
        assert frame.is_error_frame
        assert frame.arbitration_id == 0x40

    on(scripted(monkeypatch, bus), test)


@pytest.mark.parametrize(("interface", "kept"), [("gs_usb", [2]), ("socketcan", [1, 2])])
def test_an_echo_of_our_own_frame_is_left_out(
    monkeypatch: pytest.MonkeyPatch, interface: str, kept: list[int]
) -> None:
    """On SocketCAN frames of other programs on this host look like that too, and our own are not asked for."""
    bus = ScriptedBus([message(1, is_rx=False), message(2)])

    async def test(port: PythonCanBus) -> None:
        assert [one.arbitration_id for one in await take(port, len(kept))] == kept

    on(scripted(monkeypatch, bus, interface), test)


@pytest.mark.parametrize(("age_s", "stamp_s"), [(0.25, 999.75), (-3.0, 1000.0), (1e9, 1000.0)])
def test_stamps_of_another_clock_are_not_believed(
    monkeypatch: pytest.MonkeyPatch, age_s: float, stamp_s: float
) -> None:
    bus = ScriptedBus([message(1, at=2e9 - age_s)])

    async def test(port: PythonCanBus) -> None:
        (frame,) = await take(port, 1)
        assert frame.timestamp_s == stamp_s

    on(scripted(monkeypatch, bus), test, boottime=lambda: 1000.0, wall=lambda: 2e9)


def test_after_a_stall_a_frame_has_the_time_that_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = ScriptedBus([message(1, at=2e9 - 60.0)])

    async def test(port: PythonCanBus) -> None:
        (frame,) = await take(port, 1)
        assert frame.timestamp_s == 940.0

    on(scripted(monkeypatch, bus), test, boottime=lambda: 1000.0, wall=lambda: 2e9)


# ------------------------------------------------------------------ what nobody wants


WANTED = Selection(wanted=frozenset({(0x100, False)}))


def test_what_nobody_wants_is_counted_and_handed_on_as_a_sign_of_life_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = [message(0x200 + step) for step in range(50)]
    extended = can.Message(arbitration_id=0x100, is_extended_id=True, is_rx=True)
    error = can.Message(
        arbitration_id=0x44, is_error_frame=True, is_extended_id=False, data=b"\x00\x01"
    )
    bus = ScriptedBus([*others, message(0x100), extended, error, message(0x100)])

    async def test(port: PythonCanBus) -> None:
        await asyncio.to_thread(bus.drained.wait, WAIT_S)
        seen = await take(port, 3)
        wanted = [one for one in seen if not one.is_extended_id and one.arbitration_id < 0x200]
        assert [one.arbitration_id for one in wanted] == [0x100, 0x44, 0x100]
        assert len(seen) <= 3 + 2  # a sign of life of each batch at most
        counted = port.counters()
        assert (counted.on_bus, counted.received, counted.overruns) == (54, 2, 1)

    on(scripted(monkeypatch, bus), test, selection=WANTED)


@pytest.mark.parametrize("interface", ["socketcan", "gs_usb"])
def test_a_bus_of_strangers_lives_and_wakes(
    monkeypatch: pytest.MonkeyPatch, interface: str
) -> None:
    """One of them in each tenth of a second, and the first at once. By the port's clock a batch takes a millisecond."""
    times = iter(step / 1000 for step in range(10_000))
    bus = ScriptedBus([message(0x200, at=time.time() + 1.0) for _ in range(100)])

    async def test(port: PythonCanBus) -> None:
        (first, *_) = await port.receive()
        assert first.arbitration_id == 0x200
        await asyncio.to_thread(bus.drained.wait, WAIT_S)
        await port.close()  # and what was read is told
        seen = [first, *_, *await rest_of(port)]
        assert (port.counters().on_bus, port.counters().received) == (100, 0)
        assert 1 <= len(seen) <= 1 + 100 / 1000 / SAMPLE_S

    on(scripted(monkeypatch, bus, interface), test, selection=WANTED, boottime=lambda: next(times))
