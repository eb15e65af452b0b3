"""S4: the operator unlocks for a caller whose PIN the PIN authority has confirmed."""

from __future__ import annotations

import pytest

from tcu_sim.centre import words
from tcu_sim.wire.numbers import Call, Outcome, Presence
from tests.centre.conftest import Play
from tests.centre.town import CAR, Town, wrong


def test_a_right_pin_unlocks(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        seen = await town.unlock(pin)
        assert (seen.state, seen.phase) == ("completed", "ended")
        assert seen.result is not None
        assert seen.result["locks"] == dict.fromkeys(words.DOORS, "unlocked")
        assert len(town.car.grants) == 1
        assert town.car.acks[-1].seq == town.car.seq

    play(story)


def test_no_pin_no_grant(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
        seen = await town.send(request_id)
        assert seen.state == "rejected"
        assert "no-pin-session" in seen.detail
        assert not town.car.grants

    play(story)


def test_a_wrong_pin_is_no_pin(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
        assert await town.enter(request_id, wrong(pin)) == "wrong"
        assert (await town.send(request_id)).state == "rejected"
        assert not town.car.grants

    play(story)


def test_the_call_is_told_to_the_car(play: Play) -> None:
    async def story(town: Town) -> None:
        incident_id = await town.call_on_call()
        await town.operator.end_call(incident_id)
        states = [(call.seq, call.state) for call in town.car.calls]
        assert states == [(1, Call.RINGING), (2, Call.CONNECTED), (3, Call.ENDED)]
        assert await town.operator.incidents(CAR) == []

    play(story)


def test_the_very_same_grant_again_gets_the_stored_result(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        seen = await town.unlock(pin)
        await town.operator.grant_again(seen.request_id)
        await town.settle()
        assert len(town.car.results) == 1
        assert (await town.operator.request(seen.request_id)).state == "completed"

    play(story)


def test_the_first_result_stands(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        town.car.outcome = (Outcome.UNKNOWN, 61)
        seen = await town.unlock(pin)
        assert (seen.state, seen.reason) == ("unknown", "no-status")
        town.car.results.clear()
        town.car.outcome = (Outcome.EXECUTED, 0)
        await town.operator.grant_again(seen.request_id)
        await town.settle()
        assert (await town.operator.request(seen.request_id)).state == "unknown"

    play(story)


def test_states_that_time_brings(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        incident_id = await town.call_on_call()
        town.bus.loses = {"request"}
        request_id = await town.operator.draft_unlock(CAR, incident_id)
        assert (await town.operator.request(request_id)).state == "waiting"
        assert (await town.send(request_id)).state == "waiting"
        town.clock.pass_s(31)
        assert (await town.operator.request(request_id)).state == "timeout"
        await town.car.come_online(Presence.ASLEEP)
        await town.settle()
        assert (await town.operator.request(request_id)).state == "vehicle in sleep"
        await town.car.come_online(Presence.OFFLINE)
        await town.settle()
        assert (await town.operator.request(request_id)).state == "connection failure"
        town.bus.loses = {"grant"}
        assert await town.enter(request_id, pin) == "right"
        assert (await town.send(request_id)).state == "delivered"
        town.clock.pass_s(121)
        assert (await town.operator.request(request_id)).state == "unknown"
        await town.bus.vehicles[CAR].receive("grant", town.bus.last("grant"))
        await town.settle()
        assert (await town.operator.request(request_id)).state == "completed"

    play(story)


def test_the_will_of_an_older_start_does_not_hide_a_car_that_was_started_again(play: Play) -> None:
    async def story(town: Town) -> None:
        older = town.car.boot_id
        await town.car.come_online(connection=7)
        town.car.boot_id = bytes(range(8))
        await town.car.come_online(connection=1)
        town.car.boot_id = older
        await town.car.come_online(Presence.OFFLINE, connection=7)
        await town.car.come_online(Presence.OFFLINE, connection=8)
        await town.settle()
        assert (await town.operator.vehicle(CAR)).presence == "online"
        town.car.boot_id = bytes(range(8))
        await town.car.come_online(Presence.OFFLINE, connection=1)
        await town.settle()
        assert (await town.operator.vehicle(CAR)).presence == "offline"

    play(story)


def test_a_late_will_does_not_hide_a_car_that_is_back(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.car.come_online(connection=2)
        await town.car.come_online(Presence.OFFLINE, connection=1)
        await town.settle()
        assert (await town.operator.vehicle(CAR)).presence == "online"

    play(story)


def test_the_car_says_why_it_will_not(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        incident_id = await town.call_on_call()
        for reason, state in ((34, "not allowed in this usage mode"), (33, "rejected")):
            town.car.refuses = reason
            seen = await town.unlock(pin, incident_id)
            assert seen.state == state
            assert seen.words

    play(story)


def test_a_refusal_that_anybody_can_provoke_is_shown_and_ends_nothing(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        town.car.refuses = 7
        seen = await town.unlock(pin, await town.call_on_call())
        assert seen.state == "waiting"
        assert "signature" in seen.words

    play(story)


def test_state_on_request_needs_no_pin(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        request_id = await town.operator.draft_state(CAR, await town.call_on_call())
        seen = await town.send(request_id)
        assert seen.state == "completed"
        assert seen.result is not None
        assert "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked" in seen.result["values"]

    play(story)


def test_a_car_that_was_online_before_the_centre_is_heard_of_by_whatever_it_says(
    play: Play,
) -> None:
    async def story(town: Town) -> None:
        assert (await town.operator.vehicle(CAR)).presence == "never heard of"
        town.centre.feed(f"tcu/v1/{CAR}/up/event", b"what anybody can send")
        town.centre.feed(f"tcu/v1/{CAR}/up/strange", b"what anybody can send")
        await town.settle()
        assert (await town.operator.vehicle(CAR)).presence == "never heard of"
        await town.car.press_on_call()
        await town.settle()
        assert (await town.operator.vehicle(CAR)).presence == "online"
        await town.car.come_online(Presence.ASLEEP)
        await town.car.press_on_call()
        await town.settle()
        assert (await town.operator.vehicle(CAR)).presence == "asleep"

    play(story)


def test_an_operator_sees_until_when_a_car_sleeps_and_that_a_request_does_not_wait_for_ever(
    play: Play,
) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        incident_id = await town.call_on_call()
        town.bus.loses = {"request"}
        request_id = await town.operator.draft_unlock(CAR, incident_id)
        until_s = 1_800_003_600
        await town.car.come_online(Presence.ASLEEP, asleep_until_s=until_s)
        await town.settle()
        assert (await town.operator.vehicle(CAR)).asleep_until_s == until_s
        seen = await town.send(request_id)
        assert seen.state == "vehicle in sleep"
        assert "2027-01-15 at 09:00 UTC" in seen.words
        town.clock.pass_s(599)
        assert (await town.operator.request(request_id)).state == "vehicle in sleep"
        town.clock.pass_s(2)
        assert (await town.operator.request(request_id)).state == "timeout"

    play(story)


def test_a_car_that_sleeps_for_good_says_no_time(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        incident_id = await town.call_on_call()
        town.bus.loses = {"request"}
        request_id = await town.operator.draft_unlock(CAR, incident_id)
        await town.car.come_online(Presence.ASLEEP)
        await town.settle()
        assert "did not say until when" in (await town.send(request_id)).words

    play(story)


def test_a_car_that_wakes_up_by_itself_but_cannot_tell_when_is_not_told_as_one_that_somebody_has_to_use(
    play: Play,
) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        incident_id = await town.call_on_call()
        town.bus.loses = {"request"}
        request_id = await town.operator.draft_unlock(CAR, incident_id)
        await town.car.come_online(Presence.DOZING)
        await town.settle()
        assert (await town.operator.vehicle(CAR)).presence == "dozing"
        seen = await town.send(request_id)
        assert seen.state == "vehicle in sleep"
        assert "looks in again by itself" in seen.words

    play(story)


async def _ask_a_sleeper(town: Town, presence: Presence, *, sleeps_s: int | None = None) -> bytes:
    """The car falls asleep, and an unlock is drafted; returns the request."""
    await town.subscribe()
    incident_id = await town.call_on_call()
    town.bus.loses = {"request"}
    request_id = await town.operator.draft_unlock(CAR, incident_id)
    until_s = None if sleeps_s is None else int(town.clock.now_s()) + sleeps_s
    await town.car.come_online(presence, asleep_until_s=until_s)
    await town.settle()
    return request_id


@pytest.mark.parametrize(
    ("presence", "sleeps_s"), [(Presence.ASLEEP, 3600), (Presence.DOZING, None)]
)
def test_a_car_that_did_not_look_in_when_it_should_have_is_overdue_and_no_longer_asleep(
    play: Play, presence: Presence, sleeps_s: int | None
) -> None:
    async def story(town: Town) -> None:
        request_id = await _ask_a_sleeper(town, presence, sleeps_s=sleeps_s)
        town.clock.pass_s(
            3600 + 240
        )  # a visit of 120 s, and the pause before the last attempt in it
        assert (await town.operator.vehicle(CAR)).presence == presence.name.lower()
        assert (await town.send(request_id)).state == "vehicle in sleep"
        town.clock.pass_s(1)
        assert (await town.operator.vehicle(CAR)).presence == "overdue"
        seen = await town.operator.request(request_id)
        assert seen.state == "connection failure"
        assert "should have looked in on 2027-01-15 at 09:00 UTC" in seen.words
        await town.car.come_online(connection=2)
        await town.settle()
        assert (await town.operator.vehicle(CAR)).presence == "online"
        assert (await town.operator.request(request_id)).state == "waiting"

    play(story)


def test_a_car_that_sleeps_for_good_is_never_overdue(play: Play) -> None:
    async def story(town: Town) -> None:
        request_id = await _ask_a_sleeper(town, Presence.ASLEEP)
        town.clock.pass_s(365 * 86_400)
        assert (await town.operator.vehicle(CAR)).presence == "asleep"
        assert (await town.send(request_id)).state == "vehicle in sleep"

    play(story)


def test_a_car_that_was_heard_after_its_time_is_not_overdue_before_that_is_long_ago(
    play: Play,
) -> None:
    async def story(town: Town) -> None:
        await _ask_a_sleeper(town, Presence.ASLEEP, sleeps_s=3600)
        town.clock.pass_s(3700)
        await town.car.press_on_call()
        await town.settle()
        town.clock.pass_s(240)
        assert (await town.operator.vehicle(CAR)).presence == "asleep"
        town.clock.pass_s(1)
        assert (await town.operator.vehicle(CAR)).presence == "overdue"

    play(story)
