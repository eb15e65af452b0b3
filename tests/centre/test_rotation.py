"""A centre whose keys are being rotated: authorities serve no car that is behind, and nothing on its way is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tcu_sim.centre.account.service import AccountService
from tcu_sim.centre.account.states import StateBook
from tcu_sim.centre.errors import Denied
from tcu_sim.cli.main import main
from tcu_sim.pki.successors import kid_in_use
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import look, sign
from tcu_sim.wire.keys import SigningKey, generate
from tcu_sim.wire.trust import TrustedKeys
from tests.centre.conftest import Play
from tests.centre.test_theft_desk import agreed_case, draft, tracked
from tests.centre.town import CAR, Town, shared_layout

Story = Callable[[Town], Coroutine[Any, Any, None]]


def play_in(root: Path, story: Story) -> None:
    async def in_town() -> None:
        town = Town(root)
        try:
            await story(town)
        finally:
            town.centre.close()

    asyncio.run(in_town())


def behind(car_trust: TrustedKeys) -> TrustedKeys:
    return replace(car_trust, trust=replace(car_trust.trust, version=0))


# ------------------------------------------------------------------ who is behind is not served


def test_neither_authority_serves_a_car_that_does_not_know_the_newest_bundle(play: Play) -> None:
    """Freeze: a broker that withholds a revocation gains only that nothing works."""

    async def story(town: Town) -> None:
        pin = await town.subscribe()
        known, town.car.trust = town.car.trust, behind(town.car.trust)
        assert (await town.unlock(pin)).state == "rejected"
        case_id = await agreed_case(town)
        request_id = await draft(town, case_id)
        assert await town.enter(request_id, pin) == "right"
        assert "vehicle-behind" in (await town.send(request_id)).detail
        assert not town.car.grants
        town.car.trust = known
        assert (await town.unlock(pin)).state == "completed"

    play(story)


def test_the_theft_desk_refuses_it_for_itself(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        request_id = await draft(town, await agreed_case(town))
        town.car.trust = behind(town.car.trust)
        assert await town.enter(request_id, pin) == "right"
        await town.send(request_id)
        [challenge] = town.car.challenges.values()
        asked = {
            "request": town.bus.last("request").hex(),
            "challenge": sign(challenge, town.car.key, town.car.environment).hex(),
        }
        desk = town.centre._peer("command", "desk")
        with pytest.raises(Denied, match="vehicle-behind"):
            await desk.call("approve", asked)
        current = replace(challenge, trust_version=challenge.trust_version + 1)
        asked["challenge"] = sign(current, town.car.key, town.car.environment).hex()
        assert "approval" in await desk.call("approve", asked)

    play(story)


# ------------------------------------------------------------------ the theft desk's sealing key


@pytest.mark.parametrize("commands", [["rotate"], ["rotate", "switch"]])
def test_what_cars_seal_to_the_old_key_is_opened_through_the_rotation(
    tmp_path: Path, commands: list[str]
) -> None:
    layout = shared_layout(tmp_path)
    for command in commands:
        assert main(["pki", command, str(layout.root), "desk"]) == 0

    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        await town.car.send_position(request_id, case_id, 1)
        await town.settle()
        assert [seen.seq for seen in await town.client.desk_clerk().positions(case_id)] == [1]

    play_in(tmp_path, story)


def test_what_cars_seal_to_the_new_key_is_opened_after_it(tmp_path: Path) -> None:
    layout = shared_layout(tmp_path)
    old = kid_in_use(layout, "desk").hex()
    for words in (["rotate", "desk"], ["switch", "desk"], ["retire", old]):
        assert main(["pki", words[0], str(layout.root), words[1]]) == 0

    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        await town.car.send_position(request_id, case_id, 1)
        await town.settle()
        assert [seen.seq for seen in await town.client.desk_clerk().positions(case_id)] == [1]

    play_in(tmp_path, story)


def test_a_service_that_switched_is_believed(tmp_path: Path) -> None:
    """Command service and PIN authority sign with their next keys; the car knows both."""
    layout = shared_layout(tmp_path)
    for role in ("command", "pin"):
        for command in ("rotate", "switch"):
            assert main(["pki", command, str(layout.root), role]) == 0

    async def story(town: Town) -> None:
        pin = await town.subscribe()
        assert (await town.unlock(pin)).state == "completed"
        assert look(town.bus.last("grant")).kid == kid_in_use(layout, "command")
        assert look(town.car.grants[-1].evidence).kid == kid_in_use(layout, "pin")

    play_in(tmp_path, story)


# ------------------------------------------------------------------ the account states


def states_of(town: Town) -> StateBook:
    service = town.centre.services["account"]
    assert isinstance(service, AccountService)
    return service._states


def with_other_keys(
    states: StateBook, *, epoch: int | None = None, key: SigningKey | None = None
) -> StateBook:
    """Return the account states as the service has them when it starts with another bundle or key."""
    identity = states.identity
    trust = replace(identity.trust.trust, epoch=epoch or identity.trust.trust.epoch)
    trusted = replace(identity.trust, trust=trust)
    return replace(states, identity=replace(identity, trust=trusted, key=key or identity.key))


async def linked(town: Town) -> StateBook:
    """Return the account states of a town whose car knows a user."""
    await town.subscribe()
    states = states_of(town)
    before = states.get(CAR)
    await states.adopt(replace(before, users=("user-1",)), town.bus.last("account"))
    return states


def test_a_new_epoch_tells_each_car_its_state_again_with_its_users(play: Play) -> None:
    async def story(town: Town) -> None:
        states = await linked(town)
        before, told = states.get(CAR), len(town.bus.published)
        await states.renew()
        assert len(town.bus.published) == told
        await with_other_keys(states, epoch=2).renew()
        new = town.car.trust.open(town.bus.last("account"), m.Account).message
        assert (new.epoch, new.users) == (2, ("user-1",))
        assert new.version > before.version
        assert new.pin_generation == before.pin_generation

    play(story)


def test_a_state_that_a_car_has_not_learnt_is_signed_with_the_new_key(play: Play) -> None:
    """Under the old one it would never be taken once that key is retired."""

    async def story(town: Town) -> None:
        states = await linked(town)
        key = generate()
        told = len(town.bus.published)
        await with_other_keys(states, key=key).renew()
        assert len(town.bus.published) == told
        town.bus.loses.add("account")
        await states.commit(states.get(CAR))
        await with_other_keys(states, key=key).renew()
        assert look(town.bus.last("account")).kid == key.public.kid

    play(story)


def test_the_service_does_it_when_it_starts(play: Play) -> None:
    async def story(town: Town) -> None:
        await linked(town)
        service = town.centre.services["account"]
        assert isinstance(service, AccountService)
        service._states = with_other_keys(service._states, epoch=2)
        await service.tick()
        assert town.car.trust.open(town.bus.last("account"), m.Account).message.epoch == 2
        told = len(town.bus.published)
        await service.tick()
        assert len(town.bus.published) == told

    play(story)
