"""A CAN port whose line vanishes is closed quietly, also when whoever opened or closed it was cancelled meanwhile."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable

import pytest

from tcu_agent.adapters.can.bus import PythonCanBus
from tcu_agent.errors import CanTransportError
from tests.can.peers import WAIT_S, SlcanPeer, peer_of


@pytest.fixture
def complaints(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Callable[[], list[str]]:
    """Return what says what python-can has complained of, in its log and from finalisers."""
    unraisable: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: unraisable.append(str(what.exc_value)))

    def look() -> list[str]:
        gc.collect()
        return unraisable + [each.getMessage() for each in caplog.records if "can" in each.name]

    return look


def test_a_line_that_vanishes_is_closed_without_a_word(complaints: Callable[[], list[str]]) -> None:
    async def run() -> None:
        with peer_of("slcan") as peer:
            assert isinstance(peer, SlcanPeer)
            port = PythonCanBus(name="body", interface=peer.interface)
            await port.open()
            peer.vanish()
            with pytest.raises(CanTransportError):
                await port.receive()
            with pytest.raises(CanTransportError):  # the line is there, the device is not
                await port.open()
            await port.close()

    asyncio.run(asyncio.wait_for(run(), WAIT_S))
    assert complaints() == []


@pytest.mark.parametrize("moment", ["open", "close"])
def test_who_is_cancelled_while_a_line_vanishes_leaves_no_bus_behind(
    moment: str, complaints: Callable[[], list[str]]
) -> None:
    async def run() -> None:
        with peer_of("slcan") as peer:
            assert isinstance(peer, SlcanPeer)
            port = PythonCanBus(name="body", interface=peer.interface)
            if moment == "close":
                await port.open()
            task = asyncio.create_task(port.open() if moment == "open" else port.close())
            await asyncio.sleep(0)
            peer.vanish()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert complaints() == []
