"""S3, S6, S7, S9, S11 and S12: what the owner does in the app."""

from __future__ import annotations

import pytest

from tcu_sim.centre.account import schema
from tcu_sim.centre.account.schema import KEEPER_HOLD_S
from tcu_sim.centre.app_client import App, PinNotAccepted
from tcu_sim.centre.errors import BadCall, Denied
from tcu_sim.wire import messages as m
from tests.centre.conftest import Play
from tests.centre.light_vehicle import LightVehicle
from tests.centre.town import CAR, HOME, Town, wrong

LOGIN = "owner@example.org"
PASSWORD = "correct horse battery"


async def new_app(town: Town, login: str = LOGIN) -> tuple[App, str]:
    app = town.client.app()
    account = await app.create_account(login, PASSWORD)
    await app.sign_in(login, PASSWORD)
    return app, account


async def linked_app(town: Town) -> tuple[App, str, str]:
    """Return an app that is linked, its account, and the PIN."""
    pin = await town.subscribe()
    app, account = await new_app(town)
    change = await town.while_settling(app.link(CAR, pin))
    assert change.state == "completed"
    return app, account, pin


def test_the_app_is_linked_with_the_pin_and_the_cars_agreement(play: Play) -> None:
    async def story(town: Town) -> None:
        _, account, _ = await linked_app(town)
        state = await town.operator.account_state(CAR)
        assert state.users == [account]
        assert state.learnt_version == state.version
        assert town.car.account is not None
        assert town.car.account.users == (account,)
        assert town.car.account.evidence is not None

    play(story)


