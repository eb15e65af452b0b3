"""The SocketCAN port listens: what was dropped is counted, our own is left out, and a living bus is known to live."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine
from itertools import chain
from typing import Any

import pytest

from tcu_agent.adapters.can.selection import Selection
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.adapters.can.socketcan.session import BATCH_FRAMES
from tcu_agent.adapters.can.socketcan.sockets import Sockets
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame
from tests.can.peers import WAIT_S
from tests.can.scripted_sockets import ScriptedSocket, scripted_sockets

WANTED, OTHER = CanFrame(0x100, b"\x01"), CanFrame(0x200, b"\x02")
OFF = CanFrame(0x40, bytes(8), is_error_frame=True)
SELECTION = Selection(wanted=frozenset({(0x100, False)}))


class Bench:
    def __init__(self, **options: Any) -> None:
        self.main, self.life = ScriptedSocket(), ScriptedSocket()
        self.boot, self.step = 50.0, 1e9
        self.refusal: int | None = None
        self.port = SocketCanBus(
            name="body",
            channel="can0",
            open_them=self._open,
            boottime=lambda: self.boot,
            wall=lambda: self.boot + self.step,
            **options,
        )

    def _open(self) -> Sockets:
        if self.refusal is not None:
            raise OSError(self.refusal, "refused")
        return scripted_sockets(self.main, life=self.life, selection=SELECTION)

    def is_waited_for(self) -> bool:
        """Whether the event loop wakes the port by the next frame of any identifier."""
        selector = getattr(asyncio.get_running_loop(), "_selector")  # noqa: B009 -- there is no other way to ask
        return self.life.fileno() in selector.get_map()

    async def numbers(self) -> list[int]:
        return [one.arbitration_id for one in await self.port.receive()]


def on(test: Callable[[Bench], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def run() -> None:
        bench = Bench(**options)
        await bench.port.open()
        try:
            await test(bench)
        finally:
            await bench.port.close()

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


def test_one_wake_up_takes_all_that_is_there() -> None:
    async def test(bench: Bench) -> None:
        for number in range(BATCH_FRAMES):
            bench.main.arrive(CanFrame(number, b""))
        assert await bench.numbers() == list(range(BATCH_FRAMES))

    on(test)


def test_more_than_that_is_taken_in_parts_and_in_order() -> None:
    async def test(bench: Bench) -> None:
        for number in range(2 * BATCH_FRAMES + 1):
            bench.main.arrive(CanFrame(number, b""))
        numbers = [await bench.numbers() for _ in range(3)]
        assert [len(each) for each in numbers] == [BATCH_FRAMES, BATCH_FRAMES, 1]
        assert [*chain.from_iterable(numbers)] == list(range(2 * BATCH_FRAMES + 1))

    on(test)


def test_a_frame_has_the_kernels_time_on_the_clock_that_counts_suspend() -> None:
    async def test(bench: Bench) -> None:
        bench.main.arrive(WANTED, wall=1e9 + 49.75)
        (frame,) = await bench.port.receive()
        assert frame.timestamp_s == pytest.approx(49.75, abs=1e-5)

    on(test)


def test_frames_that_waited_for_long_have_their_time_though_the_wall_clock_was_set() -> None:
    """More than one batch of them; they were stamped before the clock was set."""

    async def test(bench: Bench) -> None:
        for step in range(1500):
            bench.main.arrive(WANTED, wall=1e9 + 50.0 + step / 100)
        bench.boot += 60.0
        bench.step += 3600.0
        seen: list[CanFrame] = []
        while len(seen) < 1500:
            seen += await bench.port.receive()
        assert [round(one.timestamp_s, 2) for one in seen] == [
            round(50.0 + step / 100, 2) for step in range(1500)
        ]

    on(test)


def test_what_the_kernel_dropped_is_counted_once_and_through_a_wrap() -> None:
    async def test(bench: Bench) -> None:
        for dropped in (3, 3, 10):
            bench.main.arrive(WANTED, dropped=dropped)
        await bench.port.receive()
        assert bench.port.counters().dropped == 10
        bench.main.arrive(WANTED, dropped=2)
        await bench.port.receive()
        assert bench.port.counters().dropped == 2 + (1 << 32)

    on(test)


def test_when_the_agent_is_too_slow_the_oldest_go_and_are_counted() -> None:
    async def test(bench: Bench) -> None:
        for number in range(20):
            bench.main.arrive(CanFrame(number, b""))
        while bench.port.counters().received < 20:  # noqa: ASYNC110 -- turns of the loop, in which it reads
            await asyncio.sleep(0)
        assert await bench.numbers() == list(range(12, 20))
        assert bench.port.counters().dropped == 12

    on(test, queue_frames=8)


def test_bytes_that_are_no_frame_are_counted_and_left_out() -> None:
    async def test(bench: Bench) -> None:
        bench.main.arrive(b"\x00" * 5)
        bench.main.arrive(WANTED)
        assert await bench.numbers() == [0x100]
        assert bench.port.counters().malformed == 1

    on(test)


def test_our_own_echo_is_not_another_node_with_our_id_but_another_frame_is() -> None:
    async def test(bench: Bench) -> None:
        await bench.port.send(CanFrame(0x0A0, b"\x01"), timeout_s=1.0)
        bench.main.arrive(CanFrame(0x0A0, b"\x01"))  # somebody else's, equal to the last bit
        assert await bench.numbers() == [0x0A0]
        assert bench.port.counters().received == 1

    on(test)


def test_frames_before_a_failure_are_delivered_then_the_failure() -> None:
    async def test(bench: Bench) -> None:
        bench.main.arrive(WANTED)
        bench.main.fail(errno.ENETDOWN)
        assert await bench.numbers() == [0x100]
        with pytest.raises(CanTransportError, match=r"cannot be read: .*Network is down") as caught:
            await bench.port.receive()
        assert caught.value.temporary

    on(test)


@pytest.mark.parametrize(
    ("number", "temporary"),
    [
        (errno.ENODEV, True),
        (errno.ENETDOWN, True),
        (errno.ENOBUFS, True),
        (errno.EAFNOSUPPORT, False),
        (errno.EPERM, False),
    ],
)
def test_what_cannot_be_opened_says_whether_later_helps(number: int, temporary: bool) -> None:
    async def test(bench: Bench) -> None:
        bench.refusal = number
        with pytest.raises(CanTransportError, match="cannot be opened") as caught:
            await bench.port.open()
        assert caught.value.temporary is temporary

    on(test)


def test_counters_go_on_over_a_new_opening() -> None:
    async def test(bench: Bench) -> None:
        bench.main.arrive(WANTED)
        await bench.port.receive()
        bench.main, bench.life = ScriptedSocket(), ScriptedSocket()
        await bench.port.open()
        bench.main.arrive(WANTED)
        await bench.port.receive()
        assert bench.port.counters().received == 2

    on(test)


# ------------------------------------------------------------------ signs of life


def test_the_first_frame_of_any_id_wakes_and_then_one_each_sample() -> None:
    async def test(bench: Bench) -> None:
        bench.life.arrive(OTHER)
        assert await bench.numbers() == [0x200]
        for number in (0x201, 0x202, 0x203):
            bench.life.arrive(CanFrame(number, b""))
        assert await bench.numbers() == [0x203]
        assert bench.port.counters().on_bus == 4

    on(test)


def test_after_a_silence_the_first_frame_wakes_again() -> None:
    async def test(bench: Bench) -> None:
        for _ in range(3):
            bench.life.arrive(OTHER)
            assert await bench.numbers() == [0x200]
            while not bench.is_waited_for():  # noqa: ASYNC110 -- until it has looked again in vain
                await asyncio.sleep(0)

    on(test)


def test_what_is_wanted_comes_once_though_both_sockets_see_it() -> None:
    async def test(bench: Bench) -> None:
        bench.life.arrive(WANTED)
        bench.main.arrive(WANTED)
        bench.life.arrive(CanFrame(0x100, b"\x01", is_extended_id=True))  # another message
        bench.main.arrive(CanFrame(0x101, b""))
        seen: list[tuple[int, bool]] = []
        while len(seen) < 3:
            seen += [(one.arbitration_id, one.is_extended_id) for one in await bench.port.receive()]
        assert sorted(seen) == [(0x100, False), (0x100, True), (0x101, False)]

    on(test)


def test_what_found_no_room_in_the_second_socket_is_counted_as_on_the_bus_and_not_as_dropped() -> (
    None
):
    async def test(bench: Bench) -> None:
        bench.life.arrive(OTHER, dropped=500)
        await bench.port.receive()
        assert bench.port.counters().on_bus == 501
        assert bench.port.counters().dropped == 0

    on(test)


def test_who_waits_for_an_echo_hears_of_strangers_too() -> None:
    """A driver that gives nothing back, on a bus of which we want nothing."""

    async def test(bench: Bench) -> None:
        bench.main.echoes = False
        sending = asyncio.create_task(bench.port.send(WANTED, timeout_s=1e6))
        while bench.main.sent.empty():  # noqa: ASYNC110 -- turns of the loop, in which it is sent
            await asyncio.sleep(0)
        bench.life.arrive(OTHER, wall=1e9 + 51.5)
        bench.boot += 1.5
        with pytest.raises(CanTransportError, match="its echo is lost"):
            await sending

    on(test)


def test_a_bus_that_was_heard_while_we_were_held_up_is_heard_now() -> None:
    """The two frames that had room are old, and nothing else comes in the moment that we look."""

    async def test(bench: Bench) -> None:
        assert await signs_after_a_stall(bench, dropped=700) == [(0x200, 59.0)]
        assert bench.port.counters().on_bus == 701

    on(test)


@pytest.mark.parametrize(("dropped", "was_off"), [(0, False), (700, True)])
def test_a_late_sign_of_life_is_old_if_none_came_since_or_if_it_would_take_bus_off_back(
    dropped: int, *, was_off: bool
) -> None:
    async def test(bench: Bench) -> None:
        if was_off:
            bench.main.arrive(OFF, wall=1e9 + 55.0)
        assert await signs_after_a_stall(bench, dropped=dropped) == [(0x200, 50.0)]

    on(test)


def test_a_late_sign_of_life_counts_though_only_what_is_wanted_had_room() -> None:
    async def test(bench: Bench) -> None:
        bench.life.arrive(OTHER, wall=1e9 + 50.0)
        assert await bench.numbers() == [0x200]
        assert await signs_after_a_stall(bench, WANTED, dropped=700) == [(0x200, 59.0)]

    on(test)


def test_a_sign_of_life_comes_behind_all_that_waited_in_the_other_socket() -> None:
    """A decoder's time does not go back: what came behind it would be as young."""

    async def test(bench: Bench) -> None:
        for step in range(1500):
            bench.main.arrive(WANTED, wall=1e9 + 50.0 + step / 200)
        bench.life.arrive(OTHER, wall=1e9 + 50.0)
        bench.life.dropped = 700
        bench.boot += 9.0
        seen: list[CanFrame] = []
        while len(seen) < 1501:
            seen += await bench.port.receive()
        assert [one.arbitration_id for one in seen] == [0x100] * 1500 + [0x200]
        assert bench.port.counters().received == 1500

    on(test)


