"""The assistance call. Theory and table: `states`.

Nothing may silence it: besides the numbered event, which waits its turn, a press is told beside the stream at once and
at every connection until the centre answers, and so is a hang-up. A full disk, a damaged outbox or acknowledgements
that never come hold up the stream and not this. The incident id tells the centre that they are one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tcu_agent.core import vss
from tcu_agent.core.call.record import CallRecord
from tcu_agent.core.call.states import TABLE, Trigger
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Lamp, SendMessage, ShowCallState
from tcu_agent.core.machine import Machine
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.verify.verdicts import OpenCall
from tcu_agent.protocol.messages import Call
from tcu_agent.protocol.vocabulary import CallState, EventKind, Reason

__all__ = ["TABLE", "OnCall", "Trigger"]

_BY_CENTRE: Mapping[CallState, Trigger] = {
    CallState.RINGING: Trigger.CENTRE_RINGS,
    CallState.CONNECTED: Trigger.CENTRE_CONNECTS,
    CallState.ENDED: Trigger.CENTRE_ENDS,
    CallState.FAILED: Trigger.CENTRE_FAILS,
}
_LAMPS: Mapping[CallState, Lamp] = {
    CallState.IDLE: Lamp.OFF,
    CallState.REQUESTED: Lamp.PULSING,
    CallState.RINGING: Lamp.PULSING,
    CallState.CONNECTED: Lamp.ON,
    CallState.ENDED: Lamp.OFF,
    CallState.FAILED: Lamp.ERROR,
}
_IS_OVER = frozenset({CallState.ENDED, CallState.FAILED})


class OnCall:
    """The one assistance call that there may be."""

    def __init__(
        self, *, settings: CoreSettings, journal: Journal, boot_id: bytes, boot_session: str
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._boot_id = boot_id
        self._boot_session = boot_session
        self._record: CallRecord | None = None
        self._press_at: float | None = None
        """A press that waits for random bytes: the next `TimePassed` brings them, at once."""
        self._is_opening_press = False
        """The press that is going on (or the last one) is the one that asked for the call."""
        self.deadline: float | None = None
        self.machine = Machine(TABLE, CallState.IDLE)

    @property
    def is_on(self) -> bool:
        """Whether a call is asked for, goes on, or its end is still shown."""
        return self._press_at is not None or self.machine.state is not CallState.IDLE

    @property
    def open_call(self) -> OpenCall | None:
        """The call that the centre may control."""
        record = self._record
        if record is None:
            return None
        return OpenCall(
            incident_id=record.incident_id, boot_id=record.boot_id, last_seq=record.last_seq
        )

    def start(self, step: Step, record: CallRecord | None) -> None:
        """Go on after a restart, and show how things stand."""
        if record is not None:
            self._record = record
            self.machine.state = record.state
            if record.state is CallState.CONNECTED:
                self._resume_connected(step, record)
            else:
                self._resume_requested(step, record)
        self._show(step)

    def connected(self, step: Step) -> None:
        """There is a link: a press that nobody has answered is told again."""
        if self._record is not None and self.machine.state is CallState.REQUESTED:
            self._tell_press(step, self._record)

    def press(self, step: Step, *, at: float) -> None:
        """Ask for a call; nothing if one is on."""
        self._is_opening_press = self.machine.state in {CallState.IDLE, *_IS_OVER}
        if self._is_opening_press:
            self._press_at = at
            self.deadline = step.now

    def long_press(self, step: Step) -> None:
        """Hang up, unless it is still the press that asked for the call."""
        record = self._record
        if record is None or self._is_opening_press:
            return
        self._journal.report(step, EventKind.HANG_UP, incident_id=record.incident_id)
        self._tell(step, EventKind.HANG_UP, at=step.now, wall=step.wall, record=record)
        self._move(step, Trigger.HUNG_UP)

    def stuck(self, step: Step) -> None:
        """Report the button; a call stays as it is."""
        incident_id = self._record.incident_id if self._record else None
        self._journal.report(
            step, EventKind.BUTTON_FAULT, reason=Reason.STUCK_BUTTON, incident_id=incident_id
        )

    def control(self, step: Step, call: Call) -> None:
        """Do what the centre says about the open call; what does not fit the state changes nothing."""
        if not self._move(step, _BY_CENTRE[call.state], seq=call.seq):
            step.note("call-control-ignored", state=call.state.name.lower())

    def advance(self, step: Step) -> None:
        """Look at time again: called once for each event, after the button."""
        if self._press_at is not None and step.random is not None:
            self._request(step, self._press_at, incident_id=step.random)
        if self.deadline is None or step.now < self.deadline or self._press_at is not None:
            return
        if self.machine.state in _IS_OVER:
            self.machine.move(Trigger.SHOWN)
            self.deadline = None
            self._show(step)
        else:
            self._move(step, Trigger.NOT_CONNECTED_IN_TIME, reason=Reason.NOT_CONNECTED_IN_TIME)

    def _request(self, step: Step, pressed_at: float, *, incident_id: bytes) -> None:
        self._press_at = None
        self.machine.move(Trigger.PRESSED)
        self._ask(
            step,
            CallRecord(
                incident_id=incident_id,
                boot_id=self._boot_id,
                boot_session=self._boot_session,
                pressed_at=pressed_at,
                pressed_wall=step.wall,
                state=CallState.REQUESTED,
            ),
        )
        self._show(step)

    def _ask(self, step: Step, record: CallRecord) -> None:
        self._record = record
        self.deadline = record.pressed_at + self._settings.connect_timeout_s
        step.put(records.CALL, record.to_bytes())
        # Call control quotes the boot id of whichever of these the centre gets first, also after a restart.
        self._journal.report(
            step,
            EventKind.ON_CALL_PRESSED,
            incident_id=record.incident_id,
            boot_id=record.boot_id,
        )
        self._tell_press(step, record)

    def _tell_press(self, step: Step, record: CallRecord) -> None:
        self._tell(
            step,
            EventKind.ON_CALL_PRESSED,
            at=record.pressed_at,
            wall=record.pressed_wall,
            record=record,
        )

    def _tell(
        self, step: Step, kind: EventKind, *, at: float, wall: float | None, record: CallRecord
    ) -> None:
        event = self._journal.outside(
            kind, at=at, wall=wall, incident_id=record.incident_id, boot_id=record.boot_id
        )
        step.do(SendMessage(event))

    def _resume_requested(self, step: Step, record: CallRecord) -> None:
        age_s = record.age_s(boot_session=self._boot_session, now=step.now, wall=step.wall)
        if age_s is None:
            again = replace(
                record,
                boot_session=self._boot_session,
                pressed_at=step.now,
                pressed_wall=step.wall,
            )
            self._ask(step, again)
        elif age_s >= self._settings.connect_timeout_s:
            self._move(step, Trigger.NOT_CONNECTED_IN_TIME, reason=Reason.NOT_CONNECTED_IN_TIME)
        else:
            self.deadline = step.now + self._settings.connect_timeout_s - age_s

    def _resume_connected(self, step: Step, record: CallRecord) -> None:
        """A new boot of the board has cut the talk; a restart of the agent alone has not."""
        if record.boot_session != self._boot_session:
            self._move(step, Trigger.REBOOTED, reason=Reason.RESTARTED)

    def _move(
        self,
        step: Step,
        trigger: Trigger,
        *,
        reason: Reason = Reason.NONE,
        seq: int | None = None,
    ) -> bool:
        """Take the table's row; make it durable, report it, show it. False, and nothing done, if there is none."""
        record = self._record
        if record is None or not self.machine.move(trigger):
            return False
        state = self.machine.state
        self._journal.report(
            step,
            EventKind.CALL_STATE,
            values={vss.CALL_STATE: state.name.lower()},
            reason=reason,
            incident_id=record.incident_id,
        )
        if state in _IS_OVER:
            self._record = None
            self.deadline = step.now + self._settings.call_shown_s
            step.put(records.CALL, None)
        else:
            last_seq = record.last_seq if seq is None else seq
            self._record = replace(record, state=state, last_seq=last_seq)
            self.deadline = None if state is CallState.CONNECTED else self.deadline
            step.put(records.CALL, self._record.to_bytes())
        self._show(step)
        return True

    def _show(self, step: Step) -> None:
        state = self.machine.state
        step.do(ShowCallState(_LAMPS[state], state))
