"""What the doctor says: one finding a line, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, unique


@unique
class Level(Enum):
    """How bad it is. A warning works, but less well or less safely than it could; a failure does not work."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `subject`: such as ``can.body`` or ``broker``; `advice`: what to do, or ''.

    `ends`: what would come next of this subject cannot be tried.
    """

    level: Level
    subject: str
    what: str
    advice: str = ""
    ends: bool = False

    def lines(self) -> tuple[str, ...]:
        """Return it for a terminal."""
        first = f"{self.level.value:<8}{self.subject:<14} {self.what}"
        return (first, f"{'':<23}-> {self.advice}") if self.advice else (first,)


def ok(subject: str, what: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Level.OK, subject, what)


def note(subject: str, what: str, advice: str = "") -> Finding:
    """Return something worth knowing."""
    return Finding(Level.NOTE, subject, what, advice)


def warning(subject: str, what: str, advice: str) -> Finding:
    """Return something that works, but not as well as it could."""
    return Finding(Level.WARNING, subject, what, advice)


def failure(subject: str, what: str, advice: str, *, ends: bool = False) -> Finding:
    """Return something that does not work. `ends`: what would come next of this subject cannot be tried."""
    return Finding(Level.FAILURE, subject, what, advice, ends)


def count(findings: Iterable[Finding], level: Level) -> int:
    """Return how many findings are of a level."""
    return sum(finding.level is level for finding in findings)
