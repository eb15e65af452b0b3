"""Whatever a signal says, and however long ago: what tells it can be written, and the agent goes on.

An integrator's DBC may give any number for "invalid": below zero, a huge one, none at all.
"""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tcu_agent.core import events, vss
from tcu_agent.core.durable import records
from tcu_agent.core.events import SignalChange, Value
from tcu_agent.core.position.fixes import FixSource
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.reports.values import told
from tcu_agent.core.step import Step
from tcu_agent.core.theft.places import UNKNOWN_ACCURACY_M, Place
from tcu_agent.core.vehicle import VehicleState
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Event, Fix, PositionParameters, VssValue
from tcu_agent.protocol.vocabulary import EventKind, FixQuality, PositionKind, Service
from tests.core.driver import Driver

NUMBERS = st.sampled_from(
    [
        0.0, -0.0, -1.0, -1e-9, 0.04, 90.0, -90.0, 180.0, -180.0, 359.96, 360.0, 361.0, 42_949_672.95, 42_949_672.96,
        5e7, 1e30, -1e30, 1.7e308, -1.7e308, 5e-324, math.inf, -math.inf, math.nan, 2**63, 2**64 - 1, 2**64, -(2**64),
        -(2**64) - 1, 10**400, -(10**400),
    ]
)  # fmt: skip
TEXTS = st.sampled_from(["", "x" * 65, "\u00fc" * 40, "\U0001f697" * 17, "\udcff"]) | st.text()
VALUES: st.SearchStrategy[Value] = (
    NUMBERS | st.floats() | st.integers() | TEXTS | st.booleans() | st.none()
)
PLACES = (*vss.POSITION_PATHS, vss.FIX_AGE_S, vss.SPEED_KMH)
AGES_S = st.sampled_from(
    [0.0, 1.0, 2.5, 4_294_967.295, 4_294_967.2951, 50 * 86_400.0, 1e9]
) | st.floats(0.0, 1e10)
WALLS = st.none() | st.sampled_from([-1.0, 0.0, 1.8e9, 9.3e9, 1e300]) | st.floats(-1e10, 1e13)
HERE: dict[str, Value] = {
    vss.LATITUDE: -33.8568, vss.LONGITUDE: 151.2153, vss.FIX_TYPE: "THREE_D",
    vss.ACCURACY_M: 3.5, vss.HEADING: 91.26, vss.SPEED_KMH: 83.25,
}  # fmt: skip


def seen(values: dict[str, Value], *, at: float = 100.0) -> FixSource:
    vehicle = VehicleState(fresh_s=2.0)
    vehicle.apply((SignalChange(path, value, at) for path, value in values.items()), now=at)
    source = FixSource(vehicle=vehicle, fresh_s=2.0)
    source.advance(at)
    return source


def fix(**values: Value) -> Fix:
    return seen({**HERE, **values}).fix(100.0, 1.8e9)


@given(
    values=st.dictionaries(st.sampled_from(PLACES), VALUES),
    has_place=st.booleans(),
    age_s=AGES_S,
    wall=WALLS,
)
def test_any_signal_values_and_any_age_make_a_fix_that_can_be_written(
    values: dict[str, Value], has_place: bool, age_s: float, wall: float | None
) -> None:
    source = seen({**values, **(dict(list(HERE.items())[:2]) if has_place else {})})
    now = 100.0 + age_s
    source.advance(now)
    codec.encode(source.fix(now, wall))
    source.place(now)
    if has_place:
        assert source.fix(now, wall).quality is not FixQuality.NONE


@pytest.mark.parametrize(
    ("path", "value", "field", "left"),
    [
        (vss.ACCURACY_M, -1.0, "accuracy_cm", None),
        (vss.ACCURACY_M, 42_949_672.95, "accuracy_cm", 2**32 - 1),
        (vss.ACCURACY_M, 42_949_673.0, "accuracy_cm", None),
        (vss.ACCURACY_M, 0, "accuracy_cm", 0),
        pytest.param(vss.ACCURACY_M, 10**400, "accuracy_cm", None, id="no-float"),
        (vss.HEADING, -0.1, "heading_ddeg", None),
        (vss.HEADING, 0.0, "heading_ddeg", 0),
        (vss.HEADING, 359.94, "heading_ddeg", 3599),
        (vss.HEADING, 359.96, "heading_ddeg", 0),
        (vss.HEADING, 360.0, "heading_ddeg", 0),
        (vss.HEADING, 360.1, "heading_ddeg", None),
        (vss.SPEED_KMH, -7.0, "speed_ckmh", 700),
        (vss.SPEED_KMH, 1e30, "speed_ckmh", None),
        (vss.SPEED_KMH, math.nan, "speed_ckmh", None),
        (vss.FIX_AGE_S, 1e30, "age_ms", 2**32 - 1),
        (vss.FIX_AGE_S, -1e30, "age_ms", 0),
    ],
)
def test_what_does_not_fit_is_left_out_and_the_rest_stays(
    path: str, value: Value, field: str, left: int | None
) -> None:
    good = fix()
    assert (good.accuracy_cm, good.heading_ddeg, good.speed_ckmh, good.age_ms) == (
        350,
        913,
        8325,
        0,
    )
    spoilt = fix(**{path: value})
    for name in (
        "latitude_e7",
        "longitude_e7",
        "accuracy_cm",
        "heading_ddeg",
        "speed_ckmh",
        "age_ms",
    ):
        assert getattr(spoilt, name) == (left if name == field else getattr(good, name))


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [(90.001, 0.0), (0.0, -180.001), (math.nan, 0.0), pytest.param(0.0, 10**400, id="no-float")],
)
def test_a_place_that_is_none_on_earth_is_none(latitude: Value, longitude: Value) -> None:
    none = fix(**{vss.LATITUDE: latitude, vss.LONGITUDE: longitude})
    assert none == Fix(quality=FixQuality.NONE, wall_time_ms=1_800_000_000_000)


