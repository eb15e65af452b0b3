"""The judge sees what is wrong: a liar of an agent is found by one short history, an honest one is not."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tcu_agent.core.position.position import PositionCase
from tcu_agent.core.unlock import preconditions
from tcu_agent.protocol.messages import Result
from tcu_agent.runtime.surroundings import Surroundings
from tcu_sim.bench.simulation.forgery import SEEN_S, Forgery
from tcu_sim.bench.simulation.judge import Judge
from tcu_sim.bench.simulation.plots import CLOCK_PLOTS
from tcu_sim.bench.simulation.run import run
from tcu_sim.bench.simulation.step import Step
from tcu_sim.bench.simulation.watch import WatchedState
from tcu_sim.vehicle.secoc import Authentication, CommandReceiver

UNLOCK = Step("ask", {"service": "unlock", "after_s": 0.05, "grants": 1, "for_s": 10.0})
TRACKING = Step(
    "ask",
    {
        "service": "tracking",
        "after_s": 0.05,
        "grants": 1,
        "for_s": 10.0,
        "interval_s": 5,
        "duration_s": 10,
    },
)
WAIT = Step("wait", {"s": 60.0})


@pytest.mark.parametrize("steps", [(UNLOCK,), (TRACKING, WAIT)])
def test_a_lawful_history_is_left_alone(steps: tuple[Step, ...]) -> None:
    verdict = run(1, steps)
    assert verdict.complaints == ()
    assert verdict.unlocks == (2 if UNLOCK in steps else 1)
    assert (verdict.positions > 0) == (TRACKING in steps)


def test_an_intent_that_is_not_on_the_disk_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = WatchedState.commit

    def forgetful(self: WatchedState, **given: object) -> None:
        puts = dict(given["puts"])  # type: ignore[call-overload]  # the port's own type is a mapping
        puts.pop("unlock", None)
        commit(self, **(given | {"puts": puts}))  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(WatchedState, "commit", forgetful)
    assert "without its intent on the disk" in run(1, (UNLOCK,)).complaints[0]


def test_a_tracking_without_end_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    save = PositionCase._save

    def stretch(self: PositionCase, step: object, job: object) -> None:
        job.until += 20  # type: ignore[attr-defined]  # private to the module
        save(self, step, job)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(PositionCase, "_save", stretch)
    assert "evidence" in run(1, (TRACKING, WAIT)).complaints[0]


@pytest.mark.parametrize("plot", CLOCK_PLOTS)
@pytest.mark.parametrize("seed", range(2))
def test_a_clock_that_ran_ahead_makes_no_tracking_longer(
    plot: Callable[[Random], list[Step]], seed: int
) -> None:
    verdict = run(seed, plot(Random(seed)))
    assert verdict.complaints == ()
    assert verdict.positions > 1


def test_a_tracking_that_is_longer_by_a_clock_that_ran_ahead_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Surroundings, "proven_wall", lambda around: around.clock.wall())
    assert "outside its evidence" in run(0, CLOCK_PLOTS[0](Random(0))).complaints[0]


def test_a_deceived_keeper_of_the_clock_gives_its_error_and_no_more() -> None:
    now = [0.0]
    forgery = Forgery(lambda: now[0])
    forgery.power_cut()
    assert forgery.given_s == 0
    forgery.begin(60)
    forgery.power_cut()
    assert forgery.given_s == 60
    forgery.end()
    now[0] = SEEN_S - 0.1
    forgery.power_cut()
    assert forgery.given_s == 120
    now[0] = SEEN_S
    forgery.end()
    forgery.power_cut()
    assert forgery.given_s == 120


def test_executed_on_sending_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Step("car", {"is": "never", "late_s": 1.0})
    monkeypatch.setattr(preconditions, "all_are", lambda *_: True)
    assert "executed at" in run(1, (refused, UNLOCK)).complaints[0]


def test_an_intent_that_vanishes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = WatchedState.commit

    def silent(self: WatchedState, **given: Any) -> None:
        told = [each for each in given.get("append", ()) if not isinstance(each, Result)]
        commit(self, **(given | {"append": told}))

    monkeypatch.setattr(WatchedState, "commit", silent)
    assert "unlock left the disk" in run(1, (UNLOCK,)).complaints[0]


def test_a_tracking_that_is_not_over_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "_tracked", lambda *_: (1.0, float("inf")))
    found = run(1, (TRACKING, WAIT)).complaints
    assert any("was not over at 13.000 s" in each for each in found), found


def test_a_car_that_obeys_an_intruder_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    intruder = Step("intrude", {"how": "command", "which": 5, "other": 6, "bit": 0})
    asked = Step("ask", {**UNLOCK.of, "for_s": 0.5})  # the bus is still awake
    assert run(1, (asked, intruder)).complaints == ()
    monkeypatch.setattr(CommandReceiver, "judge", lambda *_, **__: Authentication.PASSED)
    assert "that the agent did not send" in run(1, (asked, intruder)).complaints[0]


@pytest.mark.parametrize(("bit", "is_believed"), [(0, True), (1, False)])
def test_a_lock_status_counts_only_with_its_crc(bit: int, is_believed: bool) -> None:
    """Forged with the right CRC and counter, it is what the car said; else it is nothing."""
    boast = Step("car", {"is": "never", "late_s": 1.0})
    asked = Step("ask", {**UNLOCK.of, "for_s": 0.5})
    forged = Step("intrude", {"how": "lock-status", "which": 0, "other": 0, "bit": bit})
    verdict = run(1, (boast, asked, forged), keeps_trace=True)
    shown = "can locks ['UNLOCKED', 'UNLOCKED', 'UNLOCKED', 'UNLOCKED', 'UNLOCKED']"
    before = [line for line in verdict.trace if shown in line and float(line.split()[0]) < 3.0]
    assert bool(before) == is_believed
    assert verdict.complaints == ()
