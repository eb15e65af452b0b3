"""Ending when told to: SIGTERM or SIGINT ends the work in order, a second one at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Told:
    """The work was ended by a signal; whatever it made of that does not count."""

    number: int

    @property
    def status(self) -> int:
        """Exit status, as a shell has it."""
        return 128 + self.number


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The work came to its end."""

    result: T


async def until_told(work: Coroutine[Any, Any, T]) -> Done[T] | Told:
    """Do the work; each signal cancels it once more, and it decides what a second cancellation hurries."""
    loop, task, told = asyncio.get_running_loop(), asyncio.ensure_future(work), []

    def tell(number: int) -> None:
        told.append(number)
        task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, tell, number)
    try:
        await asyncio.wait([task])
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
    if told:
        if not task.cancelled():
            task.exception()  # looked at, else asyncio logs it as forgotten
        return Told(told[0])
    return Done(task.result())
