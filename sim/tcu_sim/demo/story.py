"""A step of the demo and how it is judged: what was expected, what the observer saw, how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tcu_sim.demo.sightings import NotSeenError
from tcu_sim.errors import SimulatorError

STEP_LIMIT_S = 25.0
"""No step may take longer; what hangs has failed."""

StageT = TypeVar("StageT")


@dataclass(frozen=True, slots=True)
class Step(Generic[StageT]):
    """One step. `play` returns in words what was seen, or raises NotSeenError with that."""

    name: str
    expected: str
    play: Callable[[StageT], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a step. `number` counts from 1."""

    number: int
    step: str
    expected: str
    seen: str
    ok: bool
    duration_s: float


async def judge(
    number: int, step: Step[StageT], stage: StageT, *, patience: float = 1.0
) -> Verdict:
    """Play one step; whatever goes wrong in it is its verdict, never the end of the demo."""
    limit_s = STEP_LIMIT_S * patience
    began = time.monotonic()
    ok = False
    try:
        async with asyncio.timeout(limit_s):
            seen = await step.play(stage)
        ok = True
    except NotSeenError as error:
        seen = str(error)
    except TimeoutError:
        seen = f"nothing that decides, in {limit_s:g} s"
    except SimulatorError as error:
        seen = f"the bench itself failed: {error}"
    return Verdict(
        number=number,
        step=step.name,
        expected=step.expected,
        seen=seen,
        ok=ok,
        duration_s=time.monotonic() - began,
    )


async def play(
    steps: Sequence[Step[StageT]], stage: StageT, *, patience: float = 1.0
) -> AsyncIterator[Verdict]:
    """Play the steps in order and yield each verdict as soon as it stands. `patience`: factor for the limit of each."""
    for number, step in enumerate(steps, start=1):
        yield await judge(number, step, stage, patience=patience)
