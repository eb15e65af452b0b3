"""S8: a new PIN goes to the registered keeper, the old one is dead, and nobody at the centre can redirect it alone."""

from __future__ import annotations

import pytest

from tcu_sim.centre.account.schema import KEEPER_HOLD_S
from tcu_sim.centre.errors import BadCall, Denied
from tests.centre.conftest import Play
from tests.centre.test_outages import away
from tests.centre.town import CAR, HOME, OTHER_CAR, Town

NEW_HOME = "new-owner-home"


async def change_keeper(town: Town, kind: str = "keeper") -> bytes:
    """Propose and confirm; what is left is to wait."""
    change = await town.operator.propose_keeper(CAR, kind=kind, address=NEW_HOME, proof="deed 7")
    await town.client.operator(2).confirm_keeper(change.keeper_change_id)
    return change.keeper_change_id


async def wait_out(town: Town) -> None:
    town.clock.pass_s(KEEPER_HOLD_S + 1)
    await town.centre.tick()
    await town.settle()


def test_the_new_pin_goes_to_the_keeper_and_the_old_one_is_dead(play: Play) -> None:
    async def story(town: Town) -> None:
        old = await town.subscribe()
        incident_id = await town.call_on_call()
        await town.operator.reissue(CAR, incident_id)
        await town.settle()
        new = town.pin(HOME)
        request_id = await town.operator.draft_unlock(CAR, incident_id)
        if new != old:
            assert await town.enter(request_id, old) == "wrong"
        assert await town.enter(request_id, new) == "right"
        assert town.car.account is not None
        assert town.car.account.pin_generation == 2

    play(story)


