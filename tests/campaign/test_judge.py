"""Each count, from made-up evidence: what is well counts nothing, and one thing wrong counts just there."""

from collections.abc import Callable
from dataclasses import fields

import pytest

from tcu_sim.bench.heard import Heard
from tcu_sim.bench.light_centre import LightCentre, seeded_key
from tcu_sim.campaign.evidence import Accepted, Command, Evidence, Grant, Life, Press, Tracking
from tcu_sim.campaign.judge import Findings, judge
from tcu_sim.campaign.observer import Observer, PlaceClock
from tcu_sim.vehicle.database import Database, Signals
from tcu_sim.wire import cbor
from tcu_sim.wire import messages as m
from tcu_sim.wire.fields import pack
from tcu_sim.wire.numbers import Lock, Outcome, Relock, Service, Told

ONE, TWO, CASE, STREAM, BOOT = bytes(16), bytes([1]) * 16, bytes([2]) * 16, bytes(8), bytes([1]) * 8


def result_of(request_id: bytes, outcome: Outcome, seq: int) -> m.Result:
    return m.Result(
        vehicle_id="car-1",
        service=Service.UNLOCK,
        request_id=request_id,
        nonce=ONE,
        boot_id=BOOT,
        outcome=outcome,
        reason=0,
        grant_hash=bytes(32),
        locks={0: Lock.UNLOCKED},
        relock=Relock.NONE,
        seq=seq,
        stream_id=STREAM,
    )


def event_of(
    kind: Told, seq: int, *, at_s: float = 0.0, incident_id: bytes | None = None
) -> m.Event:
    return m.Event(
        vehicle_id="car-1",
        boot_id=BOOT,
        kind=kind,
        seq=seq,
        boot_time_ms=round(at_s * 1000),
        wall_time_ms=0,
        values={},
        incident_id=incident_id,
        stream_id=STREAM,
        reason=0,
    )


def store(seen: Evidence, message: m.Event | m.Result) -> bytes:
    payload = cbor.encode(pack(message))
    seen.stored[STREAM, message.seq].add(payload)
    if isinstance(message, m.Result):
        seen.results[message.request_id].add(payload)
        seen.outcomes[message.request_id] = message
    return payload


@pytest.fixture
def heard() -> Heard:
    return Heard(vehicle_key=seeded_key("car").public, environment="bench")


@pytest.fixture
def seen(heard: Heard) -> Evidence:
    """Two lives: an unlock in each, a press, a tracking; all is well."""
    seen = Evidence()
    seen.lives += [Life(number=1, began_at=0.0), Life(number=2, began_at=10.0)]
    seen.grants += [Grant(ONE, 1.0, 1), Grant(TWO, 11.0, 2)]
    seen.commands += [Command(1.1, is_unlock=True), Command(11.1, is_unlock=True)]
    seen.commands.append(Command(21.1, is_unlock=False))
    store(seen, result_of(ONE, Outcome.UNKNOWN, 1))
    store(seen, result_of(TWO, Outcome.EXECUTED, 2))
    seen.intents[ONE] = 1
    press = event_of(Told.ON_CALL_PRESSED, 3, at_s=5.2, incident_id=CASE)
    seen.accepted[STREAM, 3] = Accepted(store(seen, press), 1)
    heard.events[STREAM, 3] = press
    seen.presses.append(Press(5.0, 5.3))
    seen.nonces[ONE], seen.nonces[TWO] = {ONE}, {TWO}
    seen.versions += [(1.0, 1, 1), (11.0, 2, 1)]
    seen.trackings.append(Tracking(case_id=CASE, request_id=TWO, at=12.0, until=22.0, most=3))
    seen.places |= {(CASE, 1): 12.0, (CASE, 2): 21.0}
    return seen