@pytest.mark.parametrize(
    ("age_s", "told_ms"), [(4_294_967.295, 2**32 - 1), (50 * 86_400.0, 2**32 - 1)]
)
def test_a_place_that_is_older_than_can_be_said_is_as_old_as_can_be_said(
    age_s: float, told_ms: int
) -> None:
    source = seen(HERE)
    assert source.fix(100.0 + age_s, None).age_ms == told_ms


def test_an_age_below_zero_makes_no_place_fresh_for_longer() -> None:
    assert not seen({**HERE, vss.FIX_AGE_S: -60.0}).is_fresh(102.1)


@pytest.mark.parametrize(
    ("accuracy_m", "known_m"), [(7.5, 7.5), (0.0, 0.0), (-1.0, UNKNOWN_ACCURACY_M), (5e7, 5e7)]
)
def test_how_exactly_a_place_is_known_is_never_made_up(accuracy_m: float, known_m: float) -> None:
    place = seen({**HERE, vss.ACCURACY_M: accuracy_m}).place(100.0)
    assert place == Place(latitude=-33.8568, longitude=151.2153, accuracy_m=known_m)


@given(value=VALUES, at=st.floats(-1e10, 1e10), wall=WALLS)
def test_any_value_at_any_time_makes_an_event_that_can_be_written(
    value: Value, at: float, wall: float | None
) -> None:
    journal = Journal(vehicle_id="car-1", boot_id=bytes(8), stream_id=bytes(8))
    step = Step(now=at, wall=wall)
    event = journal.report(step, EventKind.STATE_CHANGED, values={vss.ALARM: value})
    assert codec.decode(Event, codec.encode(event)) == event


@pytest.mark.parametrize(
    ("value", "as_told"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (7.6, 8),
        (math.inf, None),
        (math.nan, None),
        (1e30, None),
        (2**64 - 1, 2**64 - 1),
        (2**64, None),
        (-(2**64), -(2**64)),
        (-(2**64) - 1, None),
        ("x" * 65, "x" * 64),
        ("\u00fc" * 40, "\u00fc" * 32),
        ("x" + "\u00fc" * 40, "x" + "\u00fc" * 31),
        ("a\udcff", "a?"),
    ],
)
def test_how_a_value_is_told(value: Value, as_told: VssValue) -> None:
    assert told(value) == as_told
    assert type(told(value)) is type(as_told)


@pytest.mark.parametrize(
    ("time_s", "ms"),
    [(None, 0), (-1.0, 0), (1.5, 1500), (1e13, 2**53 - 1), (2**53 / 1000, 2**53 - 1)],
)
def test_a_time_is_told_as_far_as_it_can_be(time_s: float | None, ms: int) -> None:
    assert records.told_ms(time_s) == ms


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_a_car_with_any_signals_says_nothing_that_cannot_be_written(data: st.DataObject) -> None:
    car = Driver()
    car.provision()
    paths = [*car.signals, *PLACES, vss.LOCKING_SOURCE]
    car.allow(Service.POSITION, parameters=PositionParameters(PositionKind.TRACKING, 5, 604_800))
    for _ in range(3):
        values = data.draw(st.dictionaries(st.sampled_from(paths), VALUES, min_size=1))
        car.change(values)
        car.put(events.BusFaulted("body", data.draw(TEXTS)))
        car.put(events.SecurityObserved(data.draw(TEXTS), "e2e-failed", data.draw(TEXTS), 2**70))
        car.ask(Service.STATE)
        car.pass_time(6)
    for message in car.appended():
        codec.encode(message)
    for position in car.positions:
        codec.encode(position.fix)
    assert len(car.positions) > 0
    car.restart()
    assert car.core.snapshot()["is_corrupt"] is False
