"""Agents with one safeguard broken. They exist to be caught: a campaign that finds nothing in them finds nothing.

Run as `python -m tests.campaign.mutants NAME run -c FILE`, or with a mine as
`python -m tests.campaign.mutants NAME POINT NUMBER run -c FILE`, in the place of `tcu-agent`; with the name alone it
serves as `tcu_sim.campaign.power.preloaded_agent` does.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tcu_agent.adapters.storage.state_directory import StateDirectory
from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.cli.main import main
from tcu_agent.core.effects import Effect, Persist, TransmitUnlock
from tcu_agent.core.position.record import PositionRecord
from tcu_agent.protocol.messages import Event
from tcu_agent.runtime.executor import Executor
from tcu_agent.runtime.transmitter import Transmitter
from tcu_sim.campaign.mine import Mine
from tcu_sim.campaign.mined_agent import plant
from tcu_sim.campaign.power.preloaded_agent import preload, serve


def intent_behind_the_frame() -> None:
    """The intent of an unlock becomes durable only when the frame is out."""
    perform = Executor.perform
    held: list[Effect] = []

    async def late(executor: Executor, effect: Effect) -> None:
        if isinstance(effect, Persist) and effect.puts.get("unlock") is not None:
            held.append(effect)
            return
        await perform(executor, effect)
        while held and isinstance(effect, TransmitUnlock):
            await perform(executor, held.pop())

    _replace(Executor, "perform", late)


def marks_forgotten() -> None:
    """The highest request number is not made durable."""
    _change_commit(
        lambda puts, append: ({k: v for k, v in puts.items() if k != "request-marks"}, append)
    )


def events_forgotten() -> None:
    """Events get their numbers, and are not made durable."""
    _change_commit(
        lambda puts, append: (puts, [each for each in append if not isinstance(each, Event)])
    )


def unlocked_twice() -> None:
    """Each unlock command is sent twice, to be on the safe side."""
    unlock = Transmitter.unlock

    async def twice(*args: Any, **rest: Any) -> None:
        await unlock(*args, **rest)
        await unlock(*args, **rest)

    _replace(Transmitter, "unlock", twice)


def tracking_begins_anew() -> None:
    """A restart gives a tracking its whole time again."""

    def whole(record: PositionRecord, **_: Any) -> float:
        return float(record.parameters.duration_s or 0)

    _replace(PositionRecord, "provable_s", whole)


def nothing_synced() -> None:
    """The store does not wait for the disk."""
    set_to = SqliteState._set

    def carelessly(state: SqliteState, setting: str) -> None:
        set_to(state, "synchronous=OFF" if setting.startswith("synchronous") else setting)

    _replace(SqliteState, "_set", carelessly)
    # Else the mark says that the log was lost, and everything remote is refused: this disk would fail closed.
    _replace(StateDirectory, "expect_log", lambda _directory: None)


MUTANTS = {
    mutant.__name__.replace("_", "-"): mutant
    for mutant in (
        intent_behind_the_frame,
        marks_forgotten,
        events_forgotten,
        unlocked_twice,
        tracking_begins_anew,
        nothing_synced,
    )
}

KILLED_AT: Mapping[str, tuple[str, ...]] = {
    "intent-behind-the-frame": ("after unlock frame went to the driver",),
    "marks-forgotten": ("after PUBACK of challenge",),
    "events-forgotten": ("after ShowCallState",),
    "unlocked-twice": ("after TransmitUnlock",),
    "tracking-begins-anew": ("before Persist position outcome",),
}
"""Where a kill shows it; `nothing-synced` needs a power cut."""

Puts = Mapping[str, bytes | None]


def _change_commit(
    change: Callable[[Puts, Iterable[object]], tuple[Puts, Iterable[object]]],
) -> None:
    commit = SqliteState.commit

    def changed(
        state: SqliteState, *, puts: Puts, append: Iterable[object] = (), **rest: Any
    ) -> None:
        puts, append = change(puts, append)
        commit(state, puts=puts, append=append, **rest)  # type: ignore[arg-type]  # what came, less something

    _replace(SqliteState, "commit", changed)


def _replace(owner: type, name: str, by: Callable[..., Any]) -> None:
    setattr(owner, name, by)


if __name__ == "__main__":
    mutant, *words = sys.argv[1:]
    MUTANTS[mutant]()
    if not words:
        preload()
        serve()
        sys.exit()
    if words[0] != "run":
        plant(Mine(point=words[0], number=int(words[1])))
        words = words[2:]
    sys.exit(main(words))
