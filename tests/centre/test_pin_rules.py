"""S1, S2, S10 and what stands around them: how PINs are made, counted, throttled and ended."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from tcu_sim.centre.errors import BadCall, Denied
from tcu_sim.centre.pin import schema
from tcu_sim.centre.pin.hashing import NO_PIN, QUICK, PinHasher
from tcu_sim.centre.world import SystemEntropy, uniform_below
from tcu_sim.wire.numbers import Told
from tests.centre.conftest import Play
from tests.centre.town import CAR, HOME, OTHER_CAR, OTHER_HOME, Town, wrong


class Scripted:
    """Entropy that returns what a test says."""

    def __init__(self, *values: int) -> None:
        self.values = list(values)

    def random_bytes(self, length: int) -> bytes:
        return self.values.pop(0).to_bytes(length, "big")


def test_a_pin_is_drawn_without_favour() -> None:
    first_beyond = 2**32 - 2**32 % 10_000
    assert uniform_below(Scripted(first_beyond, 2**32 - 1, 1234), 10_000) == 1234
    assert uniform_below(Scripted(first_beyond - 1), 10_000) == 9999


def test_it_comes_by_post_to_the_owner_alone_and_has_four_digits(play: Play) -> None:
    async def story(town: Town) -> None:
        view = await town.operator.subscribe(CAR, address=HOME)
        [(address, kind, text)] = town.post.letters
        assert (address, kind) == (HOME, "pin")
        pin = town.pin()
        assert len(pin) == 4
        assert text.endswith(pin)
        assert pin not in repr(view)
        await town.settle()
        assert not any(pin.encode() in data for _, _, data in town.bus.published)

    play(story)


def test_the_pin_of_the_owners_other_car_is_wrong_here(play: Play) -> None:
    async def story(town: Town) -> None:
        mine = await town.subscribe(CAR, HOME)
        theirs = await town.subscribe(OTHER_CAR, OTHER_HOME)
        while theirs == mine:
            incident_id = await town.client.telephone().call_in(caller="0", vehicle_id=OTHER_CAR)
            await town.operator.reissue(OTHER_CAR, incident_id)
            theirs = town.pin(OTHER_HOME)
        request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
        assert await town.enter(request_id, theirs) == "wrong"
        assert await town.enter(request_id, mine) == "right"

    play(story)


async def signed_in_app(town: Town, login: str = "owner@example.org") -> str:
    app = town.client.app()
    account = await app.create_account(login, "a long password")
    await app.sign_in(login, "a long password")
    town.app = app
    return account


async def guess(town: Town, pin: str, times: int) -> str:
    answer = ""
    for _ in range(times):
        begun = await town.app.begin("app-link", CAR)
        answer = await town.app.enter_pin(begun, pin)
    return answer


def test_ten_wrong_ones_in_a_row_in_the_app_lock_the_account(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        await signed_in_app(town)
        assert await guess(town, wrong(pin), 9) == "wrong"
        assert "app-locked" not in town.notices()
        assert await guess(town, pin, 1) == "right"
        assert await guess(town, wrong(pin), 9) == "wrong"
        begun = await town.app.begin("app-link", CAR)
        assert await town.app.enter_pin(begun, wrong(pin)) == "wrong"
        assert "app-locked" in town.notices()
        assert await town.app.enter_pin(begun, pin) == "locked"
        with pytest.raises(Denied, match="locked"):
            await town.app.begin("app-link", CAR)
        with pytest.raises(Denied, match="locked"):
            await town.app.sign_in("owner@example.org", "a long password")

    play(story)


def test_one_account_does_not_lock_another(play: Play) -> None:
    """Nor does it end the PIN for it: a stranger could do that to anybody (docs/adr/0010)."""

    async def story(town: Town) -> None:
        pin = await town.subscribe()
        await signed_in_app(town, "stranger@example.org")
        await guess(town, wrong(pin), 10)
        assert "app-locked" in town.notices()
        await signed_in_app(town, "owner@example.org")
        assert await guess(town, pin, 1) == "right"

    play(story)


def test_telephone_entries_are_throttled_and_lock_no_app(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        answers, request_id = [], b""
        for _ in range(3):
            incident_id = await town.client.telephone().call_in(caller="+46 1", vehicle_id=CAR)
            request_id = await town.operator.draft_unlock(CAR, incident_id)
            answers += [await town.enter(request_id, wrong(pin)) for _ in range(4)]
        # three in one incident, six from one caller
        assert answers == (["wrong"] * 3 + ["throttled"]) * 2 + ["throttled"] * 4
        assert await town.enter(request_id, pin) == "throttled"
        incident_id = await town.client.telephone().call_in(caller="+46 2", vehicle_id=CAR)
        request_id = await town.operator.draft_unlock(CAR, incident_id)
        assert await town.enter(request_id, pin) == "right"

    play(story)


def test_twenty_wrong_ones_within_a_day_end_the_pin(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        for number in range(3):
            await signed_in_app(town, f"{number}@example.org")
            assert await guess(town, wrong(pin), 6) == "wrong"
        assert "new-pin-needed" not in town.notices()
        assert await guess(town, wrong(pin), 2) == "wrong"
        assert "new-pin-needed" in town.notices()
        await signed_in_app(town, "late@example.org")
        assert await guess(town, pin, 1) == "new-pin-needed"
        town.clock.pass_s(schema.CAP_WINDOW_S + 1)
        await signed_in_app(town, "later@example.org")
        assert await guess(town, pin, 1) == "wrong"  # the old PIN stays dead
        await town.operator.reissue(CAR, await town.call_on_call())
        assert await guess(town, town.pin(), 1) == "right"

    play(story)


def test_nine_a_right_one_and_nine_more_end_no_pin(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        await signed_in_app(town)
        for _ in range(2):
            assert await guess(town, wrong(pin), 9) == "wrong"
            assert await guess(town, pin, 1) == "right"
        assert "new-pin-needed" not in town.notices()

    play(story)


def test_a_new_pin_starts_a_new_count(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        for number in range(2):
            await signed_in_app(town, f"{number}@example.org")
            await guess(town, wrong(pin), 9)
        await town.operator.reissue(CAR, await town.call_on_call())
        await signed_in_app(town, "owner@example.org")
        assert await guess(town, wrong(town.pin()), 3) == "wrong"
        assert await guess(town, town.pin(), 1) == "right"

    play(story)


def test_the_owner_hears_of_every_burst(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        await signed_in_app(town)
        await guess(town, wrong(pin), 2)
        assert town.notices() == []
        await guess(town, wrong(pin), 4)
        assert town.notices() == ["wrong-entries"]
        town.clock.pass_s(schema.BURST_WINDOW_S + 1)
        await guess(town, wrong(pin), 3)
        assert town.notices() == ["wrong-entries"] * 2

    play(story)


def test_wrong_pins_at_many_cars_alarm_the_fleet(
    play: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(town: Town) -> None:
        monkeypatch.setattr(schema, "FLEET_VEHICLES", 2)
        pin = await town.subscribe()
        await signed_in_app(town)
        await guess(town, wrong(pin), 3)
        assert await town.operator.fleet_alarms() == []
        for _ in range(3):
            begun = await town.app.begin("app-link", "no-such-car")
            await town.app.enter_pin(begun, wrong(pin))
        [alarm] = await town.operator.fleet_alarms()
        assert alarm["vehicles"] == 2

    with caplog.at_level(logging.WARNING):
        play(story)
    assert "fleet alarm" in caplog.text


def test_an_unknown_vehicle_answers_as_a_wrong_pin_does(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        await signed_in_app(town)
        answers = []
        for vehicle_id in (CAR, "no-such-car"):
            begun = await town.app.begin("app-link", vehicle_id)
            answers.append([await town.app.enter_pin(begun, wrong(pin)) for _ in range(4)])
        assert answers == [["wrong"] * 4] * 2

    play(story)


def test_an_unknown_vehicle_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PinHasher(pepper=b"p" * 32, cost=QUICK)
    stored = hasher.store("1234", vehicle_id="v", generation=1, entropy=SystemEntropy())
    calls: list[str] = []
    original = PinHasher._hash

    def counted(*args: Any) -> bytes:
        calls.append("argon2")
        return original(*args)

    monkeypatch.setattr(PinHasher, "_hash", counted)
    assert hasher.is_right("1234", stored, vehicle_id="v", generation=1)
    assert not hasher.is_right("1234", NO_PIN, vehicle_id="v", generation=1)
    assert calls == ["argon2"] * 2


def test_a_hash_is_bound_to_vehicle_generation_and_pepper() -> None:
    hasher = PinHasher(pepper=b"p" * 32, cost=QUICK)
    stored = hasher.store("1234", vehicle_id="v", generation=1, entropy=SystemEntropy())
    other = PinHasher(pepper=b"q" * 32, cost=QUICK)
    assert not hasher.is_right("1235", stored, vehicle_id="v", generation=1)
    assert not hasher.is_right("1234", stored, vehicle_id="w", generation=1)
    assert not hasher.is_right("1234", stored, vehicle_id="v", generation=2)
    assert not other.is_right("1234", stored, vehicle_id="v", generation=1)


def test_a_real_hash_takes_long_enough_to_be_worth_it() -> None:
    hasher = PinHasher(pepper=b"p" * 32)
    began = time.perf_counter()
    hasher.store("1234", vehicle_id="v", generation=1, entropy=SystemEntropy())
    assert time.perf_counter() - began > 0.005


def test_an_entry_is_counted_before_it_is_compared(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        await signed_in_app(town)

        def power_cut(*_: object, **__: object) -> bool:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(PinHasher, "is_right", power_cut)
            for _ in range(10):
                begun = await town.app.begin("app-link", CAR)
                with pytest.raises(KeyboardInterrupt):
                    await town.app.enter_pin(begun, pin)
        with pytest.raises(Denied, match="locked"):
            await town.app.begin("app-link", CAR)

    play(story)


def test_what_is_no_pin_is_not_counted(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        await signed_in_app(town)
        begun = await town.app.begin("app-link", CAR)
        for text in ("", "12", "12345", "12a4", "１２３４", "-123"):
            with pytest.raises(BadCall):
                await town.app.enter_pin(begun, text)
        assert await guess(town, wrong(pin), 9) == "wrong"
        assert await guess(town, pin, 1) == "right"

    play(story)


def test_a_ticket_is_used_once_and_grows_old(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
        ticket, keypad = await town.operator.ticket(request_id), town.client.keypad()
        assert await keypad.enter(ticket, wrong(pin)) == "wrong"
        assert await keypad.enter(ticket, pin) == "right"
        for stale in (ticket, "0" * 48):
            with pytest.raises(Denied, match="ticket"):
                await keypad.enter(stale, pin)
        old = await town.operator.ticket(request_id)
        town.clock.pass_s(schema.TICKET_LIFE_S + 1)
        with pytest.raises(Denied, match="ticket"):
            await keypad.enter(old, pin)

    play(story)


def test_an_operator_cannot_make_up_a_call(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        with pytest.raises(Denied, match="incident"):
            await town.operator.draft_unlock(CAR, bytes(16))
        # Even a command service that plays along gets no ticket: the PIN authority knows of no such call.
        wish = {
            "service": "unlock",
            "vehicle_id": CAR,
            "incident_id": (await town.call_on_call()).hex(),
            "parameters": {"0": 0},
        }
        drafted = await town.operator.command.call("request-draft", wish)
        pin_edge = town.centre._peer("command", "pin")
        body = {"draft": drafted["draft"], "incident_id": bytes(16).hex()}
        with pytest.raises(Denied, match="incident"):
            await pin_edge.call("ticket-for-call", body)
        calls = town.client.telephone()
        other = await calls.call_in(caller="0", vehicle_id=OTHER_CAR)
        with pytest.raises(Denied, match="incident"):
            await pin_edge.call("ticket-for-call", {**body, "incident_id": other.hex()})
        for known in (CAR, None):
            mine = await calls.call_in(caller="0", vehicle_id=known)
            await pin_edge.call("ticket-for-call", {**body, "incident_id": mine.hex()})
        for vehicle, kind in ((town.car, Told.STARTED), (town.other_car, Told.ON_CALL_PRESSED)):
            event = await vehicle.say(await vehicle.tell(kind, incident_id=bytes(16)))
            with pytest.raises(Denied, match="incident"):
                await pin_edge.call("ticket-for-call", {**body, "event": event.hex()})

    play(story)


def test_a_pin_that_an_operator_heard_is_reported(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
        ticket = await town.operator.ticket(request_id)
        assert await town.operator.enter_heard_pin(ticket, pin) == "right"
        assert town.notices() == ["pin-heard"]

    play(story)


def test_three_new_pins_a_day(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        incident_id = await town.call_on_call()
        for _ in range(2):
            await town.operator.reissue(CAR, incident_id)
        with pytest.raises(Denied, match="too-many-pins"):
            await town.operator.reissue(CAR, incident_id)
        town.clock.pass_s(schema.CAP_WINDOW_S + 1)
        await town.operator.reissue(CAR, incident_id)

    play(story)


def test_the_same_issue_again_sends_no_second_letter(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        edge = town.centre._peer("account", "pin")
        body = {"vehicle_id": CAR, "address": HOME, "issue_id": "07" * 16}
        first = await edge.call("issue", body)
        letters = len(town.post.letters)
        assert await edge.call("issue", body) == first
        assert len(town.post.letters) == letters

    play(story)
