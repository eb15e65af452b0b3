"""The other ECUs on a simulated clock: cycles, sleep and wake-up, button, speed, satellites, a babbling node."""

from __future__ import annotations

import math
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from tcu_sim.bus.frame import Frame
from tcu_sim.errors import BadInput, NotPossible
from tcu_sim.vehicle.database import Database
from tcu_sim.vehicle.motion import Position
from tcu_sim.vehicle.reference import Door
from tcu_sim.vehicle.satellites import Fix
from tests.sim.stepped import Stepped


@pytest.fixture
def car() -> Stepped:
    car = Stepped()
    car.advance(0.5)
    return car


def asleep() -> Stepped:
    car = Stepped(sleep_after_s=3.0)
    car.advance(10.0)
    assert car.vehicle.is_asleep
    return car


def test_every_message_keeps_the_cycle_of_the_dbc(car: Stepped) -> None:
    database = car.vehicle.database
    decoded = [database.decoded(timed.frame) for timed in car.advance(8.0)]
    counts = Counter(message.name for message in decoded if message is not None)
    for name in (
        "CentralLockResponse", "SecocFreshness", "VehicleMotion", "OnCallButton", "DoorLockStatus", "DoorStatus",
        "TailgatePlate", "AlarmStatus", "UsageMode", "GnssPosition", "GnssQuality", "NmBcm",
    ):  # fmt: skip
        cycle_s = database.cycle_s(name)
        assert cycle_s is not None
        assert counts[name] == pytest.approx(8.0 / cycle_s, abs=1), name
    assert set(counts) <= {message.name for message in decoded if message is not None}


def test_alive_counters_have_no_gap_whatever_happens(car: Stepped) -> None:
    car.unlock()
    car.advance(1.0)
    car.person.press_on_call(0.3, bounces=5, now=car.now)
    car.advance(2.0)
    for name in ("DoorLockStatus", "OnCallButton"):
        counters = [int(signals["AliveCounter"]) for signals in car.all(name)]
        assert counters == [n % 15 for n in range(len(counters))], name


# ------------------------------------------------------------------------ sleep and wake-up


def test_a_left_vehicle_falls_asleep_all_at_about_the_same_time() -> None:
    car = Stepped(sleep_after_s=5.0)
    car.advance(60.0)
    assert car.vehicle.is_asleep
    last_of_each = {timed.frame.arbitration_id: timed.at_s for timed in car.frames}
    management = car.vehicle.database.arbitration_id("NmBcm")
    assert last_of_each[management] == pytest.approx(1005.0, abs=0.6)
    assert all(at_s < last_of_each[management] + 1.7 for at_s in last_of_each.values())
    assert car.vehicle.next_deadline() is None
    assert car.advance(22 * 24 * 3600.0) == []


def test_network_management_of_the_tcu_wakes_it_and_fresh_signals_come_at_once() -> None:
    car = asleep()
    began = car.now
    car.wake_by_network()
    car.advance(0.1)
    for name in ("DoorLockStatus", "DoorStatus", "VehicleMotion", "UsageMode"):
        assert car.all(name, since=began), name
    assert car.last("NmBcm")["BcmStayAwake"] == "Request"
    assert car.last("NmBcm")["BcmActiveWakeup"] == 0
    car.advance(9.0)
    assert not car.vehicle.is_asleep
    car.advance(10.0)
    assert car.vehicle.is_asleep


def test_the_tcus_cyclic_status_and_a_command_do_not_wake_it() -> None:
    car = asleep()
    car.put_message("TcuStatus", {"OnCallLamp": "On", "OnCallState": "Idle"})
    car.unlock()
    assert car.advance(5.0) == []
    assert car.vehicle.is_asleep
    assert [record.verdict.value for record in car.vehicle.command_history] == ["asleep"]


