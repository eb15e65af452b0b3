"""The power is cut before every single effect of a story; the next start has to make sense of what is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Effect, Persist
from tcu_agent.core.events import Value
from tcu_agent.protocol.messages import PositionParameters
from tcu_agent.protocol.vocabulary import CallState, EventKind, PositionKind, Service
from tests.core import invariants
from tests.core.driver import Driver, Failure, PowerCut
from tests.protocol import signing

Story = Callable[[Driver], bytes | None]


def direct(car: Driver) -> bytes:
    """Unlock, nobody comes, lock again."""
    grant = car.allow(Service.UNLOCK)
    car.pass_time(0.3)
    car.locks(False)
    car.pass_time(121)
    car.locks(True)
    return grant


def armed(car: Driver) -> bytes:
    """Arm, press the plate, open a door."""
    grant = car.allow(Service.UNLOCK, parameters=signing.ARMED)
    car.pass_time(20)
    car.change({vss.PLATE: True})
    car.pass_time(0.3)
    car.locks(False)
    car.change({vss.DOORS_OPEN[4]: True, vss.PLATE: False})
    return grant


def sleeping(car: Driver) -> bytes:
    """Unlock a car whose bus sleeps."""
    car.fall_asleep()
    grant = car.allow(Service.UNLOCK)
    car.pass_time(2)
    car.wake_up()
    car.pass_time(0.3)
    car.locks(False)
    return grant


def tracked(car: Driver) -> bytes:
    """Track for two minutes, acknowledge, end the case."""
    car.change({vss.LATITUDE: 1.0, vss.LONGITUDE: 2.0, vss.FIX_TYPE: "THREE_D"})
    grant = car.allow(
        Service.POSITION, parameters=PositionParameters(PositionKind.TRACKING, 30, 120)
    )
    car.pass_time(70)
    car.acknowledge_positions(2)
    car.pass_time(60)
    car.receive("case-end", signing.sign(car.centre.case_end()))
    return grant


def located(car: Driver) -> bytes:
    """One snapshot."""
    grant = car.allow(Service.POSITION)
    car.pass_time(3)
    car.change({vss.LATITUDE: 1.0, vss.LONGITUDE: 2.0, vss.FIX_TYPE: "TWO_D"})
    return grant


def called(car: Driver) -> None:
    """Press, talk, hang up."""
    car.change({vss.ON_CALL_BUTTON: True})
    car.pass_time(0.3)
    car.change({vss.ON_CALL_BUTTON: False})
    car.control(CallState.RINGING, 1)
    car.control(CallState.CONNECTED, 2)
    car.change({vss.ON_CALL_BUTTON: True})
    car.pass_time(2.5)
    car.change({vss.ON_CALL_BUTTON: False})


def robbed(car: Driver) -> bytes:
    """The alarm goes off, a lorry takes the car away, a theft case is opened."""
    place: dict[str, Value] = {vss.LATITUDE: 1.0, vss.LONGITUDE: 2.0, vss.FIX_TYPE: "THREE_D"}
    car.change({**place, vss.ALARM: "triggered"})
    car.pass_time(31)
    car.change({**place, vss.LATITUDE: 1.1})
    return car.allow(Service.POSITION)


STORIES: list[Story] = [direct, armed, sleeping, tracked, located, called, robbed]


def provisioned() -> Driver:
    car = Driver()
    car.provision()
    car.effects_begun = 0
    return car


def effects_of(story: Story) -> int:
    car = provisioned()
    story(car)
    return car.effects_begun


def is_persist(effect: Effect) -> bool:
    return isinstance(effect, Persist)


@pytest.mark.parametrize("new_session", [False, True])
@pytest.mark.parametrize("story", STORIES, ids=lambda each: each.__name__)
def test_the_power_is_cut_before_each_effect(story: Story, new_session: bool) -> None:
    for cut_at in range(effects_of(story)):
        car = provisioned()
        car.cut_at = cut_at
        with pytest.raises(PowerCut):
            story(car)
        car.restart(new_session=new_session)
        car.awake = True
        car.show()
        car.pass_time(200)
        invariants.check(car)
        invariants.nothing_left_open(car)


@pytest.mark.parametrize("story", [direct, armed, sleeping, located, tracked])
def test_what_was_recorded_before_the_cut_does_nothing_after_it(story: Story) -> None:
    for cut_at in range(effects_of(story)):
        car = provisioned()
        car.cut_at = cut_at
        with pytest.raises(PowerCut):
            story(car)
        car.restart()
        car.pass_time(200)
        frames, positions = len(car.unlock_frames), len(car.positions)
        for topic_type, payload in tuple(car.received):
            car.receive(topic_type, payload)
            car.pass_time(1)
        assert (len(car.unlock_frames), len(car.positions)) == (frames, positions)


@pytest.mark.parametrize("story", STORIES, ids=lambda each: each.__name__)
def test_each_transaction_fails_once(story: Story) -> None:
    for number in range(effects_of(story)):
        car = provisioned()
        seen = [0]

        def fails(effect: Effect, *, number: int = number, seen: list[int] = seen) -> bool:
            seen[0] += is_persist(effect)
            return is_persist(effect) and seen[0] == number + 1

        car.failures.append(Failure(fails))
        try:
            story(car)
        except IndexError:
            assert not car.events(EventKind.ON_CALL_PRESSED)  # no call to control
        car.pass_time(400)
        invariants.check(car)
        invariants.nothing_left_open(car)
        assert car.core.snapshot()["is_durable"] is True


def test_two_cuts_in_a_row() -> None:
    for first in range(effects_of(direct)):
        for second in range(4):
            car = provisioned()
            car.cut_at = first
            with pytest.raises(PowerCut):
                direct(car)
            try:
                car.restart(cut_at=second)
            except PowerCut:
                car.restart()
            car.pass_time(200)
            invariants.check(car)
            invariants.nothing_left_open(car)


def test_a_start_without_a_store_knows_nothing_and_does_nothing() -> None:
    car = provisioned()
    car.allow(Service.UNLOCK)
    frames = len(car.unlock_frames)
    assert records.UNLOCK in car.stored
    car.restart(with_store=False)
    car.ask(Service.UNLOCK)
    car.pass_time(200)
    assert len(car.unlock_frames) == frames
