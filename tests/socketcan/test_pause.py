"""Our own port while what is wanted comes so thick that nobody is woken by it: whole, in order, and never held up."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tcu_agent.adapters.can.selection import Selection
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.adapters.can.socketcan.pace import PAUSE_S
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame, CanPort
from tests.socketcan.bench import Bench, bring_up, take_down
from tests.socketcan.foreign import WAIT_S, babbling
from tests.socketcan.ports import CountingPort, on, take
from tests.socketcan.test_contract import listens_again

OWN, AGAIN = 0x6A0, 0x7E5
THICK = ("-g", "5", "-p", "1000", "-I", "123", "-L", "8", "-D", "i")
SENT = 20
MANY = 1_000_000
"""More than come before the end."""


def selecting(bench: Bench) -> SocketCanBus:
    selection = Selection(
        wanted=frozenset({(0x123, False), (AGAIN, False)}), own=frozenset({(OWN, False)})
    )
    return SocketCanBus(name="body", channel=bench.agent, selection=selection)


async def until_paused(port: CanPort) -> list[CanFrame]:
    """Return what comes, up to a batch that was gathered for a while."""
    frames: list[CanFrame] = []
    while True:
        batch = list(await port.receive())
        frames += batch
        if batch[-1].timestamp_s - batch[0].timestamp_s > PAUSE_S / 2:
            return frames


def test_nothing_is_lost_or_overtaken_and_no_echo_waits_for_the_end_of_a_pause(
    bench: Bench,
) -> None:
    """Each frame is sent just behind a look, so that its echo would wait for the whole pause."""

    async def test(port: CountingPort) -> None:
        took_s = []
        with babbling(bench.far, *THICK):
            frames = await until_paused(port)
            for number in range(SENT):
                frames += await port.receive()
                began = time.monotonic()
                await port.send(CanFrame(OWN, bytes([number])), timeout_s=WAIT_S)
                took_s.append(time.monotonic() - began)
            frames += await until_paused(port)
        numbers = [
            int.from_bytes(one.data, "little") for one in frames if one.arbitration_id == 0x123
        ]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert (port.counters().sent, port.counters().dropped) == (SENT, 0)
        assert min(took_s) < 0.9 * PAUSE_S, took_s

    on(selecting(bench), test)


@pytest.mark.parametrize(
    ("cut", "mend"),
    [
        (lambda bench: take_down(bench.agent), lambda bench: bring_up(bench.agent)),
        (lambda bench: bench.pull(), lambda bench: bench.plug()),
    ],
    ids=["link down", "interface pulled"],
)
def test_an_interface_that_fails_in_a_pause_is_noticed_and_listened_to_again(
    bench: Bench, cut: Callable[[Bench], None], mend: Callable[[Bench], None]
) -> None:
    async def test(port: CountingPort) -> None:
        with babbling(bench.far, *THICK):
            await until_paused(port)
            cut(bench)
        try:
            with pytest.raises(CanTransportError) as caught:
                await take(port, MANY)
            assert caught.value.temporary
        finally:
            mend(bench)
        await listens_again(port, bench)

    on(selecting(bench), test)
