"""Any history at all: Hypothesis plays owner, thief, centre, attacker, clock, disk and power.

"Time passes" and "the timer fires" are separate rules, so that timers come late, early or not at all.
"""

from __future__ import annotations

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tcu_agent.core import vss
from tcu_agent.core.effects import Effect, Lamp, Persist, SealPosition, TransmitUnlock
from tcu_agent.core.events import Resumed, SuspendBegan, TimeProven, Value
from tcu_agent.protocol.messages import (
    Challenge,
    Parameters,
    PositionParameters,
    Request,
    UnlockParameters,
)
from tcu_agent.protocol.vocabulary import (
    CallState,
    EventKind,
    Outcome,
    PositionKind,
    Service,
    UnlockMode,
)
from tests.core import invariants
from tests.core.driver import Driver, Failure
from tests.protocol import signing

A_WHILE = st.sampled_from([0.0, 0.05, 0.1, 0.5, 2.0, 5.0, 10.0, 29.0, 31.0, 60.0, 121.0, 300.0])
BOOLS = st.booleans()


class AnyCar(RuleBasedStateMachine):
    """What can happen to every car."""

    def __init__(self) -> None:
        super().__init__()
        self.car = Driver()
        self.car.provision()
        self.car.settles = False
        self.version = 7
        self.open_requests: list[Request] = []
        self.grants: list[bytes] = []
        self.judged_results = 0

    @rule(duration_s=A_WHILE)
    def time_passes(self, duration_s: float) -> None:
        self.car.jump(duration_s)

    @rule()
    def the_timer_fires(self) -> None:
        self.car.fire()

    @rule()
    def the_bus_is_heard(self) -> None:
        if self.car.awake:
            self.car.refresh()

    @rule()
    def the_bus_falls_asleep_or_wakes_up(self) -> None:
        if self.car.awake:
            self.car.fall_asleep()
        else:
            self.car.wake_up()

    @rule(new_session=BOOLS, off_s=A_WHILE)
    def the_power_is_cut(self, new_session: bool, off_s: float) -> None:
        self.car.restart(new_session=new_session, off_s=off_s)
        self.open_requests.clear()

    @rule(times=st.integers(1, 3))
    def the_disk_fails(self, times: int) -> None:
        self.car.failures.append(Failure(lambda each: isinstance(each, Persist), times=times))

    @rule(kind=st.sampled_from([TransmitUnlock, SealPosition]), may_have_happened=BOOLS)
    def something_is_not_done(self, kind: type[Effect], may_have_happened: bool) -> None:
        failure = Failure(lambda each: isinstance(each, kind), may_have_happened=may_have_happened)
        self.car.failures.append(failure)

    @rule(offset=st.sampled_from([None, 0.0, 1.8e9, 1.8e9 + 1e6]))
    def the_wall_clock_jumps(self, offset: float | None) -> None:
        self.car.wall_offset = offset

    @rule()
    def the_time_is_proven(self) -> None:
        self.car.put(TimeProven())

    @rule()
    def the_board_sleeps(self) -> None:
        self.car.put(SuspendBegan())
        self.car.jump(3600)
        self.car.put(Resumed())

    @precondition(lambda self: self.car.received)
    @rule(data=st.data())
    def the_attacker_repeats_something(self, data: st.DataObject) -> None:
        self.car.receive(*data.draw(st.sampled_from(self.car.received)))

    @rule(owner=BOOLS)
    def a_generation_changes(self, owner: bool) -> None:
        account = self.car.core._parts.knowledge.account
        assert account is not None
        self.version += 1
        self.car.tell_account(
            version=self.version,
            pin_generation=account.pin_generation + 1,
            ownership_generation=account.ownership_generation + owner,
        )

    def ask(self, service: Service, parameters: Parameters) -> None:
        request = self.car.ask(service, parameters=parameters)
        if any(c.common.request_id == request.request_id for c in self.car.sent(Challenge)):
            self.open_requests.append(request)

    @precondition(lambda self: self.open_requests)
    @rule(data=st.data())
    def the_centre_grants(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.open_requests))
        challenge = next(
            c for c in self.car.sent(Challenge) if c.common.request_id == request.request_id
        )
        grant = signing.sign(self.car.centre.grant(challenge, request.parameters))
        self.car.receive("grant", grant)

    @invariant()
    def nothing_is_broken(self) -> None:
        invariants.check(self.car)
        for result in self.car.results[self.judged_results :]:
            if result.outcome is Outcome.EXECUTED and result.common.service is Service.UNLOCK:
                assert all(self.car.signals[path] is False for path in vss.DOOR_LOCKS)
        self.judged_results = len(self.car.results)

    def teardown(self) -> None:
        self.car.failures.clear()
        self.car.settles = True
        self.car.restart()
        if not self.car.awake:
            self.car.wake_up()
        self.car.pass_time(400)
        invariants.check(self.car)
        invariants.nothing_left_open(self.car)
        assert self.car.core.snapshot()["is_durable"] is True


