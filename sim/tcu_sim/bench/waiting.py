"""Waiting on simulated time: look again and again, which costs next to nothing, until it is there or too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tcu_sim.bench.heard import Heard
from tcu_sim.centre.words import word_of
from tcu_sim.errors import SimulatorError
from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Told

LOOK_EVERY_S = 0.02
T = TypeVar("T")


class NothingCameError(SimulatorError):
    """What a scenario waits for did not come in its time."""


class Waiting:
    """Waits for what the centre hears. `check` is called at each look: it raises if the run is broken."""

    def __init__(self, *, heard: Heard, check: Callable[[], None]) -> None:
        self._heard = heard
        self._check = check

    async def until(self, what: str, condition: Callable[[], T], *, timeout_s: float = 30.0) -> T:
        """Return what the condition returns as soon as that is true in Python's sense.

        Raises:
            NothingCameError: not within `timeout_s` of simulated time.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_s
        while not (found := condition()):
            if loop.time() >= ends_at:
                raise self.nothing(f"{what}, within {timeout_s:g} s")
            self._check()
            await asyncio.sleep(LOOK_EVERY_S)
        return found

    async def event(self, kind: Told, *, number: int = 1, timeout_s: float = 30.0) -> m.Event:
        """Return the `number`-th event of a kind that the centre has heard."""
        found = await self.until(
            f"event {kind.name} number {number}",
            lambda: self.events(kind)[number - 1 :],
            timeout_s=timeout_s,
        )
        return found[0]

    def events(self, kind: Told) -> list[m.Event]:
        """Return the events of a kind so far, in the order in which they came first."""
        return [event for event in self._heard.events.values() if event.kind == kind]

    async def refusal(self, *, since: int, timeout_s: float = 30.0) -> int:
        """Return the reason of the first refusal behind the first `since` ones."""
        found = await self.until(
            "a refusal", lambda: self._heard.refusals[since:], timeout_s=timeout_s
        )
        return found[0].reason

    def nothing(self, what: str) -> NothingCameError:
        """Return the error that says what did not come, and what the car said last."""
        last = ", ".join(map(_in_words, self._heard.everything[-6:]))
        return NothingCameError(f"nothing came: {what}; the car said last: {last or 'nothing'}")


def _in_words(message: m.Message) -> str:
    match message:
        case m.Refusal():
            return f"refusal {word_of(message.reason)}"
        case m.Result():
            return f"result {message.outcome.name.lower()} {word_of(message.reason)}"
        case m.Event():
            known = message.kind in set(Told)
            name = Told(message.kind).name.lower() if known else str(message.kind)
            return f"event {name} {word_of(message.reason)}"
        case _:
            return message.TYP
