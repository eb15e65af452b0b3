"""One moment: the lock status ends a re-lock that an unlock waits for, and right behind it comes news.

Through the real pump. The frame of the unlock would leave in the very step that makes the change durable (G6), and at
the same time: the judge sees it by the order of transactions and frames.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from tcu_agent.core.durable import records
from tcu_agent.core.step import Step
from tcu_agent.protocol.messages import Event, Result
from tcu_agent.protocol.vocabulary import EventKind, Outcome, Reason
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.bench.simulated_loop import run_simulated
from tcu_sim.bench.simulation.town import Town
from tcu_sim.wire.numbers import Service

RELOCK_AFTER_S: Final = 120.0
Change = Callable[[Town], None]


def new_pin(town: Town) -> None:
    town.centre.account.pin_generation += 1
    town.centre.send_account()


def new_owner(town: Town) -> None:
    town.centre.account.ownership_generation += 1
    new_pin(town)


def new_bundle(town: Town) -> None:
    town.centre.trust_version += 1
    town.centre.send_trust()


async def played(change: Change) -> Town:
    """Give the grant when the attempt to lock again gets on the disk, the news when its success does."""
    town = Town(seed=1)
    said: list[str] = []

    def prompt(keys: tuple[str, ...], messages: tuple[Result | Event, ...]) -> None:
        if any(isinstance(each, Event) and each.kind is EventKind.RELOCKED for each in messages):
            said.append("news")
            change(town)
        elif records.RELOCK in keys and not said:
            said.append("grant")
            town.centre.send(town.centre.grant(request_id))

    async with town:
        await town.operator.unlock()
        await town.pass_time(RELOCK_AFTER_S - 10)
        request_id = await town.operator.challenged(Service.UNLOCK, unlock_parameters())
        town.state.during_commit = prompt
        await town.pass_time(30.0)
    assert said == ["grant", "news"]
    return town


def verdict(town: Town) -> tuple[Outcome, Reason]:
    _, result = town.judge.said.results[-1]
    return Outcome(result.outcome), Reason(result.reason)


@pytest.mark.parametrize("change", [new_pin, new_owner, new_bundle])
def test_no_frame_leaves_behind_the_change(change: Change) -> None:
    town = run_simulated(played(change), limit_s=3600)
    assert town.judge.complaints() == []
    assert [command.is_unlock for command in town.watch.commands] == [True, False]
    assert verdict(town) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)


@pytest.mark.parametrize("change", [new_pin, new_owner, new_bundle])
def test_a_frame_behind_the_change_is_seen_at_the_same_time(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Step, "withdraw", lambda *_: [])
    town = run_simulated(played(change), limit_s=3600)
    found = town.judge.complaints()
    assert len(found) == 1
    assert found[0].endswith("after a change that took its right")


async def lawful() -> Town:
    town = Town(seed=1)
    async with town:
        await town.operator.unlock()
        await town.operator.locate(case_id=b"case of the test")
    return town


def test_what_comes_behind_its_own_result_is_seen_at_the_same_time() -> None:
    town = run_simulated(lawful(), limit_s=3600)
    assert town.judge.complaints() == []
    (command,), (sealed,) = town.watch.commands, town.watched.sealings
    everything = len(town.watched.commits)
    town.watch.commands[0] = replace(command, commits=everything)
    town.watched.sealings[0] = replace(sealed, commits=everything)
    unlock, position = town.judge.complaints()
    assert unlock.endswith("after its result")
    assert position.endswith("after the end of its case")
