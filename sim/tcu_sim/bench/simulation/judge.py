"""The judge of a simulated history: what may never happen, looked at after every step, and what must have happened.

On top of the oracle of the scenarios (`bench.oracle`) it knows what was on the disk at which true time. Never:

G1  an unlock frame or a sealed position without evidence for it; a command of somebody else that the car obeys
G2  a second frame for one request, a frame after its result, a frame without its intent on the disk, an intent that
    leaves the disk without a result; a lock frame that no executed unlock covers; two results for one request
G3  a frame after the challenge's lifetime (or the plate's window)
G4  `executed` where the lock status never said so
G5  a position after the stop time, after the end of its tracking or in clear; a tracking that does not end in time
G6  a frame or position on the strength of a challenge from before a change of generation, or of the trust bundle, that
    is on the disk: by the order of transactions and deeds, for both may carry the same time
G7  (each of the above while something is broken)
G8  two messages under one number; an agent that ends by itself

What must have happened once all is well again: see `settling`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.protocol.messages import Event, Result
from tcu_agent.protocol.vocabulary import EventKind, Outcome
from tcu_agent.protocol.vocabulary import Service as AgentService
from tcu_sim.bench.light_centre import Deed, LightCentre
from tcu_sim.bench.oracle import CLOCK_SLACK_S, Evidence, Sealed
from tcu_sim.bench.oracle import complaints as oracle_complaints
from tcu_sim.bench.simulation.forgery import Forgery
from tcu_sim.bench.simulation.watch import Commit, Watch, WatchedState
from tcu_sim.vehicle.central_locking import Verdict
from tcu_sim.vehicle.vehicle import Vehicle
from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Kind, Mode, Service
from tcu_sim.wire.parameters import Locate, Unlock

OVERDUE_S = 2.0
"""How late a tracking may end that nothing disturbed; a step of the history takes less."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the car has published, verified: results with their true times, and when each challenge came first."""

    results: list[tuple[float, m.Result]]
    challenged_at: dict[bytes, float]


NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Generation:
    """What a change of the account takes away. It was on the disk at a true time, with so many transactions in all."""

    at: float
    commits: int
    ownership: object
    pin: object
    is_active: bool


