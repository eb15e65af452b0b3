"""The whole demo: set up, play every step, tell, end everything, whatever happens."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tcu_sim.demo.agent_config import shortened_in_words
from tcu_sim.demo.can_source import CanEnds
from tcu_sim.demo.processes import Ensemble
from tcu_sim.demo.report import Report
from tcu_sim.demo.setting import Setting, open_stage
from tcu_sim.demo.stage import Stage
from tcu_sim.demo.steps import STEPS
from tcu_sim.demo.story import Step, play
from tcu_sim.demo.vehicle_key import FILE
from tcu_sim.errors import SimulatorError


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What a person may choose. `agent`: the words of another agent's command.

    `can`: a bus that is there already; `patience`: on a slow machine, how much longer than usual to wait for parts
    and sightings.
    """

    keep: Path | None = None
    embedded_broker: bool = False
    agent: tuple[str, ...] | None = None
    vehicle_lines: tuple[str, ...] = ()
    vehicle_key: str = FILE
    can: CanEnds | None = None
    patience: float = 1.0


async def play_demo(
    options: DemoOptions, report: Report, *, steps: Sequence[Step[Stage]] = STEPS
) -> bool:
    """Play all steps and return whether all were as expected.

    Raises:
        SimulatorError: the set-up failed; the ends of all logs have been told.
    """
    with _scratch_folder(options.keep) as folder:
        logs = folder / "logs"
        logs.mkdir()
        async with Ensemble(logs, patience=options.patience) as ensemble:
            setting = Setting(
                folder=folder,
                ensemble=ensemble,
                embedded_broker=options.embedded_broker,
                agent=options.agent,
                vehicle_lines=options.vehicle_lines,
                vehicle_key=options.vehicle_key,
                can=options.can,
                patience=options.patience,
            )
            try:
                return await _set_up_and_play(setting, report, steps)
            except SimulatorError:
                report.say(f"the ends of the logs:\n{ensemble.tails()}")
                raise


async def _set_up_and_play(setting: Setting, report: Report, steps: Sequence[Step[Stage]]) -> bool:
    began = time.monotonic()
    report.say(f"shortened for the demo: {shortened_in_words()}")
    async with open_stage(setting, report.say) as stage:
        report.say(f"all parts are up after {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        as_expected = await _play_all(stage, report, steps, setting.patience)
        if as_expected < len(steps):
            report.say(f"the ends of the logs:\n{setting.ensemble.tails()}")
        report.say(f"played in {time.monotonic() - began:.1f} s")
    report.close(as_expected=as_expected, steps=len(steps))
    return as_expected == len(steps)


async def _play_all(
    stage: Stage, report: Report, steps: Sequence[Step[Stage]], patience: float
) -> int:
    """Play and tell every step; return how many were as expected."""
    as_expected = 0
    async for verdict in play(steps, stage, patience=patience):
        report.tell(verdict)
        as_expected += verdict.ok
    return as_expected


@contextmanager
def _scratch_folder(keep: Path | None) -> Iterator[Path]:
    """A folder of our own, short enough for sockets; only logs and traces are kept, never keys."""
    folder = Path(tempfile.mkdtemp(prefix="tcu-demo-"))
    try:
        yield folder
    finally:
        if keep is not None:
            shutil.copytree(folder / "logs", keep, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
