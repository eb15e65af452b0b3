"""The quiet beginning and the end of a lane: an agent that nobody kills, until nothing is under way any more."""

from __future__ import annotations

import asyncio
from random import Random

from tcu_sim.campaign import attacker
from tcu_sim.campaign.board import AgentBoard
from tcu_sim.campaign.errors import CampaignError
from tcu_sim.campaign.observer import NO_CALL
from tcu_sim.campaign.town import Town
from tcu_sim.wire import messages as m
from tcu_sim.wire import parameters as p
from tcu_sim.wire.numbers import Call, Service, Told

READY_TIMEOUT_S = 60.0
SETTLE_TIMEOUT_S = 60.0


async def begin(town: Town, board: AgentBoard) -> None:
    """Let the first agent learn its account, and end politely.

    Raises:
        CampaignError: it does not start, learn or end.
    """
    await _started(town, board)
    town.centre.send_account()
    events = town.centre.heard.events

    def knows_account() -> bool:
        return any(event.kind == Told.ACCOUNT_CHANGED for event in events.values())

    if not await town.until(knows_account, timeout_s=READY_TIMEOUT_S):
        raise CampaignError("the car has not learnt its account")
    await board.stop()


async def end(town: Town, board: AgentBoard, *, rng: Random) -> None:
    """Let the attacker repeat all that he has, end what would go on for long, and wait for all that must come.

    What has not come in time is the judge's business.

    Raises:
        CampaignError: the agent does not start or does not end.
    """
    await _started(town, board)
    await attacker.replay(town, rng=rng, everything=True)
    _end_all(town)
    await town.until(lambda: not _open_matters(town), timeout_s=SETTLE_TIMEOUT_S)
    await _answers(town)
    await board.stop()


async def _started(town: Town, board: AgentBoard) -> None:
    town.centre.acknowledges = True
    await board.start()
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await board.ready.wait()
    except TimeoutError:
        raise CampaignError(f"the agent has not connected in {READY_TIMEOUT_S:g} s") from None


def _end_all(town: Town) -> None:
    """End the call and the trackings."""
    centre, seen = town.centre, town.observer.evidence
    if town.observer.call_state not in NO_CALL:
        for event in list(centre.heard.events.values()):
            if event.kind == Told.ON_CALL_PRESSED:
                centre.send_call(event, Call.ENDED)
    for tracking in seen.trackings:
        if tracking.request_id not in seen.outcomes:
            centre.send(m.CaseEnd(vehicle_id=centre.vehicle_id, case_id=tracking.case_id))


def _open_matters(town: Town) -> bool:
    seen = town.observer.evidence
    return any(key not in seen.stored for key in seen.accepted) or any(
        request_id not in seen.results for request_id in seen.intents
    )


async def _answers(town: Town) -> None:
    """Ask for the state: what stands before the answer in the stream has come by then."""
    events = town.centre.heard.events
    request_id = town.centre.send_request(Service.STATE, p.Nothing())
    await town.until(
        lambda: any(event.request_id == request_id for event in events.values()),
        timeout_s=READY_TIMEOUT_S,
    )