Spoil = Callable[[Evidence, Heard], object]
SPOILT: dict[str, tuple[str, Spoil]] = {
    "a second frame": (
        "double_actuations",
        lambda seen, _: seen.commands.insert(1, Command(1.2, is_unlock=True)),
    ),
    "a second lock": (
        "double_actuations",
        lambda seen, _: seen.commands.append(Command(22.0, is_unlock=False)),
    ),
    "a frame after the restart": (
        "replays_accepted",
        lambda seen, _: seen.commands.__setitem__(0, Command(10.5, is_unlock=True)),
    ),
    "a frame without a grant": (
        "replays_accepted",
        lambda seen, _: seen.commands.insert(0, Command(0.5, is_unlock=True)),
    ),
    "a second challenge": ("replays_accepted", lambda seen, _: seen.nonces[ONE].add(TWO)),
    "an account set back": (
        "replays_accepted",
        lambda seen, _: seen.versions.append((12.0, 1, 1)),
    ),
    "a message that never came": (
        "lost_events",
        lambda seen, _: seen.accepted.__setitem__((STREAM, 4), Accepted(b"", 2)),
    ),
    "another message under its number": (
        "lost_events",
        lambda seen, _: seen.accepted.__setitem__((STREAM, 3), Accepted(b"", 1)),
    ),
    "a gap": ("lost_events", lambda seen, _: store(seen, event_of(Told.STARTED, 5))),
    "a tombstone": ("lost_events", lambda seen, _: seen.tombstones.append(3)),
    "a press not told": ("lost_events", lambda _, heard: heard.events.clear()),
    "a press told twice": (
        "lost_events",
        lambda _, heard: heard.events.__setitem__(
            (STREAM, 9), event_of(Told.ON_CALL_PRESSED, 9, at_s=5.25, incident_id=ONE)
        ),
    ),
    "a place after the stop time": (
        "late_positions",
        lambda seen, _: seen.places.__setitem__((CASE, 3), 23.0),
    ),
    "too many places": (
        "late_positions",
        lambda seen, _: seen.places.update({(CASE, seq): 20.0 for seq in range(3, 7)}),
    ),
    "an intent without a result": (
        "unreported_intents",
        lambda seen, _: seen.intents.__setitem__(CASE, 2),
    ),
    "an intent that stays": ("unreported_intents", lambda seen, _: seen.leftovers.append("one")),
    "two results": ("untrue", lambda seen, _: seen.results[ONE].add(b"")),
    "two messages under one number": ("untrue", lambda seen, _: seen.stored[STREAM, 1].add(b"")),
    "an agent that ends": ("untrue", lambda seen, _: seen.unreadable.append("ended")),
    "nothing moved, but it did": (
        "untrue",
        lambda seen, _: seen.outcomes.__setitem__(TWO, result_of(TWO, Outcome.CANCELLED, 2)),
    ),
}


def test_what_is_well_counts_nothing(seen: Evidence, heard: Heard) -> None:
    assert judge(seen, heard).lines() == []


@pytest.mark.parametrize("name", SPOILT)
def test_one_thing_wrong_counts_where_it_belongs(name: str, seen: Evidence, heard: Heard) -> None:
    count, spoil = SPOILT[name]
    spoil(seen, heard)

    findings = judge(seen, heard)

    assert getattr(findings, count), name
    others = [each.name for each in fields(Findings) if each.name != count]
    assert not any(getattr(findings, other) for other in others), findings.lines()


def test_a_frame_that_nobody_answers_for(seen: Evidence, heard: Heard) -> None:
    del seen.results[TWO], seen.outcomes[TWO], seen.stored[STREAM, 2], seen.stored[STREAM, 3]
    seen.accepted.clear()
    seen.presses.clear()

    assert judge(seen, heard).lines() == [
        f"unreported intents: request {TWO.hex()[:8]}: unlock frame at 11.100, no result"
    ]


def test_executed_without_a_frame(seen: Evidence, heard: Heard) -> None:
    del seen.commands[1]

    findings = judge(seen, heard)

    assert findings.untrue == [f"request {TWO.hex()[:8]}: executed, and no frame was on the bus"]


def test_an_agent_that_died_over_a_press_may_have_accepted_it(seen: Evidence, heard: Heard) -> None:
    heard.events[STREAM, 9] = event_of(Told.ON_CALL_PRESSED, 9, at_s=5.1, incident_id=ONE)
    assert len(judge(seen, heard).lost_events) == 1

    seen.presses[0] = Press(5.0, 5.3, most=2)
    assert judge(seen, heard).lost_events == []

    heard.events.clear()
    assert "told 0 times" in "".join(judge(seen, heard).lost_events)


class Bus:
    """What the lamp shows, to an observer, at times that the test gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("tcu_sim.campaign.observer.boottime", lambda: self.now)
        key = seeded_key("car")
        centre = LightCentre(
            vehicle_id="car-1",
            environment="bench",
            vehicle_key=key.public,
            send=lambda _word, _data: None,
            now=lambda: self.now,
            seed=1,
        )
        self._database = Database()
        self.observer = Observer(centre=centre, database=self._database)

    def shows(self, call_state: str, *, at: float) -> None:
        self.now = at
        signals: Signals = {"OnCallLamp": 0, "OnCallState": call_state}
        self.observer.ear.deliver(self._database.frame("TcuStatus", signals))

    def pressed(self, *, at: float) -> None:
        self.now = at
        self.observer.pressed()


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    return Bus(monkeypatch)


def test_a_lamp_answers_for_every_press_since_the_last(bus: Bus) -> None:
    bus.shows("Idle", at=0.5)
    bus.pressed(at=1.0)
    bus.shows("Requested", at=1.2)
    bus.shows("Ended", at=3.0)
    bus.pressed(at=4.0)  # and the agent dies over it
    bus.pressed(at=9.0)
    bus.shows("Requested", at=9.2)

    assert bus.observer.evidence.presses == [Press(1.0, 1.2), Press(4.0, 9.2, most=2)]


def test_a_lamp_long_after_the_last_press_is_no_answer_to_it(bus: Bus) -> None:
    bus.shows("Idle", at=0.5)
    bus.pressed(at=1.0)
    bus.shows("Requested", at=4.0)

    assert bus.observer.evidence.presses == []


def test_a_place_tells_its_time_to_the_second() -> None:
    clock = PlaceClock(100.0)

    latitude_deg, _ = clock.place_at(3723.9)

    assert clock.time_of(round(latitude_deg * 1e7)) == 3723.0