@pytest.mark.parametrize("act", ["key", "door", "button", "plate", "alarm"])
def test_things_that_happen_at_the_vehicle_wake_it(act: str) -> None:
    car = asleep()
    match act:
        case "key":
            car.person.unlock(now=car.now)
        case "door":
            car.person.open_door(Door.REAR_LEFT, by_force=True, now=car.now)
        case "button":
            car.person.press_on_call(0.5, now=car.now)
        case "plate":
            car.person.press_plate(now=car.now)
        case _:
            car.vehicle.bcm.alarm.break_in(now=car.now)
            car.advance(2.0)
    sent = car.advance(0.2)
    assert car.vehicle.database.arbitration_id("NmBcm") in {
        timed.frame.arbitration_id for timed in sent[:3]
    }
    assert car.all("NmBcm")[-1]["BcmActiveWakeup"] == 1
    assert not car.vehicle.is_asleep
    if act == "button":
        assert car.last("OnCallButton")["OnCallButtonState"] == "Pressed"


def test_a_switched_on_vehicle_stays_awake() -> None:
    car = Stepped(sleep_after_s=3.0)
    car.person.switch("convenience", now=car.now)
    car.advance(60.0)
    assert not car.vehicle.is_asleep
    assert car.last("NmBcm")["BcmStayAwake"] == "Usage"


# ------------------------------------------------------------------------------- the button


def test_a_press_has_the_length_that_was_asked_for(car: Stepped) -> None:
    began = car.now
    car.person.press_on_call(0.8, now=car.now)
    car.advance(2.0)
    database = car.vehicle.database
    pressed = [
        timed.at_s
        for timed in car.frames
        if (message := database.decoded(timed.frame)) is not None
        and message.name == "OnCallButton"
        and message.signals["OnCallButtonState"] == "Pressed"
    ]
    assert pressed[0] == began
    assert 0.75 <= pressed[-1] - began <= 0.8


def test_bouncing_contacts_are_on_the_bus_as_they_are(car: Stepped) -> None:
    began = car.now
    car.person.press_on_call(0.5, bounces=3, now=car.now)
    car.advance(1.0)
    states = [signals["OnCallButtonState"] for signals in car.all("OnCallButton", since=began)]
    edges = [
        state
        for before, state in zip(["Released", *states], states, strict=False)
        if state != before
    ]
    assert edges == ["Pressed", "Released"] * 3 + ["Pressed"] + ["Released", "Pressed"] * 3 + [
        "Released"
    ]


def test_a_held_button_stays_and_a_broken_one_says_so(car: Stepped) -> None:
    for state in ("Pressed", "Fault", "Released"):
        car.person.set_on_call(state, now=car.now)
        car.advance(5.0)
        assert car.last("OnCallButton")["OnCallButtonState"] == state


def test_the_lamp_is_what_the_tcu_shows(car: Stepped) -> None:
    car.put_message("TcuStatus", {"OnCallLamp": "Pulsing", "OnCallState": "Ringing"})
    assert (car.vehicle.on_call.lamp, car.vehicle.on_call.call_state) == ("Pulsing", "Ringing")


# ------------------------------------------------------------------- motion and satellites


def test_driving_accelerates_brakes_and_parks(car: Stepped) -> None:
    car.person.drive(50, for_s=20, now=car.now)
    car.advance(10.0)
    assert car.last("VehicleMotion") == {"VehicleSpeed": 50.0, "Standstill": "Moving"}
    car.advance(15.0)
    assert car.last("VehicleMotion") == {"VehicleSpeed": 0.0, "Standstill": "Standing"}
    assert car.last("UsageMode") == {"VehicleUsageMode": "Active"}
    car.person.park(now=car.now)
    car.advance(1.0)
    assert car.last("UsageMode") == {"VehicleUsageMode": "Inactive"}
    car.person.leave(now=car.now)
    car.advance(1.0)
    assert car.last("UsageMode") == {"VehicleUsageMode": "Abandoned"}


