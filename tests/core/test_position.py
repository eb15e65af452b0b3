"""Positions behind `Core.handle`: snapshot and tracking, stop times, restarts."""

from __future__ import annotations

from typing import Any

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Effect, Persist, SealPosition
from tcu_agent.core.events import Value
from tcu_agent.protocol.messages import Fix, PositionParameters
from tcu_agent.protocol.vocabulary import (
    EventKind,
    FixQuality,
    Outcome,
    PositionKind,
    Reason,
    Service,
)
from tests.core.driver import Driver, Failure
from tests.protocol import signing

CASE = signing.id16("incident or case")
HERE: dict[str, Value] = {
    vss.LATITUDE: 57.7089,
    vss.LONGITUDE: 11.9746,
    vss.HEADING: 91.26,
    vss.ACCURACY_M: 3.5,
    vss.FIX_TYPE: "THREE_D",
}
NOWHERE: dict[str, Value] = dict.fromkeys(HERE, None)


def snapshot(car: Driver, **changes: Any) -> bytes:
    return car.allow(Service.POSITION, parameters=signing.SNAPSHOT, **changes)


def track(car: Driver, interval_s: int = 60, duration_s: int = 600, **changes: Any) -> bytes:
    parameters = PositionParameters(PositionKind.TRACKING, interval_s, duration_s)
    return car.allow(Service.POSITION, parameters=parameters, **changes)


def fixes(car: Driver) -> list[Fix]:
    return [position.fix for position in car.positions]


def verdict(car: Driver) -> tuple[Outcome, Reason]:
    (result,) = car.results
    return result.outcome, result.reason


def is_seal(effect: Effect) -> bool:
    return isinstance(effect, SealPosition)


@pytest.fixture
def located(car: Driver) -> Driver:
    """A car whose receiver has a fix."""
    car.change(dict(HERE))
    return car


# ---------------------------------------------------------------- snapshot


def test_one_fix_for_one_grant(located: Driver) -> None:
    snapshot(located)
    (position,) = located.positions
    assert position.seq == 1
    assert position.recipient == signing.THEFT_DESK.hpke.public_key().public_bytes_raw()
    assert position.authorisation.case_id == CASE
    assert position.fix == Fix(
        quality=FixQuality.FIX_3D,
        wall_time_ms=round((located.wall or 0) * 1000),
        latitude_e7=577089000,
        longitude_e7=119746000,
        age_ms=0,
        accuracy_cm=350,
        heading_ddeg=913,
        speed_ckmh=0,
    )
    assert verdict(located) == (Outcome.EXECUTED, Reason.NONE)
    located.pass_time(600)
    assert len(located.positions) == 1


def test_the_intent_is_durable_before_the_fix_and_gone_with_the_outcome(located: Driver) -> None:
    snapshot(located)
    puts = located.persisted(records.POSITION)
    assert [each is None for each in puts] == [False, True]
    order = [
        effect
        for _, effect in located.done
        if is_seal(effect) or (isinstance(effect, Persist) and records.POSITION in effect.puts)
    ]
    assert [is_seal(each) for each in order] == [False, True, False]


def test_it_works_while_driving(located: Driver) -> None:
    located.change({vss.SPEED_KMH: 83.25, vss.USAGE_MODE: "driving"})
    snapshot(located)
    assert fixes(located)[0].speed_ckmh == 8325


def test_it_waits_for_a_fix(car: Driver) -> None:
    snapshot(car)
    assert len(car.wakes) == 1
    car.pass_time(12)
    assert car.positions == []
    car.change(dict(HERE))
    assert fixes(car)[0].quality is FixQuality.FIX_3D
    assert verdict(car) == (Outcome.EXECUTED, Reason.NONE)


def test_an_old_place_is_said_to_be_old(located: Driver) -> None:
    located.change(dict(NOWHERE))
    located.pass_time(40)
    snapshot(located)
    located.pass_time(20)
    (fix,) = fixes(located)
    assert fix.quality is FixQuality.LAST_KNOWN
    assert fix.age_ms == 60_000
    assert fix.latitude_e7 == 577089000
    assert verdict(located) == (Outcome.EXECUTED, Reason.NONE)


def test_a_place_from_before_the_sleep_is_old(located: Driver) -> None:
    located.fall_asleep()
    located.pass_time(100)
    snapshot(located)
    assert len(located.wakes) == 1
    located.pass_time(20)
    assert fixes(located)[0].age_ms == 120_000


def test_no_place_at_all_is_sealed_and_has_failed(car: Driver) -> None:
    snapshot(car)
    car.pass_time(20)
    (fix,) = fixes(car)
    assert fix.quality is FixQuality.NONE
    assert fix.latitude_e7 is None
    assert verdict(car) == (Outcome.FAILED, Reason.NO_FIX)


