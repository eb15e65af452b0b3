"""One lane of a campaign: a town, and one agent after another in it, each killed at its moment.

At the end an agent may live until everything has settled and end politely; then the judge looks at it all. The seed
says which points, errands and moments are tried, in which order; what the machine makes of it is its own.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from tcu_sim.campaign import attacker, settling
from tcu_sim.campaign.board import AgentBoard, Board
from tcu_sim.campaign.durable import Disk, read_disk
from tcu_sim.campaign.errands import Errands
from tcu_sim.campaign.evidence import Accepted, Evidence, Life
from tcu_sim.campaign.judge import Findings, judge
from tcu_sim.campaign.observer import boottime
from tcu_sim.campaign.plan import KILLS, LanePlan, LaneResult
from tcu_sim.campaign.points import dealt, errands_for, happens_again
from tcu_sim.campaign.town import Town, open_town
from tcu_sim.errors import SimulatorError
from tcu_sim.wire.errors import WireError

AT_RANDOM_EVERY = 3
"""Every so many lives ends at a random moment, the others at a named point."""
EVERYTHING_EVERY = 16
"""Every so many lives the attacker repeats all that he has."""
IN_THE_START = 0.3
"""Share of the random moments that lie in the agent's start."""
START_S = 1.0
WORK_S = 1.2
LIMIT_S = 7.0
LONG_LIMIT_S = 18.0
"""For what takes its time: the re-lock after 10 s, the end of a tracking."""
SLOW = frozenset({"re-lock", "tracking"})
NUMBERS = (1, 1, 1, 1, 2, 2, 3)


async def play(plan: LanePlan) -> LaneResult:
    """Play one lane to its end; its folder stays only where something was found."""
    shutil.rmtree(plan.folder, ignore_errors=True)
    try:
        async with open_town(plan.folder, state=plan.folder / "state", seed=plan.seed) as town:
            board = Board(
                config=town.config,
                log=plan.folder / "logs" / "agent.log",
                program=plan.program,
                mined=plan.mined,
            )
            try:
                result = await Lane(plan, town, board=board).run()
            finally:
                await board.close()
    except (SimulatorError, BaseExceptionGroup, TimeoutError) as error:
        return LaneResult(seed=plan.seed, problem=in_words(error))
    if result.is_well:
        shutil.rmtree(plan.folder)
    return result