def test_parking_switches_off_only_when_the_vehicle_stands(car: Stepped) -> None:
    car.person.drive(100, now=car.now)
    car.advance(12.0)
    car.person.park(now=car.now)
    car.advance(2.0)
    assert car.last("UsageMode") == {"VehicleUsageMode": "Driving"}
    with pytest.raises(NotPossible, match="cannot leave while the vehicle drives"):
        car.person.leave(now=car.now)
    car.advance(3.0)
    assert car.last("UsageMode") == {"VehicleUsageMode": "Inactive"}


def test_nobody_drives_with_an_open_door(car: Stepped) -> None:
    car.person.open_door(Door.TAILGATE, by_force=True, now=car.now)
    with pytest.raises(NotPossible, match="open door: tailgate"):
        car.person.drive(30, now=car.now)


def test_the_way_driven_is_speed_times_time(car: Stepped) -> None:
    start = car.vehicle.motion.position
    car.vehicle.motion.follow([start.moved(100_000, 90.0)])
    car.person.drive(72, for_s=60, now=car.now)
    car.advance(70.0)
    metres, heading_deg = start.way_to(car.vehicle.motion.position)
    # 20 m/s for 60 s, less what accelerating (7.2 s) and plus what braking (2.88 s) make of it
    assert metres == pytest.approx(20 * 60 - 20 * 7.2 / 2 + 20 * 2.88 / 2, rel=0.01)
    assert heading_deg == pytest.approx(90.0, abs=0.5)


def test_waypoints_are_followed_in_order(car: Stepped) -> None:
    start = car.vehicle.motion.position
    corner = start.moved(200, 0.0)
    end = corner.moved(200, 90.0)
    car.vehicle.motion.follow([corner, end])
    car.person.drive(36, for_s=38, now=car.now)
    car.advance(15.0)
    assert car.last("GnssQuality")["Heading"] == pytest.approx(0.0, abs=0.5)
    car.advance(15.0)
    assert car.last("GnssQuality")["Heading"] == pytest.approx(90.0, abs=0.5)
    car.advance(20.0)
    assert end.way_to(car.vehicle.motion.position)[0] < 50


def test_a_position_is_sent_to_its_ten_millionth_and_its_quality_follows(car: Stepped) -> None:
    car.vehicle.motion.place(Position(-33.8567844, 151.2152967))
    began = car.now
    car.advance(2.0)
    assert car.last("GnssPosition") == pytest.approx(
        {"Latitude": -33.8567844, "Longitude": 151.2152967}
    )
    assert car.last("GnssQuality") == {
        "Heading": 0.0, "HorizontalAccuracy": 2.5, "FixType": "Fix3D", "Satellites": 11, "FixAge": 0.0,
    }  # fmt: skip
    ids = [timed.frame.arbitration_id for timed in car.frames if timed.at_s > began]
    assert all(
        ids[index + 1] == 0x301 for index, identifier in enumerate(ids) if identifier == 0x300
    )


def test_a_lost_fix_keeps_the_last_position_and_lets_it_age(car: Stepped) -> None:
    car.vehicle.satellites.set_fix(Fix.LOST, now=car.now)
    before = car.last("GnssPosition")
    car.person.drive(50, now=car.now)
    car.advance(10.0)
    assert car.last("GnssPosition") == before
    quality = car.last("GnssQuality")
    assert quality["FixType"] == "NoFix"
    assert quality["HorizontalAccuracy"] == pytest.approx(655.35)
    assert float(quality["FixAge"]) == pytest.approx(10.0, abs=0.6)
    car.vehicle.satellites.set_fix(Fix.FULL, now=car.now)
    car.advance(1.0)
    assert car.last("GnssQuality")["FixAge"] == 0.0
    assert car.last("GnssPosition") != before


