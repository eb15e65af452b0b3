"""A service that is away: nothing is half done, and what was begun goes on when it is back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from tcu_sim.centre.account import renewals
from tcu_sim.centre.account.schema import LONGEST_REPUBLISH_S, REPUBLISH_AFTER_S
from tcu_sim.centre.api import Call, Operation, Reply
from tcu_sim.centre.errors import BadCall, Denied, ServiceUnreachable
from tests.centre.conftest import Play
from tests.centre.town import CAR, HOME, Town


class Away:
    """Stands in for a service that does not answer."""

    topics: tuple[str, ...] = ()

    def __init__(self, name: str, operations: Mapping[str, Operation]) -> None:
        self.name = name
        self.operations = {
            operation: Operation(offered.callers, self._refuse)
            for operation, offered in operations.items()
        }

    async def receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        """It hears nothing."""

    async def tick(self) -> None:
        """It does nothing."""

    async def _refuse(self, _: Call) -> Reply:
        raise ServiceUnreachable(f"{self.name} does not answer")


@asynccontextmanager
async def away(town: Town, name: str) -> AsyncIterator[None]:
    service = town.centre.services[name]
    town.centre.services[name] = Away(name, service.operations)
    yield
    town.centre.services[name] = service


async def come_back(town: Town) -> None:
    town.clock.pass_s(LONGEST_REPUBLISH_S)
    await town.centre.tick()
    await town.settle()


def told(town: Town) -> int:
    """How often the car was told its account."""
    return [kind for _, kind, _ in town.bus.published].count("account")


def pin_letters(town: Town) -> int:
    return sum(kind == "pin" for _, kind, _ in town.post.letters)


def test_a_new_pin_is_issued_once_when_the_pin_authority_is_back(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        incident_id = await town.call_on_call()
        async with away(town, "pin"):
            for _ in range(2):
                with pytest.raises(ServiceUnreachable):
                    await town.operator.reissue(CAR, incident_id)
        assert pin_letters(town) == 1
        await come_back(town)
        await come_back(town)
        assert pin_letters(town) == 2
        state = await town.operator.account_state(CAR)
        assert (state.pin_generation, state.learnt_version) == (2, state.version)

    play(story)


def test_the_car_is_told_only_after_the_authorities(play: Play) -> None:
    async def story(town: Town) -> None:
        async with away(town, "desk"):
            await town.operator.subscribe(CAR, address=HOME)
            await town.settle()
            assert town.car.account is None
        await come_back(town)
        assert (await town.operator.account_state(CAR, timeout_s=0)).learnt_version == 1

    play(story)


def test_the_news_is_published_until_the_car_has_learnt_it(play: Play) -> None:
    async def story(town: Town) -> None:
        town.bus.loses = {"account"}
        await town.operator.subscribe(CAR, address=HOME)
        for pause_s in (REPUBLISH_AFTER_S, 2 * REPUBLISH_AFTER_S, 4 * REPUBLISH_AFTER_S):
            sent = told(town)
            town.clock.pass_s(pause_s - 1)
            await town.centre.tick()
            assert told(town) == sent
            town.clock.pass_s(1)
            await town.centre.tick()
            assert told(town) == sent + 1
        town.bus.loses = set()
        sent = told(town)
        await town.car.come_online()
        await town.settle()
        assert told(town) == sent + 1
        assert (await town.operator.account_state(CAR)).learnt_version == 1
        await come_back(town)
        assert told(town) == sent + 1

    play(story)


def test_an_unlock_without_the_pin_authority_waits_and_can_be_sent_again(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
        assert await town.enter(request_id, pin) == "right"
        async with away(town, "pin"):
            seen = await town.send(request_id)
            assert (seen.state, seen.words) == ("delivered", "pin does not answer")
        town.clock.pass_s(300)
        assert (await town.operator.request(request_id)).state == "timeout"
        assert (await town.send(request_id)).state == "completed"
        first, second = town.car.requests
        assert (first.request_id, first.seq + 1) == (second.request_id, second.seq)

    play(story)


def test_requests_are_numbered_as_they_are_sent(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        incident_id = await town.call_on_call()
        early = await town.operator.draft_state(CAR, incident_id)
        late = await town.operator.draft_state(CAR, incident_id)
        for request_id in (late, early):
            await town.send(request_id)
        assert [r.request_id for r in town.car.requests] == [late, early]
        assert town.car.requests[0].seq < town.car.requests[1].seq

    play(story)


def test_a_wish_that_can_never_succeed_stands_in_nobodys_way(play: Play) -> None:
    async def story(town: Town) -> None:
        with pytest.raises(BadCall, match="address"):
            await town.operator.subscribe(CAR, address="12 Main St")
        with pytest.raises(Denied, match="unknown-vehicle"):
            await town.operator.subscribe("car-9", address=HOME)
        await town.centre.tick()
        assert await town.subscribe()

    play(story)


def test_what_an_earlier_centre_stored_and_can_never_succeed_is_given_up(
    play: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(town: Town) -> None:
        with monkeypatch.context() as earlier:
            earlier.setattr(renewals, "check_address", str)
            async with away(town, "pin"):
                with pytest.raises(ServiceUnreachable):
                    await town.operator.subscribe(CAR, address="12 Main St")
        await town.centre.tick()
        assert caplog.text.count("address") == 1
        await town.centre.tick()
        assert caplog.text.count("address") == 1
        assert await town.subscribe()

    play(story)


@pytest.mark.parametrize("word", ["vehicle", "records", "trust-publish"])
def test_operators_are_told_that_there_is_no_such_vehicle(play: Play, word: str) -> None:
    async def story(town: Town) -> None:
        operator = town.operator
        with pytest.raises(Denied, match=r"unknown-vehicle.*pki show"):
            await operator.command.call(word, {"vehicle_id": "car/+"})

    play(story)
