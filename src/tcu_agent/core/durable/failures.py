"""What did not happen: a failed effect, and those behind it that were never tried.

A failed transaction protects nothing: whatever it stood before must not happen, and the machine concerned says so. What
it held is kept and tried again (`core.durable.unsaved`). Effects that need no protection go on.
"""

from __future__ import annotations

from tcu_agent.core.durable import records
from tcu_agent.core.effects import (
    Effect,
    ErasePositions,
    Persist,
    SealPosition,
    SendMessage,
    TransmitLock,
    TransmitUnlock,
)
from tcu_agent.core.events import EffectFailed
from tcu_agent.core.parts import Parts
from tcu_agent.core.step import Step
from tcu_agent.protocol.messages import Challenge, Refusal
from tcu_agent.protocol.vocabulary import Reason


class Failures:
    """Tells each machine what did not happen."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def take(self, step: Step, failed: EffectFailed, *, behind: tuple[Effect, ...]) -> None:
        """Judge a failure. `behind`: effects of the same call that were dropped because of it."""
        if isinstance(failed.effect, Persist):
            self._not_durable(step, failed.effect, behind)
        else:
            self._not_done(step, failed)
            step.do(*behind)

    def _not_durable(self, step: Step, persist: Persist, behind: tuple[Effect, ...]) -> None:
        parts = self._parts
        parts.unsaved.keep(persist, now=step.now)
        step.note("not-durable", messages=len(persist.append))
        if persist.puts.get(records.UNLOCK) is not None:
            parts.unlock.intent_not_durable(step)
        if persist.puts.get(records.RELOCK) is not None:
            parts.relock.not_durable(step)
        if persist.puts.get(records.POSITION) is not None:
            parts.position.not_durable(step)
        for effect in behind:
            if _needs_protection(effect, by=persist):
                self._not_done(step, EffectFailed(effect, "not durable", may_have_happened=False))
            else:
                step.do(effect)

    def _not_done(self, step: Step, failed: EffectFailed) -> None:
        parts, may_have_happened = self._parts, failed.may_have_happened
        not_sent = Reason.TOO_LATE if failed.is_too_late else Reason.TRANSMIT_FAILED
        match failed.effect:
            case TransmitUnlock():
                parts.unlock.transmit_failed(step, not_sent, may_have_happened=may_have_happened)
            case TransmitLock():
                parts.relock.transmit_failed(step, not_sent, may_have_happened=may_have_happened)
            case ErasePositions(up_to_seq=None):
                parts.position.cases.not_erased(step)
            case ErasePositions(case_id=case_id):
                parts.position.cases.still_stored(case_id)
                step.note("not-done", effect="ErasePositions")
            case SealPosition() as sealing:
                parts.position.not_sealed(sealing, is_too_late=failed.is_too_late)
            case SendMessage(message=Challenge(common=common)) if not may_have_happened:
                parts.refusals.known(step, Reason.STATE_CORRUPT, common.request_id)
            case _:
                step.note("not-done", effect=type(failed.effect).__name__)


def _needs_protection(effect: Effect, *, by: Persist) -> bool:
    """Whether nothing of this may happen before what stood in front of it is durable."""
    match effect:
        case SendMessage(message=Refusal()):
            # The centre must not take a request for refused that gets a challenge after a restart.
            return records.MARKS in by.puts
        case SendMessage(message=message):
            return isinstance(message, Challenge)
        case _:
            return isinstance(effect, TransmitUnlock | TransmitLock | SealPosition)
