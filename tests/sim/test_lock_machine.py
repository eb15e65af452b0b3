"""Whatever happens in whatever order: a lock moves only after an accepted command, the key, the inside button, or the
vehicle's own re-lock; and what the BCM answers is what became of the command.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tcu_sim.bus.frame import Frame
from tcu_sim.errors import NotPossible
from tcu_sim.vehicle.body import Jam
from tcu_sim.vehicle.central_locking import Behaviour, Verdict
from tcu_sim.vehicle.reference import Door, LockPosition, LockSource
from tests.sim.stepped import Stepped

TARGETS = st.sampled_from([LockPosition.LOCKED, LockPosition.UNLOCKED])
DOORS = st.sampled_from(list(Door))
MOVING_BEHAVIOURS = {Behaviour.OK, Behaviour.LATE, Behaviour.SILENT}


@dataclass(frozen=True)
class Permission:
    """Somebody who may has asked for this; its movements begin from `from_s` on."""

    target: LockPosition
    source: LockSource
    from_s: float


class LockMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.car = Stepped(sleep_after_s=5.0)
        self.permissions: list[Permission] = []
        self.recorded: list[Frame] = []

    @rule(seconds=st.sampled_from([0.05, 0.25, 0.5, 2.0, 7.0, 65.0]))
    def time_passes(self, seconds: float) -> None:
        self.car.frames.clear()
        self.car.advance(seconds)

    @rule(to=TARGETS)
    def authentic_command(self, to: LockPosition) -> None:
        frame = self.car.command(to)
        self.recorded.append(frame)
        receiver = self.car.vehicle.bcm.gate.receiver
        before, is_listening = receiver.last_freshness, self.car.vehicle.bcm.is_awake
        can_tell = is_listening and not receiver.is_locked_out(self.car.now)
        self.car.put(frame)
        record = self.car.vehicle.command_history[-1]
        refuses = self.car.vehicle.bcm.locking.behaviour is Behaviour.REFUSE
        if can_tell:
            assert record.verdict is (Verdict.REFUSED if refuses else Verdict.ACCEPTED)
        if record.verdict is Verdict.ACCEPTED:
            assert self.car.vehicle.bcm.gate.receiver.last_freshness > before
            self.permissions.append(Permission(to, LockSource.REMOTE_COMMAND, self.car.now))

    @precondition(lambda self: self.recorded)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        frame = data.draw(st.sampled_from(self.recorded))
        asleep = self.car.vehicle.bcm.gate.history
        was_heard = any(r.data == frame.data and r.verdict is not Verdict.ASLEEP for r in asleep)
        was_locked_out = any(
            r.data == frame.data and r.verdict is Verdict.LOCKED_OUT for r in asleep
        )
        self.car.put(frame)
        record = self.car.vehicle.command_history[-1]
        if was_heard and not was_locked_out:
            assert record.verdict is not Verdict.ACCEPTED
        elif (
            record.verdict is Verdict.ACCEPTED and record.target is not None
        ):  # the first time it is heard
            self.permissions.append(
                Permission(record.target, LockSource.REMOTE_COMMAND, self.car.now)
            )

    @rule(data=st.binary(min_size=0, max_size=8))
    def forged_command(self, data: bytes) -> None:
        self.car.put(Frame(arbitration_id=0x0A0, data=data))
        assert self.car.vehicle.command_history[-1].verdict not in {
            Verdict.ACCEPTED,
            Verdict.REFUSED,
        }

    @rule(to=TARGETS)
    def key(self, to: LockPosition) -> None:
        self.car.vehicle.bcm.move_locks(to, LockSource.KEY, now=self.car.now)
        self.permissions.append(Permission(to, LockSource.KEY, self.car.now))

    @rule(to=TARGETS)
    def inside_button(self, to: LockPosition) -> None:
        act = self.car.person.lock if to is LockPosition.LOCKED else self.car.person.unlock
        try:
            act(LockSource.INSIDE_BUTTON, now=self.car.now)
        except NotPossible:
            return
        self.permissions.append(Permission(to, LockSource.INSIDE_BUTTON, self.car.now))

    @rule(enters=st.booleans())
    def somebody_comes_or_goes(self, enters: bool) -> None:
        target = LockPosition.UNLOCKED if enters else LockPosition.LOCKED
        try:
            (self.car.person.enter if enters else self.car.person.leave)(now=self.car.now)
        except NotPossible:
            return
        self.permissions.append(Permission(target, LockSource.KEY, self.car.now))

    @rule(door=DOORS, opens=st.booleans(), by_force=st.booleans())
    def door(self, door: Door, opens: bool, by_force: bool) -> None:
        if not opens:
            self.car.person.close_door(door, now=self.car.now)
            return
        try:
            self.car.person.open_door(door, by_force=by_force, now=self.car.now)
        except NotPossible:
            assert self.car.vehicle.locks[door] is not LockPosition.UNLOCKED

    @rule(behaviour=st.sampled_from(list(Behaviour)))
    def misbehave(self, behaviour: Behaviour) -> None:
        self.car.vehicle.bcm.locking.set_behaviour(behaviour)

    @rule(door=DOORS, jam=st.sampled_from([None, *Jam]))
    def jam(self, door: Door, jam: Jam | None) -> None:
        self.car.vehicle.body.motors[door].jam = jam

    @rule(after_s=st.sampled_from([None, 0.5, 5.0]))
    def relock(self, after_s: float | None) -> None:
        self.car.vehicle.bcm.relock_after_s = after_s

    @rule(plate=st.booleans())
    def press(self, plate: bool) -> None:
        if plate:
            self.car.person.press_plate(now=self.car.now)
        else:
            self.car.person.press_on_call(now=self.car.now)

    @rule()
    def network_wakes(self) -> None:
        self.car.wake_by_network()

    @invariant()
    def every_movement_was_permitted(self) -> None:
        for movement in self.car.vehicle.lock_history:
            if movement.source is LockSource.AUTOMATIC:
                assert movement.position is LockPosition.LOCKED
                continue
            assert any(
                permission.target is movement.position
                and permission.source is movement.source
                and permission.from_s <= movement.began_s
                for permission in self.permissions
            ), movement

    @invariant()
    def automatic_movements_come_from_the_relock_alone(self) -> None:
        automatic = [m for m in self.car.vehicle.lock_history if m.source is LockSource.AUTOMATIC]
        unlocks = [p for p in self.permissions if p.target is LockPosition.UNLOCKED]
        assert not automatic or any(p.source is LockSource.REMOTE_COMMAND for p in unlocks)

    @invariant()
    def what_is_shown_is_the_truth_unless_it_lies(self) -> None:
        car = self.car
        if car.vehicle.bcm.locking.pretended is not None:
            return
        shown = car.vehicle.bcm.content("DoorLockStatus", car.now)
        for door, position in car.vehicle.locks.items():
            assert shown[f"Lock{door.in_dbc}"] == position.value

    @invariant()
    def done_means_done(self) -> None:
        response = self.car.vehicle.bcm.locking.response
        if response.state == "Busy":
            return
        claims = [r for r in self.car.vehicle.command_history if r.counter == response.counter]
        assert response.state == "Idle" or claims


LockMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestLockMachine = LockMachine.TestCase
