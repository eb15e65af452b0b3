"""When a parked car sleeps and wakes, and which of its services end before that. Theory and table: `states`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from tcu_agent.core import vss
from tcu_agent.core.availability.record import ParkedRecord
from tcu_agent.core.availability.states import RESTING, TABLE, State, Trigger
from tcu_agent.core.durable import records
from tcu_agent.core.effects import GoToSleep, WakeUp
from tcu_agent.core.machine import Machine
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.vehicle import Change, VehicleState
from tcu_agent.protocol.vocabulary import Reason, Service

__all__ = ["TABLE", "Reachability", "State", "Trigger"]

LOOK_AGAIN_S: Final = 10.0
"""How soon after something that kept it awake it looks whether it may sleep now."""
SAVE_EVERY_S: Final = 3600.0
"""How often the time passed becomes durable while it is awake: so much of it a power cut may take away."""
_LEFT_MODES: Final = frozenset({"abandoned", "inactive"})
_USED_MODES: Final = frozenset({"convenience", "active", "driving"})


class Reachability:
    """The schedule of one car. `goes_on`: whether something at a time (CLOCK_BOOTTIME, s) must not be slept over.

    `awaits_since`: when the last message was made that must not stay untold, None = the centre has all of them.
    """

    def __init__(
        self,
        *,
        settings: CoreSettings,
        vehicle: VehicleState,
        boot_session: str,
        goes_on: Callable[[float], bool],
        awaits_since: Callable[[], float | None],
    ) -> None:
        self._settings = settings
        self._vehicle = vehicle
        self._boot_session = boot_session
        self._goes_on = goes_on
        self._awaits_since = awaits_since
        self._parked_at = 0.0
        self._parked_wall: float | None = None
        self._woke_at = 0.0
        self._saved_at = 0.0
        self._unproven: ParkedRecord | None = None
        """What was stored before a power cut, until the wall clock can say how long ago that is."""
        self._is_scheduled = vss.USAGE_MODE in settings.reported
        self._due_at: float | None = None
        """When the next sleep, visit or look is due."""
        self.machine = Machine(TABLE, State.IN_USE)

    @property
    def deadline(self) -> float | None:
        """When `advance` is wanted, CLOCK_BOOTTIME, s."""
        if self._due_at is None or self.machine.state in RESTING:
            return self._due_at
        return min(self._due_at, self._saved_at + SAVE_EVERY_S)

    def start(self, step: Step, record: ParkedRecord | None) -> None:
        """Go on counting; a car that was never seen parked is taken to have been parked just now."""
        if not self._is_scheduled:
            return
        parked_for_s = 0.0
        if record is not None:
            parked_for_s = record.parked_for_s(
                boot_session=self._boot_session, now=step.now, wall=step.wall
            )
            if record.boot_session == self._boot_session:
                self._parked_wall = record.parked_wall
            elif record.awaits_proof(step.wall):
                self._unproven = record
        self._park(step, for_s=parked_for_s)
        if parked_for_s >= self._settings.listen_for_s:
            self.machine.state = State.VISITING
            self._woke_at = step.now
        self._due_at = self._listens_until(step)

    def refusal(self, service: Service, now: float) -> Reason:
        """Return why a parked car does not take a request any more, `NONE` if it does."""
        if service is not Service.UNLOCK or self.machine.state is State.IN_USE:
            return Reason.NONE
        is_over = now - self._parked_at >= self._settings.unlock_for_s
        return Reason.PARKED_TOO_LONG if is_over else Reason.NONE

    def stir(self, step: Step) -> None:
        """Something has woken the board or the car. If it was the RTC, it is the visit that was due."""
        if self.machine.move(Trigger.STIRRED):
            self._visit(step)

    def advance(self, step: Step, changes: Iterable[Change]) -> None:
        """Look at the usage mode and at time again: called once for each event, after all other machines."""
        for change in changes:
            if change.path == vss.USAGE_MODE and self._is_scheduled:
                self._take_mode(step, change)
        if self.machine.state in RESTING and self._goes_on(step.now):
            # Something began in the last moment before the link was down, or in the car.
            self.stir(step)
        self._keep_time(step)
        if self._due_at is None or step.now < self._due_at:
            return
        if self.machine.move(Trigger.WAKE_TIME):
            self._visit(step)
        elif self._goes_on(step.now) or self._is_car_awake(step.now):
            self._due_at = step.now + LOOK_AGAIN_S
        else:
            self._sleep(step)

    def _keep_time(self, step: Step) -> None:
        """Correct the days once the time is proven, and store from time to time how many of them have passed."""
        if self._unproven is not None and step.wall is not None:
            self._correct(step, self._unproven)
        elif (
            self.machine.state in {State.LISTENING, State.VISITING}
            and step.now >= self._saved_at + SAVE_EVERY_S
        ):
            self._save(step)

    def _correct(self, step: Step, record: ParkedRecord) -> None:
        """The wall clock says how long the power was off: never shorter than what had passed anyway."""
        self._unproven = None
        self._parked_at = min(self._parked_at, step.now - record.at_least_s(step.wall))
        if self.machine.state is State.LISTENING:
            self._due_at = self._listens_until(step)
        self._save(step)

    def _listens_until(self, step: Step) -> float:
        """Return when it stops listening: a visit from now at least, for whoever has just reached it."""
        days_end = self._parked_at + self._settings.listen_for_s
        return max(days_end, step.now + self._settings.visit_for_s)

    def _take_mode(self, step: Step, change: Change) -> None:
        was_resting = self.machine.state in RESTING
        if change.new in _USED_MODES:
            self._use(step)
        elif change.new in _LEFT_MODES and self._is_parking(change):
            self._unproven = self._parked_wall = None
            self._park(step, for_s=0.0)
        if was_resting and self.machine.state not in RESTING:
            step.do(WakeUp())

    def _is_parking(self, change: Change) -> bool:
        """Whether it was in use, or somebody was at it: a mode that was not known before shows neither."""
        if self.machine.state is State.IN_USE:
            return True
        return change.old is not None and change.old != change.new

    def _use(self, step: Step) -> None:
        if self.machine.move(Trigger.USED):
            self._due_at = self._unproven = None
            step.put(records.PARKED, None)

    def _park(self, step: Step, *, for_s: float) -> None:
        self.machine.move(Trigger.PARKED)
        self._parked_at = step.now - for_s
        self._due_at = self._parked_at + self._settings.listen_for_s
        self._save(step)

    def _visit(self, step: Step) -> None:
        self._woke_at = step.now
        self._due_at = step.now + self._settings.visit_for_s
        self._save(step)
        step.do(WakeUp())

    def _sleep(self, step: Step) -> None:
        every_s = self._settings.wake_every_s
        since = step.now if self.machine.state is State.LISTENING else self._woke_at
        # A visit that lasted longer than the time between two of them is not followed by another one at once.
        wake_at = since + every_s * (math.floor((step.now - since) / every_s) + 1)
        is_last = wake_at > self._visits_until()
        self.machine.move(Trigger.DAYS_OVER if is_last else Trigger.SLEEP_TIME)
        self._due_at = None if is_last else wake_at
        self._save(step)
        step.do(GoToSleep(self._due_at, _wall_of(self._due_at, step)))

    def _visits_until(self) -> float:
        """Return when its days are over; what nobody has heard of yet has days of its own, from when it was made."""
        wake_for_s = self._settings.wake_for_s
        days_end = self._parked_at + self._settings.listen_for_s + wake_for_s
        awaits_since = self._awaits_since()
        return days_end if awaits_since is None else max(days_end, awaits_since + wake_for_s)

    def _is_car_awake(self, now: float) -> bool:
        return self._vehicle.fresh(vss.USAGE_MODE, now) is not None

    def _save(self, step: Step) -> None:
        self._saved_at = step.now
        elapsed_s = step.now - self._parked_at
        if self._unproven is not None:
            step.put(records.PARKED, replace(self._unproven, elapsed_s=elapsed_s).to_bytes())
            return
        if step.wall is not None:
            self._parked_wall = step.wall - elapsed_s
        record = ParkedRecord(
            parked_at=self._parked_at,
            boot_session=self._boot_session,
            parked_wall=self._parked_wall,
            elapsed_s=elapsed_s,
        )
        step.put(records.PARKED, record.to_bytes())


def _wall_of(deadline: float | None, step: Step) -> int | None:
    if deadline is None or step.wall is None:
        return None
    return round(step.wall + deadline - step.now)
