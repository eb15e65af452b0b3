"""An asyncio event loop on simulated time: where it would wait, time jumps to the next timer.

Everything that asyncio schedules runs in the order in which it is due, as fast as the machine can,
and each run is the same. Where nothing is ready and nothing is scheduled, nothing can ever happen
again: that is an error here, not a test that hangs. Threads and real sockets do not live on such a
loop; use the ports' in-memory stand-ins.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from tcu_sim.errors import SimulatorError

T = TypeVar("T")

MOST_ROUNDS = 100_000
"""At one instant; a flood of frames and all that follows from it takes some hundreds."""
DEFAULT_LIMIT_S = 24 * 3600.0
"""After so much simulated time a run is taken for endless: cyclic frames never let it run dry."""


class SimulationDeadlock(SimulatorError):
    """Nothing is ready and nothing is scheduled: what the test waits for can never come."""


class SimulationTooLong(SimulatorError):
    """Simulated time has passed the limit of the run."""


class SimulationStuck(SimulatorError):
    """Something goes round and round, and no time passes."""


class _JumpingSelector(selectors.DefaultSelector):
    """Never looks at a file: there is none on such a loop. Where asyncio would wait, `idle` moves the time."""

    def __init__(self, idle: Callable[[float | None], None]) -> None:
        super().__init__()
        self._idle = idle
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Move the time if there is nothing else to do, and return nothing."""
        if timeout is None or timeout > 0:
            self._rounds = 0
            self._idle(timeout)
        self._rounds += 1
        if self._rounds > MOST_ROUNDS:
            self._rounds = 0  # for the cancelling of all tasks, which needs some
            raise SimulationStuck(f"{MOST_ROUNDS} rounds, and no time has passed")
        return []


class SimulatedEventLoop(asyncio.SelectorEventLoop):
    """Time starts at 0 s and moves only when all is quiet."""

    def __init__(self, *, limit_s: float = DEFAULT_LIMIT_S) -> None:
        self._now_s = 0.0
        self._limit_s = limit_s
        super().__init__(_JumpingSelector(self._move_time))

    def time(self) -> float:
        """Return simulated seconds since the loop was made."""
        return self._now_s

    # The ignore: asyncio's own returns a Future, and a thread would bring real time back in.
    def run_in_executor(self, *_: Any) -> NoReturn:  # type: ignore[override]
        """Refuse threads.

        Raises:
            SimulatorError: always.
        """
        raise SimulatorError("a thread cannot run on simulated time")

    def _move_time(self, timeout: float | None) -> None:
        if timeout is None:
            waiting = ", ".join(sorted(task.get_name() for task in asyncio.all_tasks(self)))
            raise SimulationDeadlock(f"nothing is scheduled at {self._now_s} s; waiting: {waiting}")
        self._now_s = max(self._next_timer(), self._now_s)
        if self._now_s > self._limit_s:
            raise SimulationTooLong(f"the run has passed its limit of {self._limit_s} s")

    def _next_timer(self) -> float:
        # The exact time of the timer, not now + timeout: that sum may end one ulp short of it.
        # (The ignore: asyncio shows its timers to nobody. The heap's first is not a cancelled one.)
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return scheduled[0].when()


def run_simulated(main: Coroutine[Any, Any, T], *, limit_s: float = DEFAULT_LIMIT_S) -> T:
    """Run `main` to its end on a fresh simulated loop and return what it returns.

    Raises:
        SimulationDeadlock: nothing was left that could happen.
        SimulationTooLong: `limit_s` seconds of simulated time passed.
        SimulationStuck: time has stopped.
    """
    with asyncio.Runner(loop_factory=lambda: SimulatedEventLoop(limit_s=limit_s)) as runner:
        return runner.run(main)