def test_no_position_at_all_is_the_raw_value_for_it(car: Stepped) -> None:
    car.vehicle.satellites.forget()
    sent = {timed.frame.arbitration_id: timed.frame.data for timed in car.advance(1.0)}
    assert sent[0x300] == b"\xff\xff\xff\x7f\xff\xff\xff\x7f"
    assert sent[0x301][:4] == b"\xff\xff\xff\xff"
    assert sent[0x301][5:7] == b"\xff\xff"


def test_a_road_wanders_the_same_way_for_the_same_seed() -> None:
    def drive(seed: int) -> Position:
        car = Stepped(seed=seed)
        car.person.drive(50, for_s=60, now=car.now)
        car.advance(70.0)
        return car.vehicle.motion.position

    assert drive(1) == drive(1)
    assert drive(1) != drive(2)


# --------------------------------------------------------------------------- babbling node


def test_a_babbling_node_keeps_its_rate_and_stops(car: Stepped) -> None:
    car.vehicle.babbler.start(0x001, frames_per_s=100, for_s=2.0, now=car.now)
    sent = [timed for timed in car.advance(5.0) if timed.frame.arbitration_id == 0x001]
    assert len(sent) == pytest.approx(200, abs=1)
    assert sent[-1].at_s <= 1002.6


def test_a_hostile_command_reaches_the_bcm_and_locks_it_out(car: Stepped) -> None:
    car.vehicle.babbler.start(0x0A0, frames_per_s=50, for_s=1.0, now=car.now)
    car.advance(2.0)
    verdicts = Counter(record.verdict.value for record in car.vehicle.command_history)
    assert verdicts["authentication-failed"] == 3
    assert verdicts["locked-out"] > 40
    assert car.vehicle.lock_history == []


# ------------------------------------------------------------------------------ the whole


def test_a_timer_that_comes_an_ulp_early_is_on_time(car: Stepped) -> None:
    for _ in range(200):
        deadline = car.vehicle.next_deadline()
        assert deadline is not None
        assert car.vehicle.handle_timer(math.nextafter(deadline, 0.0))
        assert car.vehicle.next_deadline() != deadline


def test_the_same_seed_gives_the_same_frames_at_the_same_times() -> None:
    def play(seed: int) -> list[object]:
        car = Stepped(seed=seed)
        car.advance(0.3)
        car.unlock()
        car.vehicle.babbler.start(0x7F0, frames_per_s=30, for_s=1.0, now=car.now)
        car.advance(3.0)
        return list(car.frames)

    assert play(4) == play(4)
    assert play(4) != play(5)


@pytest.mark.parametrize("length", range(9))
def test_no_frame_of_any_id_and_length_stops_the_vehicle(car: Stepped, length: int) -> None:
    for arbitration_id in (*range(0x90, 0x1C0), 0x300, 0x301, 0x310, 0x401, 0x402):
        car.put(Frame(arbitration_id=arbitration_id, data=b"\xff" * length))
    car.put(Frame(arbitration_id=0xA0, remote_dlc=length))
    car.put(Frame(arbitration_id=0xA0, is_extended_id=True, data=bytes(length)))
    assert car.advance(0.2)


def test_a_database_that_is_none_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "no.dbc"
    with pytest.raises(BadInput, match="cannot be loaded"):
        Database(path)
    path.write_text("this is no database")
    with pytest.raises(BadInput, match="cannot be loaded"):
        Database(path)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("DoorLockStatus", "SomethingElse", "no message DoorLockStatus"),
        ("PlateState", "OtherState", "TailgatePlate is not the reference vehicle's"),
        ("Abandoned", "Deserted", "UsageMode is not the reference vehicle's"),
    ],
)
def test_another_cars_database_is_bad_input(
    tmp_path: Path, was: str, becomes: str, said: str
) -> None:
    text = files("tcu_agent").joinpath("dbc", "reference.dbc").read_text()
    path = tmp_path / "other.dbc"
    path.write_text(text.replace(was, becomes))
    with pytest.raises(BadInput, match=said):
        Stepped(database=path)
