"""One run: a seed and a list of steps in, a verdict out. The same in, the same out, to the last byte of the trace."""

from __future__ import annotations

import asyncio
import itertools
import logging
import traceback
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tcu_sim.bench.fuse import PowerCut
from tcu_sim.bench.simulated_loop import SimulationStuck, SimulationTooLong, run_simulated
from tcu_sim.bench.simulation.covered import covered
from tcu_sim.bench.simulation.playing import Player
from tcu_sim.bench.simulation.settling import settle
from tcu_sim.bench.simulation.step import Step
from tcu_sim.bench.simulation.town import Town
from tcu_sim.errors import SimulatorError

LIMIT_S = 30 * 24 * 3600.0
"""Far above what the longest history can take."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run has shown. `complaints`: empty = all is well. `vehicle_s`: simulated time."""

    seed: int
    complaints: tuple[str, ...]
    trace_hash: str
    vehicle_s: float
    unlocks: int
    positions: int
    starts: int
    covered: Mapping[str, int] = field(default_factory=dict)
    """How often what was played and told (`covered`)."""
    trace: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The first complaint without its numbers: what shrinking holds on to."""
        words = self.complaints[0].split() if self.complaints else []
        return " ".join(word for word in words if not any(c.isdigit() for c in word))[:60]


class _NumberedTask(asyncio.Task[Any]):
    """A task whose hash is a number: sets of tasks are walked in one order, in every process."""

    numbers = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(self.numbers)  # first: asyncio asks for the hash while it is being made
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


def run(seed: int, steps: Sequence[Step], *, keeps_trace: bool = False) -> Verdict:
    """Play a history to its end, judging after every step."""
    was_disabled = logging.root.manager.disable
    logging.disable(
        logging.CRITICAL
    )  # thousands of failed connections are of no interest, and cost time
    try:
        return run_simulated(_played(seed, steps, keeps_trace), limit_s=LIMIT_S)
    except (SimulationStuck, SimulationTooLong) as error:
        return Verdict(seed, (f"{type(error).__name__}: {error}",), "", 0.0, 0, 0, 0)
    # What stopped the run is its verdict: one seed's trouble must not end a campaign of ten thousand.
    except (Exception, PowerCut, BaseExceptionGroup) as error:  # noqa: BLE001 - see above
        *_, last = traceback.extract_tb(error.__traceback__)
        where = f"{Path(last.filename).name}:{last.lineno}"
        what = f"the bench itself failed at {where}: {type(error).__name__}: {error}"
        return Verdict(seed, (what,), "", 0.0, 0, 0, 0)
    finally:
        logging.disable(was_disabled)


async def _played(seed: int, steps: Sequence[Step], keeps_trace: bool) -> Verdict:
    _NumberedTask.numbers = itertools.count()
    # The ignore: typeshed wants the factory generic in the coroutine's result, which no task subclass is.
    asyncio.get_running_loop().set_task_factory(_numbered)  # type: ignore[arg-type]
    town = Town(seed=seed)
    try:
        async with town:
            found = await _judged(town, steps)
    except SimulatorError as error:
        found = [f"{type(error).__name__}: {error}"]
    return Verdict(
        seed=seed,
        complaints=tuple(dict.fromkeys(found)),
        trace_hash=town.trace.hash(),
        vehicle_s=town.now(),
        unlocks=sum(command.is_unlock for command in town.watch.commands),
        positions=len(town.watched.sealings),
        starts=town.judge.starts,
        covered=covered(steps, town.watched.commits),
        trace=tuple(town.trace.lines) if keeps_trace else (),
    )


async def _judged(town: Town, steps: Sequence[Step]) -> list[str]:
    player = Player(town)
    for number, step in enumerate(steps, 1):
        await player.play(step)
        if found := town.judge.complaints():
            return [f"{complaint} (after step {number})" for complaint in found]
    found = await settle(town)
    return [*town.judge.complaints(), *found]


def _numbered(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **kwargs: Any
) -> Any:
    return _NumberedTask(coro, loop=loop, **kwargs)
