"""A press that the centre has acknowledged is in the operators' list, whatever failed or died on the way."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tcu_sim.centre.command.incidents import IncidentBook
from tcu_sim.centre.command.requests import RequestBook
from tcu_sim.wire.numbers import Call, Told
from tests.centre.conftest import Play
from tests.centre.town import CAR, OTHER_CAR, Loop, Town

INCIDENT = bytes(16)
KILLED = 9
FAILED = {"Vehicle.TCU.OnCall.CallState": "failed"}


async def states(town: Town) -> list[tuple[str, bool]]:
    found = await town.operator.incidents(CAR, only_open=False)
    return [(each.call, each.is_open) for each in found]


def fails(*_: object, **__: object) -> None:
    raise sqlite3.OperationalError("disk full")


def test_a_press_whose_incident_cannot_be_stored_is_not_acknowledged(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(town: Town) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(IncidentBook, "open_on_call", fails)
            press = await town.car.tell(Told.ON_CALL_PRESSED, incident_id=INCIDENT)
            with pytest.raises(sqlite3.OperationalError):
                await town.settle()
        await town.car.tell(Told.STARTED)
        await town.settle()
        assert (town.car.acks, await states(town)) == ([], []), (
            "a later one acknowledges none before"
        )
        await town.car.say(press)
        await town.settle()
        assert [ack.seq for ack in town.car.acks] == [2]
        assert await states(town) == [("ringing", True)]

    play(story)


def test_a_hang_up_that_cannot_be_stored_closes_the_incident_when_it_comes_again(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(town: Town) -> None:
        await town.car.tell(Told.ON_CALL_PRESSED, incident_id=INCIDENT)
        await town.settle()
        with monkeypatch.context() as broken:
            broken.setattr(IncidentBook, "move", fails)
            hang_up = await town.car.tell(Told.HANG_UP, incident_id=INCIDENT)
            with pytest.raises(sqlite3.OperationalError):
                await town.settle()
        assert [ack.seq for ack in town.car.acks] == [1]
        await town.car.say(hang_up)
        await town.settle()
        assert [ack.seq for ack in town.car.acks] == [1, 2]
        assert await states(town) == [("ended", False)]

    play(story)


def test_a_result_whose_request_cannot_be_ended_is_not_acknowledged(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        incident_id = await town.call_on_call()
        with monkeypatch.context() as broken:
            broken.setattr(RequestBook, "note_result", fails)
            with pytest.raises(sqlite3.OperationalError):
                await town.unlock(pin, incident_id)
        (request_id,) = [each.request_id for each in town.car.requests]
        result = town.car.results[request_id]
        assert max(ack.seq for ack in town.car.acks) < result.seq
        await town.car.say(result)
        await town.settle()
        assert max(ack.seq for ack in town.car.acks) == result.seq
        assert (await town.operator.request(request_id)).state == "completed"

    play(story)


def test_a_result_that_answers_nothing_of_ours_is_kept_and_acknowledged(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.unlock(await town.subscribe())
        (result,) = town.car.results.values()
        await town.other_car.say(replace(result, vehicle_id=OTHER_CAR, seq=1))
        await town.settle()
        assert [ack.seq for ack in town.other_car.acks] == [1]

    play(story)


# ---------------------------------------------------------------- killed in between


def in_a_town(root: Path, story: Callable[[Town], Coroutine[Any, Any, None]]) -> None:
    """Play with stores on the disk and a car that says the same each time."""

    async def run() -> None:
        town = Town(root, in_memory=False)
        town.car.stream_id, town.car.boot_id = b"stream-1", bytes(8)
        try:
            await story(town)
        finally:
            town.centre.close()

    asyncio.run(run())


def die(*_: object, **__: object) -> None:
    os._exit(KILLED)


async def die_publishing(*_: object, **__: object) -> None:
    os._exit(KILLED)


def press_and_die(root: Path, before: str, seq: int) -> None:
    """Run in a process of its own."""
    if before == "the incident":
        IncidentBook.open_on_call = die  # type: ignore[assignment,method-assign]  # it never returns
    else:
        Loop.publish = die_publishing  # type: ignore[method-assign]  # it never returns

    async def story(town: Town) -> None:
        town.car.seq = seq - 1
        await town.car.tell(Told.ON_CALL_PRESSED, incident_id=INCIDENT)
        await town.settle()

    in_a_town(root, story)


@pytest.mark.parametrize(
    ("before", "seq", "rings"),
    [("the incident", 1, 1), ("the incident", 0, 1), ("the answer", 1, 0), ("the answer", 0, 1)],
)
def test_a_centre_that_is_killed_has_the_call_when_the_car_tells_it_again(
    tmp_path: Path, before: str, seq: int, rings: int
) -> None:
    """A press with a number is told again until it is acknowledged, one without until it is answered."""
    child = multiprocessing.get_context("spawn").Process(
        target=press_and_die, args=(tmp_path, before, seq)
    )

    async def story(town: Town) -> None:
        assert len(await states(town)) == (0 if before == "the incident" else 1)
        town.car.seq = seq - 1
        await town.car.tell(Told.ON_CALL_PRESSED, incident_id=INCIDENT)
        await town.settle()
        assert await states(town) == [("ringing", True)]
        assert [(call.seq, call.state) for call in town.car.calls] == [(1, Call.RINGING)] * rings
        assert [ack.seq for ack in town.car.acks] == [1] * seq

    town_made_here = Town(tmp_path, in_memory=False)  # the keys, which parent and child share
    town_made_here.centre.close()
    child.start()
    child.join(60)
    assert child.exitcode == KILLED
    in_a_town(tmp_path, story)


# ---------------------------------------------------------------- over before it was heard


def test_a_call_that_failed_before_the_centre_heard_of_it_does_not_ring(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.car.tell(Told.ON_CALL_PRESSED, incident_id=INCIDENT)
        await town.car.tell(Told.CALL_STATE, incident_id=INCIDENT, values=FAILED)
        await town.settle()
        assert await states(town) == [("failed", False)]
        town.car.seq = -1  # the press is told once more, late
        await town.car.tell(Told.ON_CALL_PRESSED, incident_id=INCIDENT)
        await town.settle()
        assert await states(town) == [("failed", False)]
        assert town.car.calls[-1].state is Call.FAILED

    play(story)


@pytest.mark.parametrize("word", ["requested", "ringing", "connected", None, 4, True])
def test_a_call_that_goes_on_in_the_car_goes_on(play: Play, word: object) -> None:
    async def story(town: Town) -> None:
        await town.car.tell(Told.ON_CALL_PRESSED, incident_id=INCIDENT)
        values = {"Vehicle.TCU.OnCall.CallState": word}
        await town.car.tell(Told.CALL_STATE, incident_id=INCIDENT, values=values)
        await town.settle()
        assert await states(town) == [("ringing", True)]

    play(story)


@pytest.mark.parametrize(("kind", "values"), [(Told.HANG_UP, {}), (Told.CALL_STATE, FAILED)])
def test_no_car_ends_the_call_of_another(play: Play, kind: Told, values: dict[str, object]) -> None:
    async def story(town: Town) -> None:
        await town.car.tell(Told.ON_CALL_PRESSED, incident_id=INCIDENT)
        await town.other_car.tell(kind, incident_id=INCIDENT, values=values)
        await town.settle()
        assert await states(town) == [("ringing", True)]

    play(story)
