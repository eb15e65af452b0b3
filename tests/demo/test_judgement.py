"""Liars are caught by the clock of the observer: what the car tells of itself decides nothing."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tcu_sim.demo.conditions import CAR, LOCKS
from tcu_sim.demo.sightings import NotSeenError, Sighting, Sightings
from tcu_sim.demo.stage import PLACE, Stage
from tcu_sim.demo.steps_position import DURATION_S, tracking_stops
from tcu_sim.demo.steps_unlock import RELOCK_AFTER_S, locks_itself

REQUEST = bytes(range(16))
LATER_S = 60.0


def stage_of(tmp_path: Path, *sightings: Sighting) -> Stage:
    """Return a stage on which this was seen, and nothing is there to be asked but the theft desk."""
    seen = Sightings(tmp_path / "observer.jsonl")
    for sighting in sightings:
        seen.take_line(json.dumps(sighting))

    async def positions(*_: object, at_least: int, **__: object) -> list[Any]:
        return [SimpleNamespace(latitude_deg=PLACE[0], longitude_deg=PLACE[1])] * at_least

    desk = SimpleNamespace(positions=positions)
    parts: dict[str, Any] = dict.fromkeys(Stage.__dataclass_fields__)
    parts["client"] = SimpleNamespace(desk_clerk=lambda: desk)
    del parts["memory"]
    stage = Stage(**{**parts, "sightings": seen})
    stage.memory.tracking_mark, stage.memory.case_id = 0, bytes(16)
    stage.memory.tracking_id = stage.memory.unlock_id = REQUEST
    return stage


def passed(what: str, t: float, *, way: str = "up", **fields: object) -> Sighting:
    good = {"at": "mqtt", "vehicle": CAR, "signature": "good", "request": REQUEST.hex()}
    return {**good, "what": what, "t": t, "way": way, **fields}


def tracked(*positions_s: float, ended_s: float, reason: str = "stop-time") -> list[Sighting]:
    """Return what is seen of a tracking that was granted at 100 s; all times are counted from there."""
    up = [passed("position", 100.0 + each_s) for each_s in positions_s]
    ended = passed("event", 100.0 + ended_s, event="tracking-ended", reason=reason)
    return [
        passed("grant", 100.0, way="down"),
        *sorted([*up, ended], key=lambda s: cast("float", s["t"])),
        {"at": "can", "what": "tick", "t": 100.0 + LATER_S},
    ]


async def test_tracking_that_stops_in_time_is_as_expected(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, *tracked(0.1, 5.1, 10.1, ended_s=DURATION_S + 0.2))
    assert "3 positions" in await tracking_stops(stage)


@pytest.mark.parametrize(
    ("sightings", "said"),
    [
        (tracked(0.1, 5.1, 10.1, 15.1, ended_s=DURATION_S + 8), "1 positions after the stop time"),
        (tracked(0.1, 5.1, 10.1, ended_s=DURATION_S + 8), "19.0 s after a grant for 11 s"),
        (tracked(0.1, 5.1, ended_s=6.0), "6.0 s after a grant"),
        (tracked(0.1, 5.1, 10.1, 15.1, ended_s=DURATION_S), "after the stop time"),
        (tracked(0.1, 5.1, 11.9, ended_s=DURATION_S), "after the car has told the end"),
        (tracked(0.1, 5.1, ended_s=DURATION_S, reason="case-ended"), "(case-ended)"),
    ],
    ids=["overruns", "ends late", "ends early", "goes on in secret", "once more", "other reason"],
)
async def test_an_agent_with_its_own_idea_of_the_stop_time_is_caught(
    tmp_path: Path, sightings: list[Sighting], said: str
) -> None:
    with pytest.raises(NotSeenError) as caught:
        await tracking_stops(stage_of(tmp_path, *sightings))
    assert said in str(caught.value)


def relocked(after_s: float) -> list[Sighting]:
    """Return what is seen of a car that is locked at first, unlocked at 50 s and locked after that time."""
    lock_s = 50.0 + after_s
    return [
        {"at": "can", "what": "command", "command": "LockAll", "t": 1.0},
        {"at": "can", "what": "command", "command": "UnlockAll", "t": 49.6},
        passed("result", 50.0, outcome="executed"),
        {"at": "can", "what": "command", "command": "LockAll", "t": lock_s},
        *(
            {"at": "can", "what": "signal", "signal": lock, "value": "Locked", "t": lock_s + 0.3}
            for lock in LOCKS
        ),
        passed("event", lock_s + 0.4, event="relocked"),
    ]


async def test_a_car_that_locks_itself_in_time_is_as_expected(tmp_path: Path) -> None:
    assert "10.1 s" in await locks_itself(stage_of(tmp_path, *relocked(RELOCK_AFTER_S + 0.1)))


@pytest.mark.parametrize("after_s", [-0.2, 0.3, RELOCK_AFTER_S - 2.1, RELOCK_AFTER_S + 2.1])
async def test_one_that_locks_too_soon_or_too_late_is_caught(
    tmp_path: Path, after_s: float
) -> None:
    with pytest.raises(NotSeenError, match="instead of 10 s"):
        await locks_itself(stage_of(tmp_path, *relocked(after_s)))
