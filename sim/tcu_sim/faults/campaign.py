"""Plays the wanted faults one after the other on one site, and makes the table."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tcu_sim.errors import BadInput
from tcu_sim.faults.broker import FaultBroker, mosquitto
from tcu_sim.faults.papers import PaperAuthority
from tcu_sim.faults.play import Case, Row, play
from tcu_sim.faults.site import VEHICLE_ID, Papers, Site, open_site

WRONG_CLOCK = Path(__file__).with_name("wrong_clock.c")
FULL_DISK = Path(__file__).with_name("full_disk.c")
COMPILED = frozenset({"wrong clock", "full disk"})
HEAD = (
    "fault",
    "made",
    "stored",
    "covered",
    "lost",
    "again",
    "stale acted",
    "live acted",
    "after",
    "s",
    "verdict",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to play. `broker`: makes a broker of another maker in the folder; None = mosquitto with TLS."""

    cases: Sequence[Case]
    folder: Path
    seed: int = 1
    broker: Callable[[Path], FaultBroker] | None = None
    acl: Path | None = None
    """The rules that are shipped for cars, for mosquitto."""


async def rows(plan: Plan) -> AsyncIterator[Row]:
    """Play all cases that this broker can play, and yield each line of the table."""
    async with site(plan) as opened:
        for case in playable(plan.cases, opened):
            yield await play(opened, case)


def playable(cases: Iterable[Case], site: Site) -> list[Case]:
    """Return the cases for which everything is there. Only a broker may lack something; a missing tool is an error.

    Raises:
        BadInput: a wrong clock is wanted, and nothing compiles it.
    """
    has = {"tls"} if site.papers else set()
    has |= {"store"} if site.broker.store else set()
    found = [case for case in cases if case.needs - COMPILED <= has]
    if site.wrong_clock is None and any(COMPILED & case.needs for case in found):
        raise BadInput("gcc is missing, and three cases need it: apt-get install gcc libc6-dev")
    return found


@asynccontextmanager
async def site(plan: Plan) -> AsyncIterator[Site]:
    """Open a site in the plan's folder, which is emptied first."""
    shutil.rmtree(plan.folder, ignore_errors=True)
    (plan.folder / "logs").mkdir(parents=True)
    papers = None
    if plan.broker is None:
        (plan.folder / "papers").mkdir()
        authority = PaperAuthority(plan.folder / "papers", "authority")
        papers = Papers(authority=authority, good=authority.issue(VEHICLE_ID))
        paper = authority.issue("broker")
        broker = mosquitto(plan.folder, authority=authority.file, paper=paper, acl=plan.acl)
    else:
        broker = plan.broker(plan.folder)
    async with open_site(
        plan.folder,
        broker,
        papers=papers,
        seed=plan.seed,
        wrong_clock=_compiled(WRONG_CLOCK, plan.folder),
        full_disk=_compiled(FULL_DISK, plan.folder),
    ) as opened:
        yield opened


def _compiled(source: Path, folder: Path) -> Path | None:
    """Return a library that is loaded before a program's own, or None without a compiler."""
    compiler, library = shutil.which("gcc"), folder / f"{source.stem}.so"
    if compiler is None:
        return None
    words = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source)]
    return library if subprocess.run(words, check=False).returncode == 0 else None


def line(row: Row) -> tuple[str, ...]:
    """Return a row as words."""
    stored = row.stored
    # An alarm that sounds through a restart is told once more by the new start.
    there = len(stored.doors) + stored.presses + min(stored.alarms, row.alarms)
    lost = row.made - there
    verdict = "well" if row.is_well else "FAILED"
    notes = f" ({'; '.join(row.notes)})" if row.notes else ""
    return (
        row.case.name + notes,
        str(row.made),
        str(there),
        str(stored.covered),
        str(lost),
        str(stored.again),
        f"{row.stale_acted} of {row.stale_sent}",
        f"{row.live_acted} of {row.live_sent}" if row.live_sent else "-",
        "unlocks" if row.is_well_after else "DOES NOT UNLOCK",
        f"{row.took_s:.0f}",
        verdict,
    )
