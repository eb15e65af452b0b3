"""What makes a car heard: nothing that a broker has recorded and plays again hides that it did not look in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Presence
from tests.centre.conftest import Play
from tests.centre.test_repeated import Tap
from tests.centre.town import CAR, Town

HOUR_S = 3600
LATE_S = 241
KINDS = ("availability", "event", "challenge", "result", "refusal")


async def sleeping(town: Town, presence: Presence) -> Tap:
    """The car says one of each kind, and falls asleep for an hour."""
    pin, tap = await town.subscribe(), Tap(town)
    await town.car.come_online()
    seen = await town.unlock(pin)
    await town.car.say(
        m.Refusal(vehicle_id=CAR, request_id=seen.request_id, boot_id=town.car.boot_id, reason=33)
    )
    until_s = int(town.clock.now_s()) + HOUR_S if presence is Presence.ASLEEP else None
    await town.car.come_online(presence, asleep_until_s=until_s)
    await town.settle()
    return tap


async def presence_of(town: Town) -> str:
    return (await town.operator.vehicle(CAR)).presence


@pytest.mark.parametrize("presence", [Presence.ASLEEP, Presence.DOZING])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_played_again_does_not_make_an_overdue_car_sleep(
    play: Play, presence: Presence, kind: str
) -> None:
    async def story(town: Town) -> None:
        tap = await sleeping(town, presence)
        town.clock.pass_s(HOUR_S)
        await tap.again(kind)
        assert await presence_of(town) == presence.name.lower()
        town.clock.pass_s(LATE_S)
        assert await presence_of(town) == "overdue"
        await tap.again(kind)
        assert await presence_of(town) == "overdue"

    play(story)


def test_words_of_one_connection_played_in_turns_make_nobody_sleep(play: Play) -> None:
    async def story(town: Town) -> None:
        await sleeping(town, Presence.DOZING)
        town.clock.pass_s(HOUR_S + LATE_S)
        await town.car.come_online(Presence.OFFLINE)  # its will, which lies at the broker
        await town.car.come_online(Presence.DOZING)
        await town.settle()
        assert await presence_of(town) == "offline"

    play(story)


def test_a_refusal_played_again_of_a_request_that_was_sent_again_is_no_sign_of_life(
    play: Play,
) -> None:
    async def story(town: Town) -> None:
        tap = await sleeping(town, Presence.ASLEEP)
        town.bus.loses = {"request"}
        request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
        await town.send(request_id)
        refusal = m.Refusal(
            vehicle_id=CAR, request_id=request_id, boot_id=town.car.boot_id, reason=33
        )
        await town.car.say(refusal)
        await town.settle()
        town.clock.pass_s(HOUR_S + LATE_S)
        await town.send(request_id)
        await tap.again("refusal")
        assert await presence_of(town) == "overdue"

    play(story)


@pytest.mark.parametrize("kind", ["event", "result", "challenge"])
def test_what_is_new_is_a_sign_of_life(play: Play, kind: str) -> None:
    async def story(town: Town) -> None:
        await sleeping(town, Presence.DOZING)
        town.bus.loses = {"grant"} if kind == "challenge" else set()
        town.clock.pass_s(HOUR_S + LATE_S)
        assert await presence_of(town) == "overdue"
        if kind == "event":
            await town.car.press_on_call()
        elif kind == "result":
            town.car.seq += 1
            (told,) = town.car.results.values()
            await town.car.say(replace(told, seq=town.car.seq))
        else:
            incident = (await town.operator.incidents(CAR))[0]
            request_id = await town.operator.draft_unlock(CAR, incident.incident_id)
            await town.send(request_id)
        await town.settle()
        assert await presence_of(town) == "dozing"

    play(story)


def test_who_was_never_heard_and_refuses_is_there(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.car.say(m.Refusal(vehicle_id=CAR, boot_id=town.car.boot_id, reason=33))
        await town.settle()
        assert await presence_of(town) == "online"

    play(story)
