"""The BCM's central locking: takes authentic commands and carries them out, or misbehaves. No I/O, time is an argument.

`CentralLocking.behaviour` decides what becomes of an authentic command:

    ok       Busy, the motors run, Done when all locks are there; Invalid when one is not (it cannot say Done)
    refuse   Refused; nothing moves
    late     as ok, but only after `late_s` seconds, and silent until then
    never    no answer, and nothing moves
    silent   the motors run, and no answer comes
    boast    Done at once; nothing moves, and the lock status says so
    lie      Done at once; nothing moves, and the lock status claims that it did
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from tcu_sim.vehicle.body import Body
from tcu_sim.vehicle.reference import Door, LockPosition, LockSource

TARGETS = {1: LockPosition.UNLOCKED, 2: LockPosition.LOCKED}
"""LockCommand: UnlockAll, LockAll."""


@unique
class Behaviour(Enum):
    """What becomes of an authentic command."""

    OK = "ok"
    REFUSE = "refuse"
    LATE = "late"
    NEVER = "never"
    SILENT = "silent"
    BOAST = "boast"
    LIE = "lie"


@unique
class Verdict(Enum):
    """What the BCM thought of a received command frame."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    AUTHENTICATION_FAILED = "authentication-failed"
    LOCKED_OUT = "locked-out"
    ASLEEP = "asleep"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command frame as it arrived: part of the bench's oracle."""

    at_s: float
    data: bytes
    verdict: Verdict
    target: LockPosition | None
    counter: int | None


@dataclass(slots=True)
class Response:
    """The content of CentralLockResponse."""

    state: str = "Idle"
    counter: int = 0


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """A command that begins at `due_s`, or is under way."""

    target: LockPosition
    counter: int
    due_s: float


class CentralLocking:
    """Carries out commands on the body."""

    def __init__(self, body: Body) -> None:
        self.behaviour = Behaviour.OK
        self.late_s = 3.0
        self.response = Response()
        self.pretended: dict[Door, LockPosition] | None = None
        """What the lock status claims instead of the truth."""
        self._body = body
        self._late: PendingCommand | None = None
        self._under_way: PendingCommand | None = None

    def set_behaviour(self, behaviour: Behaviour, *, late_s: float = 3.0) -> None:
        """Behave so from the next command on; a lie ends at once."""
        self.behaviour, self.late_s, self.pretended = behaviour, late_s, None

    def take(self, target: LockPosition, counter: int, *, is_driving: bool, now: float) -> Verdict:
        """Take an authentic command."""
        self._under_way, self._late, self.pretended = None, None, None
        if self.behaviour is Behaviour.REFUSE or (is_driving and target is LockPosition.UNLOCKED):
            self.response = Response("Refused", counter)
            return Verdict.REFUSED
        match self.behaviour:
            case Behaviour.LATE:
                self._late = PendingCommand(target, counter, now + self.late_s)
            case Behaviour.SILENT:
                self._body.drive_locks(target, LockSource.REMOTE_COMMAND, now=now)
            case Behaviour.BOAST | Behaviour.LIE:
                self.response = Response("Done", counter)
                if self.behaviour is Behaviour.LIE:
                    self.pretended = dict.fromkeys(Door, target)
            case Behaviour.NEVER:
                pass
            case Behaviour.OK:
                self._carry_out(PendingCommand(target, counter, now), now)
        return Verdict.ACCEPTED

    def refuse(self, counter: int) -> None:
        """Answer a command that makes no sense."""
        self.response = Response("Refused", counter)

    def authentication_failed(self, counter: int) -> None:
        """Answer a command that nobody with the key has made."""
        self.response = Response("AuthenticationFailed", counter)

    def someone_else_moves(self) -> None:
        """The key or the inside button has taken over."""
        self._late, self.pretended = None, None

    def next_deadline(self) -> float | None:
        """Return when a late command is due."""
        return None if self._late is None else self._late.due_s

    def advance(self, now: float) -> None:
        """Start a late command; report the end of one under way."""
        if self._late is not None and self._late.due_s <= now:
            late, self._late = self._late, None
            self._carry_out(late, now)
        if self._under_way is not None and not self._body.is_moving:
            reached = self._body.all_are(self._under_way.target)
            self.response = Response("Done" if reached else "Invalid", self._under_way.counter)
            self._under_way = None

    def _carry_out(self, command: PendingCommand, now: float) -> None:
        self._body.drive_locks(command.target, LockSource.REMOTE_COMMAND, now=now)
        self._under_way = command
        self.response = Response("Busy", command.counter)