def test_without_the_right_pin_nothing_is_linked(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        app, _ = await new_app(town)
        with pytest.raises(PinNotAccepted, match="wrong"):
            await app.link(CAR, wrong(pin))
        begun = await app.begin("app-link", CAR)
        await app.go(begun.change_id)
        await town.settle()
        change = await app.change(begun.change_id)
        assert (change.state, "no-pin-session" in change.words) == ("rejected", True)
        assert (await town.operator.account_state(CAR)).users == []

    play(story)


def test_a_linked_user_adds_another_with_the_pin(play: Play) -> None:
    async def story(town: Town) -> None:
        app, account, pin = await linked_app(town)
        _, guest = await new_app(town, "guest@example.org")
        with pytest.raises(PinNotAccepted):
            await app.add_user(CAR, guest, wrong(pin))
        await town.while_settling(app.add_user(CAR, guest, pin))
        assert (await town.operator.account_state(CAR)).users == sorted([account, guest])

    play(story)


def test_who_has_no_app_account_is_not_added_and_who_is_no_user_not_taken_away(play: Play) -> None:
    async def story(town: Town) -> None:
        app, account, pin = await linked_app(town)
        _, guest = await new_app(town, "guest@example.org")
        with pytest.raises(Denied, match="no-such-user: 'nobody' is no app account"):
            await app.add_user(CAR, "nobody", pin)
        for user in ("nobody", guest):
            with pytest.raises(Denied, match=f"no-such-user: '{user}' is no user of .*{account}"):
                await app.remove_user(CAR, user)
        assert (await town.operator.account_state(CAR)).users == [account]

    play(story)


def test_nobody_adds_users_to_a_car_that_is_not_linked(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        app, account = await new_app(town)
        for service in ("add-user", "end-subscription"):
            with pytest.raises(Denied, match="not-linked"):
                await app.begin(service, CAR, user_id=account)

    play(story)


def test_a_user_is_taken_away_without_a_pin(play: Play) -> None:
    async def story(town: Town) -> None:
        app, account, _ = await linked_app(town)
        await app.remove_user(CAR, account)
        await town.settle()
        assert town.car.account is not None
        assert (town.car.account.users, town.car.account.evidence) == ((), None)
        with pytest.raises(Denied, match="not-linked"):
            await app.remove_user(CAR, account)

    play(story)


def test_the_end_of_the_subscription_ends_everything(play: Play) -> None:
    async def story(town: Town) -> None:
        app, _, pin = await linked_app(town)
        with pytest.raises(PinNotAccepted):
            await app.end_subscription(CAR, wrong(pin))
        await town.while_settling(app.end_subscription(CAR, pin))
        assert town.car.account is not None
        assert not town.car.account.subscription_active
        assert town.car.account.users == ()
        with pytest.raises(Denied, match="subscription"):
            await town.operator.reissue(CAR, await town.call_on_call())
        request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
        assert await town.enter(request_id, pin) == "wrong"

    play(story)


def test_a_new_subscription_begins_with_a_new_pin(play: Play) -> None:
    async def story(town: Town) -> None:
        app, _, pin = await linked_app(town)
        await town.while_settling(app.end_subscription(CAR, pin))
        change = await town.operator.propose_keeper(CAR, kind="keeper", address=HOME, proof="deed")
        assert (change.kind, change.state) == ("subscription", "proposed")
        await town.client.operator(2).confirm_keeper(change.keeper_change_id)
        town.clock.pass_s(KEEPER_HOLD_S)
        await town.centre.tick()
        await town.settle()
        account = town.car.account
        assert account is not None
        assert (account.subscription_active, account.users) == (True, ())
        assert (account.ownership_generation, account.pin_generation) == (2, 2)
        assert (await town.unlock(town.pin())).state == "completed"

    play(story)


def test_a_pin_given_just_before_the_end_is_worth_nothing_after(play: Play) -> None:
    async def story(town: Town) -> None:
        app, _, pin = await linked_app(town)
        request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
        assert await town.enter(request_id, pin) == "right"
        await town.while_settling(app.end_subscription(CAR, pin))
        grants = len(town.car.grants)
        assert (await town.send(request_id)).state == "rejected"
        assert len(town.car.grants) == grants

    play(story)


def test_the_app_contacts_assistance_and_the_rest_is_as_by_on_call(play: Play) -> None:
    async def story(town: Town) -> None:
        app, _, pin = await linked_app(town)
        incident_id = await app.contact_assistance(CAR)
        [incident] = await town.operator.incidents(CAR)
        assert (incident.incident_id, incident.source) == (incident_id, "app")
        request_id = await town.operator.draft_unlock(CAR, incident_id)
        assert await town.enter(request_id, pin) == "right"
        await town.operator.reissue(CAR, incident_id)
        assert await town.enter(request_id, pin) == "wrong"

    play(story)


def test_a_locked_account_stays_dead_and_the_way_back_is_a_new_pin_and_a_new_account(
    play: Play,
) -> None:
    async def story(town: Town) -> None:
        app, dead, pin = await linked_app(town)
        for _ in range(10):
            with pytest.raises(PinNotAccepted):
                await app.end_subscription(CAR, wrong(pin))
        with pytest.raises(Denied, match="locked"):
            await app.contact_assistance(CAR)
        town.clock.pass_s(30 * 24 * 3600)
        with pytest.raises(Denied, match="locked"):
            await app.sign_in(LOGIN, PASSWORD)
        new_app_, alive = await new_app(town)  # as the first one was, under the same login
        assert alive != dead
        with pytest.raises(PinNotAccepted, match="new-pin-needed"):
            await new_app_.link(CAR, pin)
        await town.operator.reissue(CAR, await town.call_on_call())
        await town.settle()
        await town.while_settling(new_app_.link(CAR, town.pin()))
        assert alive in (await town.operator.account_state(CAR)).users

    play(story)


def test_the_password_does_not_do_the_pins_job_nor_the_pin_the_passwords(play: Play) -> None:
    async def story(town: Town) -> None:
        app, _, pin = await linked_app(town)
        with pytest.raises(Denied, match="sign-in"):
            await town.client.app().sign_in(LOGIN, pin)
        begun = await app.begin("end-subscription", CAR)
        with pytest.raises(BadCall):
            await app.enter_pin(begun, PASSWORD)
        with pytest.raises(BadCall):
            await app.create_account("other@example.org", pin)
        with pytest.raises(Denied, match="signed-out"):
            await town.client.app().begin("app-link", CAR)

    play(story)


def test_an_unknown_login_answers_as_a_wrong_password_does(play: Play) -> None:
    async def story(town: Town) -> None:
        await new_app(town)
        said = set()
        for login in (LOGIN, "nobody@example.org"):
            with pytest.raises(Denied) as caught:
                await town.client.app().sign_in(login, "not the password")
            said.add(str(caught.value))
        assert len(said) == 1

    play(story)


def test_signing_in_is_throttled(play: Play) -> None:
    async def story(town: Town) -> None:
        app, _ = await new_app(town)
        for _ in range(schema.SIGN_IN_TRIES):
            with pytest.raises(Denied, match="sign-in"):
                await app.sign_in(LOGIN, "not the password")
        with pytest.raises(Denied, match="throttled"):
            await app.sign_in(LOGIN, PASSWORD)
        town.clock.pass_s(schema.SIGN_IN_WINDOW_S + 1)
        await app.sign_in(LOGIN, PASSWORD)

    play(story)


def test_a_login_has_one_living_account(play: Play) -> None:
    async def story(town: Town) -> None:
        await new_app(town)
        with pytest.raises(Denied, match="login"):
            await new_app(town)

    play(story)


def test_a_session_ends(play: Play) -> None:
    async def story(town: Town) -> None:
        app, _, _ = await linked_app(town)
        town.clock.pass_s(schema.SESSION_LIFE_S + 1)
        with pytest.raises(Denied, match="signed-out"):
            await app.contact_assistance(CAR)

    play(story)


def test_a_change_whose_result_was_lost_is_learnt_from_the_next_challenge(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        app, account = await new_app(town)
        begun = await app.begin("app-link", CAR)
        assert await app.enter_pin(begun, pin) == "right"
        town.bus.loses = {"account"}
        await app.go(begun.change_id)
        await town.settle()
        assert (await app.change(begun.change_id)).state == "delivered"
        town.clock.pass_s(schema.OUTCOME_TIMEOUT_S + 1)
        assert (await app.change(begun.change_id)).state == "unknown"
        quiet, town.car.send = town.car.send, _nowhere
        await town.car.receive("account", town.bus.last("account"))
        town.car.send, town.bus.loses = quiet, set()
        assert (await town.unlock(pin)).state in {"completed", "rejected"}
        assert (await app.change(begun.change_id)).state == "completed"
        assert (await town.operator.account_state(CAR)).users == [account]

    play(story)


def lose_memory(car: LightVehicle) -> None:
    car.account, car.refuses = None, 31


async def _nowhere(message_type: str, payload: bytes) -> None:
    """A result that nobody hears."""


def test_a_car_that_lost_its_memory_is_taught_again_without_users(play: Play) -> None:
    async def story(town: Town) -> None:
        app, account, pin = await linked_app(town)
        lose_memory(town.car)
        _, guest = await new_app(town, "guest@example.org")
        begun = await app.begin("add-user", CAR, user_id=guest)
        assert await app.enter_pin(begun, pin) == "right"
        await app.go(begun.change_id)
        await town.settle()
        assert (await app.change(begun.change_id)).state == "rejected"
        taught = town.car.trust.open(town.bus.last("account"), m.Account).message
        assert town.car.account == taught
        assert (taught.users, taught.evidence) == ((), None)
        assert account not in (await town.operator.account_state(CAR)).users

    play(story)
