"""The port on a serial line with slcan: it opens at once, hands over at once, and survives noise."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tcu_agent.adapters.can.bus import PythonCanBus
from tcu_agent.adapters.can.selection import Selection
from tcu_agent.ports import CanFrame
from tests.can.peers import WAIT_S, SlcanPeer, peer_of
from tests.can.test_port import on, take


def test_slcan_sets_the_bit_rate_and_opens_at_once() -> None:
    with peer_of("slcan") as peer:
        assert isinstance(peer, SlcanPeer)

        async def test(port: PythonCanBus) -> None:
            await port.send(CanFrame(1, b""), timeout_s=1.0)
            await asyncio.to_thread(peer.received)
            assert [one for one in peer.commands if one] == ["C", "S6", "O", "O"]

        started = time.monotonic()
        on(peer.interface, test)
        assert time.monotonic() - started < 2.0  # python-can's own pause for boards that boot


def test_slcan_hands_a_frame_over_at_once() -> None:
    """Its serial timeout, which `recv(0)` waits for as well, would make these two seconds."""
    with peer_of("slcan") as peer:
        assert isinstance(peer, SlcanPeer)

        async def test(port: PythonCanBus) -> None:
            started = time.monotonic()
            for step in range(20):
                peer.send(CanFrame(step, b""))
                await take(port, 1)
            assert time.monotonic() - started < 1.0

        on(peer.interface, test)


class Holdable:
    """A clock at which the reader's thread stops while it is held, as all of it does when the process is stopped."""

    def __init__(self) -> None:
        self.goes_on, self.is_held = threading.Event(), threading.Event()
        self.goes_on.set()
        self.late_s = 0.0

    async def hold(self) -> None:
        self.goes_on.clear()
        await asyncio.to_thread(self.is_held.wait, WAIT_S)

    def __call__(self) -> float:
        if threading.current_thread() is not threading.main_thread():
            if not self.goes_on.is_set():
                self.is_held.set()
            self.goes_on.wait(WAIT_S)
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self.late_s


def test_what_waits_in_the_line_while_we_are_held_up_is_no_silence() -> None:
    with peer_of("slcan") as peer:
        assert isinstance(peer, SlcanPeer)
        clock = Holdable()

        async def test(port: PythonCanBus) -> None:
            while not port.catch_up():  # noqa: ASYNC110 -- turns of the loop, while the thread reads
                await asyncio.sleep(0)
            await clock.hold()
            peer.send(CanFrame(0x55, b"\x01"))
            assert not any(
                port.catch_up() for _ in range(100)
            )  # whether or not it was asked before
            clock.goes_on.set()
            while not port._queue:
                assert not port.catch_up()
                await asyncio.sleep(0)
            assert not port.catch_up()
            assert [one.arbitration_id for one in await take(port, 1)] == [0x55]
            while not port.catch_up():  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0)

        on(peer.interface, test, boottime=clock)


@pytest.mark.parametrize("wanted", [None, frozenset({(0x700, False)}), frozenset({(3, False)})])
def test_what_came_while_we_were_held_up_did_not_come_all_at_once(
    wanted: frozenset[tuple[int, bool]] | None,
) -> None:
    """A serial line stamps nothing: python-can gives a frame the time of its reading."""
    with peer_of("slcan") as peer:
        assert isinstance(peer, SlcanPeer)
        clock = Holdable()
        clock.late_s = -4.0

        async def test(port: PythonCanBus) -> None:
            while not port.catch_up():  # noqa: ASYNC110 -- turns of the loop, while the thread reads
                await asyncio.sleep(0)
            await clock.hold()
            held_at = clock()
            for step in range(4):
                peer.send(CanFrame(step, b""))
            clock.late_s = 0.0
            clock.goes_on.set()
            found = await take(port, 4)
            assert [one.arbitration_id for one in found] == [0, 1, 2, 3]
            came = [one.timestamp_s - held_at for one in found]
            assert came == pytest.approx([1.0, 2.0, 3.0, 4.0], abs=0.5)

        on(peer.interface, test, boottime=clock, selection=Selection(wanted=wanted))


def test_an_old_look_at_the_line_says_nothing_about_now() -> None:
    """We may be stopped between the question and the answer, too."""
    with peer_of("slcan") as peer:
        assert isinstance(peer, SlcanPeer)
        clock = Holdable()

        async def test(port: PythonCanBus) -> None:
            assert not port.catch_up()  # the question
            asked_at = clock()
            while port._drained_at < asked_at:  # noqa: ASYNC110 -- turns of the loop, while the thread reads
                await asyncio.sleep(0)
            await clock.hold()
            clock.late_s = 3.0
            assert not port.catch_up()
            clock.goes_on.set()
            while not port.catch_up():  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0)

        on(peer.interface, test, boottime=clock)


@pytest.mark.parametrize(
    "noise",
    [b"tXYZ1\r", b"t12\r", b"t123200\r", b"t1239001122334455667788\r", b"tFFF0\r", b"T3FFFFFFF0\r"],
)
def test_noise_on_the_line_is_counted_and_the_next_frame_arrives(noise: bytes) -> None:
    with peer_of("slcan") as peer:
        assert isinstance(peer, SlcanPeer)

        async def test(port: PythonCanBus) -> None:
            peer.write(noise)
            peer.send(CanFrame(0x55, b"\x01"))
            assert [one.arbitration_id for one in await take(port, 1)] == [0x55]
            assert port.counters().malformed == 1

        on(peer.interface, test)
