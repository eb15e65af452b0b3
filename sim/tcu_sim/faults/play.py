"""Plays one fault: events are made and grants are sent while it lasts, and then it is counted.

Each case sends a grant that grows old on the way, or comes too late. Where an unlock can work through the fault one is
granted too, each of its messages several times, and must act once.
"""

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
CHALLENGE_EXPIRED = 12
"""Reason of a refusal (docs/protocol.md)."""
REPEATS = 3
"""How often the same grant is sent where that is the point."""
ATTEMPTS = 3
"""For a live unlock: on a way that delays, a challenge of two seconds may be over before its grant is there."""


@dataclass(slots=True)
class Act:
    """What a case may do. `grant`: the stale one; `notes`: what the case has measured, for the table."""

    site: Site
    ledger: Ledger
    grant: bytes
    notes: list[str] = field(default_factory=list)
    live_grant: bytes | None = None
    """The last one that was good when it was sent."""
    stale_sent: int = 0
    live_sent: int = 0
    """Unlocks, however often their grants were sent."""
    live_acted: int = 0
    """Of `live_sent`: one frame on the bus by the time of the result `executed`."""

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
        self.stale_sent += 1

    async def unlock(self) -> None:
        """Let an unlock be asked for and granted through the fault, the grant several times; return with its result."""
        site, unlocks = self.site, self.site.watch.unlocks
        self.live_sent += 1
        for _ in range(ATTEMPTS):
            request_id, self.live_grant = await _grant(site)
            for _ in range(REPEATS):
                site.publish("grant", self.live_grant)
            await _end(site, request_id)
            if _outcomes(site, request_id) == {Outcome.EXECUTED}:
                self.live_acted += site.watch.unlocks == unlocks + 1
                return

    async def lock_and_send_again(self) -> None:
        """Let somebody lock the car; send the stale grant and the one that has acted several times: none may act."""
        await _lock(self.site)
        for _ in range(REPEATS):
            self.send_grant()
            if self.live_grant is not None:
                self.site.publish("grant", self.live_grant)

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
    """While the fault lasted."""
    stale_acted: int
    """Frames beyond those of `live_acted`."""
    live_sent: int
    live_acted: int
    is_well_after: bool
    took_s: float
    notes: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing was lost, doubled or mixed up, what was live acted once and nothing else did, and all worked.

        A case that has sent nothing stale through its fault has shown nothing.
        """
        return (
            self.is_complete
            and self.stale_sent > 0
            and not self.stale_acted
            and self.live_acted == self.live_sent
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
    act = Act(site, ledger, grant)
    await case.play(act)
    stale_sent = act.stale_sent
    await asyncio.sleep(CHALLENGE_TTL_S)
    is_complete = await site.until(lambda: ledger.is_balanced, timeout_s=STORED_WITHIN_S)
    act.send_grant()
    was_refused = await _answer(site, request_id)
    stale_acted = site.watch.unlocks - unlocks - act.live_acted
    is_well_after = was_refused and await _fresh_unlock(site)
    await _hang_up(site, ledger)
    return Row(
        case=case,
        made=ledger.made.events,
        given_up=ledger.made.given_up,
        alarms=ledger.made.alarms,
        stored=ledger.stored(),
        is_complete=is_complete,
        stale_sent=stale_sent,
        stale_acted=stale_acted,
        live_sent=act.live_sent,
        live_acted=act.live_acted,
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


async def _answer(site: Site, request_id: bytes) -> bool:
    """Wait for the next refusal or result of this request; False if none comes."""
    before = _answers(site, request_id)
    return await site.until(lambda: _answers(site, request_id) > before, timeout_s=ANSWER_WITHIN_S)


async def _end(site: Site, request_id: bytes) -> None:
    """Wait for the result of this request, or that its challenge is over; its repetitions may be refused before."""
    heard = site.light.heard

    def is_over() -> bool:
        late = (each.request_id for each in heard.refusals if each.reason == CHALLENGE_EXPIRED)
        return bool(_outcomes(site, request_id)) or request_id in late

    await site.until(is_over, timeout_s=ANSWER_WITHIN_S)


def _answers(site: Site, request_id: bytes) -> int:
    heard = site.light.heard
    refused = sum(each.request_id == request_id for each in heard.refusals)
    return refused + sum(each.request_id == request_id for each in heard.answers)


def _outcomes(site: Site, request_id: bytes) -> set[Outcome]:
    return {each.outcome for each in site.light.heard.answers if each.request_id == request_id}


async def _fresh_unlock(site: Site) -> bool:
    """Whether an unlock works now: one frame, and a result that says so."""
    unlocks = site.watch.unlocks
    request_id = await _challenged(site)
    site.light.send(site.light.grant(request_id))
    await _end(site, request_id)
    return _outcomes(site, request_id) == {Outcome.EXECUTED} and site.watch.unlocks == unlocks + 1


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