def test_catching_up_reads_what_waits_without_the_event_loop() -> None:
    async def test(bench: Bench) -> None:
        while not bench.is_waited_for():  # noqa: ASYNC110 -- until it has looked for the first time
            await asyncio.sleep(0)
        assert bench.port.catch_up()
        bench.main.arrive(WANTED)
        assert not bench.port.catch_up()
        assert await bench.numbers() == [0x100]
        assert bench.port.catch_up()
        bench.life.arrive(OTHER)
        assert not bench.port.catch_up()
        await bench.port.close()
        assert bench.port.catch_up()  # nobody receives from it

    on(test)


async def signs_after_a_stall(
    bench: Bench, frame: CanFrame = OTHER, *, dropped: int
) -> list[tuple[int, float]]:
    bench.life.arrive(frame, wall=1e9 + 50.0)
    bench.life.dropped = dropped
    bench.boot += 9.0
    seen: list[CanFrame] = []
    while not [one for one in seen if not one.is_error_frame]:
        seen += await bench.port.receive()
    return [
        (one.arbitration_id, round(one.timestamp_s, 3)) for one in seen if not one.is_error_frame
    ]


def test_the_controllers_overruns_are_counted_and_an_error_frame_is_not_received() -> None:
    async def test(bench: Bench) -> None:
        for details in (
            0x01,
            0x04,
            0x02,
            0x05,
        ):  # receive overflow, warning, transmit overflow, both of receive
            bench.main.arrive(CanFrame(0x04, bytes([0, details, *bytes(6)]), is_error_frame=True))
        bench.main.arrive(CanFrame(0x200, b"\0\x01" + bytes(6), is_error_frame=True))
        bench.main.arrive(WANTED)
        assert len(await bench.port.receive()) == 6
        counted = bench.port.counters()
        assert (counted.received, counted.overruns) == (1, 2)

    on(test)
