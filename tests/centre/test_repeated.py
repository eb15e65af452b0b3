"""What a vehicle says comes twice, or late: what an operator sees does not change, and nothing is decided twice."""

from __future__ import annotations

from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Outcome, Presence
from tests.centre.conftest import Play
from tests.centre.light_vehicle import TTL_S
from tests.centre.town import CAR, Town

PIN_LIMIT_S = 600


class Tap:
    """Keeps what the car says, and says it again."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._said: dict[str, bytes] = {}
        self._send = town.car.send
        town.car.send = self._keep

    async def _keep(self, message_type: str, payload: bytes) -> None:
        self._said[message_type] = payload
        await self._send(message_type, payload)

    async def again(self, message_type: str) -> None:
        """The newest of this kind comes once more."""
        await self._send(message_type, self._said[message_type])
        await self._town.settle()


def grants(town: Town) -> list[bytes]:
    return [data for _, kind, data in town.bus.published if kind == "grant"]


async def drafted(town: Town, pin: str) -> bytes:
    request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
    assert await town.enter(request_id, pin) == "right"
    return request_id


def test_a_challenge_again_after_the_result_is_nothing(play: Play) -> None:
    async def story(town: Town) -> None:
        pin, tap = await town.subscribe(), Tap(town)
        before = await town.unlock(pin)
        assert before.phase == "ended"
        town.bus.loses = {"grant"}
        for passes_s in (0, PIN_LIMIT_S + 1):
            town.clock.pass_s(passes_s)
            await tap.again("challenge")
            assert await town.operator.request(before.request_id) == before
        assert len(grants(town)) == 1

    play(story)


def test_a_challenge_again_sends_the_same_grant_again_though_the_pin_is_too_old_now(
    play: Play,
) -> None:
    async def story(town: Town) -> None:
        pin, tap = await town.subscribe(), Tap(town)
        town.bus.loses = {"grant"}
        request_id = await drafted(town, pin)
        town.clock.pass_s(PIN_LIMIT_S - 5)
        before = await town.send(request_id)
        assert (before.phase, before.state) == ("granted", "delivered")
        town.clock.pass_s(10)
        await tap.again("challenge")
        assert await town.operator.request(request_id) == before
        first, second = grants(town)
        assert first == second
        await town.car.receive("grant", second)
        await town.settle()
        assert (await town.operator.request(request_id)).state == "completed"

    play(story)


def test_a_challenge_again_does_not_put_off_when_an_outcome_is_unknown(play: Play) -> None:
    async def story(town: Town) -> None:
        pin, tap = await town.subscribe(), Tap(town)
        town.bus.loses = {"grant"}
        request_id = await drafted(town, pin)
        await town.send(request_id)
        town.clock.pass_s(TTL_S + 61)
        await tap.again("challenge")
        assert (await town.operator.request(request_id)).state == "unknown"

    play(story)


def test_what_was_rejected_stays_rejected_until_it_is_sent_again(play: Play) -> None:
    async def story(town: Town) -> None:
        pin, tap = await town.subscribe(), Tap(town)
        request_id = await town.operator.draft_unlock(CAR, await town.call_on_call())
        before = await town.send(request_id)
        assert before.state == "rejected"
        assert await town.enter(request_id, pin) == "right"
        await tap.again("challenge")
        assert await town.operator.request(request_id) == before
        assert grants(town) == []
        assert (await town.send(request_id)).state == "completed"

    play(story)


def test_a_request_that_the_broker_repeats_is_not_rejected_though_the_car_refuses_the_second(
    play: Play,
) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        town.bus.loses = {"grant"}
        request_id = await drafted(town, pin)
        before = await town.send(request_id)
        refusal = m.Refusal(
            vehicle_id=CAR, request_id=request_id, boot_id=town.car.boot_id, reason=10
        )
        await town.car.say(refusal)
        await town.settle()
        assert await town.operator.request(request_id) == before
        assert before.state == "delivered"

    play(story)


def test_its_refusal_before_the_challenge_ends_nothing_either(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        town.car.refuses = 10
        request_id = await drafted(town, pin)
        seen = await town.send(request_id)
        assert seen.state == "waiting"
        assert "seen a newer request" in seen.words
        town.car.refuses = None
        await town.car.receive("request", town.bus.last("request"))
        await town.settle()
        assert (await town.operator.request(request_id)).state == "completed"

    play(story)


def test_a_result_and_what_was_refused_before_it_again_are_nothing(play: Play) -> None:
    async def story(town: Town) -> None:
        pin, tap = await town.subscribe(), Tap(town)
        town.car.outcome = (Outcome.EXECUTED, 0)
        before = await town.unlock(pin)
        for reason in (7, 10, 33):
            refusal = m.Refusal(
                vehicle_id=CAR,
                request_id=before.request_id,
                boot_id=town.car.boot_id,
                reason=reason,
            )
            await town.car.say(refusal)
        await tap.again("result")
        assert await town.operator.request(before.request_id) == before
        assert (await town.operator.vehicle(CAR)).gaps == []

    play(story)


def test_a_press_and_its_end_again_open_nothing_and_end_nothing(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        tap = Tap(town)
        first = await town.call_on_call()
        await town.operator.end_call(first)
        said = len(town.car.calls)
        await tap.again("event")
        assert await town.operator.incidents(CAR) == []
        assert len(town.car.calls) == said

    play(story)


def test_that_a_car_is_online_again_hides_neither_its_sleep_nor_its_loss(play: Play) -> None:
    async def story(town: Town) -> None:
        for connection, presence in ((1, Presence.ASLEEP), (2, Presence.OFFLINE)):
            await town.car.come_online(connection=connection)
            await town.car.come_online(presence, connection=connection)
            await town.car.come_online(connection=connection)
            await town.settle()
            assert (await town.operator.vehicle(CAR)).presence == presence.name.lower()

    play(story)
