"""What a whole bus does: stale signals, sleep, faults, foreign frames, anything at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.core.events import (
    BusFaulted,
    BusFellAsleep,
    BusWokeUp,
)
from tcu_agent.ports import CanFrame
from tests.can.decoding import decoder, feed, keep_alive
from tests.can.vehicle import (
    FRONT_LEFT_LOCKED,
    SPEED,
    changes,
    database,
    frame,
    locks,
    mapping_from,
    reference,
    values,
)

# ------------------------------------------------------------------ staleness and sleep


def test_a_signal_whose_message_stops_gets_stale_while_others_come() -> None:
    tested = decoder()
    feed(tested, [frame("VehicleMotion", 1.0, VehicleSpeed=5)])
    events = feed(tested, keep_alive(2.0, since=1.0))
    assert changes(events) == [(SPEED, None, 1.5)]
    again = tested.receive(frame("VehicleMotion", 2.1, VehicleSpeed=5))
    assert values(again) == {SPEED: 0.05}


def test_the_same_payload_again_keeps_a_signal_fresh() -> None:
    tested = decoder()
    frames = [frame("VehicleMotion", 1 + step * 0.4, VehicleSpeed=5) for step in range(10)]
    assert values(feed(tested, frames)) == {SPEED: 0.05}
    assert changes(feed(tested, keep_alive(6.0, since=4.6))) == [(SPEED, None, 5.1)]


def test_a_motor_that_moves_holds_the_last_position_until_it_is_too_old() -> None:
    tested = decoder()
    steady = feed(tested, [locks(step, 1 + step * 0.1) for step in range(3)])
    assert values(steady)[FRONT_LEFT_LOCKED] is True
    moving = [locks(step, 1 + step * 0.1, "Moving") for step in range(3, 20)]
    stale_at = [
        at
        for path, value, at in changes(feed(tested, moving))
        if path == FRONT_LEFT_LOCKED and value is None
    ]
    assert stale_at == [2.2]


def test_what_a_repeated_payload_refreshed_is_not_lost_when_the_next_says_nothing(
    tmp_path: Path,
) -> None:
    mapping = mapping_from(
        tmp_path,
        'schema = 1\n[bus.body]\ndbc = "reference.dbc"\n[[signal]]\npath = "Vehicle.Body.Alarm.State"\n'
        'message = "AlarmStatus"\nsignal = "AlarmState"\nvalues = { Off = "off" }\ntransitional = ["Armed"]\n'
        "timeout_ms = 500\n",
    )
    tested = SignalDecoder(mapping, "body", started_at=0.0)
    quiet = [frame("AlarmStatus", step * 0.2) for step in range(10)]
    assert len(changes(feed(tested, quiet))) == 1
    assert changes(feed(tested, [frame("AlarmStatus", 2.0, AlarmState="Armed")])) == []
    assert changes(tested.handle_timer(2.31)) == [("Vehicle.Body.Alarm.State", None, 2.3)]


def test_a_silent_bus_is_asleep_in_one_event_and_wakes_with_the_next_frame() -> None:
    tested = decoder()
    feed(tested, [frame("VehicleMotion", 1.0), frame("DoorStatus", 1.0)])
    assert changes(tested.handle_timer(2.9)) == [
        (path, False, 1.0) for path in reference().paths("body") if path.endswith("IsOpen")
    ]
    assert tested.next_deadline() == 3.0
    asleep = tested.handle_timer(3.0)
    assert asleep == [BusFellAsleep("body", reference().paths("body"), 3.0)]
    assert tested.next_deadline() is None
    assert tested.handle_timer(9.0) == []
    awake = tested.receive(frame("VehicleMotion", 10.0))
    assert awake[0] == BusWokeUp("body", 10.0)
    assert values(awake) == {SPEED: 0.0}


def test_sleep_is_noticed_without_a_timer_too() -> None:
    tested = decoder()
    tested.receive(frame("VehicleMotion", 1.0))
    events = tested.receive(frame("NmBcm", 60.0))
    assert [type(event) for event in events] == [BusFellAsleep, BusWokeUp]


def test_a_bus_that_is_silent_from_the_start_is_asleep() -> None:
    tested = decoder()
    assert tested.next_deadline() == 2.0
    assert [type(event) for event in tested.handle_timer(2.0)] == [BusFellAsleep]


def test_what_was_good_when_all_fell_silent_is_not_lost_with_the_first_frame_after_it() -> None:
    tested = decoder()
    feed(tested, [frame("VehicleMotion", 1.0, VehicleSpeed=5)])
    assert changes(tested.receive(frame("NmBcm", 2.9))) == []
    assert changes(feed(tested, keep_alive(3.3, since=2.9))) == []
    assert changes(tested.receive(frame("VehicleMotion", 3.35, VehicleSpeed=7))) == [
        (SPEED, 0.07, 3.35)
    ]


def test_what_stays_away_after_the_silence_gets_stale_one_timeout_later() -> None:
    tested = decoder()
    feed(tested, [frame("VehicleMotion", 1.0, VehicleSpeed=5), frame("NmBcm", 2.0)])
    assert changes(tested.receive(frame("NmBcm", 2.4))) == []
    assert changes(feed(tested, [frame("NmBcm", 2.45), frame("NmBcm", 2.9)])) == [
        (SPEED, None, 2.5)
    ]


def test_a_short_silence_spares_nothing() -> None:
    tested = decoder()
    feed(tested, [frame("VehicleMotion", 1.0, VehicleSpeed=5), *keep_alive(1.4, since=1.0)])
    late = feed(tested, [frame("NmBcm", 1.6), frame("NmBcm", 2.9)])
    assert changes(late) == [(SPEED, None, 1.5)]


def test_on_a_bus_that_never_sleeps_signals_get_stale_by_timer(tmp_path: Path) -> None:
    mapping = mapping_from(
        tmp_path,
        'schema = 1\n[bus.body]\ndbc = "reference.dbc"\n[[signal]]\npath = "Vehicle.Speed"\n'
        'message = "VehicleMotion"\nsignal = "VehicleSpeed"\ntimeout_ms = 500\n',
    )
    tested = SignalDecoder(mapping, "body", started_at=0.0)
    assert tested.next_deadline() is None
    tested.receive(frame("VehicleMotion", 1.0))
    assert tested.next_deadline() == 1.5
    assert changes(tested.handle_timer(1.5)) == [(SPEED, None, 1.5)]
    assert tested.next_deadline() is None


def test_time_that_goes_back_is_taken_as_standing_still() -> None:
    tested = decoder()
    tested.handle_timer(1.5)
    assert changes(tested.receive(frame("VehicleMotion", 1.2))) == [(SPEED, 0.0, 1.5)]


# ------------------------------------------------------------------ foreign, wrong and own frames


def test_a_frame_that_does_not_decode_is_counted_by_cause_and_not_good() -> None:
    tested = decoder()
    tested.receive(frame("VehicleMotion", 1.0))
    short = [CanFrame(0x120, b"\x01\x02", timestamp_s=1.1 + step / 10) for step in range(6)]
    assert changes(feed(tested, short)) == [(SPEED, None, 1.5)]
    assert tested.counters().decode_errors == {
        (0x120, False): {"Wrong data size: 2 instead of 4 bytes": 6}
    }


def test_eleven_and_29_bit_ids_are_two_messages() -> None:
    tested = decoder()
    extended = dataclasses.replace(frame("VehicleMotion", 1.0), is_extended_id=True)
    assert tested.receive(extended) == []
    assert tested.counters().ids_unknown == 1


def test_remote_frames_are_counted_and_carry_nothing() -> None:
    tested = decoder()
    assert tested.receive(CanFrame(0x120, b"", is_remote_frame=True, timestamp_s=1.0)) == []
    assert tested.counters().remote_frames == 1


@pytest.mark.parametrize(
    "wrong",
    [
        CanFrame(0x120, b"\xd2\x04\0\0\0", timestamp_s=1.0),
        CanFrame(0x120, b"\xd2\x04\0\0" + bytes(4), timestamp_s=1.0),
        CanFrame(0x120, b"\xd2\x04\0\0" + bytes(8), is_fd=True, timestamp_s=1.0),
    ],
)
def test_a_frame_that_is_longer_than_its_message_is_not_decoded_and_counted(
    wrong: CanFrame,
) -> None:
    tested = decoder()
    assert tested.receive(wrong) == []
    counted = {f"Wrong data size: {len(wrong.data)} instead of 4 bytes": 1}
    assert tested.counters().decode_errors == {(0x120, False): counted}
    good = dataclasses.replace(wrong, data=wrong.data[:4])
    assert values(tested.receive(good)) == {SPEED: 12.34}


def test_a_frame_with_the_fd_flag_and_the_messages_length_is_good() -> None:
    same = CanFrame(0x120, b"\xd2\x04\0\0", is_fd=True, timestamp_s=1.0)
    assert values(decoder().receive(same)) == {SPEED: 12.34}


def test_a_tap_gets_its_frames() -> None:
    taken: list[CanFrame] = []
    tested = SignalDecoder(reference(), "body", started_at=0.0, taps={(0x0A2, False): taken.append})
    feed(tested, [frame("SecocFreshness", 1.0), frame("NmBcm", 1.1)])
    assert [one.arbitration_id for one in taken] == [0x0A2]


def test_auditing_finds_errors_in_messages_that_are_not_mapped() -> None:
    bad = CanFrame(0x402, b"\x01", timestamp_s=1.0)
    quiet, audited = decoder(), decoder(audit=True)
    feed(quiet, [bad])
    feed(audited, [bad])
    assert quiet.counters().decode_errors == {}
    assert audited.counters().decode_errors.keys() == {(0x402, False)}
    assert quiet.counters().ids_known == audited.counters().ids_known == 1


def test_a_flood_of_new_ids_fills_no_memory() -> None:
    tested = decoder()
    for number in range(5000):
        tested.receive(CanFrame(0x10000 + number, b"", is_extended_id=True, timestamp_s=1.0))
    counted = tested.counters()
    assert (counted.frames, counted.ids_unknown) == (5000, 4096)


# ------------------------------------------------------------------ the state of the bus


def error_frame(kind: int, detail: int = 0, at: float = 1.0) -> CanFrame:
    return CanFrame(kind, bytes([0, detail, 0, 0, 0, 0, 0, 0]), is_error_frame=True, timestamp_s=at)


def test_error_frames_tell_the_state_of_the_bus() -> None:
    tested = decoder()
    seen = feed(
        tested,
        [
            error_frame(0x04, 0x08),
            error_frame(0x04, 0x10),
            error_frame(0x04, 0x20),
            error_frame(0x04, 0x04),
            error_frame(0x04, 0x40),
            error_frame(0x40),
            error_frame(0x100),
            error_frame(0x08),
        ],
    )
    states = (
        "error-warning",
        "error-passive",
        "error-warning",
        "error-active",
        "bus-off",
        "restarted",
    )
    assert seen == [BusFaulted("body", state) for state in states]
    assert tested.counters().error_frames == 8


def test_a_restarted_controller_works_once_somebody_is_heard() -> None:
    tested = decoder()
    feed(tested, [error_frame(0x40, at=1.0), error_frame(0x100, at=30.0)])
    assert (
        tested.next_deadline() == 32.0
    )  # it could hear nothing while it was off: that was no sleep
    assert tested.receive(frame("NmBcm", 31.0)) == [BusFaulted("body", "error-active")]
    assert tested.receive(frame("NmBcm", 31.1)) == []


def test_an_error_frame_is_no_message_with_that_id() -> None:
    tested = decoder()
    own = error_frame(0x0A0)
    assert feed(tested, [own]) == []
    assert tested.counters().own_id_frames == 0


def test_bus_off_ends_with_the_next_frame_and_is_no_sleep() -> None:
    tested = decoder()
    feed(tested, [frame("VehicleMotion", 1.0), error_frame(0x40, at=1.1)])
    assert tested.next_deadline() == 1.5
    assert changes(tested.handle_timer(1.5)) == [(SPEED, None, 1.5)]
    assert tested.handle_timer(60.0) == []
    assert tested.receive(frame("NmBcm", 61.0)) == [BusFaulted("body", "error-active")]


@pytest.mark.parametrize("told", [0x40, 0x100])
def test_a_frame_that_is_older_than_what_the_controller_told_takes_nothing_back(told: int) -> None:
    """Two sockets of a bus: what lay in the second is heard later, and was on the bus before."""
    tested = decoder()
    feed(tested, [frame("NmBcm", 10.0), error_frame(told, at=11.0)])
    assert feed(tested, [frame("NmBcm", 10.95)]) == []
    if told == 0x40:  # no controller is back from bus-off so soon: that is the accuracy of stamps
        assert feed(tested, [frame("NmBcm", 11.0005)]) == []
    assert feed(tested, [frame("NmBcm", 11.0015)]) == [BusFaulted("body", "error-active")]


def test_a_lost_link_makes_everything_unknown_at_once() -> None:
    tested = decoder()
    feed(tested, [frame("VehicleMotion", 1.0)])
    lost = tested.link_lost(now=1.2)
    assert changes(lost) == [(SPEED, None, 1.2)]
    assert lost[-1] == BusFaulted("body", "link-down")
    assert tested.link_lost(now=1.3) == []
    assert tested.next_deadline() is None
    assert list(tested.link_restored(now=5.0)) == [BusFaulted("body", "error-active")]
    assert tested.next_deadline() == 7.0
    assert tested.link_restored(now=6.0) == []


# ------------------------------------------------------------------ anything at all


FRAMES = st.builds(
    CanFrame,
    arbitration_id=st.one_of(
        st.sampled_from([one.frame_id for one in database().messages]), st.integers(0, 0x1FFFFFFF)
    ),
    data=st.binary(max_size=64),
    is_extended_id=st.booleans(),
    is_fd=st.booleans(),
    is_error_frame=st.booleans(),
    is_remote_frame=st.booleans(),
    timestamp_s=st.floats(0, 1e6),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(FRAMES, st.floats(0, 1e6)), max_size=60), st.booleans())
def test_nothing_on_a_bus_makes_it_raise_and_every_value_is_explained(
    steps: list[CanFrame | float], audit: bool
) -> None:
    """Changes alternate: no event repeats the value that the core has already."""
    tested = decoder(audit=audit)
    core: dict[str, object] = {}
    for step in steps:
        events = tested.receive(step) if isinstance(step, CanFrame) else tested.handle_timer(step)
        for event in events:
            if isinstance(event, BusFellAsleep):
                core = {}
        for path, value, at in changes(events):
            assert core.get(path, "never") != value
            assert at <= 1e6
            core[path] = value
        deadline = tested.next_deadline()
        assert deadline is None or deadline >= 0
    tested.counters()
