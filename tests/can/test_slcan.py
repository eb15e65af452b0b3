"""The port on a serial line with slcan: it opens at once, hands over at once, and survives noise."""

from __future__ import annotations

import asyncio
import time

import pytest

from tcu_agent.adapters.can.bus import PythonCanBus
from tcu_agent.ports import CanFrame
from tests.can.peers import SlcanPeer, peer_of
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