def test_waiting_ends_with_the_grants_own_time(car: Driver) -> None:
    request = car.ask(Service.POSITION)
    car.receive("grant", car.grant_for(request, max_age_s=5))
    car.pass_time(5)
    assert verdict(car) == (Outcome.FAILED, Reason.NO_FIX)


def test_a_suspend_ends_the_waiting(located: Driver) -> None:
    request = located.ask(Service.POSITION)
    located.stalls[Persist] = 31.0
    located.receive("grant", located.grant_for(request))
    assert verdict(located) == (Outcome.REFUSED, Reason.CHALLENGE_EXPIRED)
    assert located.positions == []


def test_a_fix_that_cannot_be_sealed_has_failed(located: Driver) -> None:
    located.failures.append(Failure(is_seal))
    snapshot(located)
    assert verdict(located) == (Outcome.FAILED, Reason.SEAL_FAILED)


def test_a_fix_that_is_not_protected_is_not_sealed(car: Driver) -> None:
    """What could not be made durable before goes first, also before a fix that needs nothing of it."""
    snapshot(car)
    car.failures.append(Failure(lambda e: isinstance(e, Persist), times=2))
    car.change({vss.DOORS_OPEN[0]: True})
    assert car.core.snapshot()["is_durable"] is False
    car.change(dict(HERE))
    assert car.positions == []
    assert verdict(car) == (Outcome.FAILED, Reason.SEAL_FAILED)


@pytest.mark.parametrize("kind", [snapshot, track])
def test_an_acceptance_that_is_not_durable(located: Driver, kind: Any) -> None:
    located.failures.append(
        Failure(lambda e: isinstance(e, Persist) and records.POSITION in e.puts)
    )
    kind(located)
    assert located.positions == []
    assert verdict(located) == (Outcome.REFUSED, Reason.STATE_CORRUPT)


def test_nobody_to_seal_to(located: Driver) -> None:
    desk = signing.THEFT_DESK
    other = signing.Party("theft desk 2", role=desk.role)
    request = located.ask(Service.POSITION)
    grant = located.grant_for(request)
    located.core._parts.knowledge.keyring = None
    located.core._parts.position.accept(
        located.core._begin(located.now, located.wall, None), authorisation(located, grant)
    )
    assert other.kid != desk.kid
    located.pass_time(1)
    assert located.positions == []
    assert "no-recipient" in located.notes
    assert verdict(located) == (Outcome.FAILED, Reason.SEAL_FAILED)


def authorisation(car: Driver, grant: bytes) -> Any:
    """Return what the verifier makes of a grant."""
    parts = car.core._parts
    return parts.verifier.verify_grant(
        grant,
        keyring=signing.keyring(),
        account=parts.knowledge.account,
        challenges=parts.challenges,
        answered=(),
        now=car.now,
    )


def test_a_crash_is_unknown(car: Driver) -> None:
    snapshot(car)
    car.restart()
    assert verdict(car) == (Outcome.UNKNOWN, Reason.RESTARTED)
    car.change(dict(HERE))
    car.pass_time(30)
    assert car.positions == []


def test_a_new_pin_stops_what_has_not_begun(car: Driver) -> None:
    snapshot(car)
    car.tell_account(version=8, pin_generation=4)
    assert verdict(car) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)


def test_a_new_trust_bundle_stops_a_snapshot_that_has_not_begun(car: Driver) -> None:
    snapshot(car)
    assert car.results == []
    car.receive("trust", signing.trust_container(version=2))
    assert verdict(car) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)
    car.change(dict(HERE))
    car.pass_time(60)
    assert car.positions == []


def test_a_new_trust_bundle_leaves_a_tracking_alone(located: Driver) -> None:
    """Nobody can ask a thief for a new permission."""
    track(located, duration_s=100)
    located.receive("trust", signing.trust_container(version=2))
    located.pass_time(70)
    assert located.results == []
    assert len(located.positions) == 2


@pytest.mark.parametrize("end", ["sealed", "trust", "case-end", "restart"])
def test_a_snapshot_is_told_by_its_result_alone(car: Driver, end: str) -> None:
    """An event of a tracking that never was would make people look for one."""
    snapshot(car)
    if end == "sealed":
        car.change(dict(HERE))
    elif end == "trust":
        car.receive("trust", signing.trust_container(version=2))
    elif end == "case-end":
        car.receive("case-end", signing.sign(car.centre.case_end()))
    else:
        car.restart()
    assert len(car.results) == 1
    assert car.events(EventKind.TRACKING_STARTED) == car.events(EventKind.TRACKING_ENDED) == []


def test_a_case_that_ends_while_waiting(car: Driver) -> None:
    snapshot(car)
    car.receive("case-end", signing.sign(car.centre.case_end()))
    assert verdict(car) == (Outcome.CANCELLED, Reason.CASE_ENDED)
    assert [each.case_id for each in car.erased] == [CASE]


def test_a_second_case_is_busy(located: Driver) -> None:
    track(located)
    track(located)
    assert verdict(located) == (Outcome.REFUSED, Reason.BUSY)
