"""The BCM's way from a command frame to the locks: length, authentication, sense, then the central locking. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_sim.bus.frame import Frame
from tcu_sim.vehicle.central_locking import TARGETS, CentralLocking, CommandRecord, Verdict
from tcu_sim.vehicle.reference import LockPosition
from tcu_sim.vehicle.secoc import PAYLOAD_BYTES, SECURED_BYTES, Authentication, CommandReceiver


@dataclass(slots=True)
class CommandGate:
    """Judges every command frame and keeps what it thought of it."""

    receiver: CommandReceiver
    locking: CentralLocking
    history: list[CommandRecord]

    def take(self, frame: Frame, *, is_driving: bool, now: float) -> CommandRecord:
        """Judge a frame and let it act."""
        data = frame.data
        if len(data) != SECURED_BYTES or frame.is_extended_id or frame.is_fd:
            return self._keep(CommandRecord(now, data, Verdict.MALFORMED, None, None))
        target = TARGETS.get(data[0])
        verdict = self._judged(data, target, is_driving=is_driving, now=now)
        return self._keep(CommandRecord(now, data, verdict, target, data[1]))

    def oversleep(self, frame: Frame, now: float) -> None:
        """A command came while nobody listened."""
        self._keep(CommandRecord(now, frame.data, Verdict.ASLEEP, None, None))

    def _keep(self, record: CommandRecord) -> CommandRecord:
        self.history.append(record)
        return record

    def _judged(
        self, data: bytes, target: LockPosition | None, *, is_driving: bool, now: float
    ) -> Verdict:
        counter = data[1]
        match self.receiver.judge(data, now=now):
            case Authentication.LOCKED_OUT:
                return Verdict.LOCKED_OUT
            case Authentication.FAILED:
                self.locking.authentication_failed(counter)
                return Verdict.AUTHENTICATION_FAILED
            case Authentication.PASSED:
                pass
        if target is None or any(data[2:PAYLOAD_BYTES]):
            self.locking.refuse(counter)
            return Verdict.REFUSED
        return self.locking.take(target, counter, is_driving=is_driving, now=now)
