"""What frames say: values, debounce, freshness, the response to a command."""

from __future__ import annotations

import pytest

from tcu_agent.core.events import (
    SignalsChanged,
    SignalsRefreshed,
)
from tcu_agent.ports import CanFrame
from tests.can.decoding import decoder, feed, of_kind
from tests.can.vehicle import (
    FRONT_LEFT_OPEN,
    RESPONSE,
    SPEED,
    changes,
    frame,
    values,
)

# ------------------------------------------------------------------ values


def test_a_number_comes_as_a_person_writes_it() -> None:
    events = decoder().receive(frame("GnssPosition", 1.0, Latitude=577088700, Longitude=-119745600))
    assert values(events) == {
        "Vehicle.CurrentLocation.Latitude": 57.70887,
        "Vehicle.CurrentLocation.Longitude": -11.97456,
    }


def test_all_changes_of_one_frame_are_one_event() -> None:
    events = decoder().receive(frame("GnssPosition", 1.0))
    assert len(of_kind(events, SignalsChanged)) == 1
    assert len(changes(events)) == 2


def test_an_invalid_raw_value_is_unknown() -> None:
    tested = decoder()
    assert values(tested.receive(frame("VehicleMotion", 1.0, VehicleSpeed=1234)))[SPEED] == 12.34
    assert values(tested.receive(frame("VehicleMotion", 1.1, VehicleSpeed=65535)))[SPEED] is None


def test_a_value_in_no_table_is_unknown_and_counted() -> None:
    tested = decoder()
    events = feed(
        tested, [frame("UsageMode", 1 + step / 10, VehicleUsageMode=9) for step in range(4)]
    )
    assert values(events) == {"Vehicle.UsageMode": None}
    assert tested.counters().unmapped_values == {"Vehicle.UsageMode": 4}


def test_debounce_holds_back_and_dates_to_the_first_frame() -> None:
    tested = decoder()
    feed(tested, [frame("DoorStatus", 1.0), frame("DoorStatus", 1.1)])
    assert changes(tested.receive(frame("DoorStatus", 1.21, DoorFrontLeft=1))) == []
    assert tested.next_deadline() == pytest.approx(1.26)
    assert tested.handle_timer(1.259) == []
    assert changes(tested.handle_timer(1.26)) == [(FRONT_LEFT_OPEN, True, 1.21)]


def test_flicker_changes_nothing_and_is_counted() -> None:
    tested = decoder()
    feed(tested, [frame("DoorStatus", 1.0), frame("DoorStatus", 1.1)])
    flicker = [
        frame("DoorStatus", 1.2 + step * 0.02, DoorFrontLeft=step % 2) for step in range(101)
    ]
    assert changes(feed(tested, flicker)) == []
    assert tested.counters().suppressed == {FRONT_LEFT_OPEN: 50}


def test_an_unchanged_value_is_refreshed_at_most_ten_times_a_second() -> None:
    tested = decoder()
    events = feed(
        tested, [frame("VehicleMotion", 1 + step * 0.01, VehicleSpeed=5) for step in range(101)]
    )
    refreshed = of_kind(events, SignalsRefreshed)
    assert 9 <= len(refreshed) <= 11
    assert all(isinstance(one, SignalsRefreshed) and one.paths == (SPEED,) for one in refreshed)


def test_an_unknown_value_is_not_refreshed() -> None:
    events = feed(
        decoder(), [frame("VehicleMotion", 1 + step, VehicleSpeed=65535) for step in range(3)]
    )
    assert of_kind(events, SignalsRefreshed) == []


def test_a_path_that_waits_for_its_debounce_is_not_refreshed() -> None:
    tested = decoder()
    feed(tested, [frame("DoorStatus", 1.0), frame("DoorStatus", 1.1)])
    events = tested.receive(frame("DoorStatus", 1.3, DoorFrontLeft=1))
    (refreshed,) = of_kind(events, SignalsRefreshed)
    assert isinstance(refreshed, SignalsRefreshed)
    assert FRONT_LEFT_OPEN not in refreshed.paths
    assert len(refreshed.paths) == 4


# ------------------------------------------------------------------ the response to a command


def response(state: str, echo: int, at: float) -> CanFrame:
    return frame("CentralLockResponse", at, LockResponse=state, CommandCounterEcho=echo)


def test_a_response_counts_only_for_the_last_command() -> None:
    tested = decoder()
    assert values(tested.receive(response("Done", 7, 1.0))) == {RESPONSE: "idle"}
    assert tested.command_sent(8, now=1.05) == []
    assert changes(tested.receive(response("Done", 7, 1.1))) == []
    assert values(tested.receive(response("Busy", 8, 1.2))) == {RESPONSE: "busy"}
    assert values(tested.receive(response("Done", 8, 1.3))) == {RESPONSE: "done"}
    assert changes(tested.command_sent(9, now=1.4)) == [(RESPONSE, "idle", 1.4)]
    assert changes(tested.receive(response("Done", 8, 1.5))) == []
    assert values(tested.receive(response("Refused", 9, 1.6))) == {RESPONSE: "refused"}


def test_a_response_that_is_there_already_counts_from_the_next_frame_on() -> None:
    tested = decoder()
    feed(tested, [response("Busy", 8, 1.0), response("Busy", 8, 1.1)])
    tested.command_sent(8, now=1.15)
    assert changes(tested.receive(response("Busy", 8, 1.2))) == [(RESPONSE, "busy", 1.2)]