def test_no_new_pin_without_somebody_on_the_line(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        with pytest.raises(Denied, match="incident"):
            await town.operator.reissue(CAR, bytes(16))
        closed = await town.call_on_call()
        await town.operator.end_call(closed)
        about_another = await town.client.telephone().call_in(caller="0", vehicle_id=OTHER_CAR)
        for incident_id in (closed, about_another):
            with pytest.raises(Denied, match="incident"):
                await town.operator.reissue(CAR, incident_id)

    play(story)


def test_a_change_of_keeper_takes_a_second_operator_and_three_days(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        change = await town.operator.propose_keeper(
            CAR, kind="keeper", address=NEW_HOME, proof="deed 7"
        )
        assert town.notices(HOME) == ["address-change"]
        with pytest.raises(Denied, match="second-operator"):
            await town.operator.confirm_keeper(change.keeper_change_id)
        town.clock.pass_s(KEEPER_HOLD_S + 1)
        await town.centre.tick()
        assert (await town.operator.keeper_change(change.keeper_change_id)).state == "proposed"
        await town.client.operator(2).confirm_keeper(change.keeper_change_id)
        await town.centre.tick()
        await town.settle()
        assert (await town.operator.keeper_change(change.keeper_change_id)).state == "done"
        assert town.car.account is not None
        assert town.car.account.ownership_generation == 2

    play(story)


def test_until_then_letters_go_to_the_old_keeper_and_after_that_to_the_new_one(play: Play) -> None:
    async def story(town: Town) -> None:
        old = await town.subscribe()
        incident_id = await town.call_on_call()
        await change_keeper(town)
        await town.operator.reissue(CAR, incident_id)
        assert town.pin(HOME)
        with pytest.raises(IndexError):
            town.pin(NEW_HOME)
        await wait_out(town)
        new = town.pin(NEW_HOME)
        state = await town.operator.account_state(CAR)
        assert (state.ownership_generation, state.pin_generation) == (2, 3)
        incident_id = await town.call_on_call()
        request_id = await town.operator.draft_unlock(CAR, incident_id)
        if new not in {old, town.pin(HOME)}:
            assert await town.enter(request_id, old) == "wrong"
            assert await town.enter(request_id, town.pin(HOME)) == "wrong"
        assert (await town.unlock(new)).state == "completed"

    play(story)


def test_a_new_keeper_finds_no_users_of_the_old_one(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        account = await town.app.create_account("owner@example.org", "a long password")
        await town.app.sign_in("owner@example.org", "a long password")
        await town.while_settling(town.app.link(CAR, pin))
        assert (await town.operator.account_state(CAR)).users == [account]
        await change_keeper(town)
        await wait_out(town)
        assert town.car.account is not None
        assert town.car.account.users == ()

    play(story)


def test_a_change_of_address_alone_changes_nothing_in_the_car(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        await change_keeper(town, kind="address")
        await wait_out(town)
        assert (await town.operator.account_state(CAR)).version == 1
        await town.operator.reissue(CAR, await town.call_on_call())
        assert town.pin(NEW_HOME)

    play(story)


def test_the_old_keeper_objects(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        change_id = await change_keeper(town)
        await town.operator.cancel_keeper(change_id)
        await wait_out(town)
        assert (await town.operator.account_state(CAR)).ownership_generation == 1
        with pytest.raises(Denied, match="keeper-change"):
            await town.client.operator(2).confirm_keeper(change_id)

    play(story)


def test_one_change_at_a_time_and_of_a_known_kind(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        await change_keeper(town)
        with pytest.raises(Denied, match="busy"):
            await change_keeper(town)
        for kind, address in (("sale", NEW_HOME), ("keeper", "../pin")):
            with pytest.raises(BadCall):
                await town.operator.propose_keeper(CAR, kind=kind, address=address, proof="x")
        with pytest.raises(Denied, match="subscription"):
            await town.operator.propose_keeper(OTHER_CAR, kind="keeper", address="x", proof="x")

    play(story)


async def end_subscription(town: Town) -> None:
    pin = await town.subscribe()
    await town.app.create_account("owner@example.org", "a long password")
    await town.app.sign_in("owner@example.org", "a long password")
    await town.while_settling(town.app.link(CAR, pin))
    await town.while_settling(town.app.end_subscription(CAR, pin))


def test_no_operator_alone_gets_the_pin_of_a_car_whose_subscription_has_ended(play: Play) -> None:
    """Subscribed to a friend's address, such a car would open to him at once."""

    async def story(town: Town) -> None:
        await end_subscription(town)
        for address in (NEW_HOME, HOME):
            with pytest.raises(Denied, match="propose a keeper"):
                await town.operator.subscribe(CAR, address=address)
        for kind in ("address", "subscription"):
            with pytest.raises((Denied, BadCall)):
                await town.operator.propose_keeper(CAR, kind=kind, address=NEW_HOME, proof="x")
        change = await town.operator.propose_keeper(
            CAR, kind="keeper", address=NEW_HOME, proof="deed 7"
        )
        assert town.notices(HOME) == ["address-change"]
        with pytest.raises(Denied, match="second-operator"):
            await town.operator.confirm_keeper(change.keeper_change_id)
        await wait_out(town)
        await town.client.operator(2).confirm_keeper(change.keeper_change_id)
        await town.operator.cancel_keeper(change.keeper_change_id)
        await wait_out(town)
        assert not [to for to, _, _ in town.post.letters if to == NEW_HOME]
        assert not (await town.operator.account_state(CAR)).is_active

    play(story)


def test_a_subscription_that_begins_again_is_a_change_of_keeper(play: Play) -> None:
    async def story(town: Town) -> None:
        await end_subscription(town)
        change_id = await change_keeper(town)
        town.clock.pass_s(KEEPER_HOLD_S - 1)
        await town.centre.tick()
        assert (await town.operator.keeper_change(change_id)).state == "confirmed"
        async with away(town, "pin"):
            town.clock.pass_s(2)
            await town.centre.tick()
        await town.centre.tick()
        await town.settle()
        assert (await town.operator.keeper_change(change_id)).state == "done"
        account = town.car.account
        assert account is not None
        assert (account.subscription_active, account.users) == (True, ())
        assert (account.ownership_generation, account.pin_generation) == (2, 2)
        assert (await town.unlock(town.pin(NEW_HOME))).state == "completed"

    play(story)


def test_a_new_keeper_who_waited_while_the_subscription_ended_does_not_begin_it_again(
    play: Play,
) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        change_id = await change_keeper(town)
        await town.app.create_account("owner@example.org", "a long password")
        await town.app.sign_in("owner@example.org", "a long password")
        await town.while_settling(town.app.link(CAR, pin))
        await town.while_settling(town.app.end_subscription(CAR, pin))
        await wait_out(town)
        assert (await town.operator.keeper_change(change_id)).state == "cancelled"
        assert not (await town.operator.account_state(CAR)).is_active

    play(story)


def test_a_confirmed_change_waits_out_its_time(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        change_id = await change_keeper(town)
        town.clock.pass_s(KEEPER_HOLD_S - 1)
        await town.centre.tick()
        change = await town.operator.keeper_change(change_id)
        assert (change.state, change.waits_s) == ("confirmed", 1)
        town.clock.pass_s(1)
        await town.centre.tick()
        change = await town.operator.keeper_change(change_id)
        assert (change.state, change.waits_s) == ("done", 0)

    play(story)
