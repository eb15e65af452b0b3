"""A CAN port whose line vanishes is closed quietly, also when whoever opened or closed it was cancelled meanwhile."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

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


def test_who_is_cancelled_before_a_thread_is_free_closes_all_the_same(
    complaints: Callable[[], list[str]],
) -> None:
    async def run() -> None:
        loop, is_free = asyncio.get_running_loop(), threading.Event()
        with peer_of("slcan") as peer:
            assert isinstance(peer, SlcanPeer)
            port = PythonCanBus(name="body", interface=peer.interface)
            await port.open()
            loop.set_default_executor(ThreadPoolExecutor(max_workers=1))
            busy = loop.run_in_executor(None, is_free.wait)
            task = asyncio.create_task(port.close())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            is_free.set()
            await busy
            await loop.shutdown_default_executor()
            assert "C" in peer.commands

    asyncio.run(run())
    assert complaints() == []
