"""The faults in which the broker dies: it comes back with its store, without it, or without it before the centre."""

from __future__ import annotations

import asyncio

from tcu_sim.errors import SimulatorError
from tcu_sim.faults.play import READY_WITHIN_S, Act

OUTAGE_S = 2.0
CENTRE_LATER_S = 5.0
"""How long somebody who has pressed ON CALL waits for a centre that is not there yet."""
TOLD_WITHIN_S = 20.0
"""After the centre's way is open: five seconds of its own until it connects, and as long again as it was away."""


async def broker_with_store(act: Act) -> None:
    """The broker is killed and starts again with all that it had stored."""
    await _broker_killed(act, forget=False)


async def broker_without_store(act: Act) -> None:
    """The broker is killed and starts again as a new one: no session, no queued command, no message."""
    await _broker_killed(act, forget=True)


async def _broker_killed(act: Act, *, forget: bool) -> None:
    await act.make(2, press=False)
    act.send_grant()
    await act.site.broker.kill(forget=forget)
    await act.make()
    await asyncio.sleep(OUTAGE_S)
    await act.site.broker.start()


async def centre_comes_later(act: Act) -> None:
    """The broker starts again as a new one, and the car is there before the centre: it is told what nobody hears."""
    site, loop = act.site, asyncio.get_running_loop()
    mark = site.agent.mark()
    site.centre_way.faults.is_down = True
    await site.broker.kill(forget=True)
    act.send_grant()
    await site.broker.start()
    await site.agent.says('"connected"', since=mark, within_s=READY_WITHIN_S)
    await act.make()
    await asyncio.sleep(CENTRE_LATER_S)
    site.centre_way.faults.is_down = False
    began, made = loop.time(), act.ledger.made.presses
    if not await site.until(lambda: act.ledger.stored().presses >= made, timeout_s=TOLD_WITHIN_S):
        raise SimulatorError(f"ON CALL is not told within {TOLD_WITHIN_S:.0f} s")
    act.note(f"ON CALL told {loop.time() - began:.1f} s after the centre could connect")
