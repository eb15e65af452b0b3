"""What the observer saw, as the demo reads it: a growing list of JSON objects that one can wait on.

A *sighting* has `t` (seconds since the observer's start), `at` (``can`` or ``mqtt``) and `what`.
Verdicts are made of these alone; nothing here knows what was asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Sighting = dict[str, Any]
Condition = Callable[[Sighting], bool]

TICK = "tick"
"""`what` of the line that the observer writes for each cyclic frame of the TCU."""
QUIET_TICKS = 2
"""So many cyclic frames of the TCU behind an answer on MQTT: the first may have been under way with
it, the second was sent later; frames leave the TCU in order, so a command frame sent before the
answer has been seen by then."""


class NotSeenError(Exception):
    """What a step expects did not show; the text says what did."""


MOST_SLACK = 3.0


class Sightings:
    """All sightings of a run, in the observer's order. `keep`: the file they are copied to.

    `patience`: factor for the time limits of what must come.
    """

    def __init__(self, keep: Path, *, patience: float = 1.0) -> None:
        self._patience = patience
        self._seen: list[Sighting] = []
        self._keep = keep
        self._grew = asyncio.Event()

    def take_line(self, line: str) -> None:
        """Take one line of the observer; what is no JSON object is left to its log."""
        try:
            sighting = json.loads(line)
        except ValueError:
            return
        if isinstance(sighting, dict):
            with self._keep.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            self._seen.append(sighting)
            self._grew.set()

    @property
    def slack(self) -> float:
        """Factor for how exactly times must be kept: the patience, at most 3, or nothing would be judged any more."""
        return min(self._patience, MOST_SLACK)

    def mark(self) -> int:
        """Return a mark: what is seen from now on stands behind it."""
        return len(self._seen)

    def since(self, mark: int, condition: Condition = lambda _: True) -> list[Sighting]:
        """Return what was seen since the mark and meets the condition."""
        return [sighting for sighting in self._seen[mark:] if condition(sighting)]

    def last(self, condition: Condition) -> Sighting | None:
        """Return the latest sighting that meets the condition."""
        return next((sighting for sighting in reversed(self._seen) if condition(sighting)), None)

    async def wait(
        self, what: str, condition: Condition, *, since: int, timeout_s: float = 10.0
    ) -> Sighting:
        """Return the first sighting since the mark that meets the condition, at once.

        Raises:
            NotSeenError: none within `timeout_s` (times the patience); says what was waited for and what came.
        """
        return (await self.wait_many(what, condition, 1, since=since, timeout_s=timeout_s))[0]

    async def wait_many(
        self, what: str, condition: Condition, count: int, *, since: int, timeout_s: float = 10.0
    ) -> list[Sighting]:
        """Return the first `count` sightings since the mark that meet the condition.

        Raises:
            NotSeenError: fewer than that within `timeout_s` (times the patience).
        """
        timeout_s *= self._patience
        try:
            async with asyncio.timeout(timeout_s):
                while len(found := self.since(since, condition)) < count:
                    self._grew.clear()
                    await self._grew.wait()
        except TimeoutError:
            raise NotSeenError(f"no {what} in {timeout_s:g} s; {self.summary(since)}") from None
        return found[:count]

    async def settle(self, *, ticks: int = QUIET_TICKS, timeout_s: float = 10.0) -> None:
        """Return when all that was sent on CAN until now must have been seen.

        Raises:
            NotSeenError: the TCU's cyclic frames do not come any more.
        """
        await self.wait_many(
            "sign of life of the TCU on CAN", is_tick, ticks, since=self.mark(), timeout_s=timeout_s
        )

    def summary(self, mark: int) -> str:
        """Return in one line what was seen since the mark, without ticks and acknowledgements."""
        words = [describe(sighting) for sighting in self.since(mark) if not is_idle(sighting)]
        shown = (
            words
            if len(words) <= 6
            else [*words[:3], f"... {len(words) - 6} more ...", *words[-3:]]
        )
        return "seen: " + (", ".join(shown) if shown else "nothing")


def is_tick(sighting: Sighting) -> bool:
    """Whether this is a cyclic frame of the TCU."""
    return sighting.get("what") == TICK


def is_idle(sighting: Sighting) -> bool:
    """Whether this tells nothing about what has happened."""
    return sighting.get("what") in {TICK, "ack", "position-ack"}


def describe(sighting: Sighting) -> str:
    """Return a sighting in a few words."""
    if sighting.get("at") == "can":
        return " ".join(
            str(sighting[key]) for key in ("what", "signal", "value", "command") if key in sighting
        )
    detail = " ".join(
        str(sighting[key]) for key in ("event", "outcome", "reason", "state") if key in sighting
    )
    signature = (
        "" if sighting.get("signature") == "good" else f" (signature {sighting.get('signature')})"
    )
    return f"{sighting.get('what')} {detail}".strip() + signature
