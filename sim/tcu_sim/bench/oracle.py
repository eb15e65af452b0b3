"""The judge of every simulated run: what the car did, held against what the centre's ledger allows. It knows no agent.

Rules (docs/protocol.md, guarantees G1-G5):

1. every unlock frame on CAN is the one frame of a request with evidence: of the request whose intent was on the disk
   when the frame was on the bus. No request has two frames, whatever else there is evidence for;
2. a frame stands within its evidence's time: direct until the challenge's end, armed until the plate window's end;
3. every lock frame of the TCU follows an unlock frame of its own, and no request has two: it can only lock what it has
   unlocked (perhaps for an earlier request: who unlocks an unlocked car lets the time until the re-lock begin again);
4. every sealed position is covered by evidence and approval for its case, and is sealed before the stop time;
5. what the car reports as executed, the lock status on CAN said; never two different results for one request;
6. no position passes the broker in clear.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tcu_sim.bench.light_centre import Deed
from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Kind, Lock, Mode, Outcome, Service
from tcu_sim.wire.parameters import Locate, Unlock

CLOCK_SLACK_S = 0.001
"""Events of one instant may carry times that differ in their last bits."""
NOBODY = b""
"""The request id where no attempt was on the disk."""


@dataclass(frozen=True, slots=True)
class Command:
    """A central locking command frame on CAN at a true time (s).

    `request_id`: of the request whose attempt was on the disk then, `NOBODY` if none was. `commits`: how many
    transactions were on the disk by then, where somebody counts them: what times of one instant cannot tell apart.
    """

    at: float
    is_unlock: bool
    request_id: bytes
    commits: int = 0


@dataclass(frozen=True, slots=True)
class LockStatus:
    """What the five locks' status on CAN said from a true time (s) on."""

    at: float
    locks: tuple[Lock, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A position was sealed (put into the car's store) at a true time (s). `commits`: as in `Command`."""

    at: float
    case_id: bytes
    seq: int
    commits: int = 0


@dataclass(slots=True)
class Evidence:
    """All that a run has left behind."""

    ledger: list[Deed] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    statuses: list[LockStatus] = field(default_factory=list)
    sealed: list[Sealed] = field(default_factory=list)
    results: list[tuple[float, m.Result]] = field(default_factory=list)
    published_in_clear: int = 0


def complaints(run: Evidence) -> list[str]:
    """Return every rule that the run has broken, in words; empty = none."""
    return [
        *_uncovered_unlocks(run),
        *_orphaned_locks(run.commands),
        *_uncovered_positions(run),
        *_untrue_results(run),
        *([f"{run.published_in_clear} messages show a position"] if run.published_in_clear else []),
    ]


def _uncovered_unlocks(run: Evidence) -> Iterator[str]:
    deeds = [deed for deed in run.ledger if deed.service is Service.UNLOCK]
    used: set[bytes] = set()
    for command in (each for each in run.commands if each.is_unlock):
        covering = [
            deed
            for deed in deeds
            if deed.request_id == command.request_id
            and deed.at <= command.at <= _latest_unlock(deed)
        ]
        if not covering or command.request_id in used:
            yield f"unlock frame at {command.at:.3f} s without unused evidence that allows it"
        used.add(command.request_id)


def _latest_unlock(deed: Deed) -> float:
    parameters = deed.parameters
    window_s = 0
    if isinstance(parameters, Unlock) and parameters.mode is Mode.ARMED:
        window_s = parameters.window_s or 0
    return deed.challenged_at + deed.ttl_s + window_s + CLOCK_SLACK_S


def _orphaned_locks(commands: Sequence[Command]) -> Iterator[str]:
    unlocked, used = 0, {NOBODY}
    for command in commands:
        unlocked += 1 if command.is_unlock else -1
        if command.is_unlock:
            continue
        if unlocked < 0 or command.request_id in used:
            unlocked = max(unlocked, 0)
            yield f"lock frame at {command.at:.3f} s that follows no unlock"
        used.add(command.request_id)


def _uncovered_positions(run: Evidence) -> Iterator[str]:
    for case_id in {sealed.case_id for sealed in run.sealed}:
        mine = [sealed for sealed in run.sealed if sealed.case_id == case_id]
        deeds = [deed for deed in run.ledger if deed.case_id == case_id]
        if len(mine) > sum(map(_most_positions, deeds)):
            yield f"{len(mine)} positions of one case, more than its evidence allows"
        for sealed in mine:
            if not any(deed.at <= sealed.at <= _latest_position(deed) for deed in deeds):
                yield f"position sealed at {sealed.at:.3f} s outside its evidence's time"


def _most_positions(deed: Deed) -> int:
    parameters = deed.parameters
    if not isinstance(parameters, Locate) or parameters.kind is Kind.SNAPSHOT:
        return 1
    return 1 + (parameters.duration_s or 0) // (parameters.interval_s or 1)


def _latest_position(deed: Deed) -> float:
    parameters = deed.parameters
    duration_s = parameters.duration_s if isinstance(parameters, Locate) else None
    return deed.challenged_at + deed.ttl_s + (duration_s or 0) + CLOCK_SLACK_S


def _untrue_results(run: Evidence) -> Iterator[str]:
    first: dict[bytes, m.Result] = {}
    for at, result in run.results:
        known = first.setdefault(result.request_id, result)
        if known != result:
            yield f"two different results for one request, the second at {at:.3f} s"
        elif known is result and _claims_unlocked(result):
            yield from _contradiction(run, at, result)


def _claims_unlocked(result: m.Result) -> bool:
    return result.service is Service.UNLOCK and result.outcome is Outcome.EXECUTED


def _contradiction(run: Evidence, at: float, result: m.Result) -> Iterator[str]:
    since = min(
        (deed.at for deed in run.ledger if deed.request_id == result.request_id), default=at
    )
    if not any(_all_unlocked(locks) for locks in _locks_between(run.statuses, since, at)):
        yield f"executed at {at:.3f} s, but the lock status said something else"
    if not result.locks or not _all_unlocked(tuple(result.locks.values())):
        yield f"executed at {at:.3f} s with locks that are not all unlocked"


def _locks_between(
    statuses: Sequence[LockStatus], since: float, until: float
) -> Iterator[tuple[Lock, ...]]:
    """What the status said at any time in between; each holds until the next one."""
    for number, status in enumerate(statuses):
        ends = statuses[number + 1].at if number + 1 < len(statuses) else until
        if status.at <= until and ends >= since:
            yield status.locks


def _all_unlocked(locks: tuple[Lock, ...]) -> bool:
    return all(lock is Lock.UNLOCKED for lock in locks)
