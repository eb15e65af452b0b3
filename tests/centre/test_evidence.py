"""When the PIN authority signs, and when it does not: one thing changed, refused with its word, put back, signed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tcu_sim.centre.errors import Denied
from tcu_sim.centre.pin import schema
from tcu_sim.centre.standing import News, Standing
from tcu_sim.pki import files
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import digest, payload_of, sign
from tcu_sim.wire.keys import SigningKey
from tcu_sim.wire.numbers import Kind, Mode, Service
from tcu_sim.wire.parameters import Locate, Unlock
from tests.centre.conftest import Play
from tests.centre.town import CAR, OTHER_CAR, Town, wrong


@dataclass
class Asked:
    """A request whose PIN was entered, and the car's lawful challenge to it; tests bend either."""

    town: Town
    request: m.Request
    challenge: m.Challenge

    async def evidence(self) -> m.Evidence:
        return await self.evidence_for(self.request, self.challenge)

    async def evidence_for(
        self,
        request: m.Request,
        challenge: m.Challenge,
        *,
        request_key: SigningKey | None = None,
        challenge_key: SigningKey | None = None,
    ) -> m.Evidence:
        """Ask for evidence as a command service would."""
        car = self.town.car
        request_key = request_key or service_key(self.town, "command")
        body = {
            "request": sign(request, request_key, car.environment).hex(),
            "challenge": sign(challenge, challenge_key or car.key, car.environment).hex(),
        }
        reply = await self.town.centre._peer("command", "pin").call("evidence", body)
        return car.trust.open(bytes.fromhex(reply["evidence"]), m.Evidence).message

    async def refused(self, **bent: Any) -> str:
        """Ask with some fields of the challenge changed; return the word of the refusal."""
        challenge = replace(self.challenge, **bent)
        with pytest.raises(Denied) as caught:
            await self.evidence_for(self.request, challenge)
        return caught.value.word


def service_key(town: Town, name: str) -> SigningKey:
    return files.read_signing_key(town.layout.service(name) / "signing.pem")


async def asked(town: Town, *, is_position: bool = False) -> Asked:
    pin = await town.subscribe()
    incident_id = await town.call_on_call()
    if is_position:
        case_id = secrets.token_bytes(16)
        request_id = await town.operator.draft_snapshot(CAR, incident_id, case_id=case_id)
    else:
        request_id = await town.operator.draft_unlock(CAR, incident_id)
    assert await town.enter(request_id, pin) == "right"
    town.bus.loses = {"request"}
    await town.operator.send(request_id)
    request = town.car.trust.open(town.bus.last("request"), m.Request)
    return Asked(town, request.message, town.car.challenge_for(request.message, request.hash))


def renumbered(case: Asked, **changes: Any) -> tuple[m.Request, m.Challenge]:
    """Return a changed request and the car's lawful challenge to that."""
    request = replace(case.request, **changes)
    return request, case.town.car.challenge_for(request, digest(payload_of(request)))


def test_evidence_says_what_it_is_for_and_how_old_the_check_is(play: Play) -> None:
    async def story(town: Town) -> None:
        case = await asked(town)
        town.clock.pass_s(12.3)
        evidence = await case.evidence()
        assert evidence.challenge_hash == digest(payload_of(case.challenge))
        assert (evidence.request_id, evidence.nonce) == (
            case.request.request_id,
            case.challenge.nonce,
        )
        assert evidence.pin_age_s == 13

    play(story)


@pytest.mark.parametrize(
    ("bent", "word"),
    [
        ({"request_hash": bytes(32)}, "challenge"),
        ({"request_id": bytes(16)}, "challenge"),
        ({"service": Service.POSITION}, "challenge"),
        ({"vehicle_id": OTHER_CAR}, "challenge"),
        ({"trust_version": 0}, "vehicle-behind"),
        ({"trust_epoch": 0}, "vehicle-behind"),
        ({"account_version": 0}, "vehicle-behind"),
        ({"ownership_generation": 0}, "vehicle-behind"),
        ({"ownership_generation": 2}, "vehicle-behind"),
        ({"pin_generation": 0}, "vehicle-behind"),
        ({"pin_generation": 2}, "vehicle-behind"),
    ],
    ids=str,
)
def test_a_bent_challenge_gets_none(play: Play, bent: dict[str, Any], word: str) -> None:
    async def story(town: Town) -> None:
        case = await asked(town)
        assert await case.refused(**bent) == word
        await case.evidence()

    play(story)


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": Unlock(mode=Mode.ARMED, window_s=60)},
        {"request_id": bytes(16)},
        {"incident_id": bytes(16)},
        {"service": Service.POSITION, "parameters": Locate(kind=Kind.SNAPSHOT)},
    ],
    ids=str,
)
def test_a_pin_for_one_thing_is_none_for_another(play: Play, changes: dict[str, Any]) -> None:
    async def story(town: Town) -> None:
        case = await asked(town)
        with pytest.raises(Denied, match="no-pin-session"):
            await case.evidence_for(*renumbered(case, **changes))
        await case.evidence()

    play(story)