class Lane:
    """Plays one plan in one town. `after_death`: what happens to the disk between two agents."""

    def __init__(
        self,
        plan: LanePlan,
        town: Town,
        *,
        board: AgentBoard,
        after_death: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan = plan
        self._town = town
        self._seen: Evidence = town.observer.evidence
        self._rng = Random(plan.seed)
        self._hits: Counter[str] = Counter()
        self._board = board
        self._after_death = after_death

    async def run(self) -> LaneResult:
        """Play it and judge it."""
        self._seen.lives.append(Life(number=0, began_at=boottime(), errand="begin"))
        await settling.begin(self._town, self._board)
        for number in range(1, self._plan.kills + 1):
            await self._live(self._next_life(number))
        await self._end(self._plan.kills + 1)
        findings = judge(self._seen, self._town.centre.heard)
        if not findings.is_clean:
            self._keep(findings)
        return LaneResult(
            seed=self._plan.seed,
            kills=self._plan.kills,
            at_points=self._hits,
            findings=findings,
            counts=self._counts(),
        )

    async def _end(self, number: int) -> None:
        self._seen.lives.append(Life(number=number, began_at=boottime(), errand="end"))
        await settling.end(self._town, self._board, rng=self._rng)
        if self._read_disk(number).intents:
            self._seen.leftovers.append("an intent is left on the disk after settling")

    # ------------------------------------------------------------------ one life
    def _next_life(self, number: int) -> Life:
        life = Life(number=number, began_at=boottime())
        if number % AT_RANDOM_EVERY:
            life.wanted = self._point(number - number // AT_RANDOM_EVERY - 1)
            life.errand = self._rng.choice(errands_for(life.wanted) or ("",))
        # Sometimes the centre's acknowledgements are lost on their way.
        life.acknowledges = self._rng.random() < 0.85
        return life

    def _point(self, number: int) -> str:
        if self._plan.points is not None:
            return self._plan.points[number % len(self._plan.points)]
        return dealt(self._plan.seed * (KILLS - KILLS // AT_RANDOM_EVERY) + number)

    async def _live(self, life: Life) -> None:
        self._town.centre.acknowledges = life.acknowledges
        self._seen.lives.append(life)
        await self._board.start(mine=self._mine(life))
        working = asyncio.create_task(self._work(life))
        try:
            await self._wait_for_death(life)
        finally:
            working.cancel()
            await asyncio.wait([working])
        if not working.cancelled():
            working.result()
        life.died_at = boottime()
        # In a thread: what the disk does takes seconds, and the town lives on.
        await asyncio.to_thread(self._after_death)
        self._take_disk(life)

    def _mine(self, life: Life) -> tuple[str, int] | None:
        """Return where the agent dies, and when it passes there for which time: what is slow is waited for once."""
        if life.wanted is None:
            return None
        number = self._rng.choice(NUMBERS)
        is_rare = life.errand in SLOW or not happens_again(life.wanted)
        return life.wanted, 1 if is_rare else number

    async def _wait_for_death(self, life: Life) -> None:
        dying = asyncio.create_task(self._board.dead())
        await asyncio.wait([dying], timeout=self._life_s(life) * self._plan.pace)
        was_killed = await self._board.kill()
        status = await dying
        if status != -signal.SIGKILL:
            self._seen.unreadable.append(
                f"the agent of life {life.number} ended by itself with status {status}"
            )
        if life.wanted is not None and not was_killed:
            life.died_at_point = True
            self._hits[life.wanted] += 1

    def _life_s(self, life: Life) -> float:
        if life.wanted is not None:
            return LONG_LIMIT_S if life.errand in SLOW else LIMIT_S
        if self._rng.random() < IN_THE_START:
            return self._rng.uniform(0.0, START_S)
        return START_S + self._rng.expovariate(1 / WORK_S)

    async def _work(self, life: Life) -> None:
        await self._board.ready.wait()
        life.ready_at = boottime()
        rng = Random(f"{self._plan.seed}/{life.number}")
        everything = life.number % EVERYTHING_EVERY == 0
        errands = Errands(town=self._town, life=life.number, rng=rng, pace=self._plan.pace)
        async with asyncio.TaskGroup() as group:
            group.create_task(attacker.replay(self._town, rng=rng, everything=everything))
            group.create_task(errands.run(life.errand, errands.at_the_car))
            group.create_task(errands.run(life.errand, errands.from_afar))

    def _take_disk(self, life: Life) -> None:
        try:
            disk = self._read_disk(life.number)
        except (sqlite3.Error, WireError) as error:
            self._seen.unreadable.append(f"the disk after life {life.number}: {error}")
            return
        if not disk.is_there:
            self._seen.unreadable.append(f"there is no state after life {life.number}")
        for key, payload in disk.outbox.items():
            self._seen.accepted.setdefault(key, Accepted(payload, life.number))
        for request_id in disk.intents:
            self._seen.intents.setdefault(request_id, life.number)

    def _read_disk(self, number: int) -> Disk:
        return read_disk(self._town.state, self._plan.folder / "disks" / f"life-{number}")

    # ------------------------------------------------------------------ telling
    def _keep(self, findings: Findings) -> None:
        folder = self._plan.folder
        (folder / "findings.txt").write_text("\n".join(findings.lines()) + "\n")
        (folder / "trace.log").write_text("\n".join(self._town.observer.trace) + "\n")
        lives = "\n".join(map(str, self._seen.lives))
        (folder / "lives.txt").write_text(lives + "\n")

    def _counts(self) -> Counter[str]:
        seen, heard = self._seen, self._town.centre.heard
        outcomes = Counter(result.outcome.name.lower() for result in seen.outcomes.values())
        return Counter(
            {
                "starts of an agent": len(seen.lives),
                "unlock grants": len(seen.grants),
                "unlock frames": sum(each.is_unlock for each in seen.commands),
                "lock frames": sum(not each.is_unlock for each in seen.commands),
                "presses shown by the lamp": len(seen.presses),
                "messages on a dead agent's disk": len(seen.accepted),
                "intents on a dead agent's disk": len(seen.intents),
                "events and results at the centre": len(seen.stored),
                "positions at the desk": len(heard.positions),
                "trackings": len(seen.trackings),
                "messages repeated by the attacker": seen.replays,
                "CAN frames": seen.frames,
                **{f"results: {name}": number for name, number in outcomes.items()},
            }
        )


def in_words(error: BaseException) -> str:
    """Return what went wrong, in one line."""
    causes: Sequence[BaseException] = [error]
    while isinstance(causes[0], BaseExceptionGroup):
        causes = causes[0].exceptions
    return f"{type(causes[0]).__name__}: {causes[0]}"
