"""Plays one fault: events are made while it lasts, an unlock grant grows old on the way, and then it is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.errors import SimulatorError
from tcu_sim.faults.ledger import Ledger, Stored
from tcu_sim.faults.site import CHALLENGE_TTL_S, Site
from tcu_sim.vehicle.person import Person
from tcu_sim.vehicle.reference import Door, LockPosition
from tcu_sim.wire.envelope import sign
from tcu_sim.wire.numbers import Call, Outcome, Role, Service

DOOR = Door.REAR_RIGHT
STEPS = 6
"""Openings and closings of a door while the fault lasts."""
STEP_S = 0.4
"""Well above the debouncing of a door and the cycle of its message."""
READY_WITHIN_S = 60.0
STORED_WITHIN_S = 150.0
ANSWER_WITHIN_S = 60.0
NO_CALL = "Idle"


@dataclass(slots=True)
class Act:
    """What a case may do. `notes`: what it has measured, for the table."""

    site: Site
    ledger: Ledger
    grant: bytes
    notes: list[str]

    async def make(self, steps: int = STEPS, *, press: bool = True) -> None:
        """Let people do things at the car: a door opens and closes, somebody presses ON CALL."""
        for step in range(steps):
            self.site.act(_closing if step % 2 else _opening)
            self.ledger.made.doors.append(step % 2 == 0)
            if press and step == steps // 2:
                self.press()
            await asyncio.sleep(STEP_S)

    def press(self) -> None:
        """Let somebody press ON CALL."""
        self.site.act(_pressing)
        self.ledger.made.presses += 1

    def send_grant(self) -> None:
        """Send the grant now: the broker, or the way to it, may hold it up."""
        self.site.publish("grant", self.grant)

    def note(self, text: str) -> None:
        """Leave something for the table."""
        self.notes.append(text)


Play = Callable[[Act], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One fault. `play` returns when it is over. `covers`: so many events are given up for a tombstone, and no more."""

    name: str
    play: Play
    plain: bool = False
    """Whether the car speaks plain text, so that the packets can be taken apart."""
    settings: Mapping[str, int] = field(default_factory=dict)
    """Of the agent's [mqtt], where the case needs another than usual."""
    needs: frozenset[str] = frozenset()
    """``tls``, ``store``, ``wrong clock``, ``full disk``."""
    covers: int = 0
    loses: int = 0
    """So many events are lost for good, and no more: those that waited in a file that nobody can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    case: Case
    made: int
    given_up: int
    alarms: int
    """Of `made`."""
    stored: Stored
    is_complete: bool
    stale_sent: int
    stale_acted: int
    is_well_after: bool
    took_s: float
    notes: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing was lost, doubled or mixed up, nothing stale acted, and the link worked afterwards."""
        return (
            self.is_complete
            and not self.stale_acted
            and self.is_well_after
            and self.stored.covered == self.case.covers
            and self.given_up == self.case.loses
        )


async def play(site: Site, case: Case) -> Row:
    """Play one case, on an agent that has just been started.

    Raises:
        SimulatorError: it cannot even begin.
    """
    began = asyncio.get_running_loop().time()
    site.settings = dict(case.settings)
    await connected(site, plain=case.plain)
    await _lock(site)
    if not await site.runner.wait_until(
        lambda _: site.watch.call == NO_CALL, within_s=ANSWER_WITHIN_S
    ):
        raise SimulatorError(f"a call is still {site.watch.call}")
    ledger = Ledger(site.centre, site.watch)
    request_id, grant = await _grant(site)
    unlocks = site.watch.unlocks
    act = Act(site, ledger, grant, [])
    await case.play(act)
    await asyncio.sleep(CHALLENGE_TTL_S)
    is_complete = await site.until(lambda: ledger.is_balanced, timeout_s=STORED_WITHIN_S)
    act.send_grant()
    was_refused = await site.until(lambda: _answered(site, request_id), timeout_s=ANSWER_WITHIN_S)
    stale_acted = site.watch.unlocks - unlocks
    is_well_after = was_refused and await _fresh_unlock(site)
    await _hang_up(site, ledger)
    return Row(
        case=case,
        made=ledger.made.events,
        given_up=ledger.made.given_up,
        alarms=ledger.made.alarms,
        stored=ledger.stored(),
        is_complete=is_complete,
        stale_sent=1,
        stale_acted=stale_acted,
        is_well_after=is_well_after,
        took_s=asyncio.get_running_loop().time() - began,
        notes=tuple(act.notes),
    )


async def connected(site: Site, *, plain: bool = False) -> None:
    """Start the agent again and wait until it is connected and has an account."""
    mark = site.agent.mark()
    await site.restart(plain=plain)
    await site.agent.says('"connected"', since=mark, within_s=READY_WITHIN_S)
    site.light.send_account()


async def _grant(site: Site) -> tuple[bytes, bytes]:
    """Return a request id, and a grant for it that is good as long as the car's challenge lives."""
    request_id = await _challenged(site)
    grant = site.light.grant(request_id)
    return request_id, sign(grant, site.light.keys[Role.COMMAND], site.light.environment)


async def _challenged(site: Site) -> bytes:
    request_id = site.light.send_request(Service.UNLOCK, unlock_parameters())
    heard = site.light.heard
    if not await site.until(lambda: request_id in heard.challenges, timeout_s=ANSWER_WITHIN_S):
        raise SimulatorError("the car does not answer a request")
    return request_id


def _answered(site: Site, request_id: bytes) -> bool:
    heard = site.light.heard
    refused = any(each.request_id == request_id for each in heard.refusals)
    return refused or any(each.request_id == request_id for each in heard.answers)


async def _fresh_unlock(site: Site) -> bool:
    """Whether an unlock works now: one frame, and a result that says so."""
    unlocks = site.watch.unlocks
    request_id = await _challenged(site)
    site.light.send(site.light.grant(request_id))
    heard = site.light.heard
    await site.until(
        lambda: any(each.request_id == request_id for each in heard.answers),
        timeout_s=ANSWER_WITHIN_S,
    )
    outcomes = {each.outcome for each in heard.answers if each.request_id == request_id}
    return outcomes == {Outcome.EXECUTED} and site.watch.unlocks == unlocks + 1


async def _lock(site: Site) -> None:
    if not _is_locked(site):
        site.act(lambda person, now: person.lock(now=now))
    if not await site.runner.wait_until(lambda _: _is_locked(site), within_s=ANSWER_WITHIN_S):
        raise SimulatorError("the car cannot be locked")


def _is_locked(site: Site) -> bool:
    return set(site.runner.vehicle.locks.values()) == {LockPosition.LOCKED}


async def _hang_up(site: Site, ledger: Ledger) -> None:
    """End the calls of this case, so that the next press opens a new one."""
    for event in ledger.pressed():
        site.light.send_call(event, Call.ENDED)


def _opening(person: Person, now: float) -> None:
    person.open_door(DOOR, by_force=True, now=now)


def _closing(person: Person, now: float) -> None:
    person.close_door(DOOR, now=now)


def _pressing(person: Person, now: float) -> None:
    person.press_on_call(0.3, now=now)