def test_the_next_number_of_the_same_request_is_the_same_request(play: Play) -> None:
    async def story(town: Town) -> None:
        case = await asked(town)
        await case.evidence_for(*renumbered(case, seq=case.request.seq + 1))

    play(story)


def test_only_the_vehicle_signs_challenges_and_only_the_command_service_requests(
    play: Play,
) -> None:
    async def story(town: Town) -> None:
        case = await asked(town)
        for name in ("pin", "account", "desk"):
            with pytest.raises(Denied, match="request: wrong-role"):
                await case.evidence_for(
                    case.request, case.challenge, request_key=service_key(town, name)
                )
        for key in (town.other_car.key, service_key(town, "command")):
            with pytest.raises(Denied, match="challenge: unknown-key"):
                await case.evidence_for(case.request, case.challenge, challenge_key=key)
        await case.evidence()

    play(story)


def test_an_unlock_pin_lives_ten_minutes_and_a_position_pin_three_days(play: Play) -> None:
    async def story_of(town: Town, *, is_position: bool) -> None:
        limit_s = schema.POSITION_PIN_AGE_S if is_position else schema.PIN_AGE_S
        case = await asked(town, is_position=is_position)
        town.clock.pass_s(limit_s)
        assert (await case.evidence()).pin_age_s == limit_s
        town.clock.pass_s(1)
        assert await case.refused() == "pin-too-old"
        town.clock.pass_s(-limit_s - 2)  # a clock that went back proves nothing
        assert await case.refused() == "pin-too-old"

    async def unlock(town: Town) -> None:
        await story_of(town, is_position=False)

    async def position(town: Town) -> None:
        await story_of(town, is_position=True)

    play(unlock)
    play(position)


def test_a_car_that_restarts_gets_evidence_again_but_not_for_ever(play: Play) -> None:
    async def story(town: Town) -> None:
        case = await asked(town)
        for _ in range(schema.MOST_CHALLENGES):
            case.challenge = replace(case.challenge, nonce=secrets.token_bytes(16))
            for _ in range(2):
                await case.evidence()
        assert await case.refused(nonce=bytes(16)) == "no-pin-session"
        await case.evidence()

    play(story)


def test_a_replaced_pin_takes_its_session_with_it(play: Play) -> None:
    async def story(town: Town) -> None:
        case = await asked(town)
        await town.operator.reissue(CAR, await town.call_on_call())
        await town.settle()
        assert await case.refused(pin_generation=2, account_version=2) == "no-pin-session"

    play(story)


def test_a_car_that_has_not_learnt_is_not_served_until_it_has(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        incident_id = await town.call_on_call()
        town.car.learns = False
        await town.operator.reissue(CAR, incident_id)
        await town.settle()
        request_id = await town.operator.draft_unlock(CAR, incident_id)
        assert await town.enter(request_id, town.pin()) == "right"
        seen = await town.send(request_id)
        assert (seen.state, "vehicle-behind" in seen.detail) == ("rejected", True)
        town.car.learns = True
        await town.car.come_online()
        await town.settle()
        assert (await town.send(request_id)).state == "completed"

    play(story)


def test_a_pin_that_was_guessed_at_too_often_takes_its_sessions_with_it(play: Play) -> None:
    async def story(town: Town) -> None:
        case = await asked(town)
        pin = town.pin()
        for number in range(3):
            app = town.client.app()
            await app.create_account(f"{number}@example.org", "a long password")
            await app.sign_in(f"{number}@example.org", "a long password")
            begun = await app.begin("app-link", CAR)
            for _ in range(9):
                await app.enter_pin(begun, wrong(pin))
        assert "new-pin-needed" in town.notices()
        assert await case.refused() == "no-pin-session"

    play(story)


@pytest.mark.parametrize("authority", ["pin", "desk"])
def test_both_authorities_know_that_a_subscription_has_ended(play: Play, authority: str) -> None:
    async def story(town: Town) -> None:
        case = await asked(town)
        # White box: told by the account service, the PIN authority would end the PIN as well.
        standing: Standing = getattr(town.centre.services[authority], "_standing")  # noqa: B009 - see above
        told = News(
            vehicle_id=CAR, version=1, ownership_generation=1, pin_generation=1, is_active=True
        )
        standing.learn(told)
        standing.check(case.challenge)
        standing.learn(replace(told, is_active=False))
        with pytest.raises(Denied, match="subscription-ended"):
            standing.check(case.challenge)

    play(story)