class UnlockHistory(AnyCar):
    """Doors, plate, key; direct and armed."""

    @rule(window_s=st.sampled_from([None, None, 30, 300]))
    def the_centre_asks(self, window_s: int | None) -> None:
        mode = UnlockMode.DIRECT if window_s is None else UnlockMode.ARMED
        self.ask(Service.UNLOCK, UnlockParameters(mode, window_s))

    @rule(pressed=BOOLS)
    def the_plate(self, pressed: bool) -> None:
        self.show({vss.PLATE: pressed})

    @rule(locked=st.sampled_from([True, False, False, None]))
    def the_locks(self, locked: bool | None) -> None:
        self.show(dict.fromkeys(vss.DOOR_LOCKS, locked))

    @rule(door=st.sampled_from(vss.DOOR_LOCKS), locked=BOOLS)
    def one_lock(self, door: str, locked: bool) -> None:
        self.show({door: locked})

    @rule(door=st.sampled_from(vss.DOORS_OPEN), is_open=BOOLS)
    def a_door(self, door: str, is_open: bool) -> None:
        self.show({door: is_open})

    @rule(mode=st.sampled_from(["abandoned", "abandoned", "inactive", "active", "driving"]))
    def the_usage_mode(self, mode: str) -> None:
        self.show({vss.USAGE_MODE: mode})

    @rule(answer=st.sampled_from(["busy", "refused"]))
    def central_locking_answers(self, answer: str) -> None:
        self.show({vss.CENTRAL_LOCKING_RESPONSE: answer})

    def show(self, values: dict[str, Value]) -> None:
        self.car.signals.update(values)
        if self.car.awake:
            self.car.change(values)


class PositionHistory(AnyCar):
    """Snapshots, trackings, cases."""

    @rule(interval_s=st.sampled_from([None, 5, 60]), duration_s=st.sampled_from([10, 300]))
    def the_centre_asks(self, interval_s: int | None, duration_s: int) -> None:
        if interval_s is None:
            self.ask(Service.POSITION, signing.SNAPSHOT)
        else:
            kind = PositionKind.TRACKING
            self.ask(Service.POSITION, PositionParameters(kind, interval_s, duration_s))

    @rule(known=BOOLS)
    def the_receiver(self, known: bool) -> None:
        values: dict[str, Value] = {
            vss.LATITUDE: 1.5 if known else None,
            vss.LONGITUDE: 2.5 if known else None,
            vss.FIX_TYPE: "THREE_D" if known else "NONE",
        }
        self.car.signals.update(values)
        if self.car.awake:
            self.car.change(values)

    @rule()
    def the_case_ends(self) -> None:
        self.car.receive("case-end", signing.sign(self.car.centre.case_end()))

    @rule(seq=st.integers(0, 5))
    def the_desk_acknowledges(self, seq: int) -> None:
        self.car.acknowledge_positions(seq)

    @invariant()
    def erased_stays_erased(self) -> None:
        cases = self.car.core._parts.position
        for case_id in cases.cases._ended():
            assert case_id not in cases.cases.last_seqs


class OnCallHistory(AnyCar):
    """Button and call."""

    @rule(pressed=st.sampled_from([True, False, None]))
    def the_button(self, pressed: bool | None) -> None:
        self.car.signals[vss.ON_CALL_BUTTON] = pressed
        if self.car.awake:
            self.car.change({vss.ON_CALL_BUTTON: pressed})

    @precondition(lambda self: self.car.events(EventKind.ON_CALL_PRESSED))
    @rule(
        state=st.sampled_from(
            [CallState.RINGING, CallState.CONNECTED, CallState.ENDED, CallState.FAILED]
        ),
        seq=st.integers(0, 9),
    )
    def the_centre_says(self, state: CallState, seq: int) -> None:
        self.car.control(state, seq)

    @invariant()
    def the_lamp_tells_the_state(self) -> None:
        shown = self.car.shown[-1]
        assert shown.call_state.name.lower() == self.car.core.snapshot()["call"]
        assert (shown.lamp is Lamp.ERROR) == (shown.call_state is CallState.FAILED)
        assert (shown.lamp is Lamp.ON) == (shown.call_state is CallState.CONNECTED)

    @invariant()
    def an_incident_begins_once_and_ends_at_most_once(self) -> None:
        ends = [
            event.incident_id
            for event in self.car.events(EventKind.CALL_STATE)
            if event.values[vss.CALL_STATE] in {"ended", "failed"}
        ]
        assert len(ends) == len(set(ends))
        begun = {event.incident_id for event in self.car.events(EventKind.ON_CALL_PRESSED)}
        assert set(ends) <= begun


QUICK = hypothesis_settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

TestUnlockHistory = UnlockHistory.TestCase
TestUnlockHistory.settings = QUICK
TestPositionHistory = PositionHistory.TestCase
TestPositionHistory.settings = QUICK
TestOnCallHistory = OnCallHistory.TestCase
TestOnCallHistory.settings = QUICK
