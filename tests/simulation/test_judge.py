"""The judge sees what is wrong: a liar of an agent is found by one short history, an honest one is not."""

import pytest

from tcu_agent.core.position.position import PositionCase
from tcu_agent.core.unlock import preconditions
from tcu_sim.bench.simulation.run import run
from tcu_sim.bench.simulation.step import Step
from tcu_sim.bench.simulation.watch import WatchedState

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


def test_executed_on_sending_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Step("car", {"is": "never", "late_s": 1.0})
    monkeypatch.setattr(preconditions, "all_are", lambda *_: True)
    assert "executed at" in run(1, (refused, UNLOCK)).complaints[0]