class Judge:
    """Looks at one run. `starts`: how often an agent was started, so far."""

    def __init__(
        self, *, centre: LightCentre, watch: Watch, state: WatchedState, vehicle: Vehicle
    ) -> None:
        self.said = Said([], {})
        self.noted: list[str] = []
        """What others found wrong on the way."""
        self.starts = 1
        self.forgery = Forgery(watch.trace.now)
        self.in_clear = 0
        self.disturbed_at: list[float] = []
        """When something happened that may make the agent late: it was off, asleep, or had no disk."""
        self._now = watch.trace.now
        self._centre = centre
        self._watch = watch
        self._state = state
        self._vehicle = vehicle

    def complaints(self) -> list[str]:
        """Return what is wrong so far; empty = nothing."""
        return [
            *self.noted,
            *oracle_complaints(self._evidence()),
            *self._unlocks(),
            *self._locks(),
            *self._positions(),
            *self._foreign(),
            *self._dropped(),
            *self._overdue(),
        ]

    # ------------------------------------------------------------------ what was there
    def _evidence(self) -> Evidence:
        """What the scenarios' oracle can judge by itself; commands and positions are judged more strictly here."""
        return Evidence(
            ledger=self._deeds(),
            statuses=self._watch.statuses,
            results=self.said.results,
            published_in_clear=self.in_clear,
        )

    def _deeds(self) -> list[Deed]:
        """Each deed with the time at which the car issued the challenge, not that at which the centre heard of it."""
        return [
            replace(
                deed,
                challenged_at=self.said.challenged_at.get(deed.request_id, deed.challenged_at),
            )
            for deed in self._centre.ledger
        ]

    def _generations(self) -> list[Generation]:
        return [
            Generation(
                at,
                commits,
                ownership=event.values[vss.OWNERSHIP_GENERATION],
                pin=event.values[vss.PIN_GENERATION],
                is_active=bool(event.values[vss.SUBSCRIPTION_ACTIVE]),
            )
            for at, commits, event in self._events()
            if event.kind is EventKind.ACCOUNT_CHANGED
        ]

    def _events(self) -> Iterator[tuple[float, int, Event]]:
        """Every event on the disk: since when, and with how many transactions."""
        for number, commit in enumerate(self._state.commits, 1):
            for message in commit.append:
                if isinstance(message, Event):
                    yield commit.at, number, message

    def _results(self) -> Iterator[tuple[float, int, Result]]:
        """Every result on the disk: since when, and with how many transactions."""
        for number, commit in enumerate(self._state.commits, 1):
            for message in commit.append:
                if isinstance(message, Result):
                    yield commit.at, number, message

    def _void_from(self, deed: Deed, *, by_pin: bool) -> float:
        """With how many transactions a change that the car accepted took the deed's power, infinity if none did.

        `by_pin`: a new PIN and another trust bundle do it as well.
        """
        before = [each for each in self._generations() if each.at <= deed.challenged_at]
        found = [
            each.commits
            for each in self._generations()
            if each.at > deed.challenged_at
            and (not each.is_active or (before and _is_other(each, before[-1], by_pin=by_pin)))
        ]
        if by_pin:
            found += [
                commits
                for at, commits, event in self._events()
                if at > deed.challenged_at and event.kind is EventKind.TRUST_CHANGED
            ]
        return min(found, default=NEVER)

    def _over_from(self, request_id: bytes) -> float:
        """With how many transactions a request was over: its result, or the end of its tracking."""
        ends = [n for _, n, told in self._results() if told.common.request_id == request_id]
        ends += [
            commits
            for _, commits, event in self._events()
            if event.kind is EventKind.TRACKING_ENDED and event.request_id == request_id
        ]
        return min(ends, default=NEVER)

    def _results_at(self, request_id: bytes) -> float:
        """When the result of a request was on the disk, infinity if there is none."""
        times = (at for at, _, result in self._results() if result.common.request_id == request_id)
        return min(times, default=NEVER)

    # ------------------------------------------------------------------ rules
    def _unlocks(self) -> Iterator[str]:
        deeds = {deed.request_id: deed for deed in self._deeds() if deed.service is Service.UNLOCK}
        first = {
            key: min(d.at for d in self._centre.ledger if d.request_id == key) for key in deeds
        }
        used: set[bytes] = set()
        for command in self._watch.commands:
            if not command.is_unlock:
                continue
            deed = deeds.get(command.request_id)
            if not command.request_id:
                yield f"unlock frame at {command.at:.3f} s without its intent on the disk"
            elif command.request_id in used:
                yield f"unlock frame at {command.at:.3f} s, a second one for its request"
            elif deed is None or not (
                first[deed.request_id] <= command.at <= _latest_unlock(deed) + CLOCK_SLACK_S
            ):
                yield f"unlock frame at {command.at:.3f} s without evidence that allows it"
            elif command.commits >= self._over_from(deed.request_id):
                yield f"unlock frame at {command.at:.3f} s after its result"
            elif command.commits >= self._void_from(deed, by_pin=True):
                yield f"unlock frame at {command.at:.3f} s after a change that took its right"
            used.add(command.request_id)

    def _locks(self) -> Iterator[str]:
        executed = {
            result.common.request_id: at
            for at, _, result in self._results()
            if result.outcome is Outcome.EXECUTED and result.common.service is AgentService.UNLOCK
        }
        for command in self._watch.commands:
            if command.is_unlock:
                continue
            if not command.request_id:
                yield f"lock frame at {command.at:.3f} s without its attempt on the disk"
            elif not executed.pop(command.request_id, float("inf")) <= command.at:
                yield f"lock frame at {command.at:.3f} s that no executed unlock covers"

    def _foreign(self) -> Iterator[str]:
        """The car obeys each frame of the agent once, and nobody else's."""
        sent = list(self._watch.sent_commands)
        for record in self._vehicle.command_history:
            if record.verdict is Verdict.ACCEPTED:
                if record.data in sent:
                    sent.remove(record.data)
                else:
                    yield f"the car obeyed a command at {record.at_s:.3f} s that the agent did not send"

    def _dropped(self) -> Iterator[str]:
        """An intent leaves the disk with its result, in one transaction."""
        for key in (records.UNLOCK, records.POSITION):
            is_there = False
            for commit in self._state.commits:
                if key not in commit.puts:
                    continue
                if is_there and commit.puts[key] is None and not _has_result(commit):
                    yield f"{key} left the disk at {commit.at:.3f} s without a result"
                is_there = commit.puts[key] is not None

    def _overdue(self) -> Iterator[str]:
        """A tracking that nothing disturbed is over at its stop time."""
        for deed in self._centre.ledger:
            parameters = deed.parameters
            if not isinstance(parameters, Locate) or parameters.kind is not Kind.TRACKING:
                continue
            began, ended = self._tracked(deed.request_id)
            if began is None:
                continue
            latest = began + (parameters.duration_s or 0) + OVERDUE_S
            is_disturbed = any(began - OVERDUE_S <= at <= latest for at in self.disturbed_at)
            if not is_disturbed and latest < min(ended, self._now()):
                yield f"the tracking that began at {began:.3f} s was not over at {latest:.3f} s"

    def _positions(self) -> Iterator[str]:
        deeds = [deed for deed in self._deeds() if deed.case_id is not None]
        for case_id in dict.fromkeys(sealed.case_id for sealed in self._state.sealings):
            mine = [each for each in self._state.sealings if each.case_id == case_id]
            of_case = [deed for deed in deeds if deed.case_id == case_id]
            if not of_case:
                yield f"position sealed at {mine[0].at:.3f} s without evidence"
                continue
            if len(mine) > _most_positions(of_case[0]) + self.starts:
                yield f"{len(mine)} positions of one case, more than its evidence allows"
            yield from self._outside(mine, of_case[0])

    def _outside(self, sealings: list[Sealed], deed: Deed) -> Iterator[str]:
        began, ended = self._tracked(deed.request_id)
        if began is not None and began > deed.challenged_at + deed.ttl_s + CLOCK_SLACK_S:
            yield f"tracking began at {began:.3f} s, after its challenge's end"
        parameters, latest = deed.parameters, deed.challenged_at + deed.ttl_s
        if isinstance(parameters, Locate) and parameters.kind is Kind.TRACKING:
            latest = (began if began is not None else latest) + (parameters.duration_s or 0)
        latest = min(latest + self.forgery.given_s, ended)
        is_snapshot = isinstance(parameters, Locate) and parameters.kind is Kind.SNAPSHOT
        void_from = self._void_from(deed, by_pin=is_snapshot)
        over_from = self._over_from(deed.request_id)
        for sealed in sealings:
            if not deed.at - CLOCK_SLACK_S <= sealed.at <= latest + CLOCK_SLACK_S:
                yield f"position sealed at {sealed.at:.3f} s outside its evidence's time"
            elif sealed.commits >= over_from:
                yield f"position sealed at {sealed.at:.3f} s after the end of its case"
            elif sealed.commits >= void_from:
                yield f"position sealed at {sealed.at:.3f} s after a change that took its right"

    def _tracked(self, request_id: bytes) -> tuple[float | None, float]:
        began, ended = None, self._results_at(request_id)
        for at, _, event in self._events():
            if event.request_id == request_id and event.kind is EventKind.TRACKING_STARTED:
                began = at
            elif event.request_id == request_id and event.kind is EventKind.TRACKING_ENDED:
                ended = min(ended, at)
        return began, ended


def _is_other(new: Generation, old: Generation, *, by_pin: bool) -> bool:
    return new.ownership != old.ownership or (by_pin and new.pin != old.pin)


def _has_result(commit: Commit) -> bool:
    return any(isinstance(each, Result) for each in commit.append)


def _latest_unlock(deed: Deed) -> float:
    parameters = deed.parameters
    is_armed = isinstance(parameters, Unlock) and parameters.mode is Mode.ARMED
    window_s = (parameters.window_s or 0) if isinstance(parameters, Unlock) and is_armed else 0
    return deed.challenged_at + deed.ttl_s + window_s


def _most_positions(deed: Deed) -> int:
    parameters = deed.parameters
    if not isinstance(parameters, Locate) or parameters.kind is Kind.SNAPSHOT:
        return 1
    return 1 + (parameters.duration_s or 0) // (parameters.interval_s or 1)
