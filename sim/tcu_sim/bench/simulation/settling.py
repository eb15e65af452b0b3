"""The end of every history: everything is repaired, and what was promised must have come true.

Every accepted intent has its result, every event that was on the disk is at the centre, nothing waits any more; a press
of ON CALL opens an incident; an honest unlock works, whatever anybody has done before (G8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from tcu_agent.core.durable import records
from tcu_sim.bench.light_centre import seeded_key
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.bench.simulation.town import Town
from tcu_sim.bench.waiting import NothingCameError
from tcu_sim.errors import NotPossible
from tcu_sim.vehicle.central_locking import Behaviour
from tcu_sim.vehicle.e2e import E2eFault
from tcu_sim.vehicle.reference import Door, LockPosition
from tcu_sim.wire.numbers import Call, Outcome, Role, Service, Told

PATIENCE_S: Final = 2 * 3600.0
"""Longer than any back-off (docs/protocol.md): what has not happened by then never does."""
RELOCKED_EVERY: Final = 4
"""In one town of so many nobody opens a door after the last unlock: the agent locks the car again. That takes two
minutes of the car's life, and as long to simulate as the rest."""
INTENTS: Final = (records.UNLOCK, records.POSITION, records.RELOCK, records.CALL)
ON_DISK: Final = "{} on the disk"
A_CALL: Final = ON_DISK.format(records.CALL)


async def settle(town: Town) -> list[str]:
    """Repair everything, wait, and return what was promised and did not come."""
    _repair(town)
    await _revive(town)
    await _leave(town)
    receiver = town.car.vehicle.bcm.gate.receiver
    await _until(town, lambda: not receiver.is_locked_out(town.car.now()))
    await _until(town, lambda: set(_left(town)) <= {A_CALL})
    _end_calls(town)
    if not await _until(town, lambda: not list(_left(town))):
        return [f"never settled: {', '.join(_left(town))}", *_lost(town)]
    # A button is let go of, and heard as released, before it is pressed again, or it counts as stuck.
    await _until(town, lambda: not town.car.vehicle.on_call.is_pressed)
    await town.live(1.0)
    found = [*_lost(town), *await _on_call_works(town), *await _unlock_works(town)]
    if town.seed % RELOCKED_EVERY:
        await _get_in(town)
    if not found and not await _until(town, lambda: not list(_left(town))):
        found.append(f"never settled at the end: {', '.join(_left(town))}")
    return [*found, *_lost(town)]


def _repair(town: Town) -> None:
    town.errands.is_closed = True
    town.network.calm()
    town.broker.is_reachable, town.broker.loses_pubacks = True, False
    town.broker.refuses_authentication = False
    town.state.failing_commits, town.port.failing_sends = 0, 0
    town.port.refuses_open = town.port.is_full = False
    town.centre.agree()
    vehicle = town.car.vehicle
    vehicle.bcm.locking.set_behaviour(Behaviour.OK)
    for motor in vehicle.body.motors.values():
        motor.jam = None
    vehicle.bcm.e2e["DoorLockStatus"].fault = E2eFault.OK
    vehicle.on_call.e2e["OnCallButton"].fault = E2eFault.OK


async def _revive(town: Town) -> None:
    """A last restart, where the agent read a state that was corrupt; and in every second town.

    The others show that an agent needs none: it only gets a new connection.
    """
    town.fuse.replace()
    if town.was_corrupt or town.seed % 2:
        await town.revive()
    town.broker.cut()
    await _until(town, lambda: town.link.is_connected)
    if town.attacker.has_spent_the_key:
        # The car refuses the centre's own requests: for an honest centre the key is stolen.
        town.centre.trust_version += 1
        town.centre.keys[Role.COMMAND] = seeded_key(f"COMMAND {town.centre.trust_version}")
    # A centre tells a car that comes online what holds now: the news of a rotated key may have been lost.
    town.centre.send_trust()


async def _leave(town: Town) -> None:
    """Whoever is in the car stops, gets out, closes and locks it."""
    town.car.do(lambda now: town.car.person.park(now=now))
    await _until(town, lambda: town.car.vehicle.motion.is_standing)
    await town.live(1.0)
    with suppress(NotPossible):
        town.car.do(lambda now: town.car.person.leave(now=now))
    town.car.vehicle.bcm.alarm.disarm()
    await town.live(1.0)


def _end_calls(town: Town) -> None:
    """A connected call has no end of its own."""
    for press in town.waiting.events(Told.ON_CALL_PRESSED):
        town.centre.send_call(press, Call.ENDED)


async def _until(town: Town, condition: Callable[[], bool]) -> bool:
    ends_at = town.now() + PATIENCE_S
    while town.now() < ends_at:
        if condition():
            return True
        await town.live(5.0 if town.car.vehicle.is_asleep else 1.0)
    return condition()


def _left(town: Town) -> Iterator[str]:
    yield from (ON_DISK.format(key) for key in INTENTS if key in town.state.values)
    if town.state.messages:
        yield f"{len(town.state.messages)} messages not acknowledged"
    if town.state.sealed:
        yield f"{len(town.state.sealed)} positions not acknowledged"
    # A bus that is back is looked for every few seconds; nobody hears a button until then.
    if not town.port.is_open:
        yield "the agent does not listen to the bus"


def _lost(town: Town) -> list[str]:
    """Events and results that were on the disk, and are not at the centre."""
    return [
        f"{type(message).__name__} {message.seq} was on the disk and is lost"
        for commit in town.watched.commits
        for message in commit.append
        if message.seq > town.centre.heard.complete_up_to(message.stream_id)
    ]


async def _get_in(town: Town) -> None:
    """Open a door, so that the agent does not lock again."""
    with suppress(NotPossible):
        town.car.do(lambda now: town.car.person.open_door(Door.FRONT_LEFT, now=now))
    await town.live(1.0)


async def _on_call_works(town: Town) -> list[str]:
    before = len(town.waiting.events(Told.ON_CALL_PRESSED))
    town.car.do(lambda now: town.car.person.press_on_call(now=now))
    try:
        press = await town.waiting.event(Told.ON_CALL_PRESSED, number=before + 1)
    except NothingCameError as error:
        return [f"ON CALL opened no incident: {error}"]
    town.centre.send_call(press, Call.CONNECTED)
    town.centre.send_call(press, Call.ENDED)
    await town.live(1.0)
    return []


async def _unlock_works(town: Town) -> list[str]:
    """A new owner with a new PIN, and an honest request: nothing that happened before may stand in its way."""
    town.centre.send_trust()
    account = town.centre.account
    account.ownership_generation += 1
    account.pin_generation += 1
    account.users, account.subscription_active = (), True
    town.centre.send_account()
    await town.live(1.0)
    locks = town.car.vehicle.locks.values()
    if set(locks) != {LockPosition.LOCKED}:
        return ["the simulation could not lock the car"]
    try:
        request_id = await town.operator.granted(Service.UNLOCK, unlock_parameters())
        result = await town.operator.result(request_id)
    except NothingCameError as error:
        return [f"an honest unlock did not work: {error}"]
    if result.outcome is not Outcome.EXECUTED:
        return [f"an honest unlock: {result.outcome.name} {result.reason}"]
    return []
