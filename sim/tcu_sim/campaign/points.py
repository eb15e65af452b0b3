"""The named points at which an agent is killed: before and behind each of its effects, and inside the slow ones.

A name is `when` and `what`. The launcher (`mined_agent`) asks `Mine.pass_point` at each of them; the campaign knows the
names in advance, so that it can say which one was never reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

COMMITS: Final = (
    "request mark",
    "unlock intent",
    "unlock outcome",
    "re-lock record",
    "re-lock outcome",
    "position record",
    "position outcome",
    "call",
    "end of call",
    "account",
    "trust",
    "acknowledgement",
    "event",
)
"""What a transaction of the durable state is about: the first of these that it holds."""
OWN_COMMITS: Final = ("SecOC freshness", "sealed position", "erasure of positions")
"""Transactions that are no `Persist` effect of their own."""
MESSAGES: Final = ("challenge", "refusal", "event", "result", "position")
EFFECTS: Final = (
    "SendMessage challenge",
    "SendMessage refusal",
    "SendMessage event",
    "TransmitUnlock",
    "TransmitLock",
    "ShowCallState",
    "WakeBus",
    "SealPosition",
    "ErasePositions",
    "Note",
)
FRAMES: Final = ("unlock frame", "lock frame")


def _all() -> Iterator[str]:
    for what in (*(f"Persist {commit}" for commit in COMMITS), *EFFECTS):
        yield f"before {what}"
        yield f"after {what}"
    for what in (*COMMITS, *OWN_COMMITS):
        yield f"inside fdatasync of {what}"
    for what in FRAMES:
        yield f"before {what} goes to the driver"
        yield f"after {what} went to the driver"
    for what in MESSAGES:
        yield f"before publishing {what}"
        yield f"before PUBACK of {what}"
        yield f"after PUBACK of {what}"
    yield "before connecting"
    yield "after connecting"


POINTS: Final = tuple(_all())
"""Every named point, in the order in which they are listed."""

ERRANDS_FOR: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("re-lock", ("re-lock",)),
    ("TransmitLock", ("re-lock",)),
    (" lock frame", ("re-lock",)),
    ("unlock", ("unlock", "armed unlock")),
    ("Unlock", ("unlock", "armed unlock")),
    ("SecOC", ("unlock",)),
    ("erasure", ("end of case",)),
    ("ErasePositions", ("end of case",)),
    ("osition", ("tracking", "snapshot")),
    ("WakeBus", ("snapshot", "sleep")),
    ("end of call", ("call",)),
    ("call", ("call",)),
    ("ShowCallState", ("call",)),
    ("account", ("users",)),
    ("trust", ("trust",)),
    ("challenge", ("unlock", "snapshot", "users")),
    ("result", ("unlock", "snapshot", "users")),
    ("request mark", ("unlock", "snapshot", "state")),
)
"""A part of a point's name: errands that lead there."""


_ONCE_A_LIFE: Final = (
    "connecting",
    "trust",
    "WakeBus",
    "SecOC",
    "re-lock",
    " lock frame",
    "TransmitLock",
)


def happens_again(point: str) -> bool:
    """Whether an agent may pass the point more than once in the short life that it is given."""
    return not any(part in point for part in _ONCE_A_LIFE)


_STRIDE: Final = 37
"""No divisor of the number of points: points dealt out one after the other lead to errands of all kinds."""


def dealt(number: int) -> str:
    """Return the n-th point of a deal in which all come equally often."""
    return POINTS[number * _STRIDE % len(POINTS)]


def errands_for(point: str) -> tuple[str, ...]:
    """Return the errands that lead to a point; empty = any does."""
    for part, errands in ERRANDS_FOR:
        if part in point:
            return errands
    return ()


def commit_name(puts: Iterable[tuple[str, bool]], *, appends: bool, acknowledges: bool) -> str:
    """Return what a transaction is about. `puts`: keys of the durable state, and whether the key is kept."""
    kept = dict(puts)
    for key, written, removed in _RECORDS:
        if key in kept:
            return written if kept[key] else removed
    if any(key.startswith("secoc") or "freshness" in key for key in kept):
        return "SecOC freshness"
    if acknowledges:
        return "acknowledgement"
    return "event" if appends or kept else "nothing"


_RECORDS: Final = (
    ("unlock", "unlock intent", "unlock outcome"),
    ("position", "position record", "position outcome"),
    ("call", "call", "end of call"),
    ("relock", "re-lock record", "re-lock outcome"),
    ("account", "account", "account"),
    ("trust", "trust", "trust"),
    ("request-marks", "request mark", "request mark"),
)
